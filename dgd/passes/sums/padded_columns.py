"""Dense columns with a column of ones after them, where that makes as many as BLAS multiplies best.

    X₊ = [X 1]        X₊ᵀ diag(s) X₊ has the sums Σ s and Σ s x beside the products

OpenBLAS's kernels take columns by fours: of 15 columns the last three cost as much as the twelve before them, so that a
product of 16 takes half the time of one of 15. A block is copied, or converted, to have them side by side, which pays
where it is multiplied by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.passes.sums.block_rows import equal_parts, is_narrow, scaled_rows
from dgd.passes.sums.columns import Piece
from dgd.passes.sums.conversion import convert
from dgd.passes.sums.dense_columns import DenseColumns, narrow_gram, raw_sums

TOGETHER = 4
"""Columns that BLAS multiplies together."""
MOST = 128
"""Columns from which the copy costs what it saves."""


def pays(n: int) -> bool:
    """Whether n columns are padded where a Hessian is summed."""
    return 1 < n < MOST and n % TOGETHER == TOGETHER - 1


class PaddedColumns:
    """A block of rows in C order, n columns and that of ones."""

    def __init__(self, padded: FloatArray, buffers: Buffers) -> None:
        self._padded, self._n, self._buffers = padded, padded.shape[1] - 1, buffers
        self._whole = DenseColumns(padded, buffers)
        self._raw_sums: Piece | None = None

    @classmethod
    def of(cls, X: Array, dtype: np.dtype[Any], buffers: Buffers, centre: Centre | None) -> PaddedColumns:
        """Rows of X, less their centre, in the arithmetic's dtype."""
        rows, n = X.shape
        padded = buffers.take("padded", (rows, n + 1), dtype)
        cells = padded[:, :n]
        if centre is not None:
            centre.subtract(X, cells)
        else:
            convert(X, cells)
        padded[:, n] = 1
        return cls(padded, buffers)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        return len(self._padded), self._n

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        return self._padded.dtype

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb; in float64 the bits of a row do not depend on which rows are beside it, nor on how many."""
        self._whole.times(self._extended(coef), out)

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        return self._whole.product(self._extended(coef))

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row."""
        return self._whole.transposed_times(residual)[..., : self._n]

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum."""
        total += self.transposed_times(residual.astype(self.dtype, copy=False)).T

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0; symmetric to the bit."""
        gram = np.zeros((self._n + 1, self._n + 1))
        self.add_gram(s, gram)
        if s is None:
            self._raw_sums = raw_sums(gram)
        return gram

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add [1 X]ᵀ diag(s) [1 X] to a sum; rows are scaled some at a time."""
        rows, wide = self._padded.shape
        if is_narrow(wide, self.dtype):
            self._add(narrow_gram(self._padded, s, self._buffers), total)
            return
        step = scaled_rows(wide, self.dtype)
        root = None if s is None else np.sqrt(s)[:, None]
        scaled = self._buffers.take("scaled", (min(step, rows), wide), self.dtype)
        product = self._buffers.take("product of columns", (wide, wide), self.dtype)
        for some in equal_parts(rows, step):
            part = self._padded[some]
            if root is not None:
                part = np.multiply(part, root[some], out=scaled[: len(part)])
            self._add(np.dot(part.T, part, out=product), total)

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        padded, cross = self._padded, np.zeros((self._n + 1, self._n + 1))
        scaled = np.multiply(padded, s[:, None], out=self._buffers.take("scaled", padded.shape, self.dtype))
        self._add(np.dot(padded.T, scaled), cross)
        return cross

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """In pieces that stay in a core's cache."""
        return self._whole.centred_sums_of(self._n, weight, self._raw_sums)

    def rows(self, some: slice) -> PaddedColumns:
        """Some of the rows."""
        return PaddedColumns(self._padded[some], self._buffers)

    def array(self) -> Array:
        """The block."""
        return self._padded[:, : self._n]

    def _extended(self, coef: FloatArray) -> FloatArray:
        return np.concatenate([coef, np.zeros_like(coef, shape=(1, *coef.shape[1:]))])

    def _add(self, product: FloatArray, total: Vector) -> None:
        """Of the products of all columns those of [1 X], the ones first."""
        n = self._n
        total[1:, 1:] += product[:n, :n]
        total[0, 1:] += product[n, :n]
        total[1:, 0] += product[:n, n]
        total[0, 0] += product[n, n]
