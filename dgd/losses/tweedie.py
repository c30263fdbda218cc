"""The loss of Tweedie's compound Poisson-gamma distribution: amounts that are often 0, with the logarithm as link.

    value              e^((2 − p)η) / (2 − p) + y e^((1 − p)η) / (p − 1)        1 < p < 2
    derivative         e^((2 − p)η) − y e^((1 − p)η)
    second derivative  (2 − p) e^((2 − p)η) + (p − 1) y e^((1 − p)η)
    saturated          y^(2 − p) / ((2 − p)(p − 1))                             at η = log y

The expected target is μ = e^η, and its variance grows like μ^p. Half the deviance of a row is value − saturated. p = 1
is Poisson, 2 Gamma, 3 InverseGaussian. Jørgensen (1987), Exponential dispersion models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import over_outputs
from dgd.losses.log_link import LogLink, finite_power_of_e, power_of_e


@dataclass(frozen=True)
class Tweedie(LogLink):
    """Tweedie's loss of amounts of 0 or more: the expected amount is e^η, its variance grows with its power `power`."""

    power: float = 1.5

    name: ClassVar[str] = "tweedie"
    has_dispersion: ClassVar[bool] = True
    canonical: ClassVar[bool] = False

    def __post_init__(self) -> None:
        power: Any = self.power
        if not (isinstance(power, (int, float, np.integer, np.floating)) and 1 < power < 2):
            raise ConfigurationError(
                f"`Tweedie(power=...)` must be a number above 1 and below 2, got {power!r}; 1 is "
                f"dgd.losses.Poisson(), 2 Gamma(), 3 InverseGaussian()"
            )
        object.__setattr__(self, "power", float(power))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^((2 − p)η)/(2 − p) + y e^((1 − p)η)/(p − 1) of each row."""
        return self._value(*self._terms(raw_prediction, y))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^((2 − p)η) − y e^((1 − p)η)."""
        rising, falling = self._terms(raw_prediction, y)
        return rising - falling

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from the same powers."""
        rising, falling = self._terms(raw_prediction, y)
        return self._value(rising, falling), rising - falling

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(2 − p) e^((2 − p)η) + (p − 1) y e^((1 − p)η)."""
        rising, falling = self._terms(raw_prediction, y)
        return (2 - self.power) * rising + (self.power - 1) * falling

    def saturated(self, y: FloatArray) -> FloatArray:
        """y^(2 − p) / ((2 − p)(p − 1)), summed over the outputs."""
        return over_outputs(self._least(y))

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """ȳ^(2 − p) / ((2 − p)(p − 1)), summed over the outputs: the best constant is η = log ȳ."""
        return float(np.sum(self._least(np.asarray(mean, dtype=np.float64))))

    def _terms(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """μ^(2 − p) and y μ^(1 − p)."""
        rising = power_of_e((2 - self.power) * raw_prediction)
        with np.errstate(over="ignore"):
            return rising, y * finite_power_of_e((1 - self.power) * raw_prediction)

    def _value(self, rising: FloatArray, falling: FloatArray) -> FloatArray:
        with np.errstate(over="ignore"):
            return over_outputs(rising / (2 - self.power) + falling / (self.power - 1))

    def _least(self, y: FloatArray) -> FloatArray:
        return np.power(y, 2 - self.power) / ((2 - self.power) * (self.power - 1))
