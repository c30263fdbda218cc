"""`dgd.cross_validate`: which penalty predicts best the rows that a fit has not seen, in the passes of one fit."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds, make_folds
from dgd.data.opening import open_dataset
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word
from dgd.fitting.arguments import make_stopping
from dgd.fitting.cross_validation import CrossValidation, choices
from dgd.fitting.many_fits import AtNull, ManyFits
from dgd.fitting.penalty_grid import Grid, checked_penalties, make_grid, strength_of
from dgd.fitting.problem import Method, make_method
from dgd.fitting.stopping import MAX_ITER, Stopping
from dgd.losses import Loss
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution, execution_of
from dgd.passes.session import session
from dgd.penalties import Penalty
from dgd.solvers import Solver

CHOICES = ("min", "one_se")
FOLD_TOL = 1e-8
"""Of the fits whose held-out losses are compared: to about 8 digits."""
LAMBDAS = 20


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
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> CrossValidation:
    """Fit each penalty without each fold, score it on the fold, and fit all rows by the one that is chosen.

        L penalties × F folds: L·(F + 1) fits, in the passes of one

    All fits go through the data together: a pass reads each chunk once, multiplies it by the coefficients of all fits,
    and tells each its loss on the rows it is fitted to, and on those it is not. A fit that has ended leaves. Each is
    the fit that `dgd.fit` makes of its rows, to about −log₁₀ `tol` digits; its bits depend on the penalties and folds
    that run beside it, and on no worker, thread or machine.

    data, y, weight, offset, reading: see `open_dataset`. loss, fit_intercept, solver, precision: see `fit`.
    penalties: a list of `dgd.penalties`; or a kind, "l1", "l2" or the part of l1 from 0 to 1, of `n_lambdas` strengths
        (20) from one under which nothing is left down to next to none.
    folds, by: so many folds of rows, each row's by a hash of its number and the `seed`, the same on any machine; of
        whole chunks (by="chunks"), or of groups: an array with the group of each row, K groups being K folds.
    choose: "min", the penalty of the least mean loss, or "one_se", the strongest within one standard error of it.
    tol, max_iter: of the fits without a fold; that of all rows goes on to the tolerance of `fit`.
    client, threads, execution: where it runs, as for `fit`. The plan counts the memory of all fits together.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. There is no checkpoint: the passes are few.
    """
    began = time.perf_counter()
    where = execution_of(execution, client, threads)
    checked_word("cross_validate(choose", choose, CHOICES)
    stopping = replace(make_stopping(max_iter, tol, None), refines=False)
    dataset = open_dataset(data, y, weight=weight, offset=offset, **reading).waiting_at_most(where.read_timeout)
    grid = _grid(penalties, n_lambdas)
    given = None if grid else checked_penalties("cross_validate", penalties, dataset.shape[1])
    apart = make_folds("cross_validate", dataset, folds, by, seed)
    how = How(dataset, loss, solver, fit_intercept, precision, stopping)
    with session(where) as running, single_threaded_blas():
        method = how.method(grid.penalty(1.0) if grid else given[0] if given else None)
        count = grid.count if grid else len(given or ())
        fits = ManyFits.begin(running, dataset, method, apart, penalties=count, precision=precision, stopping=stopping)
        chosen_from = given or _on_grid(grid, fits, dataset)
        found = _compared(fits, how, chosen_from, apart, choose)
    return replace(found, seconds=time.perf_counter() - began)


@dataclass(frozen=True)
class How:
    """What the fits have in common."""

    dataset: Dataset
    loss: Any
    solver: Any
    fit_intercept: Any
    precision: str
    stopping: Stopping

    def method(self, penalty: Penalty | None, loss: Loss | None = None) -> Method:
        """With one penalty; the labels of classes are read where the loss is not known yet."""
        method = make_method(
            loss or self.loss,
            penalty,
            self.solver,
            "auto",
            fit_intercept=self.fit_intercept,
            dataset=self.dataset,
            read_labels=loss is None,
        )
        if method.solver.is_stochastic:
            raise ConfigurationError(
                f"`cross_validate({method.solver.argument})` takes steps within a pass, and fits in lock-step take one "
                f"for each pass; use solver='auto', 'lbfgs' or 'newton'"
            )
        return method


def _grid(penalties: Any, count: int | None) -> Grid | None:
    if isinstance(penalties, (str, int, float)):
        return make_grid("cross_validate(penalties", penalties, LAMBDAS if count is None else count)
    if count is not None:
        raise ConfigurationError("`cross_validate(n_lambdas=...)` goes with a kind of penalty, such as penalties='l1'")
    return None


def _on_grid(grid: Grid | None, fits: ManyFits, dataset: Dataset) -> list[Penalty]:
    assert grid is not None
    null = fits.at_null()
    return grid.penalties(grid.strengths(null.gradient, mean_curvature(null, fits.method.loss), dataset.shape[0]))


def mean_curvature(null: AtNull, loss: Loss) -> float:
    """Of the mean loss along a coefficient at the best constant, over the columns; offsets count as none."""
    constant = np.asarray(null.constant, dtype=np.float64)
    raw = constant[None]
    second = loss.second_derivative(raw, raw)
    along = float(np.mean(second if second.ndim < 3 else np.diagonal(second, axis1=1, axis2=2)))
    return loss.gradient_scale * along * float(null.variance.mean())


def _compared(fits: ManyFits, how: How, penalties: Sequence[Penalty], folds: Folds, choose: str) -> CrossValidation:
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
