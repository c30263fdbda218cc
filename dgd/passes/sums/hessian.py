"""The Hessian of one micro-block: symmetric, and where outputs depend on each other, a block for each pair of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.columns import Columns
from dgd.passes.sums.row_sums import OfColumns, Part


@dataclass(frozen=True, slots=True)
class HessianSum(OfColumns):
    """The Hessian of the loss by θ, (p, p), (q, p, p) or (q, q, p, p) with p = n + 1, the intercept's entries first."""

    values: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.values + other.values)

    def moved(self, step: Vector) -> Self:
        """T H Tᵀ, where row 0 of H times `step` is added to the others."""
        H = self.values.copy()
        H[..., 1:, :] += step[:, None] * H[..., :1, :]
        H[..., :, 1:] += step * H[..., :, :1]
        return type(self)(H)


class Hessian(Part):
    """The Hessian of the loss by θ, (p, p), (q, p, p) or (q, q, p, p) with p = n + 1, the intercept's entries first."""

    def __call__(self, block: Block, loss: Loss) -> HessianSum:
        second = None if loss.quadratic else loss.second_derivative(block.raw, block.y)
        return HessianSum(block_hessian(block.columns, second, block.weight, convex=loss.convex))


class Gram(Part):
    """Σ w xxᵀ, (p, p), whatever the loss: what the Hessian of the squared loss is."""

    def __call__(self, block: Block, loss: Loss) -> HessianSum:
        return HessianSum(block_hessian(block.columns, None, block.weight))


@dataclass(frozen=True)
class Expected(Part):
    """A sum of curvatures, such as the Hessian, with those that are expected: Fisher's information."""

    part: Part

    def __call__(self, block: Block, loss: Loss) -> Any:
        return self.part(block, cast(Loss, _Expectation(loss)))


@dataclass(frozen=True)
class _Expectation:
    """What such a sum needs of a loss."""

    loss: Loss
    quadratic = False
    convex = True

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        return self.loss.expected_curvature(raw_prediction, y)


def block_hessian(columns: Columns, second: Array | None, w: Array | None, *, convex: bool = True) -> Vector:
    """Xᵀ diag(w · second) X with a column of ones before X; `second` is 1 where it is None.

    convex: whether `second` is nowhere negative.
    """
    if not convex and second is not None:
        return _indefinite(columns, second if w is None else (second.T * w).T)
    if second is None or second.ndim == 1:
        return columns.gram(w if second is None else second if w is None else second * w)
    if w is not None:
        second = second * w.reshape(-1, *[1] * (second.ndim - 1))
    q, p = second.shape[1], columns.shape[1] + 1
    if second.ndim == 2:
        return np.stack([columns.gram(second[:, k]) for k in range(q)])
    hessian = np.empty((q, q, p, p))
    for k in range(q):
        hessian[k, k] = columns.gram(second[:, k, k])
        for other in range(k):
            hessian[k, other] = hessian[other, k] = columns.cross(second[:, k, other])
    return hessian


def _indefinite(columns: Columns, second: Array) -> Vector:
    """The same where `second`, output by output, may be negative; symmetric to the bit."""
    found = [columns.cross(column) for column in second.reshape(len(second), -1).T]
    halves = [(H + H.T) / 2 for H in found]
    return halves[0] if second.ndim == 1 else np.stack(halves)
