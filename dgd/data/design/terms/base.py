"""What a term is: columns of X that are made of one or more columns of a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Array
from dgd.data.design.columns import Frame
from dgd.data.mixed import Coded
from dgd.data.rows import as_made
from dgd.errors import ConfigurationError
from dgd.errors.words import shown

Piece = Array | Coded
"""Columns of X: (rows, k) numbers, or a category."""
FILLS = (None, "mean")


@dataclass(frozen=True)
class Term(ABC):
    """Columns of X made of columns of a table. A value; what is learned from data is part of it, None before that."""

    kind: ClassVar[str]
    """What documents call it."""
    is_category: ClassVar[bool] = False
    """Whether it may leave out a level, if what else is in the design makes up for it."""

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is called in the names of columns."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of the table that it reads."""

    @property
    def is_known(self) -> bool:
        """Whether nothing of it must be learned from data."""
        return True

    @property
    def fills(self) -> bool:
        """Whether it has a value for a missing cell."""
        return False

    def facts(self, frame: Frame) -> Any:
        """What is to be learned of some rows, as something that can be added; None if it is known."""
        return None

    def learned(self, facts: Any) -> Self:
        """The term with what the whole table has taught."""
        return self

    @abstractmethod
    def names(self, *, full: bool) -> tuple[str, ...]:
        """The names of its columns. full: of a category, no level left out."""

    @abstractmethod
    def pieces(self, frame: Frame, *, full: bool) -> list[Piece]:
        """Its columns of X for some rows."""

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    def as_json(self) -> dict[str, Any]:
        """Its fields in the types JSON has; those that are not as by default."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        plain = {name: _plain(value) for name, value in given.items()}
        return {"kind": self.kind, **plain}


def _plain(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def as_tuple(value: Any) -> Any:
    """Lists as tuples, at any depth: what JSON has made of them."""
    return tuple(as_tuple(each) for each in value) if isinstance(value, (list, tuple)) else value


def column_of(values: Array) -> Array:
    """(rows,) as (rows, 1)."""
    return np.asarray(values, dtype=np.float64).reshape(len(values), 1)


def checked_names(call: str, value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"`{call}(...)` must be the name of a column, got {shown(value)}")
    return value


def checked_knots(call: str, values: Any) -> tuple[float, ...]:
    """Finite numbers that rise."""
    given = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(each, (int, float)) and not isinstance(each, bool) and np.isfinite(each) for each in given
    ):
        raise ConfigurationError(f"`{call}=...)` must be a list of numbers, got {shown(values)}")
    found = tuple(float(each) for each in given)
    if any(b <= a for a, b in pairwise(found)):
        raise ConfigurationError(f"`{call}=...)` must rise, got {shown(list(found))}")
    return found
