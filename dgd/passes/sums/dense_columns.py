"""Columns of which every cell is stored: products by BLAS, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.buffers import Buffers
from dgd.passes.sums.columns import Piece

PIECE_BYTES = 2**20
TOGETHER = 4
"""Rows that BLAS multiplies together: it sums those that are left over in another order."""


class DenseColumns:
    """A block of rows in C order; the products' workspace lies in the buffers."""

    def __init__(self, X: FloatArray, buffers: Buffers) -> None:
        self._X, self._buffers = X, buffers

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        return self._X.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        return self._X.dtype

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb; in float64 the bits of a row do not depend on which rows are beside it, nor on how many."""
        if self._X.shape[1] == 1:
            # BLAS skips a coefficient of zero here, and with it a NaN.
            np.multiply(self._X if coef.ndim == 2 else self._X[:, 0], coef[0], out=out)
            return
        whole = len(self._X) // TOGETHER * TOGETHER
        rest = len(self._X) - whole
        if whole:
            np.dot(self._X[:whole], coef, out=out[:whole])
        if rest:
            filled = self._buffers.take("rows left over", (TOGETHER, self._X.shape[1]), self._X.dtype)
            filled[:rest] = self._X[whole:]
            filled[rest:] = self._X[-1]
            out[whole:] = np.dot(filled, coef)[:rest]

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        product: FloatArray = np.dot(self._X, coef)
        return product

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row."""
        product: FloatArray = np.dot(residual.T, self._X)
        return product

    @cached_property
    def _extended(self) -> Array:
        """[1 X]."""
        rows, n = self._X.shape
        extended = self._buffers.take("extended", (rows, n + 1), self._X.dtype)
        extended[:, 0] = 1
        extended[:, 1:] = self._X
        return extended

    @property
    def _weighted(self) -> Array:
        """Memory for rows of [1 X] times a number each."""
        return self._buffers.take("weighted", self._extended.shape, self._X.dtype)

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0; symmetric to the bit."""
        E = self._extended
        if s is not None:
            E = np.multiply(E, np.sqrt(s)[:, None], out=self._weighted)
        gram: Vector = np.dot(E.T, E).astype(np.float64)
        return gram

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        weighted = np.multiply(self._extended, s[:, None], out=self._weighted)
        cross: Vector = np.dot(self._extended.T, weighted).astype(np.float64)
        return cross

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """In pieces that stay in a core's cache."""
        X = self._X
        step = max(16, PIECE_BYTES // (8 * X.shape[1]))
        weights = np.ones(len(X)) if weight is None else weight.astype(np.float64, copy=False)
        for start in range(0, max(len(X), 1), step):
            yield _centred(X[start : start + step], weights[start : start + step])

    def rows(self, some: slice) -> DenseColumns:
        """Some of the rows."""
        return DenseColumns(self._X[some], self._buffers)

    def array(self) -> Array:
        """The block."""
        return self._X


def _centred(block: Array, w: Vector) -> Piece:
    total = float(w.sum())
    if total == 0.0:
        return 0.0, np.zeros(block.shape[1]), np.zeros(block.shape[1])
    values = block.astype(np.float64, copy=False)
    mean = np.dot(w, values) / total
    centred = values - mean
    return total, mean, np.dot(w, np.multiply(centred, centred, out=centred))
