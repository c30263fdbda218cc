"""Missing cells of y, target by target: how many, and the products of the basis over their rows.

A target that lacks some rows has products of its own: those of all rows, less those of the rows that it lacks. In
orthonormal columns that subtraction keeps its digits, unless nearly all rows are gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers, Matrix, Vector


def pair_count(rank: int) -> int:
    """The products of [1 Z] with itself that differ."""
    return (1 + rank) * (2 + rank) // 2


def pairs_of(basis: Matrix) -> Matrix:
    """w [1 z]ₐ [1 z]ᵦ for a ≤ b, of weighted rows, (rows, pairs)."""
    a, b = np.triu_indices(basis.shape[1])
    weight = basis[:, :1]
    plain = np.divide(basis, weight, out=np.zeros_like(basis), where=weight > 0)
    return basis[:, a] * plain[:, b]


def matrices_of(pairs: Matrix, rank: int) -> Array:
    """(w, 1 + r, 1 + r), symmetric, from (pairs, w)."""
    a, b = np.triu_indices(1 + rank)
    found = np.empty((pairs.shape[1], 1 + rank, 1 + rank))
    found[:, a, b] = found[:, b, a] = pairs.T
    return found


@dataclass(eq=False)
class MissingCells:
    """What some targets lack, noted block by block of rows."""

    cells: int
    rank: int
    counts: Integers = field(init=False)
    """Rows with a weight that each lacks."""
    pairs: Matrix | None = None
    """Products over these rows, (pairs, w), of targets that lack some and have some; None where there are none."""
    _seen: int = 0
    _products: Vector = field(init=False)
    """Over all rows so far."""

    def __post_init__(self) -> None:
        self.counts = np.zeros(self.cells, np.int64)
        self._products = np.zeros(pair_count(self.rank))

    def note(self, missing: NDArray[np.bool_] | None, basis: Matrix) -> None:
        """Note the next rows; missing: (rows, w), None where nothing is."""
        live = basis[:, 0] > 0
        rows = int(live.sum())
        lacks = np.zeros(self.cells, np.int64) if missing is None else missing[live].sum(axis=0)
        never = self.counts == self._seen
        # A target without a value so far needs no products, as long as it goes on so.
        begins = never & (lacks < rows) & (self._seen > 0)
        goes_on = (lacks > 0) & ~(never & (lacks == rows))
        if begins.any() or goes_on.any():
            if self.pairs is None:
                self.pairs = np.zeros((len(self._products), self.cells))
            self.pairs[:, begins] = self._products[:, None]
            if missing is not None and goes_on.any():
                some = np.flatnonzero(goes_on)
                self.pairs[:, some] += np.dot(pairs_of(basis).T, missing[:, some].astype(np.float64))
        self.counts += lacks
        self._seen += rows
        # Only a target that has no value so far may ask for them.
        if (self.counts == self._seen).any():
            self._products += pairs_of(basis).sum(axis=0)

    @property
    def seen(self) -> int:
        """Rows with a weight."""
        return self._seen
