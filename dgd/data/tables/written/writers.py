"""Rows of a table, written to a Parquet or CSV file in their order, some at a time."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dgd._typing import Array
from dgd.data.replaced_file import replaced_file
from dgd.errors.writing import writing

MARK = b"dgd"
"""What the file's metadata call that it was dgd who wrote it, and of which data."""
LARGEST_GROUP = 2**20
"""Rows of a row group at most."""


class TableWriter(Protocol):
    """Takes the rows of a table in their order."""

    def write(self, table: pa.Table) -> None:
        """The next rows."""
        ...

    def mark(self, said: Mapping[str, Any]) -> None:
        """What the table is, for those who read its metadata."""
        ...


class ParquetWriter:
    """A Parquet file; what is written in one call are row groups of their own."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(file, schema)

    def write(self, table: pa.Table) -> None:
        """The next rows."""
        self._writer.write_table(table, row_group_size=LARGEST_GROUP)

    def mark(self, said: Mapping[str, Any]) -> None:
        """An entry of the file's metadata; the file then ends."""
        self._writer.add_key_value_metadata({MARK: json.dumps(said).encode()})
        self._writer.close()

    def end(self) -> None:
        """Let go of a file that is given up: pyarrow would write its end when the file is closed already."""
        with suppress(pa.ArrowException, OSError, ValueError):
            self._writer.close()


class CsvWriter:
    """Text with a header; text in quotes, numbers with all their digits, nothing where there is no value."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file = file
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(schema.names)
        file.write(header.getvalue().encode("utf-8", "surrogateescape"))

    def write(self, table: pa.Table) -> None:
        """The next rows."""
        rows = io.BytesIO()
        plain = [_without_codes(column) for column in table.columns]
        table = pa.Table.from_arrays(plain, names=table.schema.names)
        pa.csv.write_csv(table, rows, pa.csv.WriteOptions(include_header=False, quoting_style="needed"))
        self._file.write(rows.getbuffer())

    def mark(self, said: Mapping[str, Any]) -> None:
        """CSV has no place for it."""
        self._file.flush()


@contextmanager
def table_file(path: Path, kind: str, schema: pa.Schema) -> Iterator[TableWriter]:
    """A writer of a file that is there, whole, when the block has ended, and not at all after an error."""
    with writing(path), replaced_file(path) as file:
        if kind == "parquet":
            parquet = ParquetWriter(file, schema)
            try:
                yield parquet
            finally:
                parquet.end()
        elif path.name.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as packed:
                yield CsvWriter(packed, schema)  # type: ignore[arg-type]
        else:
            yield CsvWriter(file, schema)


def table_of(
    schema: pa.Schema, ids: pa.Table | None, columns: Sequence[tuple[str, Array]], unknown: Array | None
) -> pa.Table:
    """Columns of NumPy beside those that name the rows; null where a row has no value."""
    beside = [] if ids is None else ids.columns
    kinds = [schema.field(name).type for name, _ in columns]
    arrays = [pa.array(values, kind, mask=unknown) for (_, values), kind in zip(columns, kinds, strict=True)]
    return pa.Table.from_arrays([*beside, *arrays], schema=schema)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of one schema, one below the other."""
    return pa.concat_tables(tables)


def schema_of(ids: pa.Schema | None, columns: Sequence[tuple[str, np.dtype[Any]]]) -> pa.Schema:
    """That of the whole table."""
    kinds = [pa.string() if dtype.kind in "US" else pa.from_numpy_dtype(dtype) for _, dtype in columns]
    fields = [pa.field(name, kind) for (name, _), kind in zip(columns, kinds, strict=True)]
    return pa.schema([*([] if ids is None else ids), *fields])


def has_mark(path: Path) -> bool:
    """Whether dgd wrote a Parquet file of predictions."""
    try:
        return MARK in (pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def _without_codes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of categories as its values: CSV has no codes."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
