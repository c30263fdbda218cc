"""The squared ε-insensitive loss of support vector regression: errors up to ε cost nothing.

    value              max(0, |r| − ε)²            r = η − y
    derivative         2 (r − c)                   c = min(max(r, −ε), ε); kept without the 2, see `gradient_scale`
    second derivative  2 where |r| > ε, else 0     kept as 1 and 0

ε is in the units of y; 0 is the squared loss. With q outputs the value of a row is the sum over its outputs. Vapnik
(1995), The nature of statistical learning theory; Ho and Lin (2012), Large-scale linear support vector regression.
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
class SquaredEpsilonInsensitive(NumberLoss):
    """Squared ε-insensitive loss max(0, |η − y| − ε)²: errors up to `epsilon` cost nothing."""

    epsilon: float = 0.1

    name: ClassVar[str] = "squared_epsilon_insensitive"
    gradient_scale: ClassVar[float] = 2.0
    of_difference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        epsilon: Any = self.epsilon
        if not (isinstance(epsilon, (int, float, np.integer, np.floating)) and math.isfinite(epsilon) and epsilon >= 0):
            raise ConfigurationError(
                f"`SquaredEpsilonInsensitive(epsilon=...)` must be a number of 0 or more, got {epsilon!r}"
            )
        object.__setattr__(self, "epsilon", float(epsilon))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """max(0, |r| − ε)² of each row."""
        beyond = self._beyond(raw_prediction, y)
        return over_outputs(beyond * beyond)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """r − c: half the derivative, see `gradient_scale`."""
        return self._beyond(raw_prediction, y)

    def value_and_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both, from one residual."""
        beyond = self._beyond(raw_prediction, y)
        return over_outputs(beyond * beyond), beyond

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """1 where |r| > ε, else 0: half the second derivative."""
        return (np.abs(raw_prediction - y) > self.epsilon).astype(raw_prediction.dtype)

    def constant(self, targets: Targets) -> Any:
        """The mean, which is near the best constant."""
        return targets.mean - targets.offset

    def _beyond(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """r − c: what of the error is beyond ±ε."""
        residual = raw_prediction - y
        return residual - np.clip(residual, -self.epsilon, self.epsilon)
