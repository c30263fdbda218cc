"""What a fit's likelihood and dispersion are made of, output by output: sums that have no column of X in them.

    Σ w·value      Σ w·ψ²      Σ w·l″      Σ w·ψ²/E[l″]        with ψ the derivative and l″ the second derivative by η

For the squared loss Σ wψ² is the residual sum of squares. Of a distribution with mean μ and variance V, whatever the
link, ψ = (μ − y) μ′/V and E[l″] = μ′²/V, so that Σ wψ²/E[l″] = Σ w(y − μ)²/V is Pearson's χ². McCullagh and Nelder
(1989), Generalized linear models, 2.2.2 and 4.5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.moments import columns
from dgd.passes.sums.row_sums import Part


@dataclass(frozen=True, slots=True)
class ResidualSums:
    """Each of shape (q,); with classes one value for all of them, and nothing but the loss."""

    loss: Vector
    saturated: Vector
    squares: Vector
    curvature: Vector
    pearson: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.loss + other.loss,
            self.saturated + other.saturated,
            self.squares + other.squares,
            self.curvature + other.curvature,
            self.pearson + other.pearson,
        )


class Residuals(Part):
    """The sums of `ResidualSums` at θ."""

    def __call__(self, block: Block, loss: Loss) -> ResidualSums:
        raw, y, w = block.raw, block.y, block.weight
        if y.ndim < raw.ndim:
            zero = np.zeros(1)
            return ResidualSums(
                _sums(loss.value(raw, y), w), _sums(loss.saturated(y), w), zero, zero.copy(), zero.copy()
            )
        each = [(raw, y)] if raw.ndim == 1 else [(raw[:, k], y[:, k]) for k in range(raw.shape[1])]
        psi = columns(loss.derivative(raw, y))
        second = np.ones_like(psi) if loss.quadratic else columns(loss.second_derivative(raw, y))
        with np.errstate(divide="ignore", invalid="ignore"):
            expected = second if loss.quadratic else columns(loss.expected_curvature(raw, y))
            pearson = np.where(psi == 0, 0.0, psi * psi / expected)
        return ResidualSums(
            loss=np.concatenate([_sums(loss.value(eta, target), w) for eta, target in each]),
            saturated=np.concatenate([_sums(loss.saturated(target), w) for _, target in each]),
            squares=_sums(psi * psi, w),
            curvature=_sums(second, w),
            pearson=_sums(pearson, w),
        )

    def finite(self, total: ResidualSums) -> bool:
        """Whether the loss is finite."""
        return bool(np.isfinite(total.loss).all())


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The rows, those of a weight above 0, Σ log w over them, and Σ w·log_base, what the likelihood has but −value."""

    rows: int
    counted: int
    log_weight: float
    log_base: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.rows + other.rows,
            self.counted + other.counted,
            self.log_weight + other.log_weight,
            self.log_base + other.log_base,
        )


class Counted(Part):
    """The rows that count; no θ and no column of X is in it."""

    def __call__(self, block: Block, loss: Loss) -> RowCounts:
        w = block.weight
        base = _sums(loss.log_base(block.y), w)
        if w is None:
            return RowCounts(len(block.raw), len(block.raw), 0.0, base)
        counted = w[w > 0]
        return RowCounts(len(w), len(counted), float(np.log(counted).sum()), base)

    def finite(self, total: RowCounts) -> bool:
        """Whether what the targets give is finite."""
        return bool(np.isfinite(total.log_base).all())


def _sums(values: Array, weight: Array | None) -> Vector:
    """Σ w·values of each column, in float64, (q,)."""
    values = columns(values)
    found: Vector = np.add.reduce(values if weight is None else values * weight[:, None], axis=0, dtype=np.float64)
    return found
