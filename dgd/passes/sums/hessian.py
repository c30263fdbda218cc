"""The Hessian of one micro-block: symmetric, and where outputs depend on each other, a block for each pair of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
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
        return HessianSum(block_hessian(block.X, second, block.weight, block.buffers))


class Gram(Part):
    """Σ w xxᵀ, (p, p), whatever the loss: what the Hessian of the squared loss is."""

    def __call__(self, block: Block, loss: Loss) -> HessianSum:
        return HessianSum(block_hessian(block.X, None, block.weight, block.buffers))


def block_hessian(block: Array, second: Array | None, w: Array | None, buffers: Buffers) -> Vector:
    """Xᵀ diag(w · second) X with a column of ones before X; `second` is 1 where it is None."""
    rows, n = block.shape
    extended = buffers.take("extended", (rows, n + 1), block.dtype)
    weighted = buffers.take("weighted", (rows, n + 1), block.dtype)
    extended[:, 0] = 1
    extended[:, 1:] = block
    if second is None or second.ndim == 1:
        s = w if second is None else second if w is None else second * w
        return _gram(extended, s, weighted)
    if w is not None:
        second = second * w.reshape(-1, *[1] * (second.ndim - 1))
    q = second.shape[1]
    if second.ndim == 2:
        return np.stack([_gram(extended, second[:, k], weighted) for k in range(q)])
    hessian = np.empty((q, q, n + 1, n + 1))
    for k in range(q):
        hessian[k, k] = _gram(extended, second[:, k, k], weighted)
        for other in range(k):
            np.multiply(extended, second[:, k, other, None], out=weighted)
            hessian[k, other] = hessian[other, k] = np.dot(extended.T, weighted)
    return hessian


def _gram(extended: Array, s: Array | None, weighted: Array) -> Vector:
    """Eᵀ diag(s) E for s ≥ 0; symmetric to the bit."""
    if s is not None:
        extended = np.multiply(extended, np.sqrt(s)[:, None], out=weighted)
    gram: Vector = np.dot(extended.T, extended).astype(np.float64)
    return gram
