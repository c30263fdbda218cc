"""How well a model tells classes apart, and figures from that.

    accuracy = 1/Σw Σ w·[label = y]        log loss = −1/Σw Σ w·log p(y)

    Brier = 1/Σw Σ w (p − [y = second])²   of two classes;   1/Σw Σ w Σ_k (p_k − [y = k])²   of more

AUC: of two classes that of the raw prediction; of more the mean over the classes, each against the others by its
probability. Calibration: in ten bins of equal width, by the probability of the second class (of more: of the class that
is predicted), the mean probability beside the part of the rows that are in that class. Of several targets of two
classes each every figure is the mean over the targets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.losses.sums import weighted_sum
from dgd.models.predictor import Predictor
from dgd.models.scoring.ranking import Ranking
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.moments import columns
from dgd.passes.sums.row_sums import Part

BINS = 10
EDGES = np.linspace(0, 1, BINS + 1)
MOST_RANKED = 32
"""Classes of which each is ranked against the others; with more of them there is no AUC."""


@dataclass(frozen=True, slots=True)
class ClassScorePartial:
    """The sums of some rows."""

    rows: int
    weight: float
    hits: float
    log_loss: float
    brier: float
    calibration: Array
    """(3, BINS): weights, weighted probabilities, weights of the rows in the class."""
    rankings: tuple[Ranking, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.rows + other.rows,
            self.weight + other.weight,
            self.hits + other.hits,
            self.log_loss + other.log_loss,
            self.brier + other.brier,
            self.calibration + other.calibration,
            tuple(a + b for a, b in zip(self.rankings, other.rankings, strict=True)),
        )

    @property
    def scores(self) -> int:
        """How many scores are kept."""
        return sum(len(ranking.keys) for ranking in self.rankings)

    def within(self, kept: int) -> Self:
        """The same with at most so many scores in each ranking."""
        return replace(self, rankings=tuple(ranking.within(kept) for ranking in self.rankings))


@dataclass(frozen=True)
class ClassErrorSums(Part):
    """Hits, probabilities and rankings."""

    model: Predictor
    kept: int
    """Scores that each ranking may keep; 0 for no ranking."""

    def __call__(self, block: Block, loss: Loss) -> ClassScorePartial:
        rows = len(block.raw)
        weight = np.ones(rows) if block.weight is None else block.weight
        hits, brier, sure, right, rankings = (self._of_two if self.model.of_two else self._of_many)(block, weight)
        outputs = sure.shape[1]
        bins = bins_of(sure.ravel())
        each = np.repeat(weight / outputs, outputs)
        held = [np.bincount(bins, w, BINS) for w in (each, each * sure.ravel(), each * right.ravel())]
        return ClassScorePartial(
            rows,
            float(weight.sum()),
            weighted_sum(hits, block.weight),
            weighted_sum(loss.value(block.raw, block.y), block.weight) / outputs,
            weighted_sum(brier, block.weight),
            np.stack(held),
            rankings,
        )

    def _of_two(self, block: Block, weight: Vector) -> tuple[Vector, Vector, Array, Array, tuple[Ranking, ...]]:
        """Hits, squares, the second class's probability, whether a row is in it; one ranking for each target."""
        raw, y = columns(block.raw), columns(block.y)
        p = columns(self.model.response(block.raw)[..., 1])
        hits = ((raw > self.model.loss_itself.even) == y).mean(axis=1)
        return hits, ((p - y) ** 2).mean(axis=1), p, y, self._rankings(raw, y, weight)

    def _of_many(self, block: Block, weight: Vector) -> tuple[Vector, Vector, Array, Array, tuple[Ranking, ...]]:
        """The same for the class that is predicted; one ranking for each class."""
        p, winner = self.model.response(block.raw), block.raw.argmax(axis=1)
        own = (block.y[:, None] == np.arange(p.shape[1])).astype(np.float64)
        hits = (winner == block.y).astype(np.float64)
        sure = np.take_along_axis(p, winner[:, None], axis=1)
        return hits, ((p - own) ** 2).sum(axis=1), sure, hits[:, None], self._rankings(p, own, weight)

    def _rankings(self, scores: Array, own: Array, weight: Vector) -> tuple[Ranking, ...]:
        if not self.kept:
            return ()
        whole = bool((weight == np.floor(weight)).all())
        return tuple(
            Ranking.of(scores[:, k], weight * own[:, k], weight * (1 - own[:, k]), self.kept, whole=whole)
            for k in range(scores.shape[1])
        )

    def finite(self, total: ClassScorePartial) -> bool:
        """Whether the log loss is finite: a label that the model does not know is NaN."""
        return math.isfinite(total.log_loss)


def bins_of(p: Vector) -> NDArray[np.int64]:
    """The bin of each probability; one on an edge is in the lower bin, as scikit-learn has it."""
    found = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    found += p > EDGES[1:][found]
    found -= (p <= EDGES[:-1][found]) & (found > 0)
    return found


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose probability is from `low` to `high`: its mean, and the part of them that are in the class."""

    low: float
    high: float
    weight: float
    """The number of rows, or the sum of their weights."""
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Accuracy, log loss, Brier score and AUC (NaN where all rows are in one class), and a calibration table.

    log_loss: NaN for a loss that is no likelihood, such as the squared hinge, of whose estimates many are 0 and 1.
    auc_bound: how far at most `auc` is from that of all rows' scores; 0 up to a million rows (over classes).
    """

    accuracy: float
    log_loss: float
    rows: int
    rows_left_out: int = 0
    """Rows with a missing cell, which count for nothing."""
    brier: float = math.nan
    auc: float = math.nan
    auc_bound: float = math.nan
    calibration_error: float = math.nan
    """The mean of |predicted − observed| over the bins, by their weights."""
    calibration: tuple[CalibrationBin, ...] = ()
    """The bins that have rows."""
    groups: dict[Any, ClassScore] = field(default_factory=dict)
    """The same of the rows of each group, where groups were asked for."""

    @classmethod
    def of(cls, partial: ClassScorePartial, loss: Loss, left_out: int = 0) -> Self:
        """The figures from the sums over all rows."""
        weight = np.float64(partial.weight)
        areas = np.array([ranking.area() for ranking in partial.rankings]).reshape(-1, 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            held, predicted, observed = partial.calibration
            bins = [
                CalibrationBin(k / BINS, (k + 1) / BINS, float(w), float(p / w), float(y / w))
                for k, (w, p, y) in enumerate(zip(held, predicted, observed, strict=True))
                if w > 0
            ]
            return cls(
                float(partial.hits / weight),
                float(partial.log_loss / weight) if loss.is_likelihood else math.nan,
                partial.rows,
                left_out,
                brier=float(partial.brier / weight),
                auc=float(areas[:, 0].mean()) if len(areas) else math.nan,
                auc_bound=float(areas[:, 1].mean()) if len(areas) else math.nan,
                calibration_error=float(np.abs(predicted - observed).sum() / weight),
                calibration=tuple(bins),
            )
