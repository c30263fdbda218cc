"""A Parquet file as a table, read a page at a time."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dgd.data.tables.columns import Cell, Column, Selection, kind_of
from dgd.data.tables.parquet_files.footers import footer_of
from dgd.errors import IngestError

BATCH_BYTES = 8 << 20
"""Bytes of a batch as float64 at most, all columns together: the rows of a batch follow."""

INDEX_NAME = re.compile(r"__index_level_\d+__|__null_dask_index__")
"""What pandas and Dask call an index without a name; it stays where another program has dropped their metadata."""


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file: booleans, integers, floats and decimals can be used, missing values nowhere."""

    path: str
    size: int
    rows: int
    columns: tuple[Column, ...]
    read_as: str = ""
    dialect = None

    def batches(self, selection: Selection, rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows in order, each batch with its share of the file's bytes."""
        done = 0
        for batch in self._batches(list(selection.in_file), min(rows, batch_rows(len(selection.in_file)))):
            done += batch.num_rows
            yield batch, self.size * done // self.rows

    def cells(self) -> Iterator[list[pa.Array | None]]:
        """All columns that are not nested."""
        names = [column.name for column in self.columns]
        flat = [field.name for field in footer_of(self.path).schema if not pa.types.is_nested(field.type)]
        for batch in self._batches(flat, batch_rows(len(flat))):
            yield [batch.column(name) if name in flat else None for name in names]

    def cell(self, row: int, name: str) -> Cell:
        """The cell as Python writes it; null for a missing one."""
        start = 0
        for batch in self._batches([name], batch_rows(1)):
            if row <= start + batch.num_rows:
                value = batch.column(name)[row - 1 - start].as_py()
                return Cell(row, text="null" if value is None else str(value))
            start += batch.num_rows
        return Cell(row)

    def first_refused(self, name: str) -> Cell:
        """The first cell: the column's type is declared, so any would do."""
        return self.cell(1, name)

    def whole_numbers(self, name: str) -> bool:
        """By the type, and the statistics of the row groups."""
        footer = footer_of(self.path)
        kind = footer.schema.field(name).type
        return pa.types.is_integer(kind) and kind != pa.uint64() and not footer.may_be_missing(name)

    def _batches(self, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Batches of some columns; with `pre_buffer` pyarrow would hold a whole row group in memory."""
        rows = 0
        try:
            with pq.ParquetFile(
                self.path, pre_buffer=False, buffer_size=1 << 16, page_checksum_verification=True
            ) as file:
                for batch in file.iter_batches(batch_rows, columns=names):
                    rows += batch.num_rows
                    yield batch
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(self.path, error, f"beyond row {rows}") from error


def batch_rows(columns: int) -> int:
    """The rows of a batch of so many columns."""
    return max(1, BATCH_BYTES // (8 * max(1, columns)))


def open_parquet_table(path: str) -> ParquetTable:
    """The table in a Parquet file, from the metadata at its end."""
    try:
        with pq.ParquetFile(path) as file:
            index = index_columns(file.schema_arrow)
            columns = tuple(
                Column(field.name, *kind_of(field.type), index=field.name in index) for field in file.schema_arrow
            )
            rows = file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error, "as Parquet") from error
    if rows == 0:
        raise IngestError(f"{path}: has no rows, expected at least one", file=path)
    return ParquetTable(path, os.path.getsize(path), rows, columns)


def index_columns(schema: pa.Schema) -> set[str]:
    """The columns that hold the index of a DataFrame, as pandas' metadata say, or names that only an index has."""
    index = _said_by_pandas(schema).get("index_columns", [])
    named = {name for name in index if isinstance(name, str)} if isinstance(index, list) else set()
    return named | {name for name in schema.names if INDEX_NAME.fullmatch(name)}


def categorical_columns(schema: pa.Schema) -> set[str]:
    """The columns that are categories of pandas, whatever they hold."""
    columns = _said_by_pandas(schema).get("columns", [])
    said = [each for each in columns if isinstance(each, dict)] if isinstance(columns, list) else []
    return {str(each.get("field_name")) for each in said if each.get("pandas_type") == "categorical"}


def _said_by_pandas(schema: pa.Schema) -> dict[str, Any]:
    """What pandas has written beside a table; nothing where that is torn."""
    try:
        said = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _unreadable(path: str, error: Exception, where: str) -> IngestError:
    return IngestError(
        f"{path}: cannot be read {where}: {error}. If it is damaged or incomplete, fetch or write it again",
        file=path,
    )
