"""One chunk → its part of loss and gradient.

    η = Xₖ b + b₀        r = w · derivative(η, y)        Σ w·value,   Xₖᵀ r,   Σ r,   Σ w

Rows go through in micro-blocks of about 512 KiB, so that a block read from memory for Xₖ b is still in cache for
Xₖᵀ r. Blocks are C-ordered and of the arithmetic's dtype: stored as such they are used where they lie, else they are
converted in cache. The number of rows of a block depends on the number of columns alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgd.buffers import Buffers
from dgd.dataset import Chunk
from dgd.errors import ValueRangeError
from dgd.losses import Loss
from dgd.rows import Array

Float64 = NDArray[np.float64]
MICRO_BLOCK_BYTES = 2**19


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted mean and sum of squared deviations of each column, merged without cancellation.

    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """

    weight: float
    mean: Float64
    squares: Float64

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        apart = other.mean - self.mean
        return type(self)(
            weight=weight,
            mean=self.mean + apart * (other.weight / weight),
            squares=self.squares + other.squares + apart * apart * (self.weight * other.weight / weight),
        )


@dataclass(frozen=True, slots=True)
class Partial:
    """The sums of some rows. `gradient_sum` holds Σr first, the intercept's part, then Xᵀr."""

    loss_sum: float
    gradient_sum: Float64
    weight_sum: float
    moments: Moments | None = None

    def __add__(self, other: Self) -> Self:
        both = self.moments is not None and other.moments is not None
        return type(self)(
            loss_sum=self.loss_sum + other.loss_sum,
            gradient_sum=self.gradient_sum + other.gradient_sum,
            weight_sum=self.weight_sum + other.weight_sum,
            moments=self.moments + other.moments if both else None,  # type: ignore[operator]
        )


@dataclass(frozen=True)
class GradientSum:
    """The summand of a fit: loss and gradient sums of a chunk at one θ, and its columns' moments if asked for."""

    loss: Loss
    intercept: float
    coef: Float64
    precision: str = "double"
    with_moments: bool = False

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Partial:
        with np.errstate(over="ignore", invalid="ignore"):
            partial = self._sum(chunk, buffers)
        if not (
            math.isfinite(partial.loss_sum)
            and math.isfinite(partial.weight_sum)
            and bool(np.isfinite(partial.gradient_sum).all())
        ):
            check_finite(chunk)
        return partial

    def _sum(self, chunk: Chunk, buffers: Buffers) -> Partial:
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        rows, n = chunk.X.shape
        coef = self.coef.astype(dtype)
        intercept = dtype.type(self.intercept)
        gradient = np.zeros(n + 1, dtype=dtype)
        block_gradient = buffers.take("block gradient", (n,), dtype)
        loss_sum = weight_sum = 0.0
        moments: Moments | None = None
        step = block_rows(n, dtype)
        assert chunk.y is not None
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            block = as_block(chunk.X[start:stop], dtype, buffers)
            raw_prediction = buffers.take("raw prediction", (stop - start,), dtype)
            np.dot(block, coef, out=raw_prediction)
            raw_prediction += intercept
            y = chunk.y[start:stop].astype(dtype, copy=False)
            value, derivative = self.loss.value_and_derivative(raw_prediction, y)
            w = block_weight(chunk, start, stop, dtype)
            if w is not None:
                value = value * w
                derivative = derivative * w
            np.dot(derivative, block, out=block_gradient)
            gradient[1:] += block_gradient
            gradient[0] += derivative.sum()
            loss_sum += float(value.sum())
            weight_sum += float(stop - start) if w is None else float(w.sum(dtype=np.float64))
            if self.with_moments:
                part = block_moments(block, w)
                moments = part if moments is None else moments + part
        return Partial(loss_sum, gradient.astype(np.float64), weight_sum, moments)


def block_rows(n_features: int, dtype: np.dtype[Any]) -> int:
    """The rows of a micro-block: about 512 KiB of X with its row vectors, and never less than 16 rows."""
    return max(16, MICRO_BLOCK_BYTES // (dtype.itemsize * (n_features + 4)))


def as_block(X: Array, dtype: np.dtype[Any], buffers: Buffers) -> Array:
    """Rows of X in C order and in the arithmetic's dtype; a view where they already are."""
    if X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned:
        return X
    block = buffers.take("block", X.shape, dtype)
    np.copyto(block, X, casting="unsafe")
    return block


def block_moments(block: Array, weight: Array | None) -> Moments:
    """Mean and squared deviations of a block's columns, in float64."""
    if weight is None:
        total = float(block.shape[0])
        mean = block.mean(axis=0, dtype=np.float64)
        centred = block - mean
        return Moments(total, mean, np.einsum("ij,ij->j", centred, centred))
    w = weight.astype(np.float64)
    total = float(w.sum())
    if total == 0.0:
        return Moments(0.0, np.zeros(block.shape[1]), np.zeros(block.shape[1]))
    mean = np.einsum("i,ij->j", w, block) / total
    centred = block - mean
    return Moments(total, mean, np.einsum("i,ij,ij->j", w, centred, centred))


def block_weight(chunk: Chunk, start: int, stop: int, dtype: np.dtype[Any]) -> Array | None:
    """The weights of some rows of a chunk, none of them negative; None where there are no weights."""
    if chunk.weight is None:
        return None
    weight = chunk.weight[start:stop].astype(dtype, copy=False)
    if weight.min() < 0:
        row = start + int(np.argmax(weight < 0))
        raise ValueRangeError(
            f"array 'weight', chunk {chunk.index}: row {chunk.start + row} is {chunk.weight[row]}, expected a weight "
            f"of 0 or more; correct the weights, or drop the row",
            array="weight",
            chunk=chunk.index,
            rows=chunk.rows,
            row=chunk.start + row,
        )
    return weight


def check_finite(chunk: Chunk) -> None:
    """Raise ValueRangeError at the first value of the chunk that is NaN or infinite, if there is one."""
    step = block_rows(chunk.X.shape[1], np.dtype(np.float64))
    for name, values in (("X", chunk.X), ("y", chunk.y), ("weight", chunk.weight)):
        if values is None or values.dtype.kind != "f":
            continue
        for start in range(0, values.shape[0], step):
            bad = ~np.isfinite(values[start : start + step])
            if bad.any():
                place = np.unravel_index(int(bad.argmax()), bad.shape)
                _raise_not_finite(chunk, name, values, start + int(place[0]), [int(i) for i in place[1:]])


def _raise_not_finite(chunk: Chunk, name: str, values: Array, row: int, columns: list[int]) -> None:
    column = columns[0] if columns else None
    where = f"row {chunk.start + row}" + ("" if column is None else f", column {column}")
    raise ValueRangeError(
        f"array {name!r}, chunk {chunk.index}: {where} is {values[(row, *columns)]}, expected a finite number; "
        f"drop or fill such rows before fitting",
        array=name,
        chunk=chunk.index,
        rows=chunk.rows,
        row=chunk.start + row,
        column=column,
    )
