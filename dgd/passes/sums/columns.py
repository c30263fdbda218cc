"""The columns of a block of rows: what a pass does with X, however X is stored.

    times              Xb, from coefficients to raw predictions
    transposed_times   Xᵀr, from residuals to gradients
    gram, cross        [1 X]ᵀ diag(s) [1 X], for Hessians
    centred_sums       means and squared deviations

One class for each way in which columns lie in memory; the loop over micro-blocks and the parts of a pass know this
protocol alone. Columns of several kinds side by side are one more such class, `MixedColumns`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from dgd._typing import Array, FloatArray, Vector

Piece = tuple[float, Vector, Vector]
"""Of some rows: Σw, and of each column the weighted mean and the sum of squared deviations from it."""


def merged(one: Piece, other: Piece) -> Piece:
    """That of the rows of both: Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance."""
    (w, mean, squares), (more, other_mean, other_squares) = one, other
    weight = w + more
    if weight == 0.0:
        return one
    step = other_mean - mean
    return weight, mean + step * (more / weight), squares + other_squares + step * step * (w * more / weight)


class Columns(Protocol):
    """The columns of some rows, in the arithmetic's dtype and less their centre. Valid until the next block."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        ...

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb, (rows,) or (rows, q) as b is (n,) or (n, q)."""
        ...

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        ...

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row: (n,) or (q, n) as r is (rows,) or (rows, q)."""
        ...

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum: (n,) or (n, q) as r is (rows,) or (rows, q)."""
        ...

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add `gram` to a sum of such."""
        ...

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0, of which None are ones; (n + 1, n + 1), symmetric to the bit."""
        ...

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for any s."""
        ...

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """In float64, piece by piece."""
        ...

    def rows(self, some: slice) -> Columns:
        """Some of the rows."""
        ...

    def array(self) -> Array:
        """All cells: for parts that have no other way, of few columns."""
        ...
