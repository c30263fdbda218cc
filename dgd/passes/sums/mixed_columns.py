"""Columns of several kinds side by side: each kind's own arithmetic, put together.

    Xb = Σ Xₖbₖ        Xᵀr = (X₁ᵀr, X₂ᵀr, …)        Xᵀ diag(s) X = a square of products, one for each pair of kinds

A category costs a gather and a sum by code whatever its number of levels; a product of two is a cross-tabulation.
tabmat does the same with matrices in memory (https://tabmat.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.buffers import Buffers
from dgd.data.mixed import starts_of
from dgd.passes.sums.coded_columns import CodedColumns
from dgd.passes.sums.columns import Columns, Piece, merged
from dgd.passes.sums.dense_columns import DenseColumns
from dgd.passes.sums.sparse_columns import SparseColumns, scaled


class MixedColumns:
    """The parts of a block of rows, in the order of their columns."""

    def __init__(self, parts: Sequence[Columns], buffers: Buffers) -> None:
        self._parts, self._buffers = tuple(parts), buffers
        self._slices = [slice(a, b) for a, b in pairwise(starts_of(self._parts).tolist())]

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        return self._parts[0].shape[0], self._slices[-1].stop

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        return self._parts[0].dtype

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb: the first part's, and the others added to it in their order."""
        first, *others = zip(self._parts, self._slices, strict=True)
        first[0].times(coef[first[1]], out)
        if others:
            product = self._buffers.take("product of a part", out.shape, out.dtype)
            for part, some in others:
                part.times(coef[some], product)
                out += product

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        product = np.empty((self.shape[0], *coef.shape[1:]), np.result_type(coef, self.dtype))
        self.times(coef, product)
        return product

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row."""
        return np.concatenate([part.transposed_times(residual) for part in self._parts], axis=-1)

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum."""
        total += self.transposed_times(residual).T

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add `gram` to a sum of such."""
        total += self.gram(s)

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0; symmetric to the bit."""
        return self._square([part.gram(s) for part in self._parts], s)

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        return self._square([part.cross(s) for part in self._parts], s)

    def _square(self, own: list[Vector], s: FloatArray | None) -> Vector:
        n = self.shape[1]
        whole = np.empty((n + 1, n + 1))
        whole[0, 0] = own[0][0, 0]
        inner = whole[1:, 1:]
        for k, (part, some) in enumerate(zip(self._parts, self._slices, strict=True)):
            whole[0, 1:][some] = whole[1:, 0][some] = own[k][0, 1:]
            inner[some, some] = own[k][1:, 1:]
            for other, before in zip(self._parts[:k], self._slices[:k], strict=True):
                inner[some, before] = product = between(part, other, s)
                inner[before, some] = product.T
        return whole

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """One piece, of all parts."""
        pieces = [reduce(merged, part.centred_sums(weight)) for part in self._parts]
        mean, squares = (np.concatenate([piece[k] for piece in pieces]) for k in (1, 2))
        yield pieces[0][0], mean, squares

    def rows(self, some: slice) -> MixedColumns:
        """Some of the rows."""
        return MixedColumns([part.rows(some) for part in self._parts], self._buffers)

    def array(self) -> Array:
        """All cells, in new memory."""
        return np.concatenate([part.array() for part in self._parts], axis=1)


def between(one: Columns, other: Columns, s: FloatArray | None) -> Array:
    """Xᵀ diag(s) Z for two kinds of columns."""
    if isinstance(other, DenseColumns):
        return one.transposed_times(_times_rows(other.array(), s)).T
    if isinstance(one, DenseColumns):
        return other.transposed_times(_times_rows(one.array(), s))
    assert isinstance(one, CodedColumns | SparseColumns)
    assert isinstance(other, CodedColumns | SparseColumns)
    if isinstance(one, CodedColumns) and isinstance(other, CodedColumns):
        return one.crossed(other, s)
    right = other.stored.scipy() if s is None else scaled(other.stored, s)
    product: Array = (one.stored.transposed() @ right).toarray()
    return product[: one.shape[1], : other.shape[1]]


def _times_rows(X: Array, s: FloatArray | None) -> Array:
    return X if s is None else X * s[:, None]
