"""Columns of a Parquet file as rows: its row groups are the chunks, and only the columns that are used are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.frames import LABELS, labels_of
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, ReadAtOnce
from dgd.data.tables.arrow import number_type, numbers
from dgd.data.tables.parquet_files.footers import Footer, footer_of
from dgd.errors import DatasetChangedError, ReadError


@dataclass(frozen=True, eq=False)
class ParquetRows(ReadAtOnce):
    """Some columns of a file, or one as a vector.

    name: what errors call it. constants: columns that are no part of the file, by name. Missing cells are NaN, so that
    integers beside them are float64.
    """

    name: str
    path: str
    digest: str
    columns: tuple[str, ...]
    constants: tuple[tuple[str, float], ...] = ()
    is_vector: bool = False
    bounds: NDArray[np.int64] = field(init=False, repr=False)
    dtype: np.dtype[Any] = field(init=False)
    footprint: Footprint = field(init=False)

    def __post_init__(self) -> None:
        footer = self._footer()
        groups = [footer.metadata.row_group(g) for g in range(footer.metadata.num_row_groups)]
        object.__setattr__(self, "bounds", np.cumsum([0, *(group.num_rows for group in groups)], dtype=np.int64))
        object.__setattr__(self, "dtype", self._dtype(footer))
        object.__setattr__(self, "footprint", self._footprint(footer, groups))

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetRows, (self.name, self.path, self.digest, self.columns, self.constants, self.is_vector)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, or rows and columns."""
        rows = int(self.bounds[-1])
        return (rows,) if self.is_vector else (rows, len(self.columns))

    @property
    def fingerprint(self) -> str:
        """The digest of the file's footer, and the columns."""
        return f"parquet:{self.digest}:{self.columns}:{self.constants}"

    @property
    def _stored(self) -> list[str]:
        constants = dict(self.constants)
        return [name for name in self.columns if name not in constants]

    def _dtype(self, footer: Footer) -> np.dtype[Any]:
        """What all columns can be converted to."""
        kinds = [np.dtype(np.float64)] * (len(self.columns) > len(self._stored))
        for name in self._stored:
            kind = number_type(footer.schema.field(name).type)
            if kind is None:
                return LABELS
            kinds.append(kind if kind.kind == "f" or not footer.may_be_missing(name) else np.dtype(np.float64))
        return np.result_type(*kinds)

    def _footprint(self, footer: Footer, groups: list[Any]) -> Footprint:
        """A row group's pages, its columns as Arrow holds them, one column as NumPy does, and the block."""
        used = [j for name in self._stored if (j := footer.column_index(name)) is not None]
        sizes = [(group.column(j) for j in used) for group in groups]
        encoded = [sum(column.total_compressed_size for column in columns) for columns in sizes]
        pages = max((group.column(j).total_uncompressed_size for group in groups for j in used), default=0)
        rows = int(np.diff(self.bounds).max(initial=0))
        arrow = rows * sum(cell_bytes(footer.schema.field(name).type) for name in self._stored)
        block = rows * len(self.columns) * self.dtype.itemsize
        return Footprint(
            encoded=max(encoded, default=0),
            decoded=arrow + 2 * pages + 16 * rows + block,
            per_pass=sum(encoded),
            exact=True,
            path="Parquet, decoded by pyarrow",
        )

    def _footer(self) -> Footer:
        return held_footer(self.name, self.path, self.digest)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, of every row group that holds some of them."""
        first, last = (int(k) for k in np.searchsorted(self.bounds, (start, stop - 1), side="right") - 1)
        groups = list(range(first, last + 1))
        table, n_bytes = read_groups(self.name, self.path, self._footer(), self._stored, groups, (start, stop))
        table = table.slice(start - int(self.bounds[first]), stop - start)
        constants = dict(self.constants)
        if self.is_vector and self.columns[0] in constants:
            return np.full(stop - start, constants[self.columns[0]]), n_bytes
        if self.is_vector:
            return self._vector(table.column(0)), n_bytes
        block = buffers.take("rows", (stop - start, len(self.columns)), self.dtype)
        for j, name in enumerate(self.columns):
            block[:, j] = constants[name] if name in constants else numbers(table.column(name))
        return block, n_bytes

    def _vector(self, column: pa.ChunkedArray) -> Array:
        if self.dtype.kind in "biuf":
            return numbers(column).astype(self.dtype, copy=False)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return labels_of(column.to_numpy())


def held_footer(name: str, path: str, digest: str) -> Footer:
    """A file's footer. Raises DatasetChangedError if it is not the one that was opened."""
    footer = footer_of(path)
    if footer.digest != digest:
        raise DatasetChangedError(
            f"array {name!r}: {path} is another file than the one that was opened, or was rewritten since; open it "
            f"again, and do not write where a fit reads",
            array=name,
        )
    return footer


def read_groups(
    name: str,
    path: str,
    footer: Footer,
    columns: list[str],
    groups: list[int],
    rows: tuple[int, int],
    as_dictionaries: Sequence[str] = (),
) -> tuple[pa.Table, int]:
    """Some columns of some row groups, decoded on this thread, and their stored bytes."""
    try:
        with pq.ParquetFile(
            path,
            metadata=footer.metadata,
            pre_buffer=False,
            page_checksum_verification=True,
            read_dictionary=list(as_dictionaries),
        ) as file:
            table = file.read_row_groups(groups, columns=columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise ReadError(
            f"array {name!r}: rows {rows[0]} to {rows[1] - 1} of {path} cannot be read: {error}. If the file is "
            f"damaged or incomplete, fetch or write it again",
            array=name,
            rows=rows,
        ) from error
    used = [j for column in columns if (j := footer.column_index(column)) is not None]
    n_bytes = sum(footer.metadata.row_group(g).column(j).total_compressed_size for g in groups for j in used)
    return table, n_bytes


def cell_bytes(kind: pa.DataType) -> int:
    """Bytes of a cell in Arrow's memory, its bit for null included; a label may take a hundred."""
    try:
        return 1 + max(1, int(kind.bit_width) // 8)
    except ValueError:
        return 128
