"""How well a model fits: four figures from one pass.

MSE = 1/Σw Σ w(ŷ − y)²     RMSE = √MSE     MAE = 1/Σw Σ w|ŷ − y|     R² = 1 − Σ w(ŷ − y)² / Σ w(y − ȳ)²
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd.buffers import Buffers
from dgd.dataset import Chunk
from dgd.kernels import Moments, block_moments, check_finite
from dgd.model import Model


@dataclass(frozen=True, slots=True)
class ScorePartial:
    """The sums of some rows."""

    squares: float
    absolutes: float
    target: Moments

    def __add__(self, other: Self) -> Self:
        return type(self)(self.squares + other.squares, self.absolutes + other.absolutes, self.target + other.target)


@dataclass(frozen=True)
class ScoreSum:
    """The summand of a score."""

    model: Model

    def __call__(self, chunk: Chunk, buffers: Buffers) -> ScorePartial:
        assert chunk.y is not None
        y = chunk.y.astype(np.float64, copy=False)
        weight = None if chunk.weight is None else chunk.weight.astype(np.float64, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            residual = self.model.raw_prediction(chunk.X, buffers) - y
            w = 1.0 if weight is None else weight
            partial = ScorePartial(
                squares=float((w * residual * residual).sum()),
                absolutes=float((w * np.abs(residual)).sum()),
                target=block_moments(y[:, None], weight),
            )
        if not math.isfinite(partial.squares):
            check_finite(chunk)
        return partial


@dataclass(frozen=True, slots=True)
class Score:
    """MSE, RMSE, MAE (in the target's units, its square for MSE) and R²; R² is NaN for a constant target."""

    mse: float
    rmse: float
    mae: float
    r2: float
    rows: int

    @classmethod
    def of(cls, partial: ScorePartial, rows: int) -> Self:
        """The figures from the sums over all rows."""
        weight = partial.target.weight
        spread = float(partial.target.squares[0])
        mse = partial.squares / weight
        return cls(
            mse=mse,
            rmse=math.sqrt(mse),
            mae=partial.absolutes / weight,
            r2=1 - partial.squares / spread if spread > 0 else math.nan,
            rows=rows,
        )
