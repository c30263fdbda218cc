"""Least squares.

minimise  Σ wᵢ (ηᵢ − yᵢ)²        which is the mean squared loss times Σw: the same minimum
"""

from __future__ import annotations

from dgd._typing import Vector
from dgd.estimators.base import MAX_ITER
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.inputs import Training
from dgd.estimators.partial_summaries import PartialSummaries
from dgd.estimators.regression import Regression
from dgd.fitting.auto_solver import NEWTON_QUADRATIC
from dgd.fitting.least_norm import least_norm
from dgd.losses import Loss, Squared
from dgd.passes.execution import Execution
from dgd.passes.session import session
from dgd.penalties import NonNegative, NoPenalty, Penalty
from dgd.solvers import Status


class LinearRegression(PartialSummaries, Regression):
    """Least squares, Σ w (η − y)² → min.

    positive: no coefficient below 0. solver, max_iter, tol: as in `dgd.fit`. Up to 1,000 columns it takes 1 pass,
    and where columns depend on each other some more: of many solutions the coefficients are then the shortest, as
    scikit-learn's are. y may have several columns. n_jobs: threads, which change no bit.
    """

    _multi_output = True
    _ravels_one_column = False

    def __init__(
        self,
        *,
        fit_intercept: bool = True,
        copy_X: bool = True,
        positive: bool = False,
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        n_jobs: int | None = None,
    ) -> None:
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.positive = positive
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def _loss(self, training: Training) -> Loss:
        return Squared()

    def _penalty(self, training: Training) -> Penalty:
        return NonNegative() if self.positive else NoPenalty()

    def _summary_penalty(self, weight: float) -> Penalty:
        return NonNegative() if self.positive else NoPenalty()

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        result = self._result(training, tasks)
        theta, passes = result.theta, result.n_iter_
        small = theta.size <= NEWTON_QUADRATIC
        if (
            small
            and not self.positive
            and result.status in (Status.CONVERGED, Status.STALLED, Status.ILL_CONDITIONED)
            and not result.certificate
        ):
            fit_intercept = bool(self.fit_intercept)
            with session(Execution(threads=training.threads)) as running:
                theta = least_norm(theta, training.dataset, running, fit_intercept=fit_intercept)
            passes += 1
        return theta, result.status, result.message, passes
