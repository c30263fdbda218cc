"""The quantile (pinball) loss, smoothed near its kink: the prediction is the q-quantile of the target.

    value              (½ − q) r + s(r)           r = η − y
                       s(r) = ½|r|                where |r| ≥ h
                              r²/4h + ¼h          within
    derivative         ½ − q + c/2h               c = min(max(r, −h), h)
    second derivative  1/2h within, 0 beyond

It is never below the pinball loss max(q(y − η), (1 − q)(η − y)), and never more than h/4 above it; so is the mean, and
so is the least mean. h is in the units of y: the smaller, the nearer and the harder to minimise. Fernandes, Guerre and
Horta (2021), Smoothing quantile regressions, with a uniform kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, over_outputs


@dataclass(frozen=True)
class Quantile(NumberLoss):
    """Pinball loss of the q-quantile, smoothed within ±`smoothing` of the target."""

    quantile: float = 0.5
    smoothing: float = 0.1

    name: ClassVar[str] = "quantile"
    curvature_vanishes: ClassVar[bool] = True
    of_difference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, given, most in (("quantile", self.quantile, 1.0), ("smoothing", self.smoothing, math.inf)):
            number: Any = given
            if not (isinstance(number, (int, float, np.integer, np.floating)) and 0 < number < most):
                range_ = "above 0 and below 1" if name == "quantile" else "above 0"
                raise ConfigurationError(f"`Quantile({name}=...)` must be a number {range_}, got {number!r}")
            object.__setattr__(self, name, float(number))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The smoothed pinball loss of each row."""
        return self._value(raw_prediction - y)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """From −q to 1 − q."""
        return self._derivative(raw_prediction - y)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one residual."""
        residual = raw_prediction - y
        return self._value(residual), self._derivative(residual)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1/2h within ±h, else 0."""
        within = np.abs(raw_prediction - y) <= self.smoothing
        return within.astype(raw_prediction.dtype) / (2 * self.smoothing)

    def saturated(self, y: FloatArray) -> FloatArray:
        """h·q(1 − q) for each output: where the derivative is 0, at r = (2q − 1)h."""
        least = self.smoothing * self.quantile * (1 - self.quantile)
        return np.full(y.shape[0], least * math.prod(y.shape[1:]), y.dtype)

    def constant(self, targets: Targets) -> Any:
        """The mean: where the distribution is unknown, a place to begin."""
        return targets.mean - targets.offset

    def _value(self, residual: FloatArray) -> FloatArray:
        h, size = self.smoothing, np.abs(residual)
        near = np.minimum(size, h)
        # ½|r| beyond h and r²/4h + h/4 within: the second where |r| is cut off at h, and the rest of ½|r|.
        return over_outputs((0.5 - self.quantile) * residual + (near * near / (4 * h) + h / 4) + (size - near) / 2)

    def _derivative(self, residual: FloatArray) -> FloatArray:
        h = self.smoothing
        return np.clip(residual, -h, h) / (2 * h) + (0.5 - self.quantile)
