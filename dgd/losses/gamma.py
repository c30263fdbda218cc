"""The gamma loss of amounts above 0, with the logarithm as link: the expected target is e^η.

    value              y e^−η + η         the negative log-likelihood times the dispersion, without its constant
    derivative         1 − y e^−η
    second derivative  y e^−η
    saturated          1 + log y          at η = log y

Half the deviance of a row is value − saturated. With q outputs the value of a row is the sum over its outputs.
McCullagh & Nelder (1989), Generalized linear models, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.losses.base import over_outputs
from dgd.losses.log_link import PositiveTargets, power_of_e


@dataclass(frozen=True)
class Gamma(PositiveTargets):
    """Gamma loss y e^−η + η of amounts above 0: the expected amount is e^η, its variance grows with its square."""

    name: ClassVar[str] = "gamma"
    has_dispersion: ClassVar[bool] = True
    canonical: ClassVar[bool] = False

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """y e^−η + η of each row."""
        return over_outputs(y * power_of_e(-raw_prediction) + raw_prediction)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1 − y e^−η."""
        return 1 - y * power_of_e(-raw_prediction)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^−η."""
        ratio = y * power_of_e(-raw_prediction)
        return over_outputs(ratio + raw_prediction), 1 - ratio

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """y e^−η."""
        return y * power_of_e(-raw_prediction)

    def saturated(self, y: FloatArray) -> FloatArray:
        """1 + log y, summed over the outputs."""
        return over_outputs(1 + np.log(y))

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """1 + log ȳ, summed over the outputs: the best constant is η = log ȳ."""
        return float(np.sum(1 + np.log(np.asarray(mean, dtype=np.float64))))
