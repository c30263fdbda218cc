"""Loss and gradient of a pass.

    r = w · derivative(η, y)        Σ w·value,  Σ r,  Xᵀr

With q outputs r is (rows, q) and Xᵀr is one matrix product: one read of X serves all outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part


@dataclass(frozen=True, slots=True)
class LossGradient:
    """Σ w·value, and the gradient sum: Σr first, the intercept's entry, then Xᵀr; shape (n + 1,) or (n + 1, q)."""

    loss: float
    gradient: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.loss + other.loss, self.gradient + other.gradient)


class LossAndGradient(Part):
    """The loss and its gradient at θ."""

    def __call__(self, block: Block, loss: Loss) -> LossGradient:
        value, derivative = loss.value_and_derivative(block.raw, block.y)
        return LossGradient(weighted_sum(value, block.weight), gradient_sum(block, derivative))

    def of_chunk(self, total: LossGradient) -> LossGradient:
        """In float64, an output a column."""
        return LossGradient(total.loss, _columns(total.gradient))

    def finite(self, total: LossGradient) -> bool:
        """Whether loss and gradient are finite."""
        return math.isfinite(total.loss) and bool(np.isfinite(total.gradient).all())


class GradientAtZero(Part):
    """The gradient at θ = 0, beside that at θ."""

    def __call__(self, block: Block, loss: Loss) -> Vector:
        raw = np.zeros_like(block.raw) if block.offset is None else block.offset
        return gradient_sum(block, loss.derivative(raw, block.y))

    def of_chunk(self, total: Vector) -> Vector:
        """In float64, an output a column."""
        return _columns(total)


def weighted_sum(values: Array, weight: Array | None) -> float:
    """Σ w·values, in float64."""
    return float(np.add.reduce(values if weight is None else values * weight, dtype=np.float64))


def gradient_sum(block: Block, derivative: Array) -> Array:
    """Σr and Xᵀr of a block in the arithmetic's dtype, an output a row: (n + 1,) or (q, n + 1)."""
    if block.weight is not None:
        derivative = derivative * (block.weight if derivative.ndim == 1 else block.weight[:, None])
    gradient = np.empty((*derivative.shape[1:], block.X.shape[1] + 1), block.X.dtype)
    gradient[..., 0] = np.add.reduce(derivative, axis=0)
    gradient[..., 1:] = np.dot(derivative.T, block.X)
    return gradient


def _columns(gradient: Array) -> Vector:
    return np.ascontiguousarray(gradient.T, dtype=np.float64)
