"""Columns of which only some cells are stored: products over those alone, see `dgd.data.csr`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.csr import Csr, centred_sums
from dgd.passes.sums.columns import Piece


class SparseColumns:
    """The stored values of a block of rows, in the arithmetic's dtype."""

    def __init__(self, X: Csr) -> None:
        self._X, self._matrix, self._transposed = X, X.scipy(), X.transposed()

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        return self._X.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        return self._X.dtype

    @property
    def stored(self) -> Csr:
        """What is stored."""
        return self._X

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb: over the stored values of each row, in their order."""
        out[...] = self._matrix @ coef

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        product: FloatArray = self._matrix @ coef
        return product

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row: row after row."""
        product: FloatArray = (self._transposed @ residual).T
        return product

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum."""
        total += self.transposed_times(residual).T

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add `gram` to a sum of such."""
        total += self.gram(s)

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0; symmetric to the bit."""
        root = np.ones(len(self._X), self.dtype) if s is None else np.sqrt(s)
        # An entry that is stored twice would be added up in another order on each side of the diagonal.
        X = scaled(self._X.canonical(), root)
        return _bordered(float(np.dot(root, root)), X.T @ root, (X.T @ X).toarray())

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        return _bordered(float(s.sum()), self._transposed @ s, (self._transposed @ scaled(self._X, s)).toarray())

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """One piece."""
        yield centred_sums(self._X, weight)

    def rows(self, some: slice) -> SparseColumns:
        """Some of the rows."""
        return SparseColumns(self._X[some])

    def array(self) -> Array:
        """All cells, in new memory."""
        return self._X.toarray()


def scaled(X: Csr, s: FloatArray) -> Any:
    """diag(s) X."""
    return X.scipy(X.data * np.repeat(s, X.lengths))


def _bordered(corner: float, border: FloatArray, inner: FloatArray) -> Vector:
    """The Gram matrix of [1 X], from that of X."""
    whole = np.empty((len(border) + 1, len(border) + 1))
    whole[0, 0], whole[0, 1:], whole[1:, 0], whole[1:, 1:] = corner, border, border, inner
    return whole
