"""`dgd.cross_validate`: which penalty predicts best the rows that a fit has not seen, in the passes of one fit."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.design.opening import coded_for
from dgd.data.folds import Folds, make_folds
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word
from dgd.fitting.arguments import make_stopping
from dgd.fitting.checkpoint.journal import journal_at
from dgd.fitting.many.cross_validation import CrossValidation, choices
from dgd.fitting.many.fits import ManyFits
from dgd.fitting.many.in_common import InCommon, on_grid, refuse_checkpoint
from dgd.fitting.many.penalty_grid import checked_penalties, given_grid, strength_of
from dgd.fitting.many.summary_cross_validation import from_summary
from dgd.fitting.verdict.stopping import MAX_ITER, Stopping
from dgd.losses import Loss
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset
from dgd.passes.session import session
from dgd.penalties import Penalty
from dgd.solvers import Solver

CHOICES = ("min", "one_se")
FOLD_TOL = 1e-8
"""Of the fits whose held-out losses are compared: to about 8 digits."""


def cross_validate(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    loss: str | Loss = "squared",
    penalties: Sequence[Penalty] | str | float = "l2",
    n_lambdas: int | None = None,
    folds: int = 5,
    by: Any = "rows",
    seed: int = 0,
    choose: str = "min",
    fit_intercept: bool = True,
    solver: str | Solver = "auto",
    max_iter: int = MAX_ITER,
    tol: float = FOLD_TOL,
    precision: str = "double",
    checkpoint: str | os.PathLike[str] | None = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> CrossValidation:
    """Fit each penalty without each fold, score it on the fold, and fit all rows by the one that is chosen.

        L penalties × F folds: L·(F + 1) fits, in the passes of one

    The squared loss takes one pass in all: centred products are summed fold by fold, and fits and held-out losses
    follow from them, exactly (up to 1,000 columns; see `summarize`). Fits of other losses go through the data together:
    a pass reads each chunk once, multiplies it by the coefficients of all fits, and tells each its loss on the rows it
    is fitted to, and on those it is not. A fit that has ended leaves. Each is the fit that `dgd.fit` makes of its rows,
    to about −log₁₀ `tol` digits; its bits depend on the penalties and folds beside it, on no worker, thread or machine.

    data, y, weight, offset, reading: see `open_dataset`. loss, fit_intercept, solver, precision: see `fit`.
    penalties: a list of `dgd.penalties`; or a kind, "l1", "l2" or the part of l1 from 0 to 1, of `n_lambdas` strengths
        (20; 100 of the squared loss) from one under which nothing is left down to next to none, as for `path`.
    folds, by: so many folds of rows, each row's by a hash of its number and the `seed`, the same on any machine; of
        whole chunks (by="chunks"), or of groups: an array with the group of each row, K groups being K folds.
    choose: "min", the penalty of the least mean loss, or "one_se", the strongest within one standard error of it.
    tol, max_iter: of the fits without a fold; that of all rows goes on to the tolerance of `fit`.
    checkpoint: a folder in which what each pass finds is kept, for other losses than the squared one: after an
        interruption the same call makes only the passes that are not there, and ends with the same bits.
    client, threads, execution: where it runs, as for `fit`. The plan counts the memory of all fits together.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. CheckpointError where the folder is
    of another call.
    """
    began = time.perf_counter()
    where = execution_of(execution, client, threads)
    checked_word("cross_validate(choose", choose, CHOICES)
    stopping = replace(make_stopping(max_iter, tol, None), refines=False)
    dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
    dataset = coded_for(dataset, intercept=fit_intercept).waiting_at_most(where.read_timeout)
    grid = given_grid("cross_validate(penalties", penalties)
    given = [] if grid else checked_penalties("cross_validate", penalties, dataset.shape[1])
    apart = make_folds("cross_validate", dataset, folds, by, seed)
    how = InCommon(dataset, loss, solver, fit_intercept, precision, stopping)
    method = how.method(grid.penalty(1.0) if grid else given[0])
    grid = grid and grid.of_size(n_lambdas, by_summary=method.sums_products)
    if n_lambdas is not None and not grid:
        raise ConfigurationError("`cross_validate(n_lambdas=...)` goes with a kind of penalty, such as penalties='l1'")
    if method.sums_products and all(how.method(each, method.loss).sums_products for each in given):
        refuse_checkpoint("cross_validate", checkpoint)
        found = from_summary(how, given or grid, apart, choose, where)
    else:
        asked = how.question(method, given or grid) | {"folds": apart, "choose": choose}
        with (
            journal_at("cross_validate", checkpoint, dataset, asked) as journal,
            session(where) as running,
            single_threaded_blas(),
        ):
            count = grid.count if grid else len(given)
            fits = ManyFits.begin(
                running,
                dataset,
                method,
                apart,
                penalties=count,
                precision=precision,
                stopping=stopping,
                journal=journal,
                exactly=bool(grid and grid.ratio),
            )
            found = _compared(fits, how, given or on_grid(grid, fits), apart, choose)
    return replace(found, seconds=time.perf_counter() - began)


def _compared(
    fits: ManyFits, how: InCommon, penalties: Sequence[Penalty], folds: Folds, choose: str
) -> CrossValidation:
    methods = [how.method(penalty, fits.method.loss) for penalty in penalties]
    whole, rest = fits.run(methods)
    held_out = fits.held_out([fit for each in rest for fit in each])
    losses = np.array(held_out).reshape(len(methods), folds.count)
    strengths = np.array([strength_of(penalty, how.dataset.shape[1]) for penalty in penalties])
    best, one_se = choices(losses, strengths)
    chosen = best if choose == "min" else one_se
    result = fits.refined(whole[chosen], Stopping(how.stopping.max_iter))
    thetas: Vector = np.stack([[fit.result(fits.plan).theta for fit in each] for each in rest])
    return CrossValidation(
        tuple(penalties),
        strengths,
        losses,
        best,
        one_se,
        chosen,
        result,
        thetas,
        passes=fits.lockstep.passes,
        models=tuple(fits.lockstep.models),
        bytes_read=fits.lockstep.bytes_read,
    )
