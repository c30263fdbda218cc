"""The columns of a category, of which only the number of the one is in memory: gathers and sums by code.

    Xb = b[code]        Xᵀr = Σ r over the rows of each code        Xᵀ diag(s) X: a diagonal; of two, a cross-tabulation

Sums are added up in float64 in the order of the rows, whoever adds them: scipy's loop, which lets other threads run
meanwhile, or NumPy's where scipy is not installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Integers, Vector
from dgd.data.buffers import Buffers
from dgd.data.csr import Csr, has_scipy
from dgd.data.mixed import Coded
from dgd.passes.sums.columns import Piece


class OneEach:
    """One stored value in each row: what a sparse matrix of codes has besides them, the same for all codes."""

    def __init__(self, rows: int, buffers: Buffers) -> None:
        self._rows, self._buffers = rows, buffers

    @cached_property
    def ones(self) -> Vector:
        """A value for each row."""
        ones = self._buffers.take("ones", (self._rows,), np.float64)
        ones.fill(1.0)
        return ones

    @cached_property
    def bounds(self) -> Integers:
        """Where each row begins, and the last ends."""
        bounds = self._buffers.take("row bounds", (self._rows + 1,), np.intp)
        bounds[:] = np.arange(self._rows + 1)
        return bounds


class CodedColumns:
    """The columns of one category in a block of rows. `one_each`, `buffers`: of the block, and of this category."""

    def __init__(
        self, X: Coded, dtype: np.dtype[Any], one_each: OneEach, buffers: Buffers, places: Integers | None = None
    ) -> None:
        self._X, self._dtype, self._one_each, self._buffers, self._places = X, dtype, one_each, buffers, places

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, n)."""
        return self._X.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the arithmetic."""
        return self._dtype

    @property
    def places(self) -> Integers:
        """The column of each row; n where it is none of them, n + 1 where it is missing."""
        if self._places is None:
            codes = self._X.codes
            self._places = self._buffers.take("places", codes.shape, np.intp)
            np.copyto(self._places, codes)
            if codes.min(initial=0) < 0:
                np.subtract(self._X.columns - 1, self._places, out=self._places, where=self._places < 0)
        return self._places

    @property
    def stored(self) -> Csr:
        """The rows with a stored value each, in n + 2 columns: see `places`."""
        values, rows = self._X.values, len(self._X)
        data = self._one_each.ones[:rows] if values is None else values.astype(np.float64, copy=False)
        return Csr(data, self.places, self._one_each.bounds[: rows + 1], self._X.columns + 2)

    def times(self, coef: FloatArray, out: FloatArray) -> None:
        """Xb: a coefficient for each row, 0 where it has no column, NaN where it is missing."""
        n = self._X.columns
        table = np.empty((n + 2, *coef.shape[1:]), out.dtype)
        table[:n], table[n], table[n + 1] = coef, 0.0, np.nan
        np.take(table, self.places, axis=0, out=out, mode="clip")
        if self._X.values is not None:
            out *= self._X.values.reshape(-1, *[1] * (coef.ndim - 1))

    def product(self, coef: FloatArray) -> FloatArray:
        """Xb, in new memory."""
        product = np.empty((len(self._X), *coef.shape[1:]), np.result_type(coef, self._dtype))
        self.times(coef, product)
        return product

    def transposed_times(self, residual: FloatArray) -> FloatArray:
        """Xᵀr, an output a row."""
        sums: FloatArray = transposed_sums(self.stored, residual)[: self._X.columns].T
        return sums.astype(self._dtype, copy=False)

    @property
    def _lacks_some(self) -> bool:
        """Whether a cell is missing: what is then summed of the columns is NaN."""
        return bool((self.places == self._X.columns + 1).any())

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum."""
        total += self.transposed_times(residual).T

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add `gram` to a sum of such."""
        total += self.gram(s)

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        return self.cross(np.ones(len(self._X)) if s is None else s)

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]: a diagonal with a border."""
        n, values = self._X.columns, self._X.values
        border = transposed_sums(self.stored, s)[:n]
        whole = np.zeros((n + 1, n + 1))
        whole[0, 0], whole[0, 1:], whole[1:, 0] = s.sum(dtype=np.float64), border, border
        np.fill_diagonal(whole[1:, 1:], border if values is None else transposed_sums(self.stored, s * values)[:n])
        if self._lacks_some:
            whole[1:], whole[:, 1:] = np.nan, np.nan
        return whole

    def crossed(self, other: CodedColumns, s: FloatArray | None) -> Vector:
        """Xᵀ diag(s) Z with the columns of another category: what each pair of their levels sums up to."""
        n, m = self._X.columns + 2, other._X.columns + 2
        pairs = np.multiply(self.places, m, out=self._buffers.take("pairs", self.places.shape, np.intp))
        pairs += other.places
        stored = self.stored
        data = stored.data if other._X.values is None else stored.data * other._X.values
        table = transposed_sums(Csr(data, pairs, stored.indptr, n * m), np.ones(len(pairs)) if s is None else s)
        return table.reshape(n, m)[:-2, :-2]

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """One piece: deviations of the rows in a column from its mean, and its mean for all others."""
        n, rows, values = self._X.columns, len(self._X), self._X.values
        total = float(rows) if weight is None else float(weight.sum(dtype=np.float64))
        if total == 0.0:
            yield 0.0, np.zeros(n), np.zeros(n)
            return
        counts = np.bincount(self.places, minlength=n + 2)
        ones = replace(self.stored, data=self._one_each.ones[:rows])
        there = counts.astype(np.float64) if weight is None else transposed_sums(ones, weight)
        if values is None:
            mean = there / total
            squares = there * np.square(1.0 - mean)
        else:
            w = self._one_each.ones[:rows] if weight is None else weight
            mean = transposed_sums(self.stored, w) / total
            squares = transposed_sums(ones, w * np.square(values - mean[self.places]))
        # The weights of a level that all rows have sum up to others than Σw, rounded.
        squares += mean * mean * np.where(counts == rows, 0.0, np.maximum(total - there, 0.0))
        unknown = np.nan if counts[n + 1] else 0.0
        yield total, mean[:n] + unknown, squares[:n] + unknown

    def rows(self, some: slice) -> CodedColumns:
        """Some of the rows."""
        return CodedColumns(self._X[some], self._dtype, self._one_each, self._buffers, self.places[some])

    def array(self) -> Array:
        """All cells, in new memory."""
        return self._X.toarray().astype(self._dtype, copy=False)


def transposed_sums(stored: Csr, weights: FloatArray) -> Vector:
    """Σ value·weight over the rows of each column, (n,) or (n, q), of a matrix with one stored value in each row."""
    weights = weights.astype(np.float64, copy=False)
    if has_scipy():
        sums: Vector = stored.transposed() @ weights
        return sums
    sums = np.zeros((stored.columns, *weights.shape[1:]))
    np.add.at(sums, stored.indices, weights * stored.data.reshape(-1, *[1] * (weights.ndim - 1)))
    return sums
