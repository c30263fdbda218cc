"""Where a fit starts: the best constant prediction for all rows.

It is found before the first pass: targets, weights and offsets are read once, which costs 1/n of a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import near
from dgd.data.dataset import Chunk, Dataset
from dgd.data.row_split import RowSplit
from dgd.data.targets_only import targets_only
from dgd.losses import Loss
from dgd.losses.base import Targets
from dgd.passes.executor import Executor, InlineExecutor
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
    targets = targets_only(dataset)
    if targets.lies_in_memory and not executor.resources(dataset).shares_memory:
        executor = InlineExecutor()
    result = executor.sweep(targets, _TargetSum(loss, split))
    found, constant, level = result.value, 0.0, 0.0
    with np.errstate(all="ignore"):
        spread = np.sqrt(found.moments.variance)
        best = loss.constant(found.targets(vector=loss.n_outputs(dataset.y.shape) is None))
        rounded = near(best, spread if np.ndim(best) else spread[0]) if loss.of_difference else 0.0
    if np.isfinite(best).all() and np.isfinite(rounded).all():
        constant, level = best - rounded, rounded
    return NullModel(level, constant, spread, result.bytes_read)


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
        zero = np.zeros_like(self.moments.mean)
        return Targets(
            rows=self.rows,
            mean=self.moments.mean[first],
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
        weight = checked_weight(chunk, FLOAT64)
        with np.errstate(all="ignore"):
            moments = block_moments(columns(y), weight)
            if chunk.offset is None:
                return _TargetSums(len(y), moments)
            offset = columns(chunk.offset.astype(np.float64, copy=False))
            log_weight = 0.0 if weight is None else np.log(weight)[:, None]
            exposure = np.logaddexp.reduce(log_weight + offset, axis=0)
            return _TargetSums(len(y), moments, block_moments(offset, weight), exposure)
