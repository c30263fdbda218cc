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

PIECE_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted mean and sum of squared deviations of each column."""

    weight: float
    mean: Vector
    squares: Vector

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if weight == 0.0:
            return self
        apart = other.mean - self.mean
        return type(self)(
            weight=weight,
            mean=self.mean + apart * (other.weight / weight),
            squares=self.squares + other.squares + apart * apart * (self.weight * other.weight / weight),
        )

    @property
    def variance(self) -> Vector:
        """The mean squared deviation of each column."""
        return self.squares / self.weight


def block_moments(block: Array, weight: Array | None) -> Moments:
    """Mean and squared deviations of a block's columns, in float64, in pieces that stay in a core's cache."""
    step = max(16, PIECE_BYTES // (8 * block.shape[1]))
    weights = np.ones(len(block)) if weight is None else weight.astype(np.float64, copy=False)
    pieces = (
        _moments(block[start : start + step], weights[start : start + step]) for start in range(0, len(block), step)
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
