"""Poisson regression with the logarithm as link.

minimise  1/Σw Σ wᵢ (e^ηᵢ − yᵢ ηᵢ) + ½ alpha ‖b‖²        l2 = alpha
"""

from __future__ import annotations

from dgd.estimators.base import MAX_ITER
from dgd.estimators.log_link_regression import LogLinkRegression


class PoissonRegressor(LogLinkRegression):
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

    @property
    def _power(self) -> float:
        return 1.0
