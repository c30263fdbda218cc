"""What there is to explain, and what rounding hides: the gradient at the best constant, and the noise of its sums."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Vector
from dgd.fitting.coefficient_prox import least_subgradient
from dgd.fitting.known import Known
from dgd.passes.sums.gradient import NullSums
from dgd.penalties import Penalty
from dgd.solvers.base import vector_norm

SUMMED = 32
"""Units in the last place of a gradient that its sums, and those of a Hessian that led there, may be off."""


@dataclass(frozen=True)
class Measure:
    """How a gradient is measured."""

    penalty: Penalty
    rows: int
    precision: str
    centred: bool
    """Whether an intercept takes the constant up, whose entry is then no part of the measure."""

    def known(self, known: Known, null: NullSums, gradient: Vector, scale: float) -> Known:
        """With the norm of the gradient at the best constant, and of what rounding makes of a gradient.

        A sum of m products of deviations x̃ of mean square 1 rounds by less than ε Σ|w r x̃| ≤ ε √(m Σ(w r)²).
        gradient: the sums at θ, which is that constant where `null` has none of its own.
        """
        coordinates = known.yardstick or known.coordinates
        summed = null.gradient if isinstance(null.gradient, np.ndarray) else gradient
        if not (np.isfinite(summed).all() and math.isfinite(null.squares)):
            return known
        summed = coordinates.gradient(summed * scale)
        zero = coordinates.penalised_part(np.zeros_like(summed))
        subgradient = least_subgradient(coordinates.penalty(self.penalty), coordinates, zero, summed)
        slope = summed if subgradient is None else subgradient
        epsilon = float(np.finfo(np.float64 if self.precision == "double" else np.float32).eps)
        null_norm = vector_norm(coordinates.coef_part(slope).ravel() if self.centred else slope)
        if not coordinates.standardised:
            return replace(known, null_norm=null_norm)
        noise = epsilon * abs(scale) * math.sqrt(self.rows * null.squares)
        rounding = max(noise * math.sqrt(len(coordinates.scale) + 1), SUMMED * epsilon * null_norm)
        by_column = None if known.size is None else noise * known.size
        return replace(known, null_norm=null_norm, noise=by_column, rounding=rounding)
