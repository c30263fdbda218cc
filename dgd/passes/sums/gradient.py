"""Loss and gradient of a pass.

    r = w · derivative(η, y)        Σ w·value,  Σ r,  Xᵀr

With q outputs r is (rows, q) and Xᵀr is one matrix product: one read of X serves all outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import OfColumns, Part


@dataclass(frozen=True, slots=True)
class LossGradient(OfColumns):
    """Σ w·value, and the gradient sum: Σr first, the intercept's entry, then Xᵀr; shape (n + 1,) or (n + 1, q)."""

    loss: float
    gradient: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.loss + other.loss, self.gradient + other.gradient)

    def moved(self, step: Vector) -> Self:
        """Xᵀr + step Σr."""
        return type(self)(self.loss, _moved(self.gradient, step))


class LossAndGradient(Part):
    """The loss and its gradient at θ."""

    def __call__(self, block: Block, loss: Loss) -> LossGradient:
        value, derivative = loss.sum_and_derivative(block.raw, block.y, block.weight)
        return LossGradient(value, gradient_sum(block, derivative))

    def of_chunk(self, total: LossGradient) -> LossGradient:
        """In float64, an output a column."""
        return LossGradient(total.loss, _columns(total.gradient))

    def finite(self, total: LossGradient) -> bool:
        """Whether loss and gradient are finite."""
        return math.isfinite(total.loss) and bool(np.isfinite(total.gradient).all())


@dataclass(frozen=True, slots=True)
class NullSums(OfColumns):
    """Of the best constant prediction: Σ (w·derivative)², and the gradient sum; 0 where that is the gradient at θ."""

    squares: float
    gradient: Any

    def __add__(self, other: Self) -> Self:
        return type(self)(self.squares + other.squares, self.gradient + other.gradient)

    def moved(self, step: Vector) -> Self:
        """Xᵀr + step Σr, if it was summed."""
        return type(self)(self.squares, _moved(self.gradient, step)) if np.ndim(self.gradient) else self


@dataclass(frozen=True)
class AtNull(Part):
    """What a constant prediction leaves to be explained.

    constant: a number or one for each output; None: θ is that constant, and the gradient there is summed anyway.
    """

    constant: float | Vector | None

    def __call__(self, block: Block, loss: Loss) -> NullSums:
        raw = block.raw
        if self.constant is not None:
            raw = np.full_like(block.raw, self.constant)
            if block.offset is not None:
                raw += block.offset
        derivative = loss.derivative(raw, block.y)
        gradient = 0.0 if self.constant is None else gradient_sum(block, derivative)
        residual = _weighted(block, derivative).ravel()
        return NullSums(float(np.dot(residual, residual)), gradient)

    def of_chunk(self, total: NullSums) -> NullSums:
        """In float64, an output a column."""
        return total if self.constant is None else NullSums(total.squares, _columns(total.gradient))


def gradient_sum(block: Block, derivative: Array) -> Array:
    """Σr and Xᵀr of a block in the arithmetic's dtype, an output a row: (n + 1,) or (q, n + 1)."""
    derivative = _weighted(block, derivative)
    columns = block.columns
    gradient = np.empty((*derivative.shape[1:], columns.shape[1] + 1), columns.dtype)
    gradient[..., 0] = np.add.reduce(derivative, axis=0)
    gradient[..., 1:] = columns.transposed_times(derivative)
    return gradient


def _weighted(block: Block, derivative: Array) -> Array:
    if block.weight is None:
        return derivative
    return derivative * (block.weight if derivative.ndim == 1 else block.weight[:, None])


def _moved(gradient: Vector, step: Vector) -> Vector:
    moved = gradient.copy()
    moved[1:] += (step if gradient.ndim == 1 else step[:, None]) * gradient[0]
    return moved


def _columns(gradient: Array) -> Vector:
    return np.ascontiguousarray(gradient.T, dtype=np.float64)
