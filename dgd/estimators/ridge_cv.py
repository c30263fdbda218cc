"""Ridge regression with its strength chosen by folds or by generalised cross-validation, from one pass.

    GCV(alpha) = mean squared residual / (1 − (tr H)/m)²        H: the matrix that takes y to its predictions

Golub, Heath and Wahba (1979), Generalized cross-validation as a method for choosing a good ridge parameter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag
from dgd.errors.words import shown
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.cv_folds import folds_of
from dgd.estimators.inputs import Training
from dgd.estimators.regression import Regression
from dgd.estimators.summary_solve import fold_errors, solved, summary_of
from dgd.fitting.many.gram_path import freedom, losses, path_of
from dgd.fitting.summary.summary import Summary
from dgd.passes.blas import single_threaded_blas
from dgd.penalties import L2
from dgd.solvers import Status


class RidgeCV(Regression):
    """Ridge regression whose alpha has the least error: by GCV (cv=None), or on folds.

    One pass in all, exact, for any number of alphas, folds and targets. alphas: above 0. cv: None, a number of folds, a
    splitter or a list of splits. alpha_per_target: each column of y has its own. `alpha_`, `best_score_` (minus the
    error) and `cv_values_` (alphas × targets) say what was found. scikit-learn's cv=None is leave-one-out, which needs
    the leverage of each row; GCV takes their mean instead. n_jobs: threads, which change no bit.
    """

    _multi_output = True

    def __init__(
        self,
        alphas: Any = (0.1, 1.0, 10.0),
        *,
        fit_intercept: bool = True,
        cv: Any = None,
        alpha_per_target: bool = False,
        n_jobs: int | None = None,
    ) -> None:
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.alpha_per_target = alpha_per_target
        self.n_jobs = n_jobs

    max_iter = None
    tol = 0.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_flag("RidgeCV(alpha_per_target", self.alpha_per_target)
        alphas = np.asarray(self.alphas)
        if alphas.size == 0 or alphas.dtype.kind not in "iuf" or not (np.isfinite(alphas) & (alphas > 0)).all():
            raise ConfigurationError(f"`RidgeCV(alphas=...)` must be numbers above 0, got {shown(self.alphas)}")

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        folds = None if self.cv is None else folds_of("RidgeCV", self.cv, training)
        summary = summary_of(training, folds)
        errors = self._gcv(summary) if folds is None else self._by_folds(summary)
        self.cv_values_ = errors
        alphas = np.atleast_1d(np.asarray(self.alphas, dtype=np.float64))
        several = training.dataset.y is not None and len(training.dataset.y.shape) == 2
        if self.alpha_per_target and several:
            best = errors.argmin(axis=0)
            self.alpha_ = alphas[best]
            self.best_score_ = -errors.min(axis=0)
            made = {float(alpha): L2(2 * float(alpha) / summary.weight) for alpha in self.alpha_}
            penalty: Any = [made[float(alpha)] for alpha in self.alpha_]
        else:
            means = errors.mean(axis=1)
            self.alpha_ = float(alphas[int(means.argmin())])
            self.best_score_ = -float(means.min())
            penalty = L2(2 * self.alpha_ / summary.weight)
        self.solver_ = "summary"
        return solved(summary, penalty, fit_intercept=bool(self.fit_intercept))

    def _penalties(self, weight: float) -> list[L2]:
        return [L2(2 * float(alpha) / weight) for alpha in np.atleast_1d(self.alphas)]

    def _by_folds(self, summary: Summary) -> Vector:
        found: Vector = fold_errors(summary, self._penalties, fit_intercept=bool(self.fit_intercept)).mean(axis=1)
        return found

    def _gcv(self, summary: Summary) -> Vector:
        intercept, gram = bool(self.fit_intercept), summary.total
        penalties = self._penalties(gram.weight)
        with single_threaded_blas():
            means = losses(gram, path_of(gram, penalties, fit_intercept=intercept), fit_intercept=intercept)
            taken = freedom(gram, np.atleast_1d(np.asarray(self.alphas, dtype=np.float64)), fit_intercept=intercept)
        left = np.maximum(1 - taken / max(gram.rows, 1), np.finfo(np.float64).eps)
        found: Vector = means / left[:, None] ** 2
        return found
