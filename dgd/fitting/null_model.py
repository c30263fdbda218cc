"""Where a fit starts: the best constant prediction for all rows.

It is found before the first pass: targets, weights and offsets are read once, which costs 1/n of a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import near
from dgd.data.dataset import Chunk, Dataset
from dgd.data.folds import Folds
from dgd.data.transforms.row_split import RowSplit
from dgd.data.transforms.targets_only import targets_only
from dgd.losses import Loss
from dgd.losses.base import Targets
from dgd.passes.executor import ChunkSum, Executor, InlineExecutor, PassResult, S
from dgd.passes.sums.bad_rows import checked_weight
from dgd.passes.sums.moments import Moments, block_moments, columns

FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True)
class NullModel:
    """The best constant prediction for targets less their level, and what was read to find it."""

    level: float | Vector
    """0 unless the loss is `of_difference`."""
    constant: float | Vector
    spread: Vector
    """The targets' standard deviation."""
    bytes_read: int = 0

    def theta(self, shape: tuple[int, ...]) -> Vector:
        """θ of that shape, for the differences."""
        theta = np.zeros(shape)
        theta[0] = self.constant
        return theta


def null_model(dataset: Dataset, loss: Loss, executor: Executor, split: RowSplit | None = None) -> NullModel:
    """The null model of the rows to fit; `split` says which are held out."""
    assert dataset.y is not None
    classes = loss.n_outputs(dataset.y.shape) if len(dataset.y.shape) == 1 else None
    numbers = 0 if split is not None else classes or 1
    result = sweep_targets(dataset, executor, _TargetSum(loss, split), numbers=numbers)
    best, spread, level = _best(result.value, dataset, loss)
    return NullModel(level, best - level, spread, result.bytes_read)


def null_models(dataset: Dataset, loss: Loss, executor: Executor, folds: Folds | None) -> list[NullModel]:
    """The null model of all rows, and of all rows but those of each fold; all for the level of the first."""
    if folds is None:
        return [null_model(dataset, loss, executor)]
    result = sweep_targets(dataset, executor, _FoldedTargetSum(loss, folds))
    of_fold = result.value.of_fold
    best, spread, level = _best(reduce(add, of_fold), dataset, loss)
    found = [NullModel(level, best - level, spread, result.bytes_read)]
    for without in range(folds.count):
        rest = reduce(add, [sums for k, sums in enumerate(of_fold) if k != without])
        best, spread, _ = _best(rest, dataset, loss)
        found.append(NullModel(level, best - level, spread))
    return found


def sweep_targets(dataset: Dataset, executor: Executor, chunk_sum: ChunkSum[S], *, numbers: int = 0) -> PassResult[S]:
    """A sum over targets, weights and offsets, read without X; here, where they lie here and workers are elsewhere.

    numbers: see `targets_only`.
    """
    targets = targets_only(dataset, numbers=numbers)
    if targets.lies_in_memory and not executor.resources(dataset).shares_memory:
        executor = InlineExecutor()
    return executor.sweep(targets, chunk_sum)


def _best(found: _TargetSums, dataset: Dataset, loss: Loss) -> tuple[Any, Vector, Any]:
    """The best constant, the targets' spread, and a level for them; 0 where a number is not finite."""
    assert dataset.y is not None
    with np.errstate(all="ignore"):
        spread = np.sqrt(found.moments.variance)
        best = loss.constant(found.targets(vector=loss.n_outputs(dataset.y.shape) is None))
        rounded = near(best, spread if np.ndim(best) else spread[0]) if loss.of_difference else 0.0
    if np.isfinite(best).all() and np.isfinite(rounded).all():
        return best, spread, rounded
    return 0.0, spread, 0.0


@dataclass(frozen=True, slots=True)
class _TargetSums:
    """The moments of y, and of offsets the same and log Σ w e^offset, for each output."""

    rows: int
    moments: Moments
    offsets: Moments | None = None
    exposure: Vector | None = None

    def __add__(self, other: Self) -> Self:
        with np.errstate(over="ignore", invalid="ignore"):
            rows, moments = self.rows + other.rows, self.moments + other.moments
        if self.offsets is None or other.offsets is None or self.exposure is None or other.exposure is None:
            return type(self)(rows, moments)
        with np.errstate(invalid="ignore"):
            exposure = np.logaddexp(self.exposure, other.exposure)
        return type(self)(rows, moments, self.offsets + other.offsets, exposure)

    def targets(self, *, vector: bool) -> Targets:
        """What a loss needs to know, of one number or of one for each output."""
        first = 0 if vector else slice(None)
        zero, mean = np.zeros_like(self.moments.mean), self.moments.mean
        return Targets(
            rows=self.rows,
            mean=mean if vector and len(mean) > 1 else mean[first],
            offset=(zero if self.offsets is None else self.offsets.mean)[first],
            exposure=(zero if self.exposure is None else self.exposure - np.log(self.moments.weight))[first],
        )


@dataclass(frozen=True)
class _TargetSum:
    loss: Loss
    split: RowSplit | None

    def __call__(self, chunk: Chunk, buffers: Buffers) -> _TargetSums:
        if self.split is not None:
            chunk = self.split.split(chunk)[0]
        assert chunk.y is not None
        y, q = self.loss.encode(chunk.y, FLOAT64), self.loss.n_outputs(chunk.y.shape)
        if y.ndim == 1 and q is not None:
            y = (y[:, None] == np.arange(q)).astype(np.float64)
        weight, buffers = checked_weight(chunk, FLOAT64), buffers.within("targets")
        with np.errstate(all="ignore"):
            moments = block_moments(columns(y), weight, buffers)
            if chunk.offset is None:
                return _TargetSums(len(y), moments)
            offset = columns(chunk.offset.astype(np.float64, copy=False))
            log_weight = 0.0 if weight is None else np.log(weight)[:, None]
            exposure = np.logaddexp.reduce(log_weight + offset, axis=0)
            return _TargetSums(len(y), moments, block_moments(offset, weight, buffers), exposure)


@dataclass(frozen=True, slots=True)
class _FoldedTargetSums:
    """Those of each fold."""

    of_fold: tuple[_TargetSums, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(tuple(map(add, self.of_fold, other.of_fold)))


@dataclass(frozen=True)
class _FoldedTargetSum:
    loss: Loss
    folds: Folds

    def __call__(self, chunk: Chunk, buffers: Buffers) -> _FoldedTargetSums:
        of_row, whole = self.folds.of(chunk), _TargetSum(self.loss, None)
        parts = (chunk.take(np.flatnonzero(of_row == fold)) for fold in range(self.folds.count))
        return _FoldedTargetSums(tuple(whole(part, buffers) for part in parts))
