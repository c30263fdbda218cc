"""What losses have in common whose expected target is e^η."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.losses.base import NumberLoss, Targets, numbers


class LogLink(NumberLoss):
    """A loss of targets of 0 or more, with the logarithm as link."""

    expected = "a number of 0 or more"

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The targets themselves; NaN below 0."""
        encoded = numbers(y, dtype)
        valid = encoded >= 0
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """e^η."""
        return power_of_e(raw_prediction)

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """e^η."""
        return power_of_e(raw_prediction)

    def constant(self, targets: Targets) -> Any:
        """The logarithm of the mean rate by exposure, Σ w·y / Σ w·e^offset; of half a count where there is none."""
        return np.log(np.maximum(targets.mean, 0.5 / targets.rows)) - targets.exposure


class PositiveTargets(LogLink):
    """The same of targets above 0."""

    expected = "a number above 0"

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The targets themselves; NaN unless they are above 0."""
        encoded = numbers(y, dtype)
        valid = encoded > 0
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def constant(self, targets: Targets) -> Any:
        """The logarithm of the mean, less the mean offset: exact without offsets."""
        return np.log(targets.mean) - targets.offset


def power_of_e(raw_prediction: FloatArray) -> FloatArray:
    """e^η, infinite where it overflows."""
    with np.errstate(over="ignore"):
        found: FloatArray = np.exp(raw_prediction)
    return found


def finite_power_of_e(raw_prediction: FloatArray) -> FloatArray:
    """e^η, or the largest number where it overflows: times 0 it is 0."""
    return np.exp(np.minimum(raw_prediction, _largest_exponent(raw_prediction.dtype)))


def _largest_exponent(dtype: np.dtype[Any]) -> float:
    return float(np.nextafter(np.log(np.finfo(dtype).max), dtype.type(0)))
