"""A penalty in the solver's coordinates: its prox, subgradient and curvature, on the coefficients alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.fitting.coordinates import Coordinates
from dgd.penalties import Penalty
from dgd.solvers.base import Kinks


@dataclass(frozen=True)
class CoefficientProx:
    """prox(v, s) for a penalty of the solver's coordinates."""

    penalty: Penalty
    coordinates: Coordinates

    def __call__(self, point: Vector, step: float | Vector) -> Vector:
        point = point.copy()
        coef = self.coordinates.penalised_part(point)
        coef[...] = self.penalty.prox(
            coef, self.coordinates.penalised_part(step) if isinstance(step, np.ndarray) else step
        )
        return point

    @property
    def kinks(self) -> Kinks | None:
        """The penalty's l1 and bounds; none for the intercept. None if the penalty is of another kind."""
        n = int(np.prod(self.coordinates.theta_shape))
        found = Kinks(np.zeros(n), np.full(n, -np.inf), np.full(n, np.inf))
        known = self.penalty.kinks(self.coordinates.penalised_part(found.l1))
        if known is None:
            return None
        for values, part in zip((found.l1, found.lower, found.upper), known, strict=True):
            self.coordinates.penalised_part(values)[...] = part
        return found


def least_subgradient(penalty: Penalty, coordinates: Coordinates, coef: Vector, gradient: Vector) -> Vector | None:
    """The element of ∂F of least norm for a gradient of f, by the coordinates; None where F is smooth."""
    if penalty.is_smooth:
        return None
    subgradient = gradient.copy()
    part = coordinates.penalised_part(subgradient)
    part[...] = penalty.subgradient(coef, part.copy())
    return subgradient


def with_curvature(hessian: Matrix | None, penalty: Penalty, coordinates: Coordinates, coef: Vector) -> Matrix | None:
    """∇²f: that of the loss, and on its diagonal that of the penalty.

    One block that all outputs share stays one where the penalty's curvature is the same for each of them.
    """
    if hessian is None:
        return None
    diagonal = np.zeros(coordinates.theta_shape)
    coordinates.penalised_part(diagonal)[...] = penalty.curvature(coef)
    q = diagonal.size // len(hessian)
    if q > 1 and (diagonal == diagonal[:, :1]).all():
        return hessian + np.diag(diagonal[:, 0])
    whole = hessian if q == 1 else np.asarray(np.kron(hessian, np.eye(q)), dtype=np.float64)
    return whole + np.diag(diagonal.ravel())
