"""How well a model fits: a few figures from one pass.

MSE = 1/Σw Σ w(ŷ − y)²     RMSE = √MSE     MAE = 1/Σw Σ w|ŷ − y|     R² = 1 − Σ w(ŷ − y)² / Σ w(y − ȳ)²

accuracy = 1/Σw Σ w·[label = y]        log loss = −1/Σw Σ w·log p(y)

With several outputs MSE and MAE are means over them, and so is R², each output by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.errors import DataError
from dgd.losses import Logistic, Loss, Softmax, Squared
from dgd.models.predictor import Predictor
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.gradient import weighted_sum
from dgd.passes.sums.moments import Moments, block_moments, columns
from dgd.passes.sums.row_sums import Part, RowSums


def score(
    model: Predictor,
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Score | ClassScore:
    """Measure a model's error on a dataset: MSE, RMSE, MAE and R², or for classes accuracy and log loss; one pass.

    data, y, weight, offset, reading: see `open_dataset`. client, threads, execution: where it runs, as for `fit`.

    Raises ModelError if the data do not have the columns the model was fitted on.
    """
    how = Reading.of("score", reading)
    dataset = open_data(
        data, y, weight, model.offset_of(offset), need_target=True, reading=how, known=model.feature_names
    )
    model.check(dataset)
    parts: tuple[Part, ...] = (ErrorSums(model),)
    loss: Loss = Squared()
    if model.classes is not None:
        parts = (ClassErrorSums(),)
        loss = Softmax(classes=model.classes) if model.outputs else Logistic(classes=model.classes)
    with session(execution_of(execution, client, threads)) as running:
        dataset = running.open(dataset, Need(outputs=math.prod(model.outputs)))
        found = running.executor.sweep(dataset, RowSums(loss, model.intercept, model.coef.T, parts))
    sums, left_out = found.value, 0 if found.left_out is None else found.left_out.rows
    if not sums.weight > 0:
        raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
    kind = Score if model.classes is None else ClassScore
    return kind.of(sums.parts[0], sums.weight, dataset.shape[0] - left_out, left_out)


@dataclass(frozen=True, slots=True)
class ScorePartial:
    """The sums of some rows, output by output."""

    squares: Vector
    absolutes: Vector
    target: Moments

    def __add__(self, other: Self) -> Self:
        return type(self)(self.squares + other.squares, self.absolutes + other.absolutes, self.target + other.target)


@dataclass(frozen=True)
class ErrorSums(Part):
    """The errors of the model's response."""

    model: Predictor

    def __call__(self, block: Block, loss: Loss) -> ScorePartial:
        y, w = block.y, block.weight
        assert y is not None
        residual = columns(self.model.response(block.raw) - y)
        weight = 1.0 if w is None else w[:, None]
        return ScorePartial(
            squares=(weight * residual * residual).sum(axis=0),
            absolutes=(weight * np.abs(residual)).sum(axis=0),
            target=block_moments(columns(y), w),
        )

    def finite(self, total: ScorePartial) -> bool:
        """Whether the squares are finite."""
        return bool(np.isfinite(total.squares).all())


@dataclass(frozen=True, slots=True)
class Score:
    """MSE, RMSE, MAE (in the target's units, its square for MSE) and R²; R² is NaN for a constant target."""

    mse: float
    rmse: float
    mae: float
    r2: float
    rows: int
    rows_left_out: int = 0
    """Rows with a missing cell, which count for nothing."""

    @classmethod
    def of(cls, partial: ScorePartial, weight: float, rows: int, left_out: int = 0) -> Self:
        """The figures from the sums over all rows."""
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
            rows_left_out=left_out,
        )


@dataclass(frozen=True, slots=True)
class ClassScorePartial:
    """The sums of some rows."""

    hits: float
    log_loss: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.hits + other.hits, self.log_loss + other.log_loss)


class ClassErrorSums(Part):
    """How many rows are in the class that was predicted, and their log loss."""

    def __call__(self, block: Block, loss: Loss) -> ClassScorePartial:
        raw, y = block.raw, block.y
        winner = raw.argmax(axis=1) if raw.ndim == 2 else raw > 0
        hits = (winner == y).astype(np.float64)
        return ClassScorePartial(weighted_sum(hits, block.weight), weighted_sum(loss.value(raw, y), block.weight))

    def finite(self, total: ClassScorePartial) -> bool:
        """Whether the log loss is finite: a label that the model does not know is NaN."""
        return math.isfinite(total.log_loss)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The proportion of rows whose class was predicted, and the mean of −log p of the class each row has."""

    accuracy: float
    log_loss: float
    rows: int
    rows_left_out: int = 0
    """Rows with a missing cell, which count for nothing."""

    @classmethod
    def of(cls, partial: ClassScorePartial, weight: float, rows: int, left_out: int = 0) -> Self:
        """The figures from the sums over all rows."""
        return cls(partial.hits / weight, partial.log_loss / weight, rows, left_out)
