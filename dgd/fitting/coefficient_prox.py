"""The prox of a penalty in the solver's coordinates: on the coefficients alone, the intercept stays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Vector
from dgd.fitting.coordinates import Coordinates
from dgd.penalties import Penalty


@dataclass(frozen=True)
class CoefficientProx:
    """prox(v, s) for a penalty of the solver's coordinates."""

    penalty: Penalty
    coordinates: Coordinates

    def __call__(self, point: Vector, step: float | Vector) -> Vector:
        point = point.copy()
        coef = self.coordinates.coef_part(point)
        coef[...] = self.penalty.prox(coef, self.coordinates.coef_part(step) if isinstance(step, np.ndarray) else step)
        return point
