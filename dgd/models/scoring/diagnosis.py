"""What one pass says of a model on a dataset, besides its score: residuals, calibration, the loss of each chunk.

    residual r = y − ŷ        loss of a chunk = 1/Σw Σ w ℓ over its rows

Residuals and predictions are kept as a ranking keeps scores: by their first bits, 65,536 different ones at most, so
that the memory has a bound whatever the number of rows; the same bits on any executor.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.losses import Loss
from dgd.models.predictor import Predictor
from dgd.models.scoring.classes import ClassScore
from dgd.models.scoring.numbers import Score
from dgd.models.scoring.ranking import BITS, BYTES, KEPT, Ranking
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part, RowSums, Sums

CHUNK_BYTES = 5 * 8
OF_RESIDUALS = 2 * BYTES * KEPT
"""Bytes of the rankings of residuals and predictions."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Weights by residual, and sums of targets and weights by prediction."""

    by_residual: Ranking
    by_prediction: Ranking

    def __add__(self, other: Self) -> Self:
        return type(self)(self.by_residual + other.by_residual, self.by_prediction + other.by_prediction)


@dataclass(frozen=True)
class ResidualSums(Part):
    """The residuals of a model of numbers with one output."""

    model: Predictor

    def __call__(self, block: Block, loss: Loss) -> Residuals:
        target, times = loss.observed(block.y)
        weight = np.ones(len(block.raw)) if block.weight is None else np.asarray(block.weight, dtype=np.float64)
        weight = weight if times is None else weight * times
        predicted = np.array(self.model.response(block.raw), dtype=np.float64)
        target = np.asarray(target, dtype=np.float64)
        return Residuals(
            Ranking.of(target - predicted, weight, np.zeros_like(weight), KEPT),
            Ranking.of(predicted, weight * target, weight, KEPT),
        )


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The sums of some chunks, and a row for each: its number, first row, rows, weight, loss."""

    sums: Sums
    chunks: Array
    seconds: float
    """What the arithmetic took, over all threads."""

    def __add__(self, other: Self) -> Self:
        chunks = np.concatenate((self.chunks, other.chunks))
        return type(self)(self.sums + other.sums, chunks, self.seconds + other.seconds)


@dataclass(frozen=True)
class DiagnosisSum:
    """The chunk sum of a diagnosis: those of all rows, and the loss of the chunk."""

    rows: RowSums

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Diagnosed:
        began = time.perf_counter()
        sums = self.rows(chunk, buffers)
        loss = sums.parts[0].log_loss if hasattr(sums.parts[0], "log_loss") else sums.parts[0].loss
        row = [chunk.index, chunk.start, chunk.X.shape[0], sums.weight, loss]
        return Diagnosed(sums, np.array([row], dtype=np.float64), time.perf_counter() - began)


@dataclass(frozen=True)
class ChunkLoss:
    """A chunk: its number, its first row, its rows, and the mean loss of these (NaN where no row counts)."""

    index: int
    start: int
    rows: int
    loss: float


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """How a model does on a dataset, and on which of its chunks it does not.

    residuals: values in ascending order, and the share of the weight at or below each; predicted: the mean target
    beside the mean prediction in groups of rows by prediction; both None for classes and several outputs.
    roc: for each class (of two: the second) its name, the false and the true positive rates; empty for numbers.
    """

    score: Score | ClassScore
    chunks: tuple[ChunkLoss, ...]
    residuals: tuple[Vector, Vector] | None = None
    within: float = 0.0
    """How far at most a residual is from its value there, as a part of it: values that begin alike are one."""
    predicted: tuple[Vector, Vector] | None = None
    roc: tuple[tuple[Any, Vector, Vector], ...] = ()
    seconds: float = 0.0
    """The pass took so long."""
    arithmetic_seconds: float = 0.0
    """Of all its threads together; the rest they read, decoded and waited."""
    threads: int = 1
    bytes_read: int = 0

    def quantile(self, share: float) -> float:
        """The residual that this share of the weight is at or below."""
        assert self.residuals is not None
        values, shares = self.residuals
        return float(values[min(int(np.searchsorted(shares, share)), len(values) - 1)])

    def worst(self, count: int) -> list[ChunkLoss]:
        """The chunks with the largest mean loss, largest first."""
        known = [chunk for chunk in self.chunks if not math.isnan(chunk.loss)]
        return sorted(known, key=lambda chunk: -chunk.loss)[:count]

    def suspects(self) -> list[ChunkLoss]:
        """Chunks whose mean loss lies above the others': more than eight times the spread of these from their median.

        The spread is the distance from the median that half of the chunks are within.
        """
        losses = np.array([chunk.loss for chunk in self.chunks if not math.isnan(chunk.loss)])
        if len(losses) < 3:
            return []
        middle = float(np.median(losses))
        spread = float(np.median(np.abs(losses - middle)))
        limit = middle + max(8 * spread, 1e-9 * abs(middle))
        return [chunk for chunk in self.worst(len(losses)) if chunk.loss > limit]


def chunk_losses(rows: Array) -> tuple[ChunkLoss, ...]:
    """The chunks in order."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = rows[:, 4] / rows[:, 3]
    return tuple(ChunkLoss(int(r[0]), int(r[1]), int(r[2]), float(m)) for r, m in zip(rows, means, strict=True))


def of_residuals(found: Residuals) -> dict[str, Any]:
    """The fields of a diagnosis from the residuals."""
    values, share = _values(found.by_residual), np.cumsum(found.by_residual.positive)
    total, counts = found.by_prediction, found.by_prediction.negative
    groups = np.minimum((np.cumsum(counts) - counts / 2) / counts.sum() * 20, 19).astype(np.intp)
    weight = np.bincount(groups, counts, 20)
    kept = weight > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        predicted = (np.bincount(groups, counts * _values(total), 20) / weight)[kept]
        observed = (np.bincount(groups, total.positive, 20) / weight)[kept]
    within = 2.0 ** (found.by_residual.dropped - 53) if found.by_residual.dropped else 0.0
    return {"residuals": (values, share / share[-1]), "within": within, "predicted": (predicted, observed)}


def of_rankings(rankings: tuple[Ranking, ...], labels: tuple[Any, ...]) -> tuple[tuple[Any, Vector, Vector], ...]:
    """The ROC curve of each ranking, from (0, 0) to (1, 1), in at most 200 points."""
    found = []
    for label, ranking in zip(labels, rankings, strict=True):
        positive, negative = ranking.positive[::-1], ranking.negative[::-1]
        if not (positive.sum() > 0 and negative.sum() > 0):
            continue
        true, false = np.cumsum(positive) / positive.sum(), np.cumsum(negative) / negative.sum()
        some = np.unique(np.searchsorted(false + true, np.linspace(0, 2, 200)).clip(0, len(true) - 1))
        found.append((label, np.append(0.0, false[some]), np.append(0.0, true[some])))
    return tuple(found)


def _values(ranking: Ranking) -> Vector:
    """The number in the middle of those that each key stands for."""
    half = 1 << (ranking.dropped - 1) if ranking.dropped else 0
    keys = (ranking.keys << ranking.dropped) + half
    bits = keys ^ ((keys >> (BITS - 1)) & np.int64(2**63 - 1))
    return np.asarray(bits, dtype=np.int64).view(np.float64)


def with_timing(found: Diagnosis, seconds: float, arithmetic: float, threads: int, bytes_read: int) -> Diagnosis:
    """The diagnosis with what its pass took."""
    return replace(found, seconds=seconds, arithmetic_seconds=arithmetic, threads=threads, bytes_read=bytes_read)
