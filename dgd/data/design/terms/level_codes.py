"""From a column to the codes of its levels: by the dictionary of a text column, by value where levels are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.design.columns import Codes, Column, Level, SharedLevels

WIDEST = 2**20
"""Whole numbers from the least level to the greatest, each of which has a place in a table."""
LARGEST = 2**62
"""Whole numbers up to which one more is one, too."""


@dataclass(frozen=True)
class LevelCodes:
    """The code of each level, that of any other value, and that of a missing cell."""

    place: dict[Level, int]
    otherwise: int
    missing: int
    dtype: np.dtype[Any]

    def of(self, column: Column) -> Array:
        """The code of each row."""
        return self._of_codes(column) if isinstance(column, Codes) else self._of_numbers(column)

    def _of_codes(self, column: Codes) -> Array:
        levels = column.levels
        known = levels.tables.get(id(self)) if isinstance(levels, SharedLevels) else None
        if known is None:
            known = (self, self._table_of(levels))
            if isinstance(levels, SharedLevels):
                levels.tables[id(self)] = known
        table: Array = known[1]
        return table[column.codes]

    def _table_of(self, levels: Sequence[Level]) -> Array:
        """The code of each of some levels, and last that of a missing cell."""
        if not hasattr(levels, "places"):
            found = [self.place.get(level, self.otherwise) for level in levels]
            return np.array([*found, self.missing], self.dtype)
        texts, codes = self._texts
        return np.append(codes[levels.places(texts)], self.dtype.type(self.missing))

    @cached_property
    def _texts(self) -> tuple[list[str], Array]:
        """The levels that are texts, and their codes, the last of which is that of any other text."""
        found = [(level, code) for level, code in self.place.items() if isinstance(level, str)]
        return [level for level, _ in found], np.array([*(code for _, code in found), self.otherwise], self.dtype)

    @cached_property
    def _numbers(self) -> dict[str, tuple[Array, Array]]:
        """The levels that a dtype of a kind holds exactly, ascending, and their codes."""
        given = [(level, code) for level, code in self.place.items() if not isinstance(level, str)]
        found = {}
        for kind, dtype in (("f", np.dtype(np.float64)), ("i", np.dtype(np.int64)), ("u", np.dtype(np.uint64))):
            held = sorted((dtype.type(level), code) for level, code in given if _holds(dtype, level))
            found[kind] = (
                np.array([value for value, _ in held], dtype),
                np.array([code for _, code in held], self.dtype),
            )
        return found

    @cached_property
    def _table(self) -> tuple[int, Array] | None:
        """The least level, and the code of each whole number from one below it to one above the greatest."""
        values, codes = self._numbers["i"]
        if not len(values) or int(values[-1]) - int(values[0]) > WIDEST or abs(int(values[0])) > LARGEST:
            return None
        low = int(values[0])
        table = np.full(int(values[-1]) - low + 3, self.otherwise, self.dtype)
        table[values.astype(np.int64) - low + 1] = codes
        return low, table

    def _of_numbers(self, values: Array) -> Array:
        if values.dtype.kind == "b":
            values = values.astype(np.int8)
        if values.dtype.kind == "i" and self._table is not None:
            low, table = self._table
            return table[_within(values, low, len(table))]
        missing: NDArray[np.bool_] | None = np.isnan(values) if values.dtype.kind == "f" else None
        known, codes = self._numbers[values.dtype.kind]
        if not len(known):
            found = np.full(len(values), self.otherwise, self.dtype)
        else:
            at = np.minimum(np.searchsorted(known, values), len(known) - 1)
            found = np.where(known[at] == values, codes[at], self.dtype.type(self.otherwise))
        if missing is not None:
            found[missing] = self.missing
        return found


def _holds(dtype: np.dtype[Any], level: Any) -> bool:
    """Whether a dtype holds a number as it is."""
    if dtype.kind == "f":
        return bool(float(level) == level)
    info = np.iinfo(dtype)
    return bool(level == int(level) and info.min <= level <= info.max)


def _within(values: Array, low: int, size: int) -> Integers:
    """Where each value stands in a table that begins one below `low`; the ends stand for all beyond."""
    if values.dtype.itemsize < 8:
        values = values.astype(np.int64)
    return np.clip(values, low - 1, low + size - 2) - (low - 1)
