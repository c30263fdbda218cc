"""The lasso and the elastic net.

    minimise  1/(2 Σw) Σ wᵢ (ηᵢ − yᵢ)² + alpha l1_ratio ‖b‖₁ + ½ alpha (1 − l1_ratio) ‖b‖²

doubled: l1 = 2·alpha·l1_ratio and l2 = 2·alpha·(1 − l1_ratio). Without weights Σw is m. The lasso has l1_ratio = 1.
"""

from __future__ import annotations

from typing import Any

from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number
from dgd.estimators.base import MAX_ITER
from dgd.estimators.sparse_regression import SparseRegression


class ElasticNet(SparseRegression):
    """1/(2Σw) Σ w (η − y)² + alpha (ρ ‖b‖₁ + ½ (1 − ρ) ‖b‖²) → min; dgd's l1 = 2·alpha·ρ, l2 = 2·alpha·(1 − ρ).

    l1_ratio: ρ, from 0 to 1. positive: no coefficient below 0. warm_start: begin at the coefficients of the fit before.
    solver, max_iter, tol: as in `dgd.fit`. n_jobs: threads, which change no bit. With several columns of y each has
    its own lasso, on the same passes.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        l1_ratio: float = 0.5,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.solver = solver
        self.n_jobs = n_jobs

    @property
    def _strengths(self) -> tuple[float, float]:
        return self.alpha * self.l1_ratio, self.alpha * (1 - self.l1_ratio)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_ratio(type(self).__name__, self.l1_ratio)


class Lasso(SparseRegression):
    """1/(2Σw) Σ w (η − y)² + alpha ‖b‖₁ → min; dgd's l1 = 2·alpha.

    positive: no coefficient below 0. warm_start: begin at the coefficients of the fit before. solver, max_iter, tol: as
    in `dgd.fit`. With several columns of y each has its own lasso, on the same passes.
    """

    def __init__(
        self,
        alpha: float = 1.0,
        *,
        fit_intercept: bool = True,
        precompute: Any = False,
        copy_X: bool = True,
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        warm_start: bool = False,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
        solver: str = "auto",
        n_jobs: int | None = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.solver = solver
        self.n_jobs = n_jobs

    @property
    def _strengths(self) -> tuple[float, float]:
        return self.alpha, 0.0


def check_ratio(name: str, l1_ratio: object) -> None:
    """Raise ConfigurationError unless ρ is a number from 0 to 1."""
    if checked_number(f"{name}(l1_ratio", l1_ratio, least=0) > 1:
        raise ConfigurationError(f"`{name}(l1_ratio=...)` must be a number from 0 to 1, got {l1_ratio!r}")
