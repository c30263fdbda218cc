"""The complementary log-log loss of two classes, or of a proportion y between 0 and 1: p = 1 − exp(−e^η).

    value              −y log(1 − e^−t) + (1 − y) t           t = e^η
    derivative         −y r + (1 − y) t                       r = t/(e^t − 1)
    second derivative  y r (t + r − 1) + (1 − y) t

Convex: r (t + r − 1) > 0. It is the model of a Poisson count of which only is known whether it is 0, or of a hazard e^η
seen in intervals. Computed so that nothing cancels: log(1 − e^−t) is η + log((1 − e^−t)/t) for η ≤ 0, and t + r − 1 a
series for small t. Where e^η overflows, value and derivatives of a row of the first class are infinite. With q outputs
the value of a row is the sum over its outputs. Wedderburn (1976), On the existence and uniqueness of the
maximum likelihood estimates for certain generalized linear models; Prentice and Gloeckler (1978).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.losses.base import Targets, over_outputs
from dgd.losses.log_link import power_of_e
from dgd.losses.two_classes import TwoClasses

SMALL = 0.25
"""Below this t the series of t + r − 1 has all digits."""
LARGE = 700.0
"""From this t on e^−t counts for nothing, and is 0."""


@dataclass(frozen=True)
class Cloglog(TwoClasses):
    """Complementary log-log loss of two classes: the second one has the probability 1 − exp(−e^η).

    classes: the two labels that stand for y = 0 and y = 1; without them targets are numbers from 0 to 1.
    """

    name: ClassVar[str] = "cloglog"
    canonical: ClassVar[bool] = False
    even: ClassVar[float] = math.log(math.log(2))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−y log(1 − e^−t) + (1 − y) t of each row."""
        t = power_of_e(raw_prediction)
        return over_outputs(y * _no_log(raw_prediction, np.minimum(t, LARGE)) + _rest(y, t))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−y r + (1 − y) t."""
        t = power_of_e(raw_prediction)
        return _rest(y, t) - y * _ratio(np.minimum(t, LARGE))

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """y r (t + r − 1) + (1 − y) t."""
        t = power_of_e(raw_prediction)
        least = np.minimum(t, LARGE)
        r = _ratio(least)
        return y * (r * _curvature(least, r)) + _rest(y, t)

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """1 − exp(−e^η), the probability of the second class."""
        found: FloatArray = -np.expm1(-power_of_e(raw_prediction))
        return found

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """t e^−t."""
        t = np.minimum(power_of_e(raw_prediction), LARGE)
        found: FloatArray = t * np.exp(-t)
        return found

    def constant(self, targets: Targets) -> Any:
        """log(−log(1 − ȳ)), less the logarithm of the mean e^offset: exact without offsets. A class has half a row."""
        least = 0.5 / targets.rows
        mean = np.clip(targets.mean, least, 1 - least)
        return np.log(-np.log1p(-mean)) - targets.exposure


def _no_log(eta: FloatArray, t: FloatArray) -> FloatArray:
    """−log(1 − e^−t): two terms that are never negative for η ≤ 0."""
    none = t == 0
    share = np.where(none, 1, -np.expm1(-t) / np.where(none, 1, t))
    found: FloatArray = np.where(eta > 0, -np.log1p(-np.exp(-np.maximum(t, 1))), -eta - np.log(share))
    return found


def _rest(y: FloatArray, t: FloatArray) -> FloatArray:
    """(1 − y) t, where t may be infinite."""
    first = 1 - y
    return first * np.where(first == 0, 0, t)


def _ratio(t: FloatArray) -> FloatArray:
    """r = t/(e^t − 1), 1 at t = 0."""
    with np.errstate(over="ignore"):
        found: FloatArray = np.where(t == 0, 1, t / np.expm1(np.where(t == 0, 1, t)))
    return found


def _curvature(t: FloatArray, r: FloatArray) -> FloatArray:
    """t + r − 1, about t/2 for small t: by Bernoulli's numbers there."""
    square = np.minimum(t, SMALL) ** 2
    series = 1 / 12 + square * (-1 / 720 + square * (1 / 30240 + square * (-1 / 1209600 + square / 47900160)))
    return np.where(t < SMALL, t / 2 + square * series, t + r - 1)
