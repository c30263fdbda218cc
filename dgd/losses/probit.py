"""The probit loss of two classes, or of a proportion y between 0 and 1: the link is the normal distribution's.

    value              −y log Φ(η) − (1 − y) log Φ(−η)
    derivative         −y λ(η) + (1 − y) λ(−η)                    λ(η) = φ(η)/Φ(η)
    second derivative  y λ(η)(λ(η) + η) + (1 − y) λ(−η)(λ(−η) − η)

Convex, since log Φ is concave. From the tail e^(a²/2) Φ(−a) at a = |η| (`normal_tail`), so that no digit is lost
however far out η is; beyond |η| = 1e154 the value of a row of the other class is infinite. With q outputs the
value of a row is the sum over its outputs. Bliss (1935); Pratt (1981), Concavity of the log likelihood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.losses.base import Targets, over_outputs
from dgd.losses.normal_tail import hazard, scaled_tail
from dgd.losses.two_classes import TwoClasses

INVERSE_ROOT_2PI = 1 / math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Probit(TwoClasses):
    """Probit loss of two classes: the second one has the probability Φ(η).

    classes: the two labels that stand for y = 0 and y = 1; without them targets are numbers from 0 to 1.
    """

    name: ClassVar[str] = "probit"
    canonical: ClassVar[bool] = False

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−y log Φ(η) − (1 − y) log Φ(−η) of each row."""
        a = np.abs(raw_prediction)
        with np.errstate(over="ignore"):
            half_square = a * a / 2
        tail = scaled_tail(a)
        wrong, right = _sides(raw_prediction, y)
        own = np.where(wrong == 0, 0, half_square - np.log(tail))
        return over_outputs(wrong * own - right * np.log1p(-np.exp(-half_square) * tail))

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−y φ(η)/Φ(η) + (1 − y) φ(η)/Φ(−η)."""
        a = np.abs(raw_prediction)
        wrong, right = _sides(raw_prediction, y)
        return np.copysign(1, raw_prediction) * (wrong * hazard(a)[0] - right * _low_hazard(a))

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """y λ(η)(λ(η) + η) + (1 − y) λ(−η)(λ(−η) − η)."""
        a = np.abs(raw_prediction)
        wrong, right = _sides(raw_prediction, y)
        low = _low_hazard(a)
        return wrong * hazard(a)[1] + right * (low * (low + a))

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """Φ(η), the probability of the second class."""
        tail = _tail(np.abs(raw_prediction))
        return np.where(np.signbit(raw_prediction), tail, 1 - tail)

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """φ(η)."""
        return _density(raw_prediction)

    def constant(self, targets: Targets) -> Any:
        """Φ⁻¹ of the mean, less the mean offset: exact without offsets. A class has half a row at least."""
        from statistics import NormalDist

        least = 0.5 / targets.rows
        mean = np.clip(np.asarray(targets.mean, dtype=np.float64), least, 1 - least)
        best = np.array([NormalDist().inv_cdf(share) for share in mean.ravel()]).reshape(mean.shape)
        return best - targets.offset


def _sides(raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The part of a row that is in the class that η speaks against, and the rest, which is in the other one."""
    below = np.signbit(raw_prediction)
    return np.where(below, y, 1 - y), np.where(below, 1 - y, y)


def _density(eta: FloatArray) -> FloatArray:
    """φ(η)."""
    with np.errstate(over="ignore"):
        found: FloatArray = INVERSE_ROOT_2PI * np.exp(-(eta * eta) / 2)
    return found


def _tail(a: FloatArray) -> FloatArray:
    """Φ(−a)."""
    with np.errstate(over="ignore"):
        return np.exp(-(a * a) / 2) * scaled_tail(a)


def _low_hazard(a: FloatArray) -> FloatArray:
    """φ(a)/Φ(a), which falls to 0 as a grows."""
    return _density(a) / (1 - _tail(a))
