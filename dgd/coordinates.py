"""Standardising as a change of variables on the driver: the data are read as they are.

    X̃θ̃ = X(θ̃/σ) − μᵀ(θ̃/σ)        with column means μ and scales σ, so
    b = b̃/σ     b₀ = b̃₀ − μᵀb     and the gradient in the new coordinates is  (Xᵀr − μ Σr)/σ

Both sums are there already. It changes the path of a fit, never its solution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd.errors import ValueRangeError
from dgd.kernels import Moments
from dgd.solvers.base import Vector

SMALLEST = 1e-150
CONSTANT = 1e-13
"""A column whose deviation is below this part of its mean is constant: float64 cannot say more."""


@dataclass(frozen=True)
class Coordinates:
    """The solver's coordinates z beside the user's θ, both with the intercept first where there is one."""

    mean: Vector
    scale: Vector
    intercept: bool

    @classmethod
    def identity(cls, n_features: int, *, intercept: bool) -> Coordinates:
        """The user's own coordinates."""
        return cls(np.zeros(n_features), np.ones(n_features), intercept)

    @classmethod
    def standardising(cls, moments: Moments, *, intercept: bool) -> Coordinates:
        """Columns of mean 0 and deviation 1; without an intercept only divided by their root mean square."""
        variance = moments.squares / moments.weight
        _check_range(variance, moments.mean)
        if intercept:
            deviation = np.sqrt(variance)
            usable = deviation > CONSTANT * np.abs(moments.mean)
            mean = moments.mean
        else:
            deviation = np.sqrt(variance + moments.mean**2)
            usable = deviation > 0
            mean = np.zeros_like(moments.mean)
        return cls(mean, np.where(usable, deviation, 1.0), intercept)

    def to_user(self, z: Vector) -> Vector:
        """θ for z."""
        if not self.intercept:
            return z / self.scale
        coef = z[1:] / self.scale
        return np.concatenate(([z[0] - self.mean @ coef], coef))

    def from_user(self, theta: Vector) -> Vector:
        """z for θ."""
        if not self.intercept:
            return theta * self.scale
        return np.concatenate(([theta[0] + self.mean @ theta[1:]], theta[1:] * self.scale))

    def gradient(self, gradient: Vector) -> Vector:
        """The gradient by z, for the gradient by θ."""
        if not self.intercept:
            return gradient / self.scale
        return np.concatenate((gradient[:1], (gradient[1:] - self.mean * gradient[0]) / self.scale))


def _check_range(variance: Vector, mean: Vector) -> None:
    """Refuse columns whose squares float64 cannot hold: they would pass for constant, or for nothing."""
    beyond = ~np.isfinite(variance) | ((variance == 0) & (mean != 0) & (np.abs(mean) < SMALLEST))
    if beyond.any():
        column = int(np.argmax(beyond))
        size = "large" if not np.isfinite(variance[column]) else "small"
        raise ValueRangeError(
            f"array 'X': the values of column {column} are too {size} to be squared in float64; rescale the column, or "
            f"fit with standardize=False",
            array="X",
            column=column,
        )
