"""The binomial loss of successes and failures, k and f of n = k + f trials in each row: the log-odds are η.

    value              −k log σ(η) − f log σ(−η)          σ(η) = 1/(1 + e^−η), the probability of a success
    derivative         n σ(η) − k
    second derivative  n σ(η) (1 − σ(η))
    saturated          −k log(k/n) − f log(f/n)           at σ = k/n; 0 for k = 0, f = 0 and without trials

It is the logistic loss of n rows of 0 and 1 together: θ is that of the proportion k/n with the weight n, and the mean
loss is one of rows, not of trials: a penalty's strengths are those of `Logistic` times the mean number of trials. A row
without trials counts for nothing. Half the deviance of a row is value − saturated. The constant log C(n, k) is in the
likelihood alone. McCullagh & Nelder (1989), Generalized linear models, chapter 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import Array, FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import NumberLoss, Targets, numbers
from dgd.losses.entropy import log_factorial, y_log_y
from dgd.losses.logistic import Logistic

ONE_TRIAL = Logistic()


@dataclass(frozen=True)
class Binomial(NumberLoss):
    """Binomial loss of successes and failures, the two columns of y; η is the log-odds of a success."""

    name: ClassVar[str] = "binomial"
    is_likelihood: ClassVar[bool] = True
    expected: ClassVar[str] = (
        "successes and failures, finite numbers of 0 or more (failures = trials - successes: of more successes than "
        "trials they are below 0)"
    )

    def encode(self, y: Array, dtype: np.dtype[Any]) -> FloatArray:
        """The two columns; NaN for what is not finite or below 0."""
        encoded = numbers(y, dtype)
        valid = (encoded >= 0) & (encoded < np.inf)
        return encoded if valid.all() else np.where(valid, encoded, np.nan)

    def n_outputs(self, y_shape: tuple[int, ...]) -> int | None:
        """None: both columns are one target."""
        if len(y_shape) != 2 or y_shape[1] != 2:
            raise ConfigurationError(
                f"loss 'binomial' takes two columns, successes and failures, got targets of shape {y_shape}; "
                f"`np.column_stack([successes, trials - successes])` makes them, and for classes or proportions there "
                f"is the loss 'logistic', with the trials as weights (of a table: target 'k / n', weight 'n')"
            )
        return None

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """−k log σ(η) − f log σ(−η) of each row."""
        one, zero = np.ones_like(raw_prediction), np.zeros_like(raw_prediction)
        successes, failures = ONE_TRIAL.value(raw_prediction, one), ONE_TRIAL.value(raw_prediction, zero)
        found: FloatArray = y[:, 0] * successes + y[:, 1] * failures
        return found

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """n σ(η) − k, as f σ(η) − k σ(−η)."""
        found: FloatArray = y[:, 1] * ONE_TRIAL.response(raw_prediction) - y[:, 0] * ONE_TRIAL.response(-raw_prediction)
        return found

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """n σ(η) (1 − σ(η)); of one trial for a y that is a proportion, such as a response."""
        trials = y.sum(axis=1) if y.ndim == 2 else 1
        found: FloatArray = trials * ONE_TRIAL.second_derivative(raw_prediction, raw_prediction)
        return found

    def expected_curvature(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """The same: it does not depend on how many trials are successes."""
        return self.second_derivative(raw_prediction, y)

    def response(self, raw_prediction: FloatArray) -> FloatArray:
        """σ(η), the probability of a success."""
        return ONE_TRIAL.response(raw_prediction)

    def response_slope(self, raw_prediction: FloatArray) -> FloatArray:
        """σ(η) (1 − σ(η))."""
        return ONE_TRIAL.second_derivative(raw_prediction, raw_prediction)

    def observed(self, y: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """The proportion k/n, which counts n times."""
        trials = y.sum(axis=1)
        return np.where(trials == 0, 0, y[:, 0] / np.where(trials == 0, 1, trials)), trials

    def saturated(self, y: FloatArray) -> FloatArray:
        """n log n − k log k − f log f."""
        found: FloatArray = y_log_y(y.sum(axis=1)) - y_log_y(y[:, 0]) - y_log_y(y[:, 1])
        return found

    def constant(self, targets: Targets) -> Any:
        """log Σk/Σf, less the mean offset: exact without offsets. At least half a trial is a success, and a failure."""
        least = 0.5 / targets.rows
        successes, failures = np.maximum(targets.mean, least)
        return np.log(successes / failures) - targets.offset

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """The saturated value of the mean row, which has the proportion of all trials."""
        return float(self.saturated(np.asarray(mean, dtype=np.float64)[None])[0])

    def log_base(self, y: FloatArray) -> FloatArray:
        """log C(n, k)."""
        successes, failures = y[:, 0], y[:, 1]
        return log_factorial(successes + failures) - log_factorial(successes) - log_factorial(failures)
