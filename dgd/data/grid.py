"""What the rows of a dataset are: cells of named dimensions, with coordinates; the names of rows are one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


@dataclass(frozen=True, eq=False)
class Coordinate:
    """Values along some of the dimensions, such as the times, or the names of rows."""

    name: str
    dims: tuple[str, ...]
    values: Any
    """A stored array that is not read yet, or an array of xarray."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The dimensions that rows are made of, in C order, and their sizes."""

    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    find: Callable[[], tuple[Coordinate, ...]] = field(repr=False)
    """Looks for the coordinates along them; nothing is looked for until they are asked for."""

    @cached_property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Those along the dimensions, or some of them."""
        return self.find()

    @property
    def says_something(self) -> bool:
        """Whether it is more than the number of rows."""
        return len(self.dims) != 1 or bool(self.coordinates)
