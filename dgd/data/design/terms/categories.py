"""Terms that are categories: a column of zeros and ones for each level, of which only the level's code is in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from dgd.data.design.columns import Frame, Level, found_levels, in_order, missing_cells, plain_level
from dgd.data.design.terms.base import Piece, Term, checked_names
from dgd.data.design.terms.level_codes import LevelCodes
from dgd.data.design.terms.numbers import checked_levels, codes_of, unknown_level
from dgd.data.mixed import MISSING_CODE, NO_COLUMN, Coded
from dgd.errors import ConfigurationError, DataError
from dgd.errors.checks import checked_flag, checked_integer, checked_word
from dgd.errors.words import shown

MOST_UNASKED = 1_000
"""Levels of a column of text that nobody called a category."""
MOST_LEVELS = 1_000_000
MOST_BUCKETS = 2**22
UNKNOWN = ("error", "ignore", "missing")
UNKNOWN_HINT = "fit with `Categorical(unknown='ignore')`; predictions with missing='drop' have NaN there"
WITH_MISSING = ("error", "level")
NO_CELL = "(missing)"
"""What the level of missing cells is called."""
NOT_KNOWN = -3
"""A code that no column and no missing cell has."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The different values of some rows, whether a cell is missing, and how many levels there may be."""

    column: str
    values: frozenset[Level]
    has_missing: bool
    most: int
    elsewhere: frozenset[Level] = frozenset()
    """Those of rows that are left out, too."""

    def __add__(self, other: Levels) -> Levels:
        return Levels(
            self.column,
            self.values | other.values,
            self.has_missing or other.has_missing,
            self.most,
            self.elsewhere | other.elsewhere,
        ).checked()

    def checked(self) -> Levels:
        """Themselves. Raises DataError if they are too many."""
        if len(self.values) <= self.most:
            return self
        hint = (
            f"say that it is a category, categorical=[{self.column!r}]; hash it, `hashed({self.column}, 1024)` in a "
            f"formula; or leave it out, drop=[{self.column!r}]"
            if self.most == MOST_UNASKED
            else f"hash it, `hashed({self.column}, 65536)` in a formula"
        )
        raise DataError(f"column {self.column!r} has more than {self.most:,} levels; {hint}", array=self.column)


@dataclass(frozen=True)
class Categorical(Term):
    """A column of zeros and ones for each level of a category, named `carrier[AA]`, one of them left out.

    levels: all there are, in order; by default those that one pass over the data finds, sorted.
    reference: the level that is left out, the first by default; the intercept stands for it, and the coefficients of
        the others are differences from it. It stays where nothing makes up for it, as in a design without intercept.
    full (False): leave out none: for a penalty, which then treats all alike, as scikit-learn's OneHotEncoder does.
    unknown: what a level means that is none of them: "error"; "ignore": all columns are 0, as for the reference; or
        "missing": a missing cell.
    missing: "error" by who finds it (or rows are left out: `fit(missing="drop")`), or "level": one more level.
    most: levels that a column may have.
    """

    column: str
    levels: tuple[Level, ...] | None = None
    reference: Level | None = None
    full: bool = False
    unknown: str = "error"
    missing: str | None = None
    most: int = MOST_LEVELS
    has_missing: bool | None = None
    """Learned: whether a cell was missing, where that is a level."""
    left_out: tuple[Level, ...] = ()
    """Learned: levels that only rows have which the fit leaves out; they have no column."""
    kind: ClassVar[str] = "categorical"
    is_category: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checked_names("Categorical", self.column)
        checked_flag("Categorical(full", self.full)
        checked_word("Categorical(unknown", self.unknown, UNKNOWN)
        checked_integer("Categorical(most", self.most, least=1)
        if self.missing is not None:
            checked_word("Categorical(missing", self.missing, WITH_MISSING)
        if self.has_missing is not None:
            checked_flag("Categorical(has_missing", self.has_missing)
        if self.left_out != ():
            object.__setattr__(self, "left_out", checked_levels("Categorical(left_out", self.left_out))
        if self.full and self.reference is not None:
            raise ConfigurationError("`Categorical(reference=..., full=True)`: a reference is a level that is left out")
        if self.reference is not None:
            object.__setattr__(self, "reference", plain_level(self.reference))
        if self.levels is not None:
            found = checked_levels("Categorical(levels", self.levels) if len(self.levels) else ()
            object.__setattr__(self, "levels", found)
            if self.reference is not None and self.reference not in found:
                known = ", ".join(map(str, found[:8])) + (" …" if len(found) > 8 else "")
                raise ConfigurationError(
                    f"column {self.column!r} has no level {shown(self.reference)}, which is to be left out; it has "
                    f"{known}"
                )

    @property
    def label(self) -> str:
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def is_known(self) -> bool:
        return self.levels is not None and not (self.missing == "level" and self.has_missing is None)

    @property
    def fills(self) -> bool:
        return self.missing == "level"

    def facts(self, frame: Frame) -> Levels | None:
        if self.is_known:
            return None
        values, has_missing = found_levels(frame.columns[self.column])
        return Levels(self.column, values, has_missing, self.most).checked()

    def learned(self, facts: Levels | None) -> Self:
        if facts is None:
            return self
        levels = in_order(facts.checked().values) if self.levels is None else self.levels
        left_out = in_order(facts.elsewhere - set(levels))
        return replace(self, levels=levels, has_missing=facts.has_missing, left_out=left_out)

    def _shown_levels(self, *, full: bool) -> list[Level]:
        """The levels that have a column."""
        levels = list(self.levels or ())
        if not (full or self.full) and levels:
            levels.remove(levels[0] if self.reference is None else self.reference)
        return levels

    def names(self, *, full: bool) -> tuple[str, ...]:
        found = [f"{self.column}[{level}]" for level in self._shown_levels(full=full)]
        return (*found, f"{self.column}[{NO_CELL}]") if self._has_level_of_missing else tuple(found)

    @property
    def _has_level_of_missing(self) -> bool:
        return self.missing == "level" and bool(self.has_missing)

    def _level_codes(self, *, full: bool) -> LevelCodes:
        levels = self._shown_levels(full=full)
        place: dict[Level, int] = dict.fromkeys((*(self.levels or ()), *self.left_out), NO_COLUMN)
        place |= {level: j for j, level in enumerate(levels)}
        otherwise = {"error": NOT_KNOWN, "ignore": NO_COLUMN, "missing": MISSING_CODE}[self.unknown]
        missing = MISSING_CODE if self.missing != "level" else len(levels) if self._has_level_of_missing else otherwise
        return LevelCodes(place, otherwise, missing, small(len(levels) + self._has_level_of_missing))

    @cached_property
    def _full_codes(self) -> LevelCodes:
        return self._level_codes(full=True)

    @cached_property
    def _reduced_codes(self) -> LevelCodes:
        return self._level_codes(full=False)

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        column = frame.columns[self.column]
        found = (self._full_codes if full else self._reduced_codes).of(column)
        if self.unknown == "error" and (bad := found == NOT_KNOWN).any():
            raise self._unknown(frame, int(bad.argmax()))
        columns = len(self.levels or ()) - (not (full or self.full or not self.levels)) + self._has_level_of_missing
        return [Coded(found, columns)] if columns else []

    def _unknown(self, frame: Frame, row: int) -> DataError:
        column, number = frame.columns[self.column], frame.start + row
        if missing_cells(column[row : row + 1])[0]:
            return DataError(
                f"{frame.source}, row {number}: column {self.column!r} is missing, and no cell was in the data of the "
                f"fit; leave such rows out (missing='drop'), or fill them",
                array=self.column,
                rows=(number, number + 1),
            )
        return unknown_level(frame, self.column, row, UNKNOWN_HINT)


@dataclass(frozen=True)
class Hashed(Term):
    """A category of any number of levels in a fixed number of columns: a level's column is drawn by a hash of it.

    Levels that fall together are not told apart. No pass is needed, no level is unknown, and none is left out.
    """

    column: str
    buckets: int = 1024
    missing: str | None = None
    kind: ClassVar[str] = "hashed"

    def __post_init__(self) -> None:
        checked_names("Hashed", self.column)
        if checked_integer("Hashed(buckets", self.buckets, least=1) > MOST_BUCKETS:
            raise ConfigurationError(f"`Hashed(buckets={self.buckets})`: at most {MOST_BUCKETS:,}")
        if self.missing is not None:
            checked_word("Hashed(missing", self.missing, WITH_MISSING)

    @property
    def label(self) -> str:
        return f"hashed({self.column})"

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def fills(self) -> bool:
        return self.missing == "level"

    def names(self, *, full: bool) -> tuple[str, ...]:
        found = tuple(f"{self.column}[#{k}]" for k in range(self.buckets))
        return (*found, f"{self.column}[{NO_CELL}]") if self.missing == "level" else found

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        codes, more = codes_of(frame, self.column), self.missing == "level"
        missing = self.buckets if more else MISSING_CODE
        table = np.array([_bucket(level, self.buckets) for level in codes.levels] + [missing], small(self.buckets + 1))
        return [Coded(table[codes.codes], self.buckets + more)]


def _bucket(level: Any, buckets: int) -> int:
    text = str(plain_level(level)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") % buckets


def small(columns: int) -> np.dtype[Any]:
    """The smallest signed integers that hold the codes of so many columns."""
    return np.dtype(np.int8 if columns < 2**7 else np.int16 if columns < 2**15 else np.int32)
