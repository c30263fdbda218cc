"""Regression of a quantile of the target.

    minimise  1/Σw Σ wᵢ ρ(yᵢ − ηᵢ) + alpha ‖b‖₁        ρ(r) = max(q r, (q − 1) r)

ρ is smoothed within ±h of its kink, and h is made smaller from fit to fit, each of which begins where the one before
ended. What is found has a mean loss at most h/4 above the least. `dgd.losses.Quantile` is the loss; l1 = alpha.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.estimators.sklearn_names import own_solver
from dgd.fitting.fit import fit
from dgd.losses import Quantile
from dgd.models.model import Model
from dgd.penalties import L1, NoPenalty
from dgd.solvers import Status

FIRST = 0.3
"""The first h, as a part of the target's standard deviation."""
SMALLER = 0.1
"""Each h as a part of the one before."""


class QuantileRegressor(Regression):
    """1/Σw Σ w ρ(y − η) + alpha ‖b‖₁ → min, ρ the pinball loss of a quantile; dgd's l1 = alpha.

    smoothing: h, as a part of the target's standard deviation: the mean loss is at most h/4 above the least.
    max_iter, tol: as in `dgd.fit`, max_iter for all fits together. solver: as there. n_jobs: threads, which change no
    bit. Chen (2007), A finite smoothing algorithm for quantile regression.
    """

    def __init__(
        self,
        *,
        quantile: float = 0.5,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        solver: str = "auto",
        solver_options: Any = None,
        smoothing: float = 1e-4,
        max_iter: int | None = 10 * MAX_ITER,
        tol: float = 1e-8,
        n_jobs: int | None = None,
    ) -> None:
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.solver_options = solver_options
        self.smoothing = smoothing
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("QuantileRegressor(alpha", self.alpha, least=0)
        checked_number("QuantileRegressor(smoothing", self.smoothing, above=0)
        if not checked_number("QuantileRegressor(quantile", self.quantile, above=0) < 1:
            raise ConfigurationError(
                f"`QuantileRegressor(quantile=...)` must be above 0 and below 1, got {self.quantile!r}"
            )

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        common: dict[str, Any] = {
            "fit_intercept": self.fit_intercept,
            "threads": training.threads,
            "callbacks": [tasks],
        }
        penalty = L1(self.alpha) if self.alpha else NoPenalty()
        solver = own_solver("QuantileRegressor", self.solver, penalty)
        found = fit(training.dataset, max_iter=self._max_iter, **common)
        self._note_solver(found)
        # A fit begins at the best constant, whose loss is the variance.
        spread, passes = math.sqrt(max(found.history[0].loss, 0.0)), found.n_iter_
        for smoothing in _smoothings(spread, float(self.smoothing)):
            if passes >= self._max_iter:
                return found.theta, Status.ITERATION_LIMIT, Status.ITERATION_LIMIT.value, passes
            found = fit(
                training.dataset,
                loss=Quantile(self.quantile, smoothing),
                penalty=penalty,
                solver=solver,
                theta0=found.theta,
                tol=self.tol,
                max_iter=self._max_iter - passes,
                **common,
            )
            passes += found.n_iter_
            self._note_solver(found)
        return found.theta, found.status, found.message, passes

    def _model(self, **known: Any) -> Model:
        return super()._model(**{"loss": "quantile", **known})


def _smoothings(spread: float, last: float) -> list[float]:
    """From rough to fine; none where all targets are alike."""
    if not spread > 0:
        return []
    steps = 0 if last >= FIRST else math.ceil(math.log(last / FIRST) / math.log(SMALLER))
    return [spread * float(part) for part in np.geomspace(last, FIRST, steps + 1)[::-1]]
