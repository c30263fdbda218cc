"""How far an elastic net may be above its minimum: the difference of its primal and a dual value.

    P(b) = ½ mean(r²) + α₁‖b‖₁ + ½ β‖b‖²        r = y − Xb − b₀,   g = Xᵀ(w r)/Σw

    β > 0:  D = mean(r ỹ) − ½ mean(r²) − Σ (|gⱼ| − α₁)₊²/(2β)
    β = 0:  D = s mean(r ỹ) − ½ s² mean(r²)      s = min(1, α₁/max|gⱼ|), which makes s r feasible

with mean(r ỹ) = mean(r²) + b·g, where ỹ = y − b₀. D is at most the minimum, so that P − D is at least the distance to
it. With b ≥ 0 gⱼ stands for |gⱼ|. In scikit-learn's scale, ½ mean(r²).
Source: Kim et al. (2007), An interior-point method for large-scale l1-regularized least squares, section III.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Vector
from dgd.estimators.inputs import Training
from dgd.fitting.inference.fitted import Fitted
from dgd.losses import Loss, Squared
from dgd.passes.execution import Execution
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part, RowSums


@dataclass(frozen=True, slots=True)
class Residuals:
    """Σ w r², a number for each output, and Xᵀ(w r), (n,) or (q, n)."""

    squares: Vector
    products: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(self.squares + other.squares, self.products + other.products)


class ResidualSums(Part):
    """Those of the residuals of one θ."""

    def __call__(self, block: Block, loss: Loss) -> Residuals:
        r = block.y - block.raw
        weighted = r if block.weight is None else r * (block.weight if r.ndim == 1 else block.weight[:, None])
        return Residuals(
            np.einsum("i...,i...->...", r, weighted), block.columns.transposed_times(weighted).astype(np.float64)
        )


def known_gap(fitted: Fitted | None, coef: Vector, l1: float, l2: float, *, positive: bool) -> float | None:
    """P − D of one target at the point of a fit whose last pass was made there, without a pass; else None."""
    if fitted is None or fitted.mean_loss is None or fitted.slope is None or coef.ndim > 1:
        return None
    # The slope is dgd's, of mean(r²) + l2·b²: twice the primal's.
    g = l2 * coef - fitted.slope.ravel() / 2
    return float(_difference(np.asarray(fitted.mean_loss), g, coef, l1, l2, positive=positive))


def dual_gap(training: Training, coef: Vector, intercept: Vector, l1: float, l2: float, *, positive: bool) -> Vector:
    """P − D at b and b₀, a number for each output. coef: (n,) or (q, n); l1, l2: α₁ and β."""
    with session(Execution(threads=training.threads)) as running:
        dataset = running.open(training.dataset, Need(outputs=1 if coef.ndim == 1 else len(coef)))
        sums = running.executor.sweep(dataset, RowSums(Squared(), intercept, coef.T, (ResidualSums(),))).value
    (found,) = sums.parts
    squares, g = found.squares / sums.weight, found.products / sums.weight
    return _difference(squares, g, coef, l1, l2, positive=positive)


def _difference(squares: Vector, g: Vector, coef: Vector, l1: float, l2: float, *, positive: bool) -> Vector:
    """P − D from mean(r²) and g, along the last axis."""
    size = g if positive else np.abs(g)
    primal = squares / 2 + l1 * np.abs(coef).sum(axis=-1) + l2 / 2 * (coef * coef).sum(axis=-1)
    products = squares + (coef * g).sum(axis=-1)
    if l2 > 0:
        dual = products - squares / 2 - (np.maximum(size - l1, 0.0) ** 2).sum(axis=-1) / (2 * l2)
    else:
        largest = size.max(axis=-1)
        s = np.minimum(1.0, np.divide(l1, largest, out=np.ones_like(largest), where=largest > 0))
        dual = s * products - s * s * squares / 2
    return np.asarray(np.maximum(primal - dual, 0.0))
