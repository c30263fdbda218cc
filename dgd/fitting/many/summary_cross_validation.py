"""Cross-validation of the squared loss from products that are summed fold by fold: one pass, whatever is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dgd._typing import Vector
from dgd.data.folds import Folds
from dgd.errors import DataError
from dgd.fitting.fit import fit
from dgd.fitting.many.cross_validation import CrossValidation, choices
from dgd.fitting.many.gram_path import losses, null_gradient, path_of, ridge_strengths, without
from dgd.fitting.many.in_common import InCommon
from dgd.fitting.many.penalty_grid import Grid, strength_of
from dgd.fitting.result import Result
from dgd.fitting.summary.summarize import summarize
from dgd.fitting.summary.summary import Summary
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution
from dgd.penalties import Penalty


def from_summary(
    how: InCommon, penalties: Sequence[Penalty] | Grid | None, folds: Folds, choose: str, where: Execution
) -> CrossValidation:
    """The penalties compared, and all rows fitted by the one that is chosen."""
    summary = summarize(how.dataset, folds=folds, precision=how.precision, execution=where)
    intercept = bool(how.fit_intercept)
    for fold, part in enumerate(summary.grams):
        if not part.weight > 0:
            raise DataError(f"the weights of fold {fold} sum to 0: no row counts", array="weight")
    with single_threaded_blas():
        if isinstance(penalties, Grid):
            penalties = penalties_of(penalties, summary, fit_intercept=intercept)
        assert penalties is not None
        ridge = ridge_strengths(penalties, how.dataset.shape[1])
        thetas = [
            path_of(without(summary.grams, k), penalties, fit_intercept=intercept, ridge=ridge)
            for k in range(folds.count)
        ]
        each = [
            losses(part, theta, fit_intercept=intercept).sum(axis=1)
            for part, theta in zip(summary.grams, thetas, strict=True)
        ]
    fold_losses: Vector = np.stack(each, axis=1)
    strengths = np.array([strength_of(penalty, how.dataset.shape[1]) for penalty in penalties])
    best, one_se = choices(fold_losses, strengths)
    chosen = best if choose == "min" else one_se
    result, passes = refitted(summary, how, penalties[chosen], where)
    fold_thetas = np.stack(thetas, axis=1)
    models = (len(penalties) * (folds.count + 1),)
    return CrossValidation(
        tuple(penalties),
        strengths,
        fold_losses,
        best,
        one_se,
        chosen,
        result,
        fold_thetas if summary.several else fold_thetas[..., 0],
        passes=1 + passes,
        models=models + (1,) * passes,
        bytes_read=how.dataset.footprint.per_pass + sum(record.bytes_read for record in result.history),
    )


def penalties_of(grid: Grid, summary: Summary, *, fit_intercept: bool) -> list[Penalty]:
    """The penalties of a grid, from a summary."""
    gradient, curvature = null_gradient(summary.total, fit_intercept=fit_intercept)
    return grid.penalties(grid.strengths(gradient, curvature, summary.rows))


def refitted(summary: Summary, how: InCommon, penalty: Penalty, where: Execution) -> tuple[Result, int]:
    """The fit of all rows from their summary, or, where that has too few digits, from the data; and its passes."""
    result = summary.fit(penalty=penalty, fit_intercept=bool(how.fit_intercept))
    if result.converged:
        return replace(result, rows_left_out=summary.rows_left_out), 0
    result = fit(
        how.dataset, penalty=penalty, fit_intercept=how.fit_intercept, precision=how.precision, execution=where
    )
    return result, result.n_iter_
