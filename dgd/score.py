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
from dgd.errors import DataError
from dgd.kernels import Moments, block_moments, block_rows, block_weight, check_finite
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
        step = block_rows(self.model.n_features, np.dtype(np.float64))
        total: ScorePartial | None = None
        for start in range(0, chunk.X.shape[0], step):
            part = self._block(chunk, start, min(start + step, chunk.X.shape[0]), buffers)
            total = part if total is None else total + part
        assert total is not None
        if not (math.isfinite(total.squares) and math.isfinite(total.target.weight)):
            check_finite(chunk)
        return total

    def _block(self, chunk: Chunk, start: int, stop: int, buffers: Buffers) -> ScorePartial:
        assert chunk.y is not None
        y = chunk.y[start:stop].astype(np.float64, copy=False)
        weight = block_weight(chunk, start, stop, np.dtype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            residual = self.model.raw_prediction(chunk.X[start:stop], buffers) - y
            w = 1.0 if weight is None else weight
            return ScorePartial(
                squares=float((w * residual * residual).sum()),
                absolutes=float((w * np.abs(residual)).sum()),
                target=block_moments(y[:, None], weight),
            )


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
        if not weight > 0:
            raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
        spread = float(partial.target.squares[0])
        mse = partial.squares / weight
        return cls(
            mse=mse,
            rmse=math.sqrt(mse),
            mae=partial.absolutes / weight,
            r2=1 - partial.squares / spread if spread > 0 else math.nan,
            rows=rows,
        )
