"""Columns of Arrow as columns of a table: numbers, times and categories."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dgd._typing import Integers
from dgd.data.arrays.memory_rows import MEMORY_CHUNK_BYTES
from dgd.data.buffers import Buffers
from dgd.data.design.columns import FLOAT64, MISSING, Codes, Column, ColumnKind, Level, SharedLevels, plain_level
from dgd.data.rows import Footprint, as_made, regular_bounds
from dgd.data.tables.arrow import number_type, numbers
from dgd.data.tables.parquet_files.parquet import categorical_columns, index_columns


def kind_of_type(kind: Any, *, may_be_missing: bool = True, is_categorical: bool = False) -> ColumnKind:
    """What a column of an Arrow type holds; integers and booleans with a missing cell are read as float64.

    is_categorical: whether it is a category of pandas; else a dictionary of numbers is a way to store numbers.
    """
    if is_categorical and (number_type(kind) is not None or pa.types.is_dictionary(kind)):
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        return ColumnKind("category" if _is_text(value) or number_type(value) is not None else "other", str(kind))
    if pa.types.is_dictionary(kind) and number_type(kind) is None:
        return ColumnKind("category" if _is_text(kind.value_type) else "other", str(kind))
    dtype = number_type(kind)
    if dtype is not None:
        name = "boolean" if dtype.kind == "b" else "number"
        return ColumnKind(name, str(kind), FLOAT64 if may_be_missing and dtype.kind != "f" else dtype)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return ColumnKind("time", str(kind))
    if _is_text(kind):
        return ColumnKind("category", "text")
    return ColumnKind("other", str(kind))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def column_of(column: Any, kind: ColumnKind) -> Column:
    """Some rows of a column."""
    if kind.name == "category":
        return _codes(column)
    if kind.name == "time":
        values = column.cast(pa.timestamp("ns") if pa.types.is_date(column.type) else pa.timestamp(column.type.unit))
        return np.asarray(values.to_numpy())
    return numbers(column).astype(kind.dtype, copy=False)


class ArrowLevels(Sequence[Level]):
    """The texts of a dictionary, which become Python's only where they are asked for."""

    def __init__(self, dictionary: Any) -> None:
        self.dictionary = dictionary

    def __len__(self) -> int:
        return len(self.dictionary)

    def __getitem__(self, index: Any) -> Any:
        return self.dictionary[index].as_py()

    def __iter__(self) -> Iterator[Level]:
        return iter(self.dictionary.to_pylist())

    def places(self, known: Sequence[str]) -> Integers:
        """Where each stands among known texts, -1 for none of them."""
        kind = self.dictionary.type
        found = pc.index_in(self.dictionary, value_set=pa.array(known, kind)).fill_null(-1)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _codes(column: Any) -> Codes:
    found = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    found = found.unify_dictionaries().combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if isinstance(found, pa.ChunkedArray):  # without a chunk
        return Codes(np.empty(0, np.int32), [])
    dictionary = found.dictionary
    levels: Sequence[Level] = (
        [] if _is_text(dictionary.type) else [plain_level(each) for each in dictionary.to_pylist()]
    )
    if _is_text(dictionary.type):
        levels = ArrowLevels(dictionary)
    codes = found.indices
    codes = np.asarray((codes.fill_null(MISSING) if codes.null_count else codes).to_numpy(zero_copy_only=False))
    if codes.dtype.kind == "u":
        codes = codes.astype(np.int64)
    return Codes(codes, levels)


@dataclass(frozen=True, eq=False)
class ArrowTable:
    """A table of Arrow in memory, in the chunks that a NumPy array of its shape would have."""

    table: Any
    source: str = "the table"
    _coded: dict[str, Codes] = field(default_factory=dict, init=False, repr=False)
    """Columns of categories, by their codes, once they were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """By the types, and whether a cell is missing."""
        categorical = categorical_columns(self.table.schema)
        return {
            field.name: kind_of_type(
                field.type, may_be_missing=column.null_count > 0, is_categorical=field.name in categorical
            )
            for field, column in zip(self.table.schema, self.table.columns, strict=True)
        }

    @property
    def index(self) -> frozenset[str]:
        """That of a DataFrame, as the metadata say."""
        return frozenset(index_columns(self.table.schema))

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Chunks of about 4 MiB."""
        rows = max(1, MEMORY_CHUNK_BYTES // (8 * max(1, self.table.num_columns)))
        return regular_bounds(self.table.num_rows, rows)

    def footprint(self, names: Sequence[str]) -> Footprint:
        """One chunk of the columns, beside the table."""
        rows = int(np.diff(self.bounds).max(initial=0))
        codes = sum(self.kinds[name].name == "category" for name in names)
        held = sum(int(self.table.column(name).nbytes) for name in names) + 4 * codes * self.table.num_rows
        return Footprint(16 * rows * len(names), 8 * rows * len(names), held, exact=True, held=held)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Shape and types; what is in memory is not hashed."""
        return f"arrow:{self.table.num_rows}:{[str(self.table.schema.field(name)) for name in names]}"

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows."""
        part = self.table.select(list(names)).slice(start, stop - start)
        found = {
            name: self._codes(name)[start:stop]
            if self.kinds[name].name == "category"
            else column_of(part.column(name), self.kinds[name])
            for name in names
        }
        return found, int(part.nbytes)

    def _codes(self, name: str) -> Codes:
        """A whole column of categories: text is turned into codes once, and not in every pass."""
        if name not in self._coded:
            found = column_of(self.table.column(name), self.kinds[name])
            assert isinstance(found, Codes)
            self._coded[name] = Codes(found.codes, SharedLevels(found.levels))
        return self._coded[name]


def arrow_table(values: Any) -> ArrowTable:
    """A table of pyarrow, or of a library that hands out Arrow's streams."""
    if isinstance(values, pa.RecordBatch):
        values = pa.Table.from_batches([values])
    return ArrowTable(values if isinstance(values, pa.Table) else pa.table(values))
