"""Weighted mean and spread of columns, summed over the tree without cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.columns import Columns, merged
from dgd.passes.sums.dense_columns import DenseColumns, near_zero
from dgd.passes.sums.row_sums import OfColumns, Part


@dataclass(frozen=True, slots=True)
class Moments(OfColumns):
    """Weighted mean and sum of squared deviations of each column."""

    weight: float
    mean: Vector
    squares: Vector

    def __add__(self, other: Self) -> Self:
        return type(self)(*merged((self.weight, self.mean, self.squares), (other.weight, other.mean, other.squares)))

    def moved(self, step: Vector) -> Self:
        """The mean moved, and the deviations as they are."""
        return type(self)(self.weight, self.mean + step, self.squares)

    @property
    def variance(self) -> Vector:
        """The mean squared deviation of each column."""
        return self.squares / self.weight

    @property
    def root_mean_square(self) -> Vector:
        """Of each column."""
        found: Vector = np.hypot(np.sqrt(self.variance), self.mean)
        return found


class ColumnMoments(Part):
    """The moments of the columns of X."""

    moments: ClassVar[bool] = True
    of_sums: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> Moments:
        made = None if (summed := block.summed(loss)) is None else summed.moments
        if made is not None and (piece := near_zero(_weight(block), *made)) is not None:
            return Moments(*piece)
        return _joined(block.columns, block.weight)


@dataclass(frozen=True, slots=True)
class TargetSums:
    """The targets' moments (of classes: of a column of zeros and ones for each) and the least that the loss can be."""

    moments: Moments
    saturated: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.moments + other.moments, self.saturated + other.saturated)


class TargetMoments(Part):
    """The moments of the targets, and the sum of the saturated loss."""

    targets: ClassVar[bool] = True
    of_sums: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> TargetSums:
        y, w = block.y, block.weight
        assert y is not None
        saturated = loss.saturated(y)
        least = float(saturated.sum() if w is None else (saturated * w).sum())
        made = None if (summed := block.summed(loss)) is None else summed.targets
        if made is not None and (piece := near_zero(_weight(block), *made[:2, None])) is not None:
            return TargetSums(Moments(*piece), least)
        if y.ndim < block.raw.ndim:
            y = (y[:, None] == np.arange(block.raw.shape[1])).astype(y.dtype)
        return TargetSums(block_moments(columns(y), w, block.buffers), least)


def _weight(block: Block) -> float:
    """Σw of its rows."""
    return float(len(block.y)) if block.weight is None else float(block.weight.sum(dtype=np.float64))


def columns(values: Array) -> Array:
    """An array of one or two dimensions as one of two."""
    return values[:, None] if values.ndim == 1 else values


def block_moments(block: Array, weight: Array | None, buffers: Buffers | None = None) -> Moments:
    """Mean and squared deviations of an array's columns, in float64; buffers: those of the thread, for many blocks."""
    return _joined(DenseColumns(block, buffers or Buffers()), weight)


def _joined(columns: Columns, weight: Array | None) -> Moments:
    return reduce(add, (Moments(*piece) for piece in columns.centred_sums(weight)))
