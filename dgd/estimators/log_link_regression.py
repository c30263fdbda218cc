"""What estimators of counts and amounts share: e^η is expected, and D² is the part of the deviance explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import d2_tweedie_score, mean_tweedie_deviance

from dgd._typing import Vector
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.inputs import Training, scored
from dgd.estimators.regression import Regression
from dgd.losses import Gamma, InverseGaussian, Loss, Poisson, Tweedie
from dgd.models.model import Model
from dgd.penalties import Penalty


class LogLinkRegression(Regression):
    """1/Σw Σ w·loss + ½ alpha ‖b‖² → min; the variance grows like a power of the mean; dgd's l2 = alpha."""

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        warm_start: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose
        self.n_jobs = n_jobs

    @property
    def _power(self) -> float:
        """Of the mean, like which the variance grows."""
        raise TypeError(f"{type(self).__name__} is not an estimator by itself")

    def predict(self, X: Any) -> Vector:
        """The expected target e^η of each row."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self._raw_prediction(X)))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """D²: the part of the deviance explained, 1 − deviance/deviance of the mean."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        return float(d2_tweedie_score(y, predicted, sample_weight=sample_weight, power=self._power))

    def get_deviance(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Σ w d, the deviance of the predictions summed over the rows, by dask-ml's name; by power 0 Σ w(y − ŷ)²."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        total = float(len(predicted) if sample_weight is None else np.sum(sample_weight))
        mean = mean_tweedie_deviance(y, predicted, sample_weight=sample_weight, power=self._power)
        return float(mean) * total

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number(f"{type(self).__name__}(alpha", self.alpha, least=0)

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        training = super()._training(X, y, sample_weight)
        target = training.dataset.y
        if isinstance(target, MemoryRows):
            least, name = target.array.min(), type(self).__name__
            if least < 0 and 1 <= self._power < 2:
                raise ValueError(f"y must be numbers of 0 or more for {name}, got {least}")
            if least <= 0 and self._power >= 2:
                raise ValueError(f"y must be numbers above 0 for {name}, got {least}")
        return training

    def _loss(self, training: Training) -> Loss:
        return loss_of_power(self._power)

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, self.alpha)

    def _model(self, **known: Any) -> Model:
        return super()._model(**{"loss": "squared" if self._power == 0 else loss_of_power(self._power).name, **known})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags


def loss_of_power(power: float) -> Loss:
    """The loss whose variance grows like that power of the mean: 1, 2, 3, or between 1 and 2."""
    named: dict[float, Loss] = {1.0: Poisson(), 2.0: Gamma(), 3.0: InverseGaussian()}
    return named[power] if power in named else Tweedie(power)
