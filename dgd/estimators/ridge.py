"""Ridge regression.

minimise  Σ wᵢ (ηᵢ − yᵢ)² + alpha ‖b‖²        divided by Σw: l2 = 2·alpha/Σw
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number
from dgd.errors.words import counted
from dgd.estimators.base import elastic_net
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.inputs import Training
from dgd.estimators.partial_summaries import PartialSummaries
from dgd.estimators.regression import Regression
from dgd.estimators.summary_solve import solved, summary_of
from dgd.losses import Loss, Squared
from dgd.penalties import Penalty
from dgd.solvers import Status


class Ridge(PartialSummaries, Regression):
    """Least squares with a ridge, Σ w (η − y)² + alpha ‖b‖² → min; dgd's l2 is 2·alpha/Σw.

    alpha: one number for all columns of y, or one for each of them. positive: no coefficient below 0. solver, max_iter,
    tol: as in `dgd.fit`. `partial_fit` adds rows, exactly. n_jobs: threads, which change no bit.
    """

    _multi_output = True

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        max_iter: int | None = None,
        tol: float = 1e-12,
        solver: str = "auto",
        positive: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for alpha in np.asarray(self.alpha, dtype=object).ravel().tolist():
            checked_number("Ridge(alpha", alpha, least=0)

    def _loss(self, training: Training) -> Loss:
        return Squared()

    def _penalty(self, training: Training) -> Penalty:
        return elastic_net(0.0, 2 * float(self.alpha) / training.weight_sum, positive=self.positive)

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        if np.ndim(self.alpha) == 0:
            return super()._solve(training, tasks)
        y = training.dataset.y
        targets, given = 1 if y is None or len(y.shape) == 1 else y.shape[1], np.size(self.alpha)
        if given != targets:
            raise ConfigurationError(
                f"`Ridge(alpha=...)` must be one number, or one for each of {counted(targets, 'target')}, got {given}"
            )
        summary = summary_of(training)
        penalty = self._summary_penalty(summary.weight)
        self.solver_ = "summary"
        return solved(summary, penalty, fit_intercept=bool(self.fit_intercept))

    def _summary_penalty(self, weight: float) -> Any:
        if np.ndim(self.alpha) == 0:
            return elastic_net(0.0, 2 * float(self.alpha) / weight, positive=self.positive)
        return [elastic_net(0.0, 2 * float(a) / weight, positive=self.positive) for a in np.asarray(self.alpha)]
