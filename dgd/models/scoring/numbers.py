"""The errors of a model of numbers, and figures from them.

    MSE = 1/Σw Σ w(ŷ − y)²     RMSE = √MSE     MAE = 1/Σw Σ w|ŷ − y|     R² = 1 − Σ w(ŷ − y)² / Σ w(y − ȳ)²

    R² about 0 = 1 − Σ w(ŷ − y)² / Σ w y²: what R, Spark and statsmodels call R² of a model without an intercept

    loss = 1/Σw Σ w ℓ          deviance = 2/Σw Σ w (ℓ − ℓ*)              D² = 1 − (loss − ℓ*) / (null − ℓ*)

ŷ is the expected target, ℓ the model's own loss, ℓ* the least that it can be for a row, null the loss of the best
constant. With several outputs MSE and MAE are means over them, and so is R², each output by itself; loss and deviance
are sums over them, as in a fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from dgd._typing import Vector
from dgd.losses import Loss
from dgd.losses.base import NumberLoss
from dgd.losses.sums import weighted_sum
from dgd.models.predictor import Predictor
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.moments import Moments, block_moments, columns
from dgd.passes.sums.row_sums import Part


@dataclass(frozen=True, slots=True)
class ScorePartial:
    """The sums of some rows, output by output."""

    rows: int
    squares: Vector
    absolutes: Vector
    encoded: Moments
    """Of the targets as the loss has them."""
    target: Moments
    """Of the targets as a response is compared with them."""
    loss: float
    saturated: float

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.rows + other.rows,
            self.squares + other.squares,
            self.absolutes + other.absolutes,
            self.encoded + other.encoded,
            self.target + other.target,
            self.loss + other.loss,
            self.saturated + other.saturated,
        )

    @property
    def scores(self) -> int:
        """It keeps none."""
        return 0

    def within(self, kept: int) -> Self:
        """Itself."""
        return self


@dataclass(frozen=True)
class ErrorSums(Part):
    """The errors of the model's response."""

    model: Predictor

    def __call__(self, block: Block, loss: Loss) -> ScorePartial:
        y, w = block.y, block.weight
        assert y is not None
        target, times = loss.observed(y)
        encoded = block_moments(columns(y), w)
        counted = w if times is None else times if w is None else w * times
        residual = columns(self.model.response(block.raw) - target)
        weight = 1.0 if counted is None else counted[:, None]
        return ScorePartial(
            rows=len(y),
            squares=(weight * residual * residual).sum(axis=0),
            absolutes=(weight * np.abs(residual)).sum(axis=0),
            encoded=encoded,
            target=encoded if times is None else block_moments(columns(target), counted),
            loss=weighted_sum(loss.value(block.raw, y), w),
            saturated=weighted_sum(loss.saturated(y), w),
        )

    def finite(self, total: ScorePartial) -> bool:
        """Whether the squares are finite, and the loss."""
        return bool(np.isfinite(total.squares).all()) and math.isfinite(total.loss)


@dataclass(frozen=True, slots=True)
class Score:
    """MSE, RMSE, MAE (in the target's units, its square for MSE), R² and the figures of the model's own loss.

    r2 is about the mean, NaN for a constant target; uncentered_r2 is about 0. deviance: NaN for a loss that is no
    likelihood, such as huber; d2: NaN where an offset or the loss leaves the best constant unknown.
    """

    mse: float
    rmse: float
    mae: float
    r2: float
    rows: int
    rows_left_out: int = 0
    """Rows with a missing cell, which count for nothing."""
    loss: float = math.nan
    deviance: float = math.nan
    d2: float = math.nan
    uncentered_r2: float = math.nan
    groups: dict[Any, Score] = field(default_factory=dict)
    """The same of the rows of each group, where groups were asked for."""

    @classmethod
    def of(cls, partial: ScorePartial, loss: Loss, left_out: int = 0, *, offset: bool = False) -> Self:
        """The figures from the sums over all rows."""
        weight, spread, encoded = partial.target.weight, partial.target.squares, partial.encoded
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(spread > 0, 1 - partial.squares / spread, np.nan)
            total = spread + weight * partial.target.mean**2
            about_zero = np.where(total > 0, 1 - partial.squares / total, np.nan)
            mse = float(np.divide(partial.squares.mean(), weight))
            mean, saturated = (float(np.divide(each, encoded.weight)) for each in (partial.loss, partial.saturated))
            variance = encoded.squares / np.float64(encoded.weight)
            null = math.nan if offset else float(loss.null_value(encoded.mean, variance))
        return cls(
            mse=mse,
            rmse=math.sqrt(mse),
            mae=float(np.divide(partial.absolutes.mean(), weight)),
            r2=float(r2.mean()),
            rows=partial.rows,
            rows_left_out=left_out,
            loss=mean,
            deviance=2 * (mean - saturated) / loss.gradient_scale if _has_deviance(loss) else math.nan,
            uncentered_r2=float(about_zero.mean()),
            d2=1 - (mean - saturated) / (null - saturated) if null > saturated else math.nan,
        )


def _has_deviance(loss: Loss) -> bool:
    """Whether the loss is that of a distribution: it is a likelihood, or knows the least that it can be for a row."""
    return loss.is_likelihood or type(loss).saturated is not NumberLoss.saturated
