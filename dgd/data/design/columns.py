"""A table: columns of numbers, times and categories, of which some rows can be read; and those rows.

Whoever stores a table fulfils `Table`, and is fitted, scored and predicted as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint
from dgd.errors import UnsupportedFormatError, ValueRangeError

Level = str | bool | int | float
"""A category's value."""
MISSING = -1
"""The code of a missing cell in `Codes`."""
ROUNDED = 2.0**53
"""From here on float64 does not hold each whole number."""
COUNTED = 2**16
"""Whole numbers from the least to the greatest, of which those that are there are counted, not sorted."""
FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True, slots=True)
class ColumnKind:
    """What a column holds: a "number", "boolean", "time", "category" (text, too), or "other"."""

    name: str
    what: str
    """The same in the words of whoever stores it: int64, string."""
    dtype: np.dtype[Any] = FLOAT64
    """Of numbers and booleans as they are read; float64 where a cell may be missing."""

    @property
    def is_number(self) -> bool:
        """Whether it can be a column of X as it is."""
        return self.name in ("number", "boolean")


class SharedLevels(list[Level]):
    """Levels that many rows have in common, as those of a table in memory do."""

    def __init__(self, levels: Iterable[Level]) -> None:
        super().__init__(levels)
        self.tables: dict[int, tuple[Any, Array]] = {}
        """What a term has made of them, by its number: with the term, so that no other gets that number."""

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedLevels, (list(self),)


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """A column of categories: row i is levels[codes[i]], and missing where its code is -1. No level is there twice."""

    codes: Array
    levels: Sequence[Level]

    @property
    def nbytes(self) -> int:
        """Of the codes."""
        return self.codes.nbytes

    def found(self) -> tuple[frozenset[Level], bool]:
        """The levels that rows have, and whether a cell is missing."""
        counts = np.bincount(self.codes + 1, minlength=len(self.levels) + 1)
        levels, has = list(self.levels), np.flatnonzero(counts[1:]).tolist()
        return frozenset(levels if len(has) == len(levels) else [levels[k] for k in has]), bool(counts[0])

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Codes:
        return Codes(self.codes[rows], self.levels)


Column = Array | Codes
"""Numbers (NaN is missing), booleans, times (NaT is missing), or categories."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Some rows of a table, by column. It stands where the rows of X do while a table is looked through."""

    columns: dict[str, Column]
    rows: int
    start: int
    """The number of its first row in the table."""
    source: str

    dtype = FLOAT64

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, max(1, len(self.columns))

    def __len__(self) -> int:
        return self.rows

    def check_whole(self, names: Sequence[str]) -> None:
        """Raise ValueRangeError for the first missing cell of some columns."""
        for name in names:
            missing = missing_cells(self.columns[name])
            if missing.any():
                row = self.start + int(missing.argmax())
                raise ValueRangeError(
                    f"{self.source}, row {row}: column {name!r} is missing; drop or fill such rows (missing='drop' "
                    f"leaves them out; a fit by missing='mean' fills them)",
                    array=name,
                    rows=(row, row + 1),
                    row=row,
                )

    def without_missing(self, names: Sequence[str]) -> Frame:
        """The rows in which no cell of some columns is missing."""
        whole = np.ones(self.rows, bool)
        for name in names:
            whole &= ~missing_cells(self.columns[name])
        if whole.all():
            return self
        return self[np.flatnonzero(whole)]

    def __getitem__(self, rows: Integers) -> Frame:
        """Some rows, by their numbers."""
        columns: dict[str, Column] = {name: column[rows] for name, column in self.columns.items()}
        return Frame(columns, len(rows), self.start, self.source)


class Table(Protocol):
    """Columns by name, some rows of which can be read from any thread; can be pickled."""

    @property
    def source(self) -> str:
        """What errors call it: a path, or what it is in memory."""
        ...

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """What each column holds, in their order."""
        ...

    @property
    def index(self) -> frozenset[str]:
        """Columns that are the container's own, such as an index of pandas: no feature unless it is named."""
        ...

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The row chunks: chunk k is rows bounds[k] to bounds[k + 1]."""
        ...

    def footprint(self, names: Sequence[str]) -> Footprint:
        """What reading these columns costs."""
        ...

    def fingerprint(self, names: Sequence[str]) -> str:
        """A digest that changes when one of these columns becomes another."""
        ...

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows of these columns, and the stored bytes read for them."""
        ...


def missing_cells(column: Column) -> NDArray[np.bool_]:
    """Which cells are missing."""
    if isinstance(column, Codes):
        return np.asarray(column.codes < 0)
    if column.dtype.kind == "M":
        return np.asarray(np.isnat(column))
    return np.isnan(column) if column.dtype.kind == "f" else np.zeros(len(column), bool)


def joined(parts: Sequence[Column]) -> Column:
    """One below the other."""
    if len(parts) == 1:
        return parts[0]
    if not any(isinstance(part, Codes) for part in parts):
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    coded = [part if isinstance(part, Codes) else as_codes(part) for part in parts]
    place: dict[Level, int] = {}
    codes = []
    for part in coded:
        turned = np.array([place.setdefault(level, len(place)) for level in part.levels] + [MISSING], np.int64)
        codes.append(turned[part.codes])
    return Codes(np.concatenate(codes), list(place))


def as_codes(values: Array) -> Codes:
    """Numbers or booleans as categories: each different value is one."""
    missing = missing_cells(values)
    whole = values[~missing]
    levels, places = np.unique(whole, return_inverse=True)
    codes = np.full(len(values), MISSING, np.int64)
    codes[~missing] = places
    return Codes(codes, [plain_level(level) for level in levels.tolist()])


def found_levels(column: Column) -> tuple[frozenset[Level], bool]:
    """The different values of a column, and whether a cell is missing."""
    if isinstance(column, Codes):
        return column.found()
    missing = missing_cells(column)
    has_missing = bool(missing.any())
    values = column[~missing] if has_missing else column
    low, high = (0, 0) if not len(values) else (values.min(), values.max())
    if values.dtype.kind == "f" and (abs(low) >= ROUNDED or abs(high) >= ROUNDED):
        raise UnsupportedFormatError(
            f"a category has numbers of 2⁵³ and more among missing cells or floats ({high:.0f}), which are rounded; "
            f"turn them into text first"
        )
    if values.dtype.kind in "iu" and int(high) - int(low) < COUNTED and high < 2**63:
        values = np.flatnonzero(np.bincount(values.astype(np.int64) - int(low))) + int(low)
    else:
        values = np.unique(values)
    return frozenset(map(plain_level, values.tolist())), has_missing


def plain_level(level: Any) -> Level:
    """A level as JSON has it; a float that is a whole number is one, whatever dtype it was stored in."""
    if isinstance(level, np.generic):
        level = level.item()
    if isinstance(level, bytes):
        level = level.decode("utf-8", "surrogateescape")
    if isinstance(level, float) and level.is_integer():
        return int(level)
    return level if isinstance(level, (str, bool, int, float)) else str(level)


def in_order(levels: Any) -> tuple[Level, ...]:
    """Levels in their order: numbers by size, texts by code points."""
    return tuple(sorted(levels, key=lambda level: (isinstance(level, str), level)))
