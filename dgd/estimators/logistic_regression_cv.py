"""Logistic regression with its strength chosen by cross-validation, all fits in lock-step."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_number
from dgd.errors.words import shown
from dgd.estimators.base import MAX_ITER, elastic_net
from dgd.estimators.callbacks import PassTasks
from dgd.estimators.cv_folds import folds_of
from dgd.estimators.inputs import Training
from dgd.estimators.lasso import check_ratio
from dgd.estimators.logistic_regression import LogisticRegression
from dgd.estimators.sklearn_names import own_solver
from dgd.fitting.fit import fit
from dgd.fitting.many.cross_validate import cross_validate
from dgd.penalties import Penalty
from dgd.solvers import Status


class LogisticRegressionCV(LogisticRegression):
    """Logistic regression whose C has the least mean log loss on folds.

    All fits go through the data together, in about the passes of one. Cs: numbers above 0, or how many from 1e-4 to
    1e4. cv: a number of (stratified) folds, a splitter or a list of splits. The strength of a fit without a fold is
    1/(C·Σw) with the mean Σw of such a fit. l1_ratio: ρ. class_weight, n_jobs: as in `LogisticRegression`. `C_`, `Cs_`
    and `scores_` (folds × Cs, minus the log loss) say what was found.
    """

    def __init__(
        self,
        *,
        Cs: Any = 10,
        cv: Any = None,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-12,
        fit_intercept: bool = True,
        solver: str = "auto",
        max_iter: int | None = MAX_ITER,
        class_weight: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        intercept_scaling: float = 1,
        random_state: Any = None,
    ) -> None:
        self.Cs = Cs
        self.cv = cv
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state

    penalty = "deprecated"
    C = 1.0

    def _check_parameters(self) -> None:
        super()._check_parameters()
        checked_number("LogisticRegressionCV(tol", self.tol, least=0)
        check_ratio("LogisticRegressionCV", self.l1_ratio)
        Cs = np.asarray(self.Cs)
        if Cs.size == 0 or Cs.dtype.kind not in "iuf" or not (np.isfinite(Cs) & (Cs > 0)).all():
            raise ConfigurationError(f"`LogisticRegressionCV(Cs=...)` must be numbers above 0, got {shown(self.Cs)}")

    def _solve(self, training: Training, tasks: PassTasks) -> tuple[Vector, Status, str, int]:
        Cs = np.logspace(-4, 4, int(self.Cs)) if np.ndim(self.Cs) == 0 else np.asarray(self.Cs, dtype=np.float64)
        folds = folds_of("LogisticRegressionCV", self.cv, training, classifier=True)
        loss, part = self._loss(training), (folds.count - 1) / folds.count
        solver = own_solver("LogisticRegressionCV", self.solver, self._strength(1.0))
        found = cross_validate(
            training.dataset,
            loss=loss,
            penalties=[self._strength(float(C) * part * training.weight_sum) for C in Cs],
            folds=folds.count,
            by=folds.given if folds.given is not None else folds.by,
            fit_intercept=self.fit_intercept,
            solver=solver,
            max_iter=self._max_iter,
            threads=training.threads,
        )
        self.Cs_, self.scores_ = Cs, -found.fold_losses.T
        self.C_ = float(Cs[found.best])
        result = fit(
            training.dataset,
            loss=loss,
            penalty=self._strength(self.C_ * training.weight_sum),
            fit_intercept=self.fit_intercept,
            solver=solver,
            theta0=found.result,
            max_iter=self._max_iter,
            tol=self.tol,
            threads=training.threads,
            callbacks=[tasks],
        )
        self._note_solver(result)
        return result.theta, result.status, result.message, result.n_iter_

    def _strength(self, weight: float) -> Penalty:
        """For C times a Σw."""
        return elastic_net(self.l1_ratio / weight, (1 - self.l1_ratio) / weight)
