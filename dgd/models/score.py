"""How well a model fits: a few figures from one pass.

MSE = 1/Σw Σ w(ŷ − y)²     RMSE = √MSE     MAE = 1/Σw Σ w|ŷ − y|     R² = 1 − Σ w(ŷ − y)² / Σ w(y − ȳ)²

accuracy = 1/Σw Σ w·[label = y]        log loss = −1/Σw Σ w·log p(y)

With several outputs MSE and MAE are means over them, and so is R², each output by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import DataError
from dgd.losses import Logistic, Softmax
from dgd.models.model import Model
from dgd.passes.sums.bad_rows import block_weight, check_finite, check_targets
from dgd.passes.sums.gradient import block_rows
from dgd.passes.sums.moments import Moments, block_moments


@dataclass(frozen=True, slots=True)
class ScorePartial:
    """The sums of some rows, output by output."""

    squares: Vector
    absolutes: Vector
    target: Moments

    def __add__(self, other: Self) -> Self:
        return type(self)(self.squares + other.squares, self.absolutes + other.absolutes, self.target + other.target)


@dataclass(frozen=True)
class ScoreSum:
    """The summand of a score."""

    model: Model

    def __call__(self, chunk: Chunk, buffers: Buffers) -> ScorePartial:
        total: ScorePartial | None = None
        for start, stop in _blocks(self.model, chunk):
            part = self._block(chunk, start, stop, buffers)
            total = part if total is None else total + part
        assert total is not None
        if not (np.isfinite(total.squares).all() and math.isfinite(total.target.weight)):
            check_finite(chunk)
        return total

    def _block(self, chunk: Chunk, start: int, stop: int, buffers: Buffers) -> ScorePartial:
        assert chunk.y is not None
        y = chunk.y[start:stop].astype(np.float64, copy=False)
        weight = block_weight(chunk, start, stop, np.dtype(np.float64))
        with np.errstate(over="ignore", invalid="ignore"):
            residual = self.model.response(_raw(self.model, chunk, start, stop, buffers)) - y
            residual = residual.reshape(len(y), -1)
            w = 1.0 if weight is None else weight[:, None]
            return ScorePartial(
                squares=(w * residual * residual).sum(axis=0),
                absolutes=(w * np.abs(residual)).sum(axis=0),
                target=block_moments(y.reshape(len(y), -1), weight),
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
        weight = _weight(partial.target.weight)
        spread = partial.target.squares
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(spread > 0, 1 - partial.squares / spread, np.nan)
        mse = float(partial.squares.mean()) / weight
        return cls(
            mse=mse,
            rmse=math.sqrt(mse),
            mae=float(partial.absolutes.mean()) / weight,
            r2=float(r2.mean()),
            rows=rows,
        )


@dataclass(frozen=True, slots=True)
class ClassScorePartial:
    """The sums of some rows."""

    hits: float
    log_loss: float
    weight: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.hits + other.hits, self.log_loss + other.log_loss, self.weight + other.weight)


@dataclass(frozen=True)
class ClassScoreSum:
    """The summand of a score where the target is a class; a label that the model does not know is refused."""

    model: Model

    def __call__(self, chunk: Chunk, buffers: Buffers) -> ClassScorePartial:
        assert chunk.y is not None
        assert self.model.classes is not None
        classes = self.model.classes
        loss: Logistic | Softmax = Softmax(classes=classes) if self.model.outputs else Logistic(classes=classes)
        total = ClassScorePartial(0.0, 0.0, 0.0)
        for start, stop in _blocks(self.model, chunk):
            raw = _raw(self.model, chunk, start, stop, buffers)
            y = loss.encode(chunk.y[start:stop], np.dtype(np.float64))
            weight = block_weight(chunk, start, stop, np.dtype(np.float64))
            w = np.ones(stop - start) if weight is None else weight
            winner = raw.argmax(axis=1) if raw.ndim == 2 else raw > 0
            value = loss.value(raw, y)
            total += ClassScorePartial(float((w * (winner == y)).sum()), float((w * value).sum()), float(w.sum()))
        if not math.isfinite(total.log_loss):
            check_finite(chunk)
            check_targets(chunk, loss)
        return total


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The share of rows whose class was predicted, and the mean of −log p of the class each row has."""

    accuracy: float
    log_loss: float
    rows: int

    @classmethod
    def of(cls, partial: ClassScorePartial, rows: int) -> Self:
        """The figures from the sums over all rows."""
        weight = _weight(partial.weight)
        return cls(accuracy=partial.hits / weight, log_loss=partial.log_loss / weight, rows=rows)


def _blocks(model: Model, chunk: Chunk) -> list[tuple[int, int]]:
    step = block_rows(model.n_features, chunk.X.dtype, np.dtype(np.float64), outputs=math.prod(model.outputs))
    rows = chunk.X.shape[0]
    return [(start, min(start + step, rows)) for start in range(0, rows, step)]


def _raw(model: Model, chunk: Chunk, start: int, stop: int, buffers: Buffers) -> Vector:
    offset = None if chunk.offset is None else chunk.offset[start:stop]
    return model.raw_prediction(chunk.X[start:stop], buffers, offset)


def _weight(weight: float) -> float:
    if not weight > 0:
        raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
    return weight
