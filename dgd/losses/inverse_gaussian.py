"""The inverse Gaussian loss of amounts above 0 with heavy tails, of which e^η is expected.

    value              ½ y e^−2η − e^−η     the negative log-likelihood times the dispersion, without its constant
    derivative         e^−η − y e^−2η
    second derivative  2y e^−2η − e^−η      negative where e^η > 2y: the loss is not convex
    saturated          −1/(2y)              at η = log y

Each row's loss falls to η = log y and rises from there, but sums of them may have several minima. Half the deviance of
a row is value − saturated. McCullagh & Nelder (1989), Generalized linear models, section 8.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.losses.base import over_outputs
from dgd.losses.log_link import PositiveTargets, power_of_e


@dataclass(frozen=True)
class InverseGaussian(PositiveTargets):
    """Inverse Gaussian loss ½ y e^−2η − e^−η of amounts above 0: the variance grows with the cube of the mean e^η."""

    name: ClassVar[str] = "inverse_gaussian"
    has_dispersion: ClassVar[bool] = True
    canonical: ClassVar[bool] = False
    curvature_vanishes: ClassVar[bool] = True
    convex: ClassVar[bool] = False

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """½ y e^−2η − e^−η of each row."""
        inverse, ratio = _terms(raw_prediction, y)
        return over_outputs(inverse * (ratio / 2 - 1))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """e^−η − y e^−2η."""
        inverse, ratio = _terms(raw_prediction, y)
        return inverse * (1 - ratio)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^−η."""
        inverse, ratio = _terms(raw_prediction, y)
        return over_outputs(inverse * (ratio / 2 - 1)), inverse * (1 - ratio)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """2y e^−2η − e^−η."""
        inverse, ratio = _terms(raw_prediction, y)
        return inverse * (2 * ratio - 1)

    def saturated(self, y: FloatArray) -> FloatArray:
        """−1/(2y), summed over the outputs."""
        return over_outputs(-0.5 / y)

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """−1/(2ȳ), summed over the outputs: the best constant is η = log ȳ."""
        return float(np.sum(-0.5 / np.asarray(mean, dtype=np.float64)))


def _terms(raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """1/μ and y/μ."""
    inverse = power_of_e(-raw_prediction)
    with np.errstate(over="ignore"):
        return inverse, y * inverse
