"""A DataFrame of pandas as a table, in memory or partition by partition; nothing of pandas is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.frames import column_values, number_type
from dgd.data.arrays.memory_rows import MEMORY_CHUNK_BYTES, plain
from dgd.data.buffers import Buffers
from dgd.data.design.columns import FLOAT64, Codes, Column, ColumnKind, SharedLevels, plain_level
from dgd.data.rows import READABLE_KINDS, Footprint, as_made, regular_bounds
from dgd.errors import SchemaError


def kind_of_dtype(dtype: Any, *, may_be_missing: bool) -> ColumnKind:
    """What a column of a dtype holds. One of Python's objects is taken for text."""
    number = number_type(dtype)
    if number is not None:
        name = "boolean" if number.kind == "b" else "number"
        nullable = may_be_missing and number.kind != "f" and not isinstance(dtype, np.dtype)
        return ColumnKind(name, str(dtype), FLOAT64 if nullable else number)
    word = str(dtype)
    if word.startswith(("datetime64", "timestamp", "date32", "date64")):
        return ColumnKind("time", word)
    if word == "category" or word == "object" or "str" in word.partition("[")[0]:
        return ColumnKind("category", "text" if word != "category" else word)
    return ColumnKind("other", word)


def column_of(column: Any, kind: ColumnKind, source: str) -> Column:
    """A Series, or some rows of one."""
    if kind.is_number:
        return column_values(column).astype(kind.dtype, copy=False)
    if kind.name == "time":
        if getattr(getattr(column, "dtype", None), "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return np.asarray(column.to_numpy(dtype="datetime64[ns]"))
    if str(column.dtype) == "object":
        _check_texts(column, source)
    found = column if str(column.dtype) == "category" else column.astype("category")
    levels = [plain_level(level) for level in found.cat.categories.tolist()]
    return Codes(np.asarray(found.cat.codes.to_numpy()), levels)


def _check_texts(column: Any, source: str) -> None:
    values = column_values(column)
    other = next((each for each in values if each is not None and not isinstance(each, str)), None)
    if other is not None:
        raise SchemaError(
            f"{source}: column {column.name!r} holds a {type(other).__name__}, expected text; convert it "
            f"(`.astype(str)`), or leave it out",
            array=str(column.name),
        )


@dataclass(frozen=True, eq=False)
class FrameTable:
    """A DataFrame in memory, in the chunks that a NumPy array of its shape would have."""

    frame: Any
    source: str = "the DataFrame"
    _coded: dict[str, Codes] = field(default_factory=dict, init=False, repr=False)
    """Columns of categories, by their codes, once they were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """By the dtypes, of objects by what they are; and whether a cell is missing."""
        found = {}
        for j, name in enumerate(self.frame.columns):
            column = self.frame.iloc[:, j]
            kind = kind_of_dtype(column.dtype, may_be_missing=bool(column.isna().any()))
            if str(column.dtype) == "object":
                kind = _kind_of_objects(column_values(column))
            found[str(name)] = kind
        return found

    @property
    def index(self) -> frozenset[str]:
        """A DataFrame's index is no column."""
        return frozenset()

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Chunks of about 4 MiB."""
        return regular_bounds(len(self.frame), max(1, MEMORY_CHUNK_BYTES // (8 * max(1, self.frame.shape[1]))))

    def _column(self, name: str) -> Any:
        return self.frame.iloc[:, list(self.kinds).index(name)]

    def footprint(self, names: Sequence[str]) -> Footprint:
        """One chunk of the columns, beside the frame."""
        rows = int(np.diff(self.bounds).max(initial=0))
        held = 8 * len(self.frame) * len(names)
        return Footprint(16 * rows * len(names), 8 * rows * len(names), held, exact=False, held=held)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Shape and dtypes; what is in memory is not hashed."""
        return f"frame:{len(self.frame)}:{[(name, self.kinds[name].what) for name in names]}"

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows."""
        found: dict[str, Column] = {
            name: self._codes(name)[start:stop]
            if self.kinds[name].name == "category"
            else _values(self._column(name).iloc[start:stop], self.kinds[name], self.source)
            for name in names
        }
        return found, 8 * (stop - start) * len(names)

    def _codes(self, name: str) -> Codes:
        """A whole column of categories: text is turned into codes once, and not in every pass."""
        if name not in self._coded:
            found = column_of(self._column(name), self.kinds[name], self.source)
            assert isinstance(found, Codes)
            self._coded[name] = Codes(found.codes, SharedLevels(found.levels))
        return self._coded[name]


def _values(column: Any, kind: ColumnKind, source: str) -> Column:
    """Some rows of a column; objects that are numbers as such."""
    if kind.is_number and str(column.dtype) == "object":
        objects = column_values(column)
        return np.array([np.nan if each is None else each for each in objects], dtype=kind.dtype)
    return column_of(column, kind, source)


def _kind_of_objects(values: Array) -> ColumnKind:
    there = [each for each in values if each is not None]
    if all(isinstance(each, str) for each in there):
        return ColumnKind("category", "text")
    if not all(isinstance(each, (bool, int, float, np.number, np.bool_)) for each in there):
        types = sorted({type(each).__name__ for each in there})
        return ColumnKind("other", f"objects: {', '.join(types[:4])}")
    found = plain(np.array(there, dtype=object))
    if found.dtype.kind not in READABLE_KINDS:
        return ColumnKind("other", "objects: large int")
    whole = len(there) == len(values)
    return ColumnKind("boolean" if found.dtype.kind == "b" else "number", "objects", found.dtype if whole else FLOAT64)
