"""The squared error.

    value              (η − y)²
    derivative         2 (η − y)         kept as η − y, with the 2 in `gradient_scale`
    second derivative  2                 kept as 1

so that the mean is MSE(θ) = 1/m Σᵢ (θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾)², without a ½, and ∇MSE = 2/m Xᵀ(Xθ − y). With q outputs the value
of a row is the sum over its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.losses.base import NumberLoss, Targets, over_outputs
from dgd.losses.sums import sum_of_products


@dataclass(frozen=True)
class Squared(NumberLoss):
    """Squared error (η − y)²; its mean is the MSE of the textbooks."""

    name: ClassVar[str] = "squared"
    is_likelihood: ClassVar[bool] = True
    gradient_scale: ClassVar[float] = 2.0
    quadratic: ClassVar[bool] = True
    of_difference: ClassVar[bool] = True

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(η − y)² of each row."""
        residual = raw_prediction - y
        return over_outputs(residual * residual)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """η − y of each row: half the derivative, see `gradient_scale`."""
        return raw_prediction - y

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(η − y)² and η − y."""
        residual = raw_prediction - y
        return over_outputs(residual * residual), residual

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Σ w (η − y)² as a product of vectors, and η − y."""
        if weight is not None:
            return super().sum_and_derivative(raw_prediction, y, weight)
        residual = raw_prediction - y
        return sum_of_products(residual, residual), residual

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1 everywhere: half the second derivative."""
        return np.ones_like(raw_prediction)

    def constant(self, targets: Targets) -> Any:
        """The mean."""
        return targets.mean - targets.offset

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The variance of y, summed over the outputs."""
        return float(np.sum(variance))
