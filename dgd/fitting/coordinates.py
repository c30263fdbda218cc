"""Standardising as a change of variables on the driver: the data are read as they are.

    X̃θ̃ = X(θ̃/σ) − μᵀ(θ̃/σ)        with column means μ and scales σ, so
    b = b̃/σ     b₀ = b̃₀ − μᵀb     and the gradient in the new coordinates is  (Xᵀr − μ Σr)/σ

Both sums are known. Standardising changes the path of a fit, not its solution. With q outputs θ is a matrix (n + 1, q),
a column an output, and z its entries in one vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ValueRangeError
from dgd.passes.sums.moments import Moments
from dgd.penalties import Penalty
from dgd.penalties.separable import Separable

SMALLEST = 1e-150
CONSTANT = 1e-13
"""A column is constant if its deviation is below this part of its mean: float64 cannot resolve more."""


@dataclass(frozen=True)
class Coordinates:
    """The solver's coordinates z, a vector, beside the user's θ, both with the intercept first where there is one."""

    mean: Vector
    scale: Vector
    intercept: bool
    outputs: int | None = None
    standardised: bool = False
    """Whether columns have deviation 1 (without an intercept, mean square 1), and not just the user's own scale."""
    whole: bool = False
    """Whether the penalty is of the intercept as well, which is then the user's own: no mean is taken up by it."""

    @property
    def centred(self) -> bool:
        """Whether `mean` is the columns' mean, so that a change of coefficients leaves the mean prediction as it is."""
        return self.standardised and self.intercept and not self.whole

    @classmethod
    def identity(
        cls,
        n_features: int,
        *,
        intercept: bool,
        outputs: int | None = None,
        centre: Vector | None = None,
        whole: bool = False,
    ) -> Coordinates:
        """The user's own coordinates, beside θ for columns less their centre."""
        mean = np.zeros(n_features) if centre is None else -centre
        return cls(mean, np.ones(n_features), intercept, outputs, whole=whole)

    @classmethod
    def standardising(
        cls,
        moments: Moments,
        *,
        intercept: bool,
        outputs: int | None = None,
        ridge: Vector | float = 0.0,
        whole: bool = False,
    ) -> Coordinates:
        """Columns of mean 0 and deviation 1; without a free intercept only divided by their root mean square.

        whole: the intercept has a penalty of its own.
        ridge: added to each variance for an l2 penalty, so that the scales are those of the objective's curvature.
        """
        variance = moments.variance
        _check_range(variance, moments.mean)
        if intercept and not whole:
            deviation = np.sqrt(variance)
            usable = deviation > CONSTANT * np.abs(moments.mean)
            mean = moments.mean
        else:
            deviation = np.sqrt(variance + moments.mean**2)
            usable = deviation > 0
            mean = np.zeros_like(moments.mean)
        scale = np.sqrt(np.where(usable, deviation, 0.0) ** 2 + ridge)
        return cls(mean, np.where(scale > 0, scale, 1.0), intercept, outputs, standardised=True, whole=whole)

    def penalty(self, penalty: Penalty) -> Penalty:
        """The user's penalty as a function of the solver's coefficients."""
        if self.whole:
            assert isinstance(penalty, Separable)
            return penalty.with_intercept(len(self.scale)).scaled(np.concatenate([[1.0], self.scale]))
        return penalty if self.is_identity else penalty.scaled(self.scale)

    @property
    def is_identity(self) -> bool:
        """Whether they are the user's own."""
        return not self.mean.any() and bool((self.scale == 1).all())

    def penalised_part(self, z: Vector) -> Vector:
        """A view of what the penalty is of: the coefficients, and the intercept where it has one too."""
        return z.reshape(self.theta_shape) if self.whole else self.coef_part(z)

    @property
    def theta_shape(self) -> tuple[int, ...]:
        """The shape of θ."""
        return (len(self.scale) + self.intercept, *(() if self.outputs is None else (self.outputs,)))

    def coef_part(self, z: Vector) -> Vector:
        """A view of the coefficients in z, (n,) or (n, q), without the intercept."""
        return z.reshape(self.theta_shape)[int(self.intercept) :]

    def to_user(self, z: Vector) -> Vector:
        """θ for z."""
        theta = z.reshape(self.theta_shape).copy()
        coef = theta[int(self.intercept) :]
        coef /= self._rows(self.scale)
        if self.intercept:
            theta[0] -= self.mean @ coef
        return theta

    def from_user(self, theta: Vector) -> Vector:
        """z for θ."""
        z = theta.copy()
        coef = z[int(self.intercept) :]
        if self.intercept:
            z[0] += self.mean @ coef
        coef *= self._rows(self.scale)
        return z.ravel()

    def gradient(self, gradient: Vector) -> Vector:
        """Convert ∂/∂θ (intercept entry always present, first) to ∂/∂z."""
        coef = (gradient[1:] - self._rows(self.mean) * gradient[0]) / self._rows(self.scale)
        return np.concatenate((gradient[:1], coef)).ravel() if self.intercept else coef.ravel()

    def gradient_in(self, other: Coordinates, gradient: Vector) -> Vector:
        """∂/∂z of other coordinates, for ∂/∂z of these, whose scales are 1."""
        slope = gradient.reshape(self.theta_shape)
        if not self.intercept:
            slope = np.concatenate([np.zeros_like(slope[:1]), slope])
        whole = slope.copy()
        whole[1:] += self._rows(self.mean) * slope[0]
        return other.gradient(whole)

    def hessian(self, hessian: Matrix) -> Matrix:
        """The Hessian by z, a matrix, for that by θ: (p, p), (q, p, p) or (q, q, p, p), the intercept's entries first.

        One block that serves all outputs stays one; of a block for each, or for each pair, one of all of z is made.
        """
        H = hessian.copy()
        rows, columns = H[..., 1:, :], H[..., :, 1:]
        rows -= self.mean[:, None] * H[..., :1, :]
        rows /= self.scale[:, None]
        columns -= self.mean * H[..., :, :1]
        columns /= self.scale
        if not self.intercept:
            H = H[..., 1:, 1:]
        if self.outputs is None or H.ndim == 2:
            return H
        q, p = self.outputs, H.shape[-1]
        whole = np.zeros((p, q, p, q))
        for k in range(q):
            if H.ndim == 4:
                whole[:, k] = H[k].transpose(1, 2, 0)
            else:
                whole[:, k, :, k] = H[k]
        return whole.reshape(p * q, p * q)

    def hessian_of_products(self, products: Matrix, mean: Vector, weight: float) -> Matrix:
        """Σ w z zᵀ of rows in these coordinates, from centred products and the mean that they were centred at."""
        away = (mean - self.mean) / self.scale
        H = np.empty((len(mean) + 1, len(mean) + 1))
        H[0, 0], H[0, 1:], H[1:, 0] = weight, weight * away, weight * away
        H[1:, 1:] = products / self.scale / self.scale[:, None]
        if away.any():
            H[1:, 1:] += np.outer(away, away) * weight
        return H if self.intercept else H[1:, 1:]

    def _rows(self, values: Vector) -> Vector:
        """One value for each feature, in a shape that broadcasts with coefficients."""
        return values if self.outputs is None else values[:, None]


def _check_range(variance: Vector, mean: Vector) -> None:
    """Refuse columns whose squares float64 cannot hold: they would look constant or zero."""
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
