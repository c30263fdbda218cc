"""The squared error.

    value       (η − y)²
    derivative  2 (η − y)         kept as η − y, with the 2 in `gradient_scale`

so that the mean is MSE(θ) = 1/m Σᵢ (θᵀx⁽ⁱ⁾ − y⁽ⁱ⁾)², without a ½, and ∇MSE = 2/m Xᵀ(Xθ − y).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dgd.losses.base import FloatArray


@dataclass(frozen=True)
class Squared:
    """Squared error (η − y)²; its mean is the MSE of the textbooks."""

    name: ClassVar[str] = "squared"
    gradient_scale: ClassVar[float] = 2.0

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(η − y)² of each row."""
        residual = raw_prediction - y
        return residual * residual

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """η − y of each row: half the derivative, see `gradient_scale`."""
        return raw_prediction - y

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(η − y)² and η − y."""
        residual = raw_prediction - y
        return residual * residual, residual
