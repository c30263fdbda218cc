"""Columns that say which row is which, read beside a pass and carried to what is written of each row."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.rows import Rows
from dgd.data.split_part import Part
from dgd.data.tables.files import parquet_paths, table_files
from dgd.data.tables.no_column import no_column
from dgd.data.tables.parquet_files.footers import footer_of
from dgd.data.transforms.missing import NO_LABEL
from dgd.errors import ConfigurationError, DatasetChangedError, ReadError

CELL_BYTES = 64
"""What a cell of an id is planned as: texts are of any length."""


class IdColumns(Protocol):
    """The id columns of a table; can be pickled."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        ...

    @property
    def is_light(self) -> bool:
        """Whether they are stored, so that whoever makes a pass reads them; if not, they stay in this process."""
        ...

    def read(self, start: int, stop: int) -> pa.Table:
        """Those of some rows."""
        ...


@dataclass(frozen=True)
class ParquetIds:
    """Columns of Parquet files, one after the other, with the types that they have there."""

    schema: pa.Schema
    files: tuple[tuple[str, str, tuple[int, ...], tuple[tuple[str, str], ...]], ...]
    """Of each file its path, the digest of its footer, where its row groups begin and end among all rows, and the
    columns in the names of its folders."""
    is_light = True

    def read(self, start: int, stop: int) -> pa.Table:
        """Those of some rows, of every row group that holds one of them."""
        parts = []
        for path, digest, bounds, texts in self.files:
            low, high = max(start, bounds[0]), min(stop, bounds[-1])
            if low < high:
                parts.append(self._part(path, digest, bounds, dict(texts), low, high))
        return pa.concat_tables(parts)

    def _part(
        self, path: str, digest: str, bounds: tuple[int, ...], texts: dict[str, str], low: int, high: int
    ) -> pa.Table:
        footer = footer_of(path)
        if footer.digest != digest:
            raise DatasetChangedError(f"{path} was rewritten while its rows were read; predict again", array="id")
        first, last = (int(k) for k in np.searchsorted(bounds, (low, high - 1), side="right") - 1)
        own = [name for name in self.schema.names if name not in texts]
        try:
            with pq.ParquetFile(path, metadata=footer.metadata, page_checksum_verification=True) as file:
                table = file.read_row_groups(list(range(first, last + 1)), columns=own, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"the ids {own} of {path} cannot be read: {error}", array="id", rows=(low, high)) from error
        table = table.slice(low - bounds[first], high - low)
        columns = {name: table.column(name) for name in own}
        columns |= {name: pa.chunked_array([pa.repeat(text, high - low)]) for name, text in texts.items()}
        alike = [columns[field.name].cast(field.type) for field in self.schema]
        return pa.Table.from_arrays(alike, schema=self.schema)


@dataclass(frozen=True)
class FrameIds:
    """Columns of a table in memory."""

    table: pa.Table
    is_light = False

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.table.schema

    def read(self, start: int, stop: int) -> pa.Table:
        """Those of some rows."""
        return self.table.slice(start, stop - start)


@dataclass(frozen=True)
class ArrayIds:
    """Arrays beside X: numbers or texts."""

    columns: tuple[tuple[str, Rows], ...]

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        kinds = [(name, rows.dtype) for name, rows in self.columns]
        return pa.schema(
            [(name, pa.string() if dtype.kind in "US" else pa.from_numpy_dtype(dtype)) for name, dtype in kinds]
        )

    @property
    def is_light(self) -> bool:
        """Whether none of them lies in memory."""
        return not any(rows.lies_in_memory for _, rows in self.columns)

    def read(self, start: int, stop: int) -> pa.Table:
        """Those of some rows; null where a text is missing."""
        arrays = [_array(rows.read(start, stop, Buffers())[0]) for _, rows in self.columns]
        return pa.Table.from_arrays(arrays, schema=self.schema)


def _array(values: Array) -> pa.Array:
    if values.dtype.kind not in "USO":
        return pa.array(np.ascontiguousarray(values))
    texts = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
    return pa.array(texts, pa.string(), mask=texts == NO_LABEL)


def parquet_ids(data: Any, names: Sequence[str]) -> ParquetIds | None:
    """The id columns of Parquet files; None for other data. Raises ConfigurationError for a name no column has."""
    paths = parquet_paths(data)
    if paths is None:
        return None
    files, start, schemas = [], 0, []
    for file in table_files([os.path.abspath(os.path.expanduser(path)) for path in paths]):
        footer = footer_of(file.path)
        texts = tuple(
            (name, text) for name, text in file.partition if name in names and name not in footer.schema.names
        )
        there = [*footer.schema.names, *(name for name, _ in file.partition)]
        for name in names:
            if there.count(name) != 1 and name not in footer.schema.names:
                raise no_column(file.path, "id", name, there)
        schemas.append(
            pa.schema(
                [(name, pa.string() if name in dict(texts) else footer.schema.field(name).type) for name in names]
            )
        )
        counts = [footer.metadata.row_group(g).num_rows for g in range(footer.metadata.num_row_groups)]
        bounds = tuple(int(b) for b in np.cumsum([start, *counts]))
        files.append((file.path, footer.digest, bounds, texts))
        start = bounds[-1]
    return ParquetIds(pa.unify_schemas(schemas, promote_options="permissive"), tuple(files))


def frame_ids(data: Any, names: Sequence[str]) -> FrameIds:
    """The id columns of a frame of pandas or polars, or of an Arrow table."""
    there = list(getattr(data, "column_names", getattr(data, "columns", ())))
    for name in names:
        if name not in there:
            raise no_column("the table", "id", name, list(map(str, there)))
    columns = [data[name] for name in names]
    if hasattr(data, "divisions"):
        raise ConfigurationError("ids of a Dask DataFrame are not carried; write it to Parquet, and predict that")
    arrays = [
        pa.chunked_array(column) if hasattr(column, "__arrow_c_stream__") else pa.array(column) for column in columns
    ]
    return FrameIds(pa.table(dict(zip(names, arrays, strict=True))))


@dataclass(frozen=True)
class IdsOfPart:
    """The ids of the rows of one part of a split."""

    ids: ParquetIds | FrameIds
    part: Part

    @property
    def schema(self) -> pa.Schema:
        """Names and types."""
        return self.ids.schema

    @property
    def is_light(self) -> bool:
        """Whether they are stored."""
        return self.ids.is_light

    def read(self, start: int, stop: int) -> pa.Table:
        """Those of some rows of the part."""
        rows = self.part.rows(start, stop)
        low, high = int(rows[0]), int(rows[-1]) + 1
        return self.ids.read(low, high).take(rows - low)


def in_part(ids: ParquetIds | FrameIds, dataset: Dataset) -> IdColumns:
    """The ids of a dataset's rows, which may be a part of all."""
    return ids if dataset.part is None else IdsOfPart(ids, dataset.part)


def check_ids(ids: IdColumns, columns: Sequence[str]) -> None:
    """Raise ConfigurationError for an id that is called as a column of predictions."""
    for name in ids.schema.names:
        if name in columns:
            raise ConfigurationError(
                f"id: a column {name!r} is written of the predictions, and an id is called so; rename it in the table"
            )
