"""One chunk → its part of loss, gradient and, where it is asked for, Hessian.

    η = Xₖ b + b₀ + offset    r = w · derivative(η, y)    Σ w·value,  Xₖᵀ r,  Σ r,  Xₖᵀ diag(w · second) Xₖ,  Σ w

Rows go through in micro-blocks of at most 5 MiB, so that a block read from memory for Xₖ b is still in cache for
Xₖᵀ r. Blocks are C-ordered and of the arithmetic's dtype: stored as such they are used where they lie, else they are
converted in cache. The number of rows of a block depends on dtypes and the number of columns alone. With q outputs b is
(n, q), η and r are (rows, q), and both products are matrix products: one read of X serves them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import block_weight, check_finite, check_targets
from dgd.passes.sums.hessian import block_hessian
from dgd.passes.sums.moments import Moments, block_moments

MICRO_BLOCK_BYTES = 5 * 2**20
"""A chunk of 4 MiB with its row vectors, which the last cache holds between its two uses: threads wait for the
interpreter's lock between blocks, and longer the more of them there are."""
CONVERTED_BLOCK_BYTES = 2 * 2**20
"""Where a block is converted, what it is converted from passes through the cache as well."""


@dataclass(frozen=True, slots=True)
class TargetSums:
    """The targets' moments (of classes: their shares) and the least that the loss can be."""

    moments: Moments
    saturated: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.moments + other.moments, self.saturated + other.saturated)


@dataclass(frozen=True, slots=True)
class Partial:
    """The sums of some rows.

    gradient_sum: Σr first, the intercept's part, then Xᵀr; shape (n + 1,), or (n + 1, q).
    hessian_sum: of the same order, (p, p) with p = n + 1; (q, p, p) output by output; (q, q, p, p) of pairs of outputs.
    """

    loss_sum: float
    gradient_sum: Vector
    weight_sum: float
    moments: Moments | None = None
    targets: TargetSums | None = None
    hessian_sum: Vector | None = None
    origin_sum: Vector | None = None
    """The gradient's sum at θ = 0, of its shape."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            loss_sum=self.loss_sum + other.loss_sum,
            gradient_sum=self.gradient_sum + other.gradient_sum,
            weight_sum=self.weight_sum + other.weight_sum,
            moments=_both(self.moments, other.moments),
            targets=_both(self.targets, other.targets),
            hessian_sum=_both(self.hessian_sum, other.hessian_sum),
            origin_sum=_both(self.origin_sum, other.origin_sum),
        )

    @property
    def finite(self) -> bool:
        """Whether every sum is a finite number."""
        return (
            math.isfinite(self.loss_sum)
            and math.isfinite(self.weight_sum)
            and bool(np.isfinite(self.gradient_sum).all())
        )


def _both(ours: Any, theirs: Any) -> Any:
    """The sum of what both have; None where one of them has nothing."""
    return None if ours is None or theirs is None else ours + theirs


@dataclass(frozen=True)
class GradientSum:
    """The summand of a fit: loss and gradient sums of a chunk at one θ, and what else is asked for.

    intercept: b₀, a number or one for each output; coef: b, of shape (n,) or (n, q).
    """

    loss: Loss
    intercept: float | Vector
    coef: Vector
    precision: str = "double"
    with_moments: bool = False
    with_targets: bool = False
    with_hessian: bool = False
    with_origin: bool = False

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Partial:
        with np.errstate(over="ignore", invalid="ignore"):
            partial = _Sums(self, chunk, buffers).total()
        if not partial.finite:
            check_finite(chunk)
            check_targets(chunk, self.loss)
        return partial

    @property
    def dtype(self) -> np.dtype[Any]:
        """The arithmetic's dtype within a chunk."""
        return np.dtype(np.float64 if self.precision == "double" else np.float32)


class _Sums:
    """The sums of one chunk, block by block. Whatever can be done once for the chunk is done once."""

    def __init__(self, summand: GradientSum, chunk: Chunk, buffers: Buffers) -> None:
        rows, n = chunk.X.shape
        self.summand = summand
        self.buffers = buffers
        self.dtype = summand.dtype
        self.X = chunk.X
        self.y = encoded(summand.loss, chunk, 0, rows, self.dtype)
        self.w = block_weight(chunk, 0, rows, self.dtype)
        self.offset = None if chunk.offset is None else chunk.offset.astype(self.dtype, copy=False)
        self.coef = summand.coef.astype(self.dtype, copy=False)
        self.intercept = np.asarray(summand.intercept, dtype=self.dtype)
        outputs = self.coef.shape[1:]
        self.step = min(rows, block_rows(n, self.X.dtype, self.dtype, outputs=math.prod(outputs)))
        self.raw = buffers.take("raw prediction", (self.step, *outputs), self.dtype)
        self.block_gradient = buffers.take("block gradient", (*outputs, n), self.dtype)
        self.gradient = _Gradient(outputs, n, self.dtype)
        self.origin = _Gradient(outputs, n, self.dtype) if summand.with_origin else None
        self.loss_sum = 0.0
        self.moments: Moments | None = None
        self.targets: TargetSums | None = None
        self.hessian: Vector | None = None

    def total(self) -> Partial:
        """All blocks, one after the other."""
        rows = len(self.X)
        for start in range(0, rows, self.step):
            self._add(start, min(start + self.step, rows))
        return Partial(
            loss_sum=self.loss_sum,
            gradient_sum=self.gradient.joined(),
            weight_sum=float(rows) if self.w is None else float(self.w.sum(dtype=np.float64)),
            moments=self.moments,
            targets=self.targets,
            hessian_sum=self.hessian,
            origin_sum=None if self.origin is None else self.origin.joined(),
        )

    def _add(self, start: int, stop: int) -> None:
        """One more block."""
        loss = self.summand.loss
        block = as_block(self.X[start:stop], self.dtype, self.buffers)
        raw = self.raw[: stop - start]
        np.dot(block, self.coef, out=raw)
        raw += self.intercept
        if self.offset is not None:
            raw += self.offset[start:stop]
        y = self.y[start:stop]
        w = None if self.w is None else self.w[start:stop]
        value, derivative = loss.value_and_derivative(raw, y)
        self.loss_sum += float(np.add.reduce(value if w is None else value * w, dtype=np.float64))
        self._add_gradient(self.gradient, derivative, w, block)
        if self.origin is not None:
            at_origin = np.zeros_like(raw) if self.offset is None else self.offset[start:stop]
            self._add_gradient(self.origin, loss.derivative(at_origin, y), w, block)
        if self.summand.with_moments:
            self.moments = _and(self.moments, block_moments(block, w))
        if self.summand.with_targets:
            self.targets = _and(self.targets, target_sums(loss, raw.shape, y, w))
        if self.summand.with_hessian:
            second = None if loss.quadratic else loss.second_derivative(raw, y)
            self.hessian = _and(self.hessian, block_hessian(block, second, w, self.buffers))

    def _add_gradient(self, total: _Gradient, derivative: Array, w: Array | None, block: Array) -> None:
        """Xᵀr and Σr of one block, an output a row."""
        if w is not None:
            derivative = derivative * (w if derivative.ndim == 1 else w[:, None])
        np.dot(derivative.T, block, out=self.block_gradient)
        total.coef += self.block_gradient
        total.intercept += np.add.reduce(derivative, axis=0)


class _Gradient:
    """Σr and Xᵀr, an output a row, while they are being summed."""

    def __init__(self, outputs: tuple[int, ...], n: int, dtype: np.dtype[Any]) -> None:
        self.intercept = np.zeros(outputs, dtype)
        self.coef = np.zeros((*outputs, n), dtype)

    def joined(self) -> Vector:
        """The intercept's row first, an output a column, in float64."""
        gradient = np.empty((self.coef.shape[-1] + 1, *self.intercept.shape))
        gradient[0], gradient[1:] = self.intercept, self.coef.T
        return gradient


def _and(so_far: Any, part: Any) -> Any:
    """The sum with one more part, the first one included."""
    return part if so_far is None else so_far + part


def raw_prediction(
    block: Array, coef: Array, intercept: float | Vector, chunk: Chunk, start: int, buffers: Buffers
) -> Array:
    """Xb + b₀ + offset for one block of a chunk, in a buffer."""
    raw = buffers.take("raw prediction", (block.shape[0], *coef.shape[1:]), coef.dtype)
    np.dot(block, coef, out=raw)
    raw += np.asarray(intercept, dtype=coef.dtype)
    if chunk.offset is not None:
        raw += chunk.offset[start : start + block.shape[0]].astype(coef.dtype, copy=False)
    return raw


def target_sums(loss: Loss, shape: tuple[int, ...], y: Array, w: Array | None) -> TargetSums:
    """The moments of a block's targets; where they are classes, of one column of zeros and ones for each."""
    saturated = loss.saturated(y)
    if y.ndim < len(shape):
        y = (y[:, None] == np.arange(shape[1])).astype(y.dtype)
    return TargetSums(
        moments=block_moments(y.reshape(len(y), -1), w),
        saturated=float(saturated.sum() if w is None else (saturated * w).sum()),
    )


def encoded(loss: Loss, chunk: Chunk, start: int, stop: int, dtype: np.dtype[Any]) -> Array:
    """The targets of some rows, as the loss's arithmetic wants them."""
    assert chunk.y is not None
    return loss.encode(chunk.y[start:stop], dtype)


def block_rows(n_features: int, stored: np.dtype[Any], dtype: np.dtype[Any], *, outputs: int = 1) -> int:
    """The rows of a micro-block: as many as its bytes hold of X and of its row vectors, and never less than 16."""
    n_bytes = MICRO_BLOCK_BYTES if stored == dtype else CONVERTED_BLOCK_BYTES
    return max(16, n_bytes // (dtype.itemsize * (n_features + 4 * outputs)))


def as_block(X: Array, dtype: np.dtype[Any], buffers: Buffers) -> Array:
    """Rows of X in C order and in the arithmetic's dtype; a view where they already are."""
    if X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned:
        return X
    block = buffers.take("block", X.shape, dtype)
    np.copyto(block, X, casting="unsafe")
    return block
