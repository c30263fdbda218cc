"""The lasso and the elastic net with their strength chosen by cross-validation, from one pass."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_integer, checked_number
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.cv_folds import folds_of
from dgd.estimators.gram_argument import check_gram
from dgd.estimators.inputs import Training
from dgd.estimators.lasso import check_ratio
from dgd.estimators.regression import Regression
from dgd.estimators.summary_solve import fold_errors, solved, summary_of
from dgd.fitting.many.gram_path import null_gradient
from dgd.fitting.summary.summary import Summary
from dgd.penalties import Penalty
from dgd.solvers import Status


class ElasticNetCV(Regression):
    """The elastic net whose alpha, and l1_ratio if several are given, have the least mean squared error on folds.

    One pass in all: fits and errors follow from products that are summed fold by fold, exactly. alphas: their number,
    from the least under which nothing is left down to `eps` times it, or the alphas. cv: a number of folds, a splitter,
    or a list of splits. positive: no coefficient below 0. n_jobs: threads, which change no bit. `alpha_`, `l1_ratio_`,
    `alphas_` and `mse_path_` are as in scikit-learn.
    """

    def __init__(
        self,
        *,
        l1_ratio: Any = 0.5,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        copy_X: bool = True,
        cv: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @property
    def _ratios(self) -> list[float]:
        return [float(ratio) for ratio in np.atleast_1d(self.l1_ratio)]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        name = type(self).__name__
        checked_number(f"{name}(eps", self.eps, above=0)
        for ratio in np.atleast_1d(self._ratios).tolist():
            check_ratio(name, ratio)
            if ratio == 0:
                raise ConfigurationError(f"`{name}(l1_ratio=0)` is ridge regression; use RidgeCV")

    def _training(self, X: Any, y: Any, sample_weight: Any) -> Training:
        training = super()._training(X, y, sample_weight)
        check_gram(type(self).__name__, self.precompute, training, fit_intercept=bool(self.fit_intercept))
        return training

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        summary = summary_of(training, folds_of(type(self).__name__, self.cv, training))
        intercept = bool(self.fit_intercept)
        weights = None if training.dataset.weight is None else [gram.weight for gram in summary.grams]
        paths, grids = [], []
        for ratio in self._ratios:
            alphas = self._alphas(summary, ratio)
            penalties = [self._of(float(alpha), ratio) for alpha in alphas]
            paths.append(fold_errors(summary, partial(_same, penalties), fit_intercept=intercept)[..., 0])
            grids.append(alphas)
        means = np.average(np.stack(paths), axis=2, weights=weights)
        best, at = np.unravel_index(int(means.argmin()), means.shape)
        several = np.ndim(self.l1_ratio) > 0
        self.alpha_ = float(grids[best][at])
        self.l1_ratio_ = self._ratios[best]
        self.mse_path_ = np.stack(paths) if several else paths[0]
        self.alphas_ = np.stack(grids) if several else grids[0]
        self.solver_ = "summary"
        return solved(summary, self._of(self.alpha_, self.l1_ratio_), fit_intercept=intercept)

    def _of(self, alpha: float, ratio: float) -> Penalty:
        return elastic_net(2 * alpha * ratio, 2 * alpha * (1 - ratio), positive=self.positive)

    def _alphas(self, summary: Summary, ratio: float) -> Vector:
        if np.ndim(self.alphas):
            return np.sort(np.asarray(self.alphas, dtype=np.float64))[::-1]
        count = checked_integer(f"{type(self).__name__}(alphas", self.alphas, least=1)
        gradient, _ = null_gradient(summary.total, fit_intercept=bool(self.fit_intercept))
        top = float(np.abs(gradient).max()) / 2 / ratio
        top = max(top, float(np.finfo(np.float64).resolution))
        return np.geomspace(top, top * self.eps, count)


def _same(penalties: list[Penalty], weight: float) -> list[Penalty]:
    """The same for every Σw: alpha is a strength beside a mean."""
    return penalties


class LassoCV(ElasticNetCV):
    """The lasso whose alpha has the least mean squared error on folds; see `ElasticNetCV`."""

    def __init__(
        self,
        *,
        eps: float = 1e-3,
        alphas: Any = 100,
        fit_intercept: bool = True,
        precompute: Any = "auto",
        max_iter: int | None = MAX_ITER,
        tol: float = 1e-12,
        copy_X: bool = True,
        cv: Any = None,
        verbose: int = 0,
        n_jobs: int | None = None,
        positive: bool = False,
        random_state: Any = None,
        selection: str = "cyclic",
    ) -> None:
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection

    @property
    def l1_ratio(self) -> float:
        """1: the lasso."""
        return 1.0
