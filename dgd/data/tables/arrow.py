"""Tables and columns of Arrow as rows: pyarrow's, and those of every library that hands out Arrow's streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.frames import labels_of
from dgd.data.arrays.memory_rows import MemoryRows, memory_bounds
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, ReadAtOnce, Rows, check_dtype
from dgd.errors import SchemaError, UnsupportedFormatError
from dgd.errors.words import size

IN_MEMORY = ("pyarrow", "polars", "pandas", "nanoarrow", "arro3")
"""Libraries whose tables are in memory already."""


@dataclass(frozen=True, eq=False)
class ArrowRows(ReadAtOnce):
    """The rows of a table whose columns are numbers, in the chunks that a NumPy array of its shape would have.

    Missing cells are NaN.
    """

    name: str
    table: Any

    lies_in_memory = True

    def __post_init__(self) -> None:
        bad = [f"{field.name!r} ({field.type})" for field in self.table.schema if number_type(field.type) is None]
        if bad:
            more = f" and {len(bad) - 8:,} more" if len(bad) > 8 else ""
            raise UnsupportedFormatError(
                f"array {self.name!r}: not numbers: column{'s' * (len(bad) > 1)} {', '.join(bad[:8])}{more}; leave out "
                f"what is no feature (`.drop([...])`), and turn text and categories into numbers",
                array=self.name,
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.table.num_rows, self.table.num_columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """What all columns can be converted to; float64 where a cell is missing."""
        missing = any(column.null_count for column in self.table.columns)
        kinds = [dtype for field in self.table.schema if (dtype := number_type(field.type)) is not None]
        return np.dtype(np.float64) if missing or not kinds else np.result_type(*kinds)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """Those of an array in memory."""
        return memory_bounds(self.shape)

    @property
    def footprint(self) -> Footprint:
        """One chunk as an array, beside the table."""
        decoded = int(np.diff(self.bounds).max(initial=0)) * self.shape[1] * self.dtype.itemsize
        held = int(self.table.nbytes)
        return Footprint(encoded=decoded, decoded=decoded, per_pass=held, exact=True, held=held)

    @property
    def fingerprint(self) -> str:
        """Shape and schema; what is in memory is not hashed."""
        return f"arrow:{self.shape}:{self.table.schema}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows, in a buffer."""
        part = self.table.slice(start, stop - start)
        block = buffers.take("rows", (stop - start, self.shape[1]), self.dtype)
        for j, column in enumerate(part.columns):
            block[:, j] = numbers(column)
        return block, int(part.nbytes)


def arrow_rows(name: str, values: Any, *, at_most: int) -> Rows:
    """A table or column as rows. What is made while it is read may have `at_most` bytes."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _column_rows(name, values)
    if isinstance(values, pa.Table):
        return ArrowRows(name, values)
    if isinstance(values, pa.RecordBatch):
        return ArrowRows(name, pa.Table.from_batches([values]))
    if getattr(values, "ndim", 0) == 1 or type(values).__name__ == "Series":
        return _column_rows(name, pa.chunked_array(values))
    reader = values if isinstance(values, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(values)
    known = type(values).__module__.partition(".")[0] in IN_MEMORY and not isinstance(values, pa.RecordBatchReader)
    batches = list(reader if known else _at_most(name, values, reader, at_most))
    return ArrowRows(name, pa.Table.from_batches(batches, schema=reader.schema))


def _at_most(name: str, values: Any, reader: Any, at_most: int) -> Iterator[Any]:
    total = 0
    for batch in reader:
        total += batch.nbytes
        if total > at_most:
            raise SchemaError(
                f"array {name!r} is a stream ({type(values).__name__}) of more than {size(at_most)}, and all of it "
                f"would be loaded into memory; write it to Parquet and turn that into a Zarr store with `dgd ingest`, "
                f"or load it yourself (`pyarrow.table(...)`)",
                array=name,
            )
        yield batch


def _column_rows(name: str, column: Any) -> MemoryRows:
    """One column: numbers with NaN where one is missing, or labels."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if number_type(column.type) is not None:
        return MemoryRows(name, numbers(column))
    values = np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())
    if values.dtype.kind != "O":
        check_dtype(name, values.dtype)
    return MemoryRows(name, labels_of(values))


def number_type(kind: Any) -> np.dtype[Any] | None:
    """The dtype of NumPy for a type of numbers or bools, else None."""
    if pa.types.is_dictionary(kind):
        return number_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return np.dtype(bool)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    return np.dtype(np.float64) if pa.types.is_decimal(kind) or pa.types.is_null(kind) else None


def numbers(column: Any) -> Array:
    """Numbers of a column, or of a part of one: as they are, or float64 with NaN where one is missing.

    Decimals go through text: Arrow's own conversion misses the nearest float in about three of ten.
    """
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.string()).cast(pa.float64())
    if column.null_count:
        column = column.cast(pa.uint8()) if pa.types.is_boolean(column.type) else column
        if not pa.types.is_float32(column.type):
            column = column.cast(pa.float64(), safe=False)
        column = column.fill_null(float("nan"))
    return np.asarray(column.to_numpy(zero_copy_only=False) if isinstance(column, pa.Array) else column.to_numpy())
