"""Poisson regression with the logarithm as link.

minimise  1/Σw Σ wᵢ (e^ηᵢ − yᵢ ηᵢ) + ½ alpha ‖b‖²        l2 = alpha
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import d2_tweedie_score

from dgd._typing import Vector
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.inputs import Training, scored
from dgd.estimators.regression import Regression
from dgd.losses import Loss, Poisson
from dgd.models.model import Model
from dgd.penalties import Penalty


class PoissonRegressor(Regression):
    """Counts with expectation e^η: 1/Σw Σ w (e^η − yη) + ½ alpha ‖b‖² → min; dgd's l2 = alpha.

    warm_start: begin at the coefficients of the fit before. solver, max_iter, tol: as in `dgd.fit`.
    n_jobs: threads, which change no bit.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def predict(self, X: Any) -> Vector:
        """The expected count e^η of each row."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(self._raw_prediction(X)))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """D²: the part of the deviance explained, 1 − deviance/deviance of the mean."""
        y, predicted, sample_weight = scored(X, y, sample_weight, self.predict(X))
        return float(d2_tweedie_score(y, predicted, sample_weight=sample_weight, power=1))

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("PoissonRegressor(alpha", self.alpha, least=0)

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        training = super()._training(X, y, sample_weight)
        target = training.dataset.y
        if isinstance(target, MemoryRows) and target.array.min() < 0:
            raise ValueError(f"y must be counts of 0 or more for PoissonRegressor, got {target.array.min()}")
        return training

    def _loss(self, training: Training) -> Loss:
        return Poisson()

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, self.alpha)

    def _model(self, **known: Any) -> Model:
        return super()._model(**{"loss": "poisson", **known})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
