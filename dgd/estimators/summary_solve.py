"""Fits of a squared loss from the summary of one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.folds import Folds
from dgd.estimators.inputs import Training
from dgd.fitting.many.gram_path import losses, path_of, without
from dgd.fitting.summary.summarize import summarize
from dgd.fitting.summary.summary import Summary
from dgd.passes.blas import single_threaded_blas
from dgd.penalties import Penalty
from dgd.solvers import Status


def summary_of(training: Training, folds: Folds | None = None) -> Summary:
    """The summary of the rows to fit; it does not hold them."""
    return replace(summarize(training.dataset, folds=folds, threads=training.threads), dataset=None)


def fold_errors(summary: Summary, penalties: Callable[[float], Sequence[Penalty]], *, fit_intercept: bool) -> Vector:
    """The mean squared error of each penalty on each fold, (L, F, q). penalties: those for a Σw."""
    found = []
    with single_threaded_blas():
        for fold, part in enumerate(summary.grams):
            rest = without(summary.grams, fold)
            thetas = path_of(rest, penalties(rest.weight), fit_intercept=fit_intercept)
            found.append(losses(part, thetas, fit_intercept=fit_intercept))
    return np.stack(found, axis=1)


def solved(summary: Summary, penalty: Any, *, fit_intercept: bool) -> tuple[Vector, Status, str, int]:
    """θ, why the fit ended, in words, and its passes: what `LinearEstimator._solve` returns."""
    result = summary.fit(penalty=penalty, fit_intercept=fit_intercept)
    return result.theta, result.status, result.message, 1
