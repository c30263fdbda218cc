"""Weighted mean and spread of columns, summed over the tree without cancellation.

Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import OfColumns, Part

PIECE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Moments(OfColumns):
    """Weighted mean and sum of squared deviations of each column."""

    weight: float
    mean: Vector
    squares: Vector

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        step = other.mean - self.mean
        return type(self)(
            weight=weight,
            mean=self.mean + step * (other.weight / weight),
            squares=self.squares + other.squares + step * step * (self.weight * other.weight / weight),
        )

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

    def __call__(self, block: Block, loss: Loss) -> Moments:
        return block_moments(block.X, block.weight)


@dataclass(frozen=True, slots=True)
class TargetSums:
    """The targets' moments (of classes: of a column of zeros and ones for each) and the least that the loss can be."""

    moments: Moments
    saturated: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.moments + other.moments, self.saturated + other.saturated)


class TargetMoments(Part):
    """The moments of the targets, and the sum of the saturated loss."""

    def __call__(self, block: Block, loss: Loss) -> TargetSums:
        y, w = block.y, block.weight
        assert y is not None
        saturated = loss.saturated(y)
        if y.ndim < block.raw.ndim:
            y = (y[:, None] == np.arange(block.raw.shape[1])).astype(y.dtype)
        return TargetSums(
            moments=block_moments(columns(y), w),
            saturated=float(saturated.sum() if w is None else (saturated * w).sum()),
        )


def columns(values: Array) -> Array:
    """An array of one or two dimensions as one of two."""
    return values[:, None] if values.ndim == 1 else values


def block_moments(block: Array, weight: Array | None) -> Moments:
    """Mean and squared deviations of a block's columns, in float64, in pieces that stay in a core's cache."""
    step = max(16, PIECE_BYTES // (8 * block.shape[1]))
    weights = np.ones(len(block)) if weight is None else weight.astype(np.float64, copy=False)
    pieces = (
        _moments(block[start : start + step], weights[start : start + step])
        for start in range(0, max(len(block), 1), step)
    )
    return reduce(add, pieces)


def _moments(block: Array, w: Vector) -> Moments:
    total = float(w.sum())
    if total == 0.0:
        return Moments(0.0, np.zeros(block.shape[1]), np.zeros(block.shape[1]))
    values = block.astype(np.float64, copy=False)
    mean = np.dot(w, values) / total
    centred = values - mean
    return Moments(total, mean, np.dot(w, np.multiply(centred, centred, out=centred)))
