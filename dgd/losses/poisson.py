"""The Poisson loss of counts and rates, with the logarithm as link: the expected target is e^η.

    value              e^η − y η          the negative log-likelihood without its constant log y!
    derivative         e^η − y
    second derivative  e^η
    saturated          y − y log y        at η = log y; 0 for y = 0

Half the deviance of a row is value − saturated. Where e^η overflows, value and derivatives are infinite. With q outputs
the value of a row is the sum over its outputs. McCullagh & Nelder (1989), Generalized linear models, chapter 6.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.losses.base import over_outputs
from dgd.losses.entropy import log_factorial, y_log_y
from dgd.losses.log_link import LogLink, power_of_e
from dgd.losses.sums import weighted_sum

OVERFLOWN = 1000.0
"""e^η is infinite long before this η, where y η is still finite: their difference is not ∞ − ∞."""


@dataclass(frozen=True)
class Poisson(LogLink):
    """Poisson loss e^η − yη of counts: the expected count is e^η."""

    name: ClassVar[str] = "poisson"
    is_likelihood: ClassVar[bool] = True

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^η − yη of each row."""
        return _value(raw_prediction, y, power_of_e(raw_prediction))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^η − y."""
        return power_of_e(raw_prediction) - y

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^η."""
        rate = power_of_e(raw_prediction)
        return _value(raw_prediction, y, rate), rate - y

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Both, from one e^η."""
        return self.sum_and_derivatives(raw_prediction, y, weight)[:2]

    def sum_and_derivatives(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray, FloatArray]:
        """All from one e^η; η is cut off only where it matters, where the sum is not finite."""
        rate = power_of_e(raw_prediction)
        derivative = rate - y
        with np.errstate(over="ignore", invalid="ignore"):
            value = raw_prediction * y
            found = weighted_sum(over_outputs(np.subtract(rate, value, out=value)), weight)
        if not math.isfinite(found):
            found = weighted_sum(_value(raw_prediction, y, rate), weight)
        return found, derivative, rate

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^η."""
        return power_of_e(raw_prediction)

    def saturated(self, y: FloatArray) -> FloatArray:
        """y − y log y, summed over the outputs."""
        return over_outputs(y - y_log_y(y))

    def log_base(self, y: FloatArray) -> FloatArray:
        """−log y!."""
        return -log_factorial(y)

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """ȳ − ȳ log ȳ, summed over the outputs: the best constant is η = log ȳ."""
        mean = np.asarray(mean, dtype=np.float64)
        return float(np.sum(mean - y_log_y(mean)))


def _value(raw_prediction: FloatArray, y: FloatArray, rate: FloatArray) -> FloatArray:
    linear = np.minimum(raw_prediction, OVERFLOWN)
    linear *= y
    return over_outputs(np.subtract(rate, linear, out=linear))
