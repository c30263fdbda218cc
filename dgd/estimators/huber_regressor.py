"""Regression in which outliers have a bounded influence, with a fitted scale.

    minimise  Σ wᵢ (σ + H(rᵢ/σ) σ) + alpha ‖b‖²        H(z) = z² up to |z| = epsilon, 2·epsilon·|z| − epsilon² beyond

divided by Σw: l2 = 2·alpha/Σw. `dgd.losses.scaled_huber` is the loss, `dgd.fitting.free_scale` minimises it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from dgd._typing import Array, Vector
from dgd.errors.checks import checked_number, checked_word
from dgd.estimators.base import MAX_ITER
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.design import in_order, read_whole
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.fitting.auto_solver import NEWTON_SMOOTH
from dgd.fitting.free_scale import ScaledStart, minimise_with_scale
from dgd.fitting.verdict.stopping import Stopping
from dgd.passes.execution import Execution
from dgd.passes.session import session
from dgd.solvers import LBFGS, Newton, Solver, Status


class HuberRegressor(Regression):
    """Σ w (σ + H(r/σ) σ) + alpha ‖b‖² → min over b, b₀ and the scale σ; dgd's l2 = 2·alpha/Σw.

    epsilon: from how many σ on a residual is an outlier, at least 1. warm_start: begin at b, b₀ and σ of the fit
    before. max_iter, tol: as in `dgd.fit`. solver: newton, lbfgs, or auto: Newton up to 300
    columns. n_jobs: threads, which change no bit. It begins at the least-squares solution. `scale_` is σ.
    """

    _subtracts_offset = True
    _fitted_on: Training | None = None
    _outliers: Array | None = None

    def __init__(
        self,
        *,
        epsilon: float = 1.35,
        max_iter: int | None = MAX_ITER,
        alpha: float = 0.0001,
        warm_start: bool = False,
        fit_intercept: bool = True,
        tol: float = 1e-12,
        solver: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.warm_start = warm_start
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.solver = solver
        self.n_jobs = n_jobs

    @property
    def outliers_(self) -> Array:
        """Which rows are more than epsilon·scale_ from their prediction, (m,).

        Found by the fit where X is in memory; of a lazy X when they are first asked for, in one pass.
        """
        check_is_fitted(self)
        if self._outliers is None:
            assert self._fitted_on is not None
            self._outliers = self._beyond(self._fitted_on)
        return self._outliers

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("HuberRegressor(epsilon", self.epsilon, least=1)
        checked_number("HuberRegressor(alpha", self.alpha, least=0)
        checked_word("HuberRegressor(solver", self.solver, ["auto", "newton", "lbfgs"])

    def _solver(self, n_features: int) -> Solver:
        newton = self.solver == "newton" or (self.solver == "auto" and n_features <= NEWTON_SMOOTH)
        return Newton() if newton else LBFGS()

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        start, solver = self._start(training), self._solver(training.dataset.shape[1])
        self.solver_ = "newton" if isinstance(solver, Newton) else "lbfgs"
        with session(Execution(threads=training.threads)) as running:
            status, theta, passes = minimise_with_scale(
                running,
                training.dataset,
                epsilon=float(self.epsilon),
                l2=2 * self.alpha / training.weight_sum,
                fit_intercept=bool(self.fit_intercept),
                solver=solver,
                start=None if start is None else ScaledStart(start, self.scale_),
                stopping=Stopping(max_iter=self._max_iter, tol=float(self.tol)),
                callback=tasks,
            )
        return theta, status, status.value, passes

    def _unmoved(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        """With σ beside θ, of the fit before or 1."""
        start, status, message, passes = super()._unmoved(training, tasks)
        theta = np.zeros((training.dataset.shape[1] + 1, 2))
        theta[int(not self.fit_intercept) :, 0] = start
        theta[0, 1] = getattr(self, "scale_", 1.0) if self.warm_start else 1.0
        return theta, status, message, passes

    def _attributes(self, theta: Vector) -> dict[str, Any]:
        """From the matrix of two columns, η and σ."""
        found = super()._attributes(theta[:, 0] if self.fit_intercept else theta[1:, 0])
        return {**found, "scale_": float(theta[0, 1])}

    def _after(self, training: Training) -> None:
        self._fitted_on = training if training.lazy else None
        self._outliers = None if training.lazy else self._beyond(training)

    def _beyond(self, training: Training) -> Array:
        """|r| > epsilon σ, in the order of the caller's rows."""
        dataset = training.dataset
        assert dataset.y is not None
        residual = read_whole(dataset.y) - self._model().predict(dataset, threads=training.threads)
        return in_order(np.abs(residual) > self.scale_ * self.epsilon, training.order)
