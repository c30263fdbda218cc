"""The logistic loss of two classes, or of a proportion y between 0 and 1.

    value              log(1 + e^η) − y η
    derivative         σ(η) − y                σ(η) = 1 / (1 + e^−η), the probability of the second class
    second derivative  σ(η) (1 − σ(η))

Computed from t = e^−|η| ≤ 1 and s = 1 where η is positive, else 0, so that nothing overflows and nothing cancels:

    value              η (s − y) + log(1 + t)
    derivative         (s − y) ∓ t/(1 + t)     − where η is positive
    second derivative  t / (1 + t)²

With q outputs (several targets of two classes each) the value of a row is the sum over its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.losses.base import Targets, over_outputs
from dgd.losses.sums import sum_of_log1p, sum_of_products, weighted_sum
from dgd.losses.two_classes import TwoClasses


@dataclass(frozen=True)
class Logistic(TwoClasses):
    """Logistic loss log(1 + e^η) − yη of two classes; η is the log-odds of the second one.

    classes: the two labels that stand for y = 0 and y = 1; without them targets are numbers from 0 to 1.
    """

    name: ClassVar[str] = "logistic"

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """log(1 + e^η) − yη of each row."""
        return _value(raw_prediction, _sign(raw_prediction) - y, _small(raw_prediction))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """σ(η) − y."""
        return _derivative(raw_prediction, _sign(raw_prediction) - y, _small(raw_prediction))

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one e^−|η|."""
        residual, small = _sign(raw_prediction) - y, _small(raw_prediction)
        return _value(raw_prediction, residual, small), _derivative(raw_prediction, residual, small)

    def sum_and_derivative(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray]:
        """Without weights, Σ η (s − y) and Σ log(1 + t) apart: one logarithm for many rows."""
        if weight is not None:
            return super().sum_and_derivative(raw_prediction, y, weight)
        residual, small = _sign(raw_prediction) - y, _small(raw_prediction)
        above = small + 1
        value = sum_of_products(raw_prediction, residual) + sum_of_log1p(small, above)
        return value, _derivative(raw_prediction, residual, small, above)

    def sum_and_derivatives(
        self, raw_prediction: FloatArray, y: FloatArray, weight: Array | None
    ) -> tuple[float, FloatArray, FloatArray]:
        """With the second derivative, from the same e^−|η|."""
        residual, small = _sign(raw_prediction) - y, _small(raw_prediction)
        above = small + 1
        if weight is None:
            value = sum_of_products(raw_prediction, residual) + sum_of_log1p(small, above)
        else:
            value = weighted_sum(_value(raw_prediction, residual, small), weight)
        small /= above
        second = np.divide(small, above, out=above)
        np.copysign(small, raw_prediction, out=small)
        return value, np.subtract(residual, small, out=small), second

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """σ(η) (1 − σ(η))."""
        small = _small(raw_prediction)
        above = small + 1
        small /= above
        small /= above
        return small

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """σ(η), the probability of the second class."""
        return _derivative(raw_prediction, _sign(raw_prediction), _small(raw_prediction))

    def constant(self, targets: Targets) -> Any:
        """The log-odds of the mean, less the mean offset: exact without offsets. A class has half a row at least."""
        least = 0.5 / targets.rows
        mean = np.clip(targets.mean, least, 1 - least)
        return np.log(mean / (1 - mean)) - targets.offset

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """σ(η) (1 − σ(η))."""
        return self.second_derivative(raw_prediction, raw_prediction)


def _small(raw_prediction: FloatArray) -> FloatArray:
    """t = e^−|η|."""
    small = np.abs(raw_prediction)
    np.negative(small, out=small)
    np.exp(small, out=small)
    return small


def _sign(raw_prediction: FloatArray) -> Array:
    """s: whether η is positive. At ±0 the sign bit decides, as for `copysign`."""
    return ~np.signbit(raw_prediction)


def _value(raw_prediction: FloatArray, residual: FloatArray, small: FloatArray) -> FloatArray:
    """η (s − y) + log(1 + t): two terms that are never negative."""
    value = raw_prediction * residual
    value += np.log1p(small)
    return over_outputs(value)


def _derivative(
    raw_prediction: FloatArray, residual: Array, small: FloatArray, above: FloatArray | None = None
) -> FloatArray:
    """(s − y) ∓ t/(1 + t), in the memory of `above` = 1 + t where it is given."""
    step = small + 1 if above is None else above
    np.divide(small, step, out=step)
    np.copysign(step, raw_prediction, out=step)
    return np.subtract(residual, step, out=step)
