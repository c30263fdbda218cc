"""Loss and gradient of a pass.

    r = w · derivative(η, y)        Σ w·value,  Σ r,  Xᵀr

With q outputs r is (rows, q) and Xᵀr is one matrix product: one read of X serves all outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import OfColumns, Part

PIECE = 2**17
"""Raw predictions of several outputs that a loss is given at a time, within a core's cache."""


@dataclass(frozen=True, slots=True)
class LossGradient(OfColumns):
    """Σ w·value, and the gradient sum: Σr first, the intercept's entry, then Xᵀr; shape (n + 1,) or (n + 1, q)."""

    loss: float
    gradient: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.loss + other.loss, self.gradient + other.gradient)

    def absorb(self, other: Self) -> Self:
        """The same sum in the memory of this one, which is not used again."""
        gradient = self.gradient
        gradient += other.gradient
        return type(self)(self.loss + other.loss, gradient)

    def moved(self, step: Vector) -> Self:
        """Xᵀr + step Σr."""
        return type(self)(self.loss, _moved(self.gradient, step))


class LossAndGradient(Part):
    """The loss and its gradient at θ."""

    gradient: ClassVar[bool] = True
    of_sums: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> LossGradient:
        if block.made and (summed := block.summed(loss)) is not None and summed.gradient is not None:
            return LossGradient(summed.loss, summed.gradient)
        return self.more(LossGradient(0.0, no_gradient(block)), block, loss)

    def more(self, total: LossGradient, block: Block, loss: Loss) -> LossGradient:
        """In the memory of `total`."""
        gradient = total.gradient
        if block.made and (summed := block.summed(loss)) is not None and summed.gradient is not None:
            gradient += summed.gradient
            return LossGradient(total.loss + summed.loss, gradient)
        if block.raw.ndim == 1:
            found, derivative = _of_rows(block, loss)
            add_gradient(block, derivative, gradient)
        else:
            left = block.taken("rows", loss) if block.made else None
            if left is None:
                found, derivative = _of_outputs(block, loss, gradient[0])
            else:
                found, derivative, sums = left
                gradient[0] += sums
            block.columns.add_transposed(derivative, gradient[1:])
        block.leave("derivative", loss, derivative)
        return LossGradient(total.loss + found, gradient)

    def of_chunk(self, total: LossGradient) -> LossGradient:
        """In float64."""
        return LossGradient(total.loss, total.gradient.astype(np.float64, copy=False))

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

    @property
    def targets(self) -> bool:
        """Of Σ r² at θ alone."""
        return self.constant is None

    @property
    def of_sums(self) -> bool:
        """The same."""
        return self.constant is None

    def __call__(self, block: Block, loss: Loss) -> NullSums:
        summed = block.summed(loss) if self.constant is None else None
        if summed is not None and summed.targets is not None:
            return NullSums(float(summed.targets[2]), 0.0)
        derivative, gradient = self._derivative(block, loss), None
        if self.constant is not None:
            gradient = no_gradient(block)
            add_gradient(block, derivative, gradient)
        residual = derivative.ravel()
        return NullSums(float(np.dot(residual, residual)), 0.0 if gradient is None else gradient)

    def _derivative(self, block: Block, loss: Loss) -> Array:
        """w · derivative at the constant; at θ that of the gradient, if it was summed."""
        raw = block.raw
        if self.constant is not None:
            raw = np.full_like(block.raw, self.constant)
            if block.offset is not None:
                raw += block.offset
        elif (left := block.taken("derivative", loss)) is not None:
            return np.asarray(left)
        return _weighted(block, loss.derivative(raw, block.y))

    def of_chunk(self, total: NullSums) -> NullSums:
        """In float64."""
        if self.constant is None:
            return total
        return NullSums(total.squares, total.gradient.astype(np.float64, copy=False))


def no_gradient(block: Block) -> Array:
    """The sum of no rows, in the arithmetic's dtype: (n + 1,) or (n + 1, q)."""
    return np.zeros((block.columns.shape[1] + 1, *block.raw.shape[1:]), block.raw.dtype)


def add_gradient(block: Block, derivative: Array, gradient: Array) -> None:
    """Add Σr and Xᵀr of a block to a sum, from derivatives times weights."""
    gradient[0] += np.add.reduce(derivative, axis=0)
    block.columns.add_transposed(derivative, gradient[1:])


def _of_rows(block: Block, loss: Loss) -> tuple[float, Array]:
    """Σ w·value, and r; second derivatives, if they are taken, are made of the same exponentials, and left."""
    if not block.second:
        found, derivative = loss.sum_and_derivative(block.raw, block.y, block.weight)
    else:
        found, derivative, second = loss.sum_and_derivatives(block.raw, block.y, block.weight)
        block.leave("second", loss, second)
    return found, _weighted(block, derivative)


def _of_outputs(block: Block, loss: Loss, sums: Array) -> tuple[float, Array]:
    """Σ w·value, and r of each output; Σr is added to `sums`. Rows are taken some at a time, that stay in a cache."""
    rows, q = block.raw.shape
    step, found = max(1, PIECE // q), 0.0
    derivatives = block.buffers.take("derivative", (rows, q), block.raw.dtype) if rows > step else None
    for start in range(0, max(rows, 1), step):
        some = slice(start, min(start + step, rows))
        weight = None if block.weight is None else block.weight[some]
        value, derivative = loss.sum_and_derivative(block.raw[some], block.y[some], weight)
        found += value
        if weight is not None:
            derivative = derivative * weight[:, None]
        sums += np.add.reduce(derivative, axis=0)
        if derivatives is None:
            return found, derivative
        derivatives[some] = derivative
    assert derivatives is not None
    return found, derivatives


def _weighted(block: Block, derivative: Array) -> Array:
    if block.weight is None:
        return derivative
    return derivative * (block.weight if derivative.ndim == 1 else block.weight[:, None])


def _moved(gradient: Vector, step: Vector) -> Vector:
    moved = gradient.copy()
    moved[1:] += (step if gradient.ndim == 1 else step[:, None]) * gradient[0]
    return moved
