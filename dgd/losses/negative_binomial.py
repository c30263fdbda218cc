"""The negative binomial loss of counts that spread more than Poisson's, with the logarithm as link.

    value              (y + 1/α) log(1 + α e^η) − y η
    derivative         (μ − y) / (1 + α μ)               μ = e^η, the expected count
    second derivative  μ (1 + α y) / (1 + α μ)²
    saturated          (y + 1/α) log(1 + α y) − y log y  at η = log y; 0 for y = 0

The variance of a count is μ + α μ²; α is given, and near 0 it is Poisson's loss. Half the deviance of a row is value −
saturated. Computed from the probability σ = αμ/(1 + αμ), so that nothing overflows. Hilbe (2011), Negative binomial
regression, chapter 8: NB2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dgd._typing import FloatArray
from dgd.errors import ConfigurationError
from dgd.losses.base import over_outputs
from dgd.losses.entropy import log_factorial, y_log_y
from dgd.losses.log_link import LogLink
from dgd.losses.logistic import Logistic

SIGMOID = Logistic()


@dataclass(frozen=True)
class NegativeBinomial(LogLink):
    """Negative binomial loss of counts with variance μ + α μ², where μ = e^η; α is given."""

    alpha: float = 1.0

    name: ClassVar[str] = "negative_binomial"
    canonical: ClassVar[bool] = False
    is_likelihood: ClassVar[bool] = True

    def __post_init__(self) -> None:
        alpha: Any = self.alpha
        if not (isinstance(alpha, (int, float, np.integer, np.floating)) and math.isfinite(alpha) and alpha > 0):
            raise ConfigurationError(
                f"`NegativeBinomial(alpha=...)` must be a positive number, got {alpha!r}; 0 is dgd.losses.Poisson()"
            )
        object.__setattr__(self, "alpha", float(alpha))

    def value(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(y + 1/α) log(1 + α e^η) − yη of each row."""
        log_rest = np.logaddexp(0, raw_prediction + raw_prediction.dtype.type(math.log(self.alpha)))
        # y (log(1 + αμ) − η) keeps its digits, where two large terms would cancel.
        return over_outputs(y * (log_rest - raw_prediction) + log_rest / self.alpha)

    def derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """(μ − y) / (1 + αμ)."""
        share = self._share(raw_prediction)
        return share / self.alpha - y * (1 - share)

    def second_derivative(self, raw_prediction: FloatArray, y: FloatArray) -> FloatArray:
        """μ (1 + αy) / (1 + αμ)²."""
        shifted = raw_prediction + raw_prediction.dtype.type(math.log(self.alpha))
        return SIGMOID.second_derivative(shifted, y) * (y + 1 / self.alpha)

    def saturated(self, y: FloatArray) -> FloatArray:
        """(y + 1/α) log(1 + αy) − y log y, summed over the outputs."""
        return over_outputs(self._least(y))

    def null_value(self, mean: FloatArray, variance: FloatArray) -> float:
        """(ȳ + 1/α) log(1 + αȳ) − ȳ log ȳ, summed over the outputs: the best constant is η = log ȳ."""
        return float(np.sum(self._least(np.asarray(mean, dtype=np.float64))))

    def log_base(self, y: FloatArray) -> FloatArray:
        """log Γ(y + 1/α) − log Γ(1/α) − log y! + y log α."""
        r = 1 / self.alpha
        gammas = log_factorial(y + r) - np.log(y + r) - log_factorial(np.asarray(r)) + math.log(r)
        base: FloatArray = gammas - log_factorial(y) + y * math.log(self.alpha)
        return base

    def _least(self, y: FloatArray) -> FloatArray:
        least: FloatArray = (y + 1 / self.alpha) * np.log1p(self.alpha * y) - y_log_y(y)
        return least

    def _share(self, raw_prediction: FloatArray) -> FloatArray:
        """αμ / (1 + αμ)."""
        return SIGMOID.response(raw_prediction + raw_prediction.dtype.type(math.log(self.alpha)))
