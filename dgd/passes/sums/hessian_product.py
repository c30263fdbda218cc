"""The Hessian times some vectors, without the Hessian: two products with X.

    H V = Σ x (w·l″·xᵀV)

x has the intercept's 1 first. H is never formed, so that columns may be too many for it: conjugate gradients need no
more than this of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part


@dataclass(frozen=True, slots=True)
class ProductSum:
    """H V, (q, p, k)."""

    values: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.values + other.values)


@dataclass(frozen=True)
class HessianProduct(Part):
    """H V at θ for V of shape (q, p, k): for each output the p parameters of each of k vectors."""

    vectors: Vector

    def __call__(self, block: Block, loss: Loss) -> ProductSum:
        along = np.stack([block.columns.product(V[1:]) + V[0] for V in self.vectors], axis=1)
        if not loss.quadratic:
            second = loss.second_derivative(block.raw, block.y)
            if second.ndim == 3:
                along = np.matmul(second, along)
            else:
                along *= second.reshape(len(second), -1, 1)
        if block.weight is not None:
            along *= block.weight[:, None, None]
        found = np.empty(self.vectors.shape)
        for k, total in enumerate(found):
            total[0] = along[:, k].sum(axis=0)
            total[1:] = block.columns.transposed_times(along[:, k]).T
        return ProductSum(found)

    def finite(self, total: ProductSum) -> bool:
        """Whether it is finite."""
        return bool(np.isfinite(total.values).all())
