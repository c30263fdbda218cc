"""Weighted mean and spread of columns, summed over the tree without cancellation.

Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dgd.rows import Array

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Weighted mean and sum of squared deviations of each column."""

    weight: float
    mean: Float64
    squares: Float64

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
    def variance(self) -> Float64:
        """The mean squared deviation of each column."""
        return self.squares / self.weight


def block_moments(block: Array, weight: Array | None) -> Moments:
    """Mean and squared deviations of a block's columns, in float64."""
    if weight is None:
        total = float(block.shape[0])
        mean = block.mean(axis=0, dtype=np.float64)
        centred = block - mean
        return Moments(total, mean, np.einsum("ij,ij->j", centred, centred))
    w = weight.astype(np.float64)
    total = float(w.sum())
    if total == 0.0:
        return Moments(0.0, np.zeros(block.shape[1]), np.zeros(block.shape[1]))
    mean = np.einsum("i,ij->j", w, block) / total
    centred = block - mean
    return Moments(total, mean, np.einsum("i,ij,ij->j", w, centred, centred))
