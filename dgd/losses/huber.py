"""Huber's loss: squared where the residual r = η − y is small, linear where it is large.

    value              ½ r²               where |r| ≤ δ,   δ (|r| − ½ δ) beyond
                       = c (r − ½ c)      with c = min(max(r, −δ), δ)
    derivative         c
    second derivative  1                  where |r| ≤ δ,   0 beyond

δ is in the units of y. With q outputs the value of a row is the sum over its outputs. For δ → ∞ this is *half* of the
squared loss of this package. Huber (1964), Robust estimation of a location parameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, over_outputs
from dgd.losses.sums import sum_of_products


@dataclass(frozen=True)
class Huber(NumberLoss):
    """Huber's loss: ½ (η − y)² up to a residual of `delta`, linear beyond: outliers have a bounded influence."""

    delta: float = 1.35

    name: ClassVar[str] = "huber"
    curvature_vanishes: ClassVar[bool] = True
    of_difference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        delta: Any = self.delta
        if not (isinstance(delta, (int, float, np.integer, np.floating)) and math.isfinite(delta) and delta > 0):
            raise ConfigurationError(f"`Huber(delta=...)` must be a positive number, got {delta!r}")
        object.__setattr__(self, "delta", float(delta))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """c (r − ½ c) of each row."""
        residual = raw_prediction - y
        return _value(residual, self._clipped(residual))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """c: the residual, clipped at ±δ."""
        return self._clipped(raw_prediction - y)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one residual."""
        residual = raw_prediction - y
        clipped = self._clipped(residual)
        return _value(residual, clipped), clipped

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Without weights Σ c·r − ½ Σ c², two products of vectors."""
        if weight is not None:
            return super().sum_and_derivative(raw_prediction, y, weight)
        residual = raw_prediction - y
        clipped = self._clipped(residual)
        return sum_of_products(clipped, residual) - 0.5 * sum_of_products(clipped, clipped), clipped

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1 where |r| ≤ δ, else 0."""
        return (np.abs(raw_prediction - y) <= self.delta).astype(raw_prediction.dtype)

    def constant(self, targets: Targets) -> Any:
        """The mean, which is near the best constant unless outliers are large."""
        return targets.mean - targets.offset

    def _clipped(self, residual: FloatArray) -> FloatArray:
        return np.clip(residual, -self.delta, self.delta)


def _value(residual: FloatArray, clipped: FloatArray) -> FloatArray:
    value = 0.5 * clipped
    np.subtract(residual, value, out=value)
    value *= clipped
    return over_outputs(value)
