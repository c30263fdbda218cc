"""The Hessian of one micro-block: symmetric, and where outputs depend on each other, a block for each pair of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

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

    def absorb(self, other: Self) -> Self:
        """The same sum in the memory of this one: fresh pages cost more than the addition."""
        values = self.values
        values += other.values
        return type(self)(values)

    def moved(self, step: Vector) -> Self:
        """T H Tᵀ, where row 0 of H times `step` is added to the others."""
        H = self.values.copy()
        H[..., 1:, :] += step[:, None] * H[..., :1, :]
        H[..., :, 1:] += step * H[..., :, :1]
        return type(self)(H)


class Hessian(Part):
    """The Hessian of the loss by θ, (p, p), (q, p, p) or (q, q, p, p) with p = n + 1, the intercept's entries first."""

    hessian: ClassVar[bool] = True
    second: ClassVar[bool] = True
    of_sums: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> HessianSum:
        return self._sum(None, block, loss)

    def more(self, total: HessianSum, block: Block, loss: Loss) -> HessianSum:
        """In the memory of `total`."""
        return self._sum(total.values, block, loss)

    def _sum(self, values: Vector | None, block: Block, loss: Loss) -> HessianSum:
        if (summed := block.summed(loss)) is not None and summed.gram is not None:
            return HessianSum(summed.gram if values is None else np.add(values, summed.gram, out=values))
        second = None if loss.quadratic else block.taken("second", loss)
        if second is None and not loss.quadratic:
            second = loss.second_derivative(block.raw, block.y)
        return HessianSum(block_hessian(block.columns, second, block.weight, convex=loss.convex, into=values))


class Gram(Part):
    """Σ w xxᵀ, (p, p), whatever the loss: what the Hessian of the squared loss is."""

    hessian: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> HessianSum:
        return HessianSum(block_hessian(block.columns, None, block.weight))

    def more(self, total: HessianSum, block: Block, loss: Loss) -> HessianSum:
        """In the memory of `total`."""
        return HessianSum(block_hessian(block.columns, None, block.weight, into=total.values))


@dataclass(frozen=True)
class Expected(Part):
    """A sum of curvatures, such as the Hessian, with those that are expected: Fisher's information."""

    part: Part
    hessian: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> Any:
        return self.part(block, cast(Loss, _Expectation(loss)))

    def more(self, total: Any, block: Block, loss: Loss) -> Any:
        """As the sum itself grows."""
        return self.part.more(total, block, cast(Loss, _Expectation(loss)))


@dataclass(frozen=True)
class _Expectation:
    """What such a sum needs of a loss."""

    loss: Loss
    quadratic = False
    convex = True

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        return self.loss.expected_curvature(raw_prediction, y)


def block_hessian(
    columns: Columns, second: Array | None, w: Array | None, *, convex: bool = True, into: Vector | None = None
) -> Vector:
    """Xᵀ diag(w · second) X with a column of ones before X; `second` is 1 where it is None.

    convex: whether `second` is nowhere negative; into: what it is added to, in its memory.
    """
    p = columns.shape[1] + 1
    if second is not None and w is not None:
        second = second * w.reshape(-1, *[1] * (second.ndim - 1))
    outputs = () if second is None else second.shape[1:]
    total = np.zeros((*outputs, p, p)) if into is None else into
    if second is None or second.ndim == 1:
        _add(columns, w if second is None else second, total, convex=convex)
    elif second.ndim == 2:
        for k, of_output in enumerate(total):
            _add(columns, second[:, k], of_output, convex=convex)
    else:
        for k in range(len(total)):
            columns.add_gram(second[:, k, k], total[k, k])
            for other in range(k):
                cross = columns.cross(second[:, k, other])
                total[k, other] += cross
                total[other, k] += cross
    return total


def _add(columns: Columns, s: Array | None, total: Vector, *, convex: bool) -> None:
    """Symmetric to the bit, also where s may be negative. At a constant prediction all rows may have the same s."""
    if s is not None and len(s) and s[0] == s[-1] and (s == s[0]).all():
        gram = columns.gram(None)
        if np.isfinite(gram).all():  # else the squares overflow that are multiplied by s
            total += gram * float(s[0])
            return
    if convex or s is None:
        columns.add_gram(s, total)
        return
    cross = columns.cross(s)
    total += (cross + cross.T) / 2
