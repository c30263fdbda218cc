"""Terms that are one column of numbers: columns and arithmetic on them, times, ranks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.design.columns import Codes, Frame, Level, as_codes, plain_level
from dgd.data.design.expressions import Expression
from dgd.data.design.terms.base import FILLS, Piece, Term, checked_names, column_of
from dgd.data.design.terms.level_codes import LevelCodes
from dgd.data.reading import NANOSECONDS, TIME_UNITS
from dgd.errors import ConfigurationError, SchemaError, ValueRangeError
from dgd.errors.checks import checked_flag, checked_number, checked_word
from dgd.errors.words import shown

LARGEST = 1e300
"""Levels that are numbers are smaller."""
NOT_THERE, NO_CELL = -2, -1
"""Ranks of a level that is not among those of an `Ordinal`, and of a missing cell."""


@dataclass(frozen=True, slots=True)
class Mean:
    """The number of cells that are there, their mean, and how many are missing."""

    count: int
    mean: float
    missing: int

    def __add__(self, other: Self) -> Self:
        count = self.count + other.count
        mean = self.mean if not count else self.mean + (other.mean - self.mean) * (other.count / count)
        return type(self)(count, mean, self.missing + other.missing)


@dataclass(frozen=True)
class Numeric(Term):
    """A column as it is (true is 1), or arithmetic on columns: `Numeric("distance")`, `Numeric("log(distance)")`.

    fill ("error" by who reads it): a number that stands for a missing cell, or "mean", that of the others.
    indicator (False): one more column, 1 where the cell was missing, if some were in the data it was fitted on.
    """

    of: str
    fill: str | float | None = None
    indicator: bool = False
    mean: float | None = None
    """Learned."""
    has_missing: bool | None = None
    """Learned: whether a cell was missing, where there is an indicator."""
    expression: Expression = field(init=False, repr=False, compare=False)
    kind: ClassVar[str] = "numeric"

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", Expression(self.of))
        checked_flag("Numeric(indicator", self.indicator)
        if self.has_missing is not None:
            checked_flag("Numeric(has_missing", self.has_missing)
        if self.mean is not None:
            checked_number("Numeric(mean", self.mean)
        if isinstance(self.fill, str) and self.fill not in FILLS:
            raise ConfigurationError(f"`Numeric(fill=...)` must be 'mean' or a number, got {shown(self.fill)}")
        if self.indicator and self.fill is None:
            raise ConfigurationError("`Numeric(indicator=True)` needs `fill=`, what stands in the column itself")
        for number in (self.fill, self.mean):
            if number is not None and not isinstance(number, str) and not np.isfinite(_number(number)):
                raise ConfigurationError(f"`Numeric(fill=...)` must be finite, got {shown(number)}")

    @property
    def label(self) -> str:
        return self.expression.label

    @property
    def columns(self) -> tuple[str, ...]:
        return self.expression.columns

    @property
    def is_known(self) -> bool:
        return (self.fill != "mean" or self.mean is not None) and not (self.indicator and self.has_missing is None)

    @property
    def fills(self) -> bool:
        return self.fill is not None

    def facts(self, frame: Frame) -> Mean | None:
        if self.is_known:
            return None
        values = self.expression(frame)
        there = values[~np.isnan(values)]
        return Mean(len(there), float(there.mean()) if len(there) else 0.0, len(values) - len(there))

    def learned(self, facts: Mean | None) -> Self:
        if facts is None:
            return self
        if not facts.count and self.fill == "mean":
            raise ValueRangeError(f"every cell of column {self.label!r} is missing, so it has no mean; leave it out")
        return replace(self, mean=facts.mean, has_missing=facts.missing > 0)

    def names(self, *, full: bool) -> tuple[str, ...]:
        return (self.label, f"{self.label}[(missing)]") if self.indicator and self.has_missing else (self.label,)

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        values = self.expression(frame)
        if self.fill is None:
            return [column_of(values)]
        missing = np.isnan(values)
        values[missing] = self.mean if self.fill == "mean" else self.fill
        if not (self.indicator and self.has_missing):
            return [column_of(values)]
        return [np.column_stack([values, missing.astype(np.float64)])]


def _number(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ConfigurationError(f"`Numeric(fill=...)` must be 'mean' or a number, got {shown(value)}")


@dataclass(frozen=True)
class Time(Term):
    """A time as a number: how many of a unit have passed since a date, in UTC; parts of a unit count.

    unit: days, hours, minutes, seconds, milliseconds, microseconds, nanoseconds. since: a date, or a time.
    """

    column: str
    unit: str = "days"
    since: str = "1970-01-01"
    kind: ClassVar[str] = "time"

    def __post_init__(self) -> None:
        checked_names("Time", self.column)
        checked_word("Time(unit", self.unit, TIME_UNITS)
        try:
            found = np.datetime64(checked_names("Time(since", self.since), "ns")
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"`Time(since=...)` must be a date like '2020-01-31', got {shown(self.since)}"
            ) from error
        if np.isnat(found):
            raise ConfigurationError(f"`Time(since=...)` must be a date like '2020-01-31', got {shown(self.since)}")

    @property
    def label(self) -> str:
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def names(self, *, full: bool) -> tuple[str, ...]:
        return (self.column,)

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        times = frame.columns[self.column]
        if isinstance(times, Codes) or times.dtype.kind != "M":
            raise SchemaError(f"{frame.source}: column {self.column!r} holds no times", array=self.column)
        passed = times - np.datetime64(self.since).astype(times.dtype)
        unit = np.timedelta64(NANOSECONDS[self.unit.removesuffix("s")], "ns")
        values: Vector = passed / unit
        return [column_of(values)]


@dataclass(frozen=True)
class Ordinal(Term):
    """A category whose levels have an order, as one column of numbers: 0 for the first level, 1 for the second …"""

    column: str
    levels: tuple[Level, ...]
    kind: ClassVar[str] = "ordinal"

    def __post_init__(self) -> None:
        checked_names("Ordinal", self.column)
        object.__setattr__(self, "levels", checked_levels("Ordinal(levels", self.levels))

    @property
    def label(self) -> str:
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def names(self, *, full: bool) -> tuple[str, ...]:
        return (self.column,)

    @cached_property
    def _ranks(self) -> LevelCodes:
        place = {level: rank for rank, level in enumerate(self.levels)}
        return LevelCodes(place, NOT_THERE, NO_CELL, np.dtype(np.int32))

    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        ranks = self._ranks.of(frame.columns[self.column])
        if (bad := ranks == NOT_THERE).any():
            raise unknown_level(frame, self.column, int(bad.argmax()), "name it among the levels")
        return [column_of(np.where(ranks == NO_CELL, np.nan, ranks))]


def codes_of(frame: Frame, column: str) -> Codes:
    """A column as categories."""
    found = frame.columns[column]
    return found if isinstance(found, Codes) else as_codes(found)


def checked_levels(call: str, levels: Any) -> tuple[Level, ...]:
    """Different texts, whole numbers, numbers or booleans."""
    given = levels.tolist() if isinstance(levels, np.ndarray) else levels
    if not isinstance(given, (list, tuple)) or not given:
        raise ConfigurationError(f"`{call}=...)` must be a list of levels, got {shown(levels)}")
    for each in given:
        if not isinstance(each, (str, bool, int, float, np.generic)) or (
            isinstance(each, (int, float)) and not abs(each) < LARGEST
        ):
            raise ConfigurationError(f"`{call}=...)` must be texts, numbers or booleans, got {shown(each)}")
    found = tuple(plain_level(each) for each in given)
    if len(set(found)) < len(found):
        raise ConfigurationError(f"`{call}=...)` must be different levels, got {shown(list(found))}")
    return found


def unknown_level(frame: Frame, column: str, row: int, hint: str) -> ValueRangeError:
    """The error for a row with a level that is not known."""
    values = frame.columns[column]
    level = values.levels[int(values.codes[row])] if isinstance(values, Codes) else plain_level(values[row])
    number = frame.start + row
    return ValueRangeError(
        f"{frame.source}, row {number}: column {column!r} is {shown(level)}, a level that is not known; correct it, "
        f"or {hint}",
        array=column,
        rows=(number, number + 1),
        row=number,
    )
