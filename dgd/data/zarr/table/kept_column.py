"""What is kept of a column of a table: its kind, its array, and the levels of codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd.data.design.columns import ColumnKind, Level

GROUP = "columns"
"""The group in which the arrays lie."""
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Names of columns that can be those of files anywhere."""
LEVELS = "_levels"
KINDS = ("number", "boolean", "time", "category")


@dataclass(frozen=True)
class KeptColumn:
    """A column: numbers, booleans, times (int64 in the unit of `dtype`, NaT as such), or codes of levels."""

    name: str
    array: str
    """The name of its array; that of its levels ends in `_levels`."""
    kind: str
    what: str
    dtype: str
    """As it is read: that of a number, `datetime64[…]` of times, of codes that of the codes."""
    levels: tuple[Level, ...] | None = None
    """Of codes; code -1 is a missing cell."""

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return np.dtype(np.int64) if self.kind == "time" else np.dtype(self.dtype)

    @property
    def column_kind(self) -> ColumnKind:
        """As a table says it."""
        if self.kind in ("number", "boolean"):
            return ColumnKind(self.kind, self.what, np.dtype(self.dtype))
        return ColumnKind(self.kind, self.what)

    @property
    def attributes(self) -> dict[str, Any]:
        """What others read of it: xarray the units of times, anndata (until 0.7) where the levels of codes are."""
        found = {} if self.array == self.name else {"long_name": self.name}
        if self.kind == "time":
            unit, count = np.datetime_data(np.dtype(self.dtype))
            words = {"D": "days", "s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
            if count == 1 and unit in words:
                found |= {"units": f"{words[unit]} since 1970-01-01", "calendar": "proleptic_gregorian"}
        return found | ({"categories": f"{self.array}{LEVELS}"} if self.levels else {})

    def as_json(self) -> dict[str, Any]:
        """For the marker, without the levels."""
        found = {"name": self.name, "array": self.array, "kind": self.kind, "what": self.what, "dtype": self.dtype}
        return found if self.levels is None else {**found, "levels": len(self.levels)}


def array_names(names: Sequence[str]) -> dict[str, str]:
    """The names of the columns' arrays: theirs, where every file system takes them and tells them apart."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for k, name in enumerate(names):
        usual = PLAIN.fullmatch(name) and len(name) <= 100 and not name.lower().endswith(LEVELS)
        array = name if usual and name.lower() not in taken else f"column_{k}"
        while array.lower() in taken:
            array += "_"
        taken.add(array.lower())
        found[name] = array
    return found


def levels_array(levels: Sequence[Level]) -> np.ndarray[Any, Any]:
    """Levels as they are stored: texts as objects, else numbers or booleans."""
    if all(isinstance(level, str) for level in levels):
        found = np.empty(len(levels), object)
        found[:] = levels
        return found
    values = np.array(list(levels))
    return values if values.dtype.kind in "bif" else levels_array([str(level) for level in levels])


def from_json(document: Mapping[str, Any]) -> tuple[KeptColumn, int | None]:
    """A column as the marker has it, without its levels, and how many there are. Raises ValueError for another."""
    texts = [document[key] for key in ("name", "array", "kind", "what", "dtype")]
    levels = document.get("levels")
    if not all(isinstance(text, str) for text in texts) or texts[2] not in KINDS:
        raise ValueError(f"{document!r:.200} says of no column what it is")
    if (texts[2] == "category") != (type(levels) is int and levels >= 0):
        raise ValueError(f"{document!r:.200} has no number of levels, or should have none")
    np.dtype(texts[4])
    return KeptColumn(*texts), levels
