"""Data of every format as people have them, each beside the numbers that its own library makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROWS, COLUMNS, CHUNK = 230, 3, 40
NAMES = ["a", "b", "c"]


@dataclass(frozen=True)
class Data:
    """What a user has of one format, and the numbers it holds.

    X, y: what xarray, anndata or the format's own library make of it, NaN (or "") where a cell is missing.
    """

    X: np.ndarray
    y: np.ndarray
    path: Any = None
    """Where it is stored: the first argument of `dgd.fit`, and STORE in the shell."""
    named: dict[str, Any] = field(default_factory=dict)
    """Of a path: `y=`, and how it is read."""
    objects: tuple[Any, Any] | None = None
    """X and y as objects of a library."""
    reading: dict[str, Any] = field(default_factory=dict)
    """How objects are read."""
    refused: dict[str, str] = field(default_factory=dict)
    """Doors that are to refuse it, by the words of the way out; "path" stands for all that take a path."""

    @property
    def classes(self) -> bool:
        """Whether y holds labels."""
        return self.y.dtype.kind in "US"

    @property
    def complete(self) -> np.ndarray:
        """Rows without a missing cell."""
        y = self.y != "" if self.classes else ~np.isnan(self.y)
        return np.asarray(y & ~np.isnan(self.X).any(axis=1))


Make = Callable[[Path], AbstractContextManager[Data]]
FORMATS: dict[str, tuple[str, Make]] = {}
"""By a short name: what it is, and a function that makes it in a folder."""


def data_of(name: str, what: str) -> Callable[[Callable[[Path], Data]], Callable[[Path], Data]]:
    """Adds a format that is made in a folder and needs nothing else."""

    def added(make: Callable[[Path], Data]) -> Callable[[Path], Data]:
        @contextmanager
        def made(folder: Path) -> Iterator[Data]:
            yield make(folder)

        assert name not in FORMATS
        FORMATS[name] = (what, made)
        return make

    return added


def served(name: str, what: str) -> Callable[[Callable[[Path], Iterator[Data]]], Callable[[Path], Iterator[Data]]]:
    """Adds a format that needs a server while it is read."""

    def added(make: Callable[[Path], Iterator[Data]]) -> Callable[[Path], Iterator[Data]]:
        assert name not in FORMATS
        FORMATS[name] = (what, contextmanager(make))
        return make

    return added


def numbers() -> tuple[np.ndarray, np.ndarray]:
    """X of different scales, some of it zero, and a target; so many rows as `ROWS` says now."""
    rng, rows = np.random.default_rng(0), ROWS
    X = rng.normal(size=(rows, COLUMNS)) * [1, 10, 0.1] + [0, 50, 0]
    X[: rows // 4, 2] = 0
    return X, X @ [1.0, 0.2, 3.0] + 2 + rng.normal(size=rows)
