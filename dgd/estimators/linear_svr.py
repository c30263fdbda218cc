"""Linear support vector regression, by the squared ε-insensitive loss.

    minimise  ½ ‖b‖² + C Σ wᵢ max(0, |ηᵢ − yᵢ| − ε)²

divided by C·Σw: l2 = 1/(C·Σw). The intercept is not penalised, where liblinear penalises it.
`dgd.losses.SquaredEpsilonInsensitive` is the loss.
"""

from __future__ import annotations

from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number, checked_word
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.losses import Loss, SquaredEpsilonInsensitive
from dgd.penalties import Penalty


class LinearSVR(Regression):
    """½ ‖b‖² + C Σ w max(0, |η − y| − ε)² → min; dgd's l2 = 1/(C·Σw).

    epsilon: errors up to it cost nothing. C: the inverse of the penalty's strength. loss:
    "squared_epsilon_insensitive"; scikit-learn's other one, its default, has no derivative at its kinks.
    warm_start: begin at the coefficients of the fit before. solver, max_iter, tol: as in `dgd.fit`. n_jobs: threads,
    which change no bit.
    """

    def __init__(
        self,
        *,
        epsilon: float = 0.0,
        tol: float = 1e-12,
        C: float = 1.0,
        loss: str = "squared_epsilon_insensitive",
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        dual: Any = "auto",
        verbose: int = 0,
        random_state: Any = None,
        max_iter: int | None = MAX_ITER,
        solver: str = "auto",
        warm_start: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.tol = tol
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.dual = dual
        self.verbose = verbose
        self.random_state = random_state
        self.max_iter = max_iter
        self.solver = solver
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("LinearSVR(C", self.C, above=0)
        checked_number("LinearSVR(epsilon", self.epsilon, least=0)
        if self.loss == "epsilon_insensitive":
            raise ConfigurationError(
                "`LinearSVR(loss='epsilon_insensitive')` has no derivative at its kinks, and every fit of dgd is by "
                "derivatives; take loss='squared_epsilon_insensitive', or with epsilon=0 "
                "`QuantileRegressor(quantile=0.5)`"
            )
        checked_word("LinearSVR(loss", self.loss, ["squared_epsilon_insensitive"])

    def _loss(self, training: Training) -> Loss:
        return SquaredEpsilonInsensitive(float(self.epsilon))

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, 1 / (float(self.C) * training.weight_sum))
