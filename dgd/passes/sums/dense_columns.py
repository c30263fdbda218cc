"""Columns of which every cell is stored: products by BLAS, on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.buffers import Buffers
from dgd.passes.sums.block_rows import equal_parts, is_narrow, narrow_rows, scaled_rows
from dgd.passes.sums.columns import Piece

PIECE_BYTES = 2**20
TOGETHER = 4
"""Rows that BLAS multiplies together: it sums those that are left over in another order."""

BY_ROW = 400, 2**14
"""Bytes of a row from which, and up to which, a product for each row reads X from memory half as fast again as that of
all rows by BLAS, which takes four at a time. Shorter rows that are in a cache already take longer."""

FEW, WIDE = 32, 256
"""Columns that a row is subtracted from in rows so wide: NumPy's loop over each row costs more than its work."""

NEAR = 4.0
"""Spreads from 0 within which a mean costs no digits that matter."""

OUTPUT_MAJOR = 64
"""With fewer outputs BLAS is quicker where each lies along the columns."""


class DenseColumns:
    """A block of rows in C order; the products' workspace lies in the buffers."""

    def __init__(self, X: FloatArray, buffers: Buffers) -> None:
        self._X, self._buffers = X, buffers
        self._raw_sums: Piece | None = None
        """The rows, and of each column Σx and Σx², once products of columns were made."""

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
        if coef.ndim == 1 and BY_ROW[0] <= coef.nbytes <= BY_ROW[1]:
            np.vecdot(self._X, coef, out=out)
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

    def add_transposed(self, residual: FloatArray, total: FloatArray) -> None:
        """Add Xᵀr to a sum: the product of a block lies in memory that is used again."""
        X, (n, *outputs) = self._X, total.shape
        residual = residual.astype(X.dtype, copy=False)
        if not outputs or outputs[0] < OUTPUT_MAJOR:
            product = self._buffers.take("product", (*outputs, n), X.dtype)
            total += np.dot(residual.T, X, out=product).T
        else:
            total += np.dot(X.T, residual, out=self._buffers.take("product", (n, *outputs), X.dtype))

    def gram(self, s: FloatArray | None) -> Vector:
        """[1 X]ᵀ diag(s) [1 X] for s ≥ 0; symmetric to the bit."""
        p = self._X.shape[1] + 1
        gram = np.zeros((p, p))
        self.add_gram(s, gram)
        if s is None:
            self._raw_sums = raw_sums(gram)
        return gram

    def add_gram(self, s: FloatArray | None, total: Vector) -> None:
        """Add [1 X]ᵀ diag(s) [1 X] to a sum; the ones are no column of a product, for which they would be one too many.

        Rows are scaled some at a time, in a cache where the sum is not too large for it.
        """
        X, (rows, n) = self._X, self._X.shape
        step, weights = scaled_rows(n, X.dtype), np.ones(rows, X.dtype) if s is None else s
        if is_narrow(n, X.dtype):
            total[1:, 1:] += narrow_gram(X, s, self._buffers)
            for some in equal_parts(rows, step):
                _add_border(total, weights[some], X[some])
            return
        root = None if s is None else np.sqrt(s)[:, None]
        scaled = self._buffers.take("scaled", (min(step, rows), n), X.dtype)
        product = self._buffers.take("product of columns", (n, n), X.dtype)
        for some in equal_parts(rows, step):
            part = X[some]
            _add_border(total, weights[some], part)
            if root is not None:
                part = np.multiply(part, root[some], out=scaled[: len(part)])
            total[1:, 1:] += np.dot(part.T, part, out=product)

    def cross(self, s: FloatArray) -> Vector:
        """[1 X]ᵀ diag(s) [1 X]."""
        X, p = self._X, self._X.shape[1] + 1
        scaled = np.multiply(X, s[:, None], out=self._buffers.take("scaled", X.shape, X.dtype))
        cross = np.zeros((p, p))
        cross[1:, 1:] = np.dot(X.T, scaled)
        _add_border(cross, s, X)
        return cross

    def centred_sums(self, weight: FloatArray | None) -> Iterator[Piece]:
        """In pieces that stay in a core's cache."""
        return self.centred_sums_of(self._X.shape[1], weight, self._raw_sums)

    def centred_sums_of(self, n: int, weight: FloatArray | None, raw: Piece | None) -> Iterator[Piece]:
        """Those of the first n columns; what stands after them goes along. raw: Σx and Σx², if they were summed."""
        X = self._X
        if raw is not None and weight is None and X.dtype == np.float64:
            piece = near_zero(*raw)
            if piece is not None:
                yield piece
                return
        elif weight is None and n == X.shape[1] == 1 and (piece := _of_one_column(X)) is not None:
            yield piece
            return
        step = max(16, PIECE_BYTES // (8 * max(1, X.shape[1])))
        near, ones = True, self._buffers.take("ones", (min(step, len(X)),), np.float64)
        ones.fill(1.0)
        for start in range(0, max(len(X), 1), step):
            values = X[start : start + step].astype(np.float64, copy=False)
            w = ones[: len(values)] if weight is None else weight[start : start + step].astype(np.float64, copy=False)
            found = self._buffers.take("squares", values.shape, np.float64)
            piece = _near_zero(values, w, n, found) if near else None
            near = piece is not None
            total, mean, squares = _centred(values, w, found) if piece is None else piece
            yield total, mean[:n], squares[:n]

    def rows(self, some: slice) -> DenseColumns:
        """Some of the rows."""
        return DenseColumns(self._X[some], self._buffers)

    def array(self) -> Array:
        """The block."""
        return self._X


def raw_sums(gram: Vector) -> Piece:
    """Σ1, Σx and Σx² of [1 X]ᵀ[1 X]; copies, which do not hold the matrix."""
    return float(gram[0, 0]), gram[0, 1:].copy(), gram.diagonal()[1:].copy()


def narrow_gram(X: FloatArray, s: FloatArray | None, buffers: Buffers) -> Vector:
    """Xᵀ diag(s) X of few columns, symmetric to the bit; as many rows at a time as are a small product.

    Without s rows are copied: a matrix with itself BLAS would multiply the slower way.
    """
    rows, n = X.shape
    step = narrow_rows(n, X.dtype)
    memory = buffers.take("scaled", (min(step, rows), n), X.dtype)
    product, found = buffers.take("product of columns", (n, n), X.dtype), np.zeros((n, n))
    for some in equal_parts(rows, step):
        part = X[some]
        other = memory[: len(part)]
        if s is None:
            other[...] = part
        else:
            np.multiply(part, s[some, None], out=other)
        found += np.dot(part.T, other, out=product)
    found /= 2
    return found + found.T


def near_zero(total: float, sums: Vector, squares: Vector) -> Piece | None:
    """The means and squared deviations from Σw, Σwx and Σwx²; None where a mean is too far from 0 for that.

    Within `NEAR` spreads of 0 the difference of both has lost `NEAR`² roundings.
    """
    if total == 0.0:
        return None
    mean = sums / total
    of_mean = mean * mean * total
    squares = squares - of_mean
    return (total, mean, squares) if (of_mean <= NEAR**2 * squares).all() else None


def _of_one_column(X: Array) -> Piece | None:
    """The same of a column, such as targets, in two sweeps."""
    values = np.ascontiguousarray(X[:, 0], np.float64)
    return near_zero(float(len(values)), values.sum(keepdims=True), np.dot(values, values)[None])


def _near_zero(values: Array, w: Vector, n: int, found: Array) -> Piece | None:
    """The same of n columns, which spares the differences."""
    squares = np.dot(w, np.multiply(values, values, out=found))
    return near_zero(float(w.sum()), np.dot(w, values)[:n], squares[:n])


def _centred(values: Array, w: Vector, found: Array) -> Piece:
    """found: memory for the differences."""
    total = float(w.sum())
    if total == 0.0:
        return 0.0, np.zeros(values.shape[1]), np.zeros(values.shape[1])
    mean = np.dot(w, values) / total
    centred = _less(values, mean, found)
    return total, mean, np.dot(w, np.multiply(centred, centred, out=centred))


def _less(values: Array, row: Vector, found: Array) -> Array:
    """Rows less a row, of a few columns many at a time."""
    rows, n = values.shape
    if not 1 < n <= FEW:
        return np.subtract(values, row, out=found)
    many = WIDE // n
    whole = rows // many * many
    together = whole // many, many * n
    np.subtract(values[:whole].reshape(together), np.tile(row, many), out=found[:whole].reshape(together))
    np.subtract(values[whole:], row, out=found[whole:])
    return found


def _add_border(total: Vector, s: FloatArray, X: FloatArray) -> None:
    """What a column of ones before X has to do with itself and with X."""
    sums = np.dot(s, X)
    total[0, 0] += s.sum(dtype=np.float64)
    total[0, 1:] += sums
    total[1:, 0] += sums
