"""Ridge regression.

minimise  Σ wᵢ (ηᵢ − yᵢ)² + alpha ‖b‖²        divided by Σw: l2 = 2·alpha/Σw
"""

from __future__ import annotations

from dgd.errors.checks import checked_number
from dgd.estimators.base import elastic_net
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.losses import Loss, Squared
from dgd.penalties import Penalty


class Ridge(Regression):
    """Least squares with a ridge, Σ w (η − y)² + alpha ‖b‖² → min; dgd's l2 is 2·alpha/Σw.

    alpha: one number, for all columns of y. positive: no coefficient below 0. solver, max_iter, tol: as in `dgd.fit`.
    """

    _multi_output = True

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-12,
        solver: str = "auto",
        positive: bool = False,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("Ridge(alpha", self.alpha, least=0)

    def _loss(self, training: Training) -> Loss:
        return Squared()

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, 2 * self.alpha / training.weight_sum, positive=self.positive)
