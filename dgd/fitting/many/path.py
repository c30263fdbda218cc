"""`dgd.path`: the fits of a penalty at every strength, from next to nothing to next to no penalty."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.design.opening import coded_for
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.fitting.arguments import make_stopping
from dgd.fitting.checkpoint.journal import journal_at
from dgd.fitting.many.fits import ManyFits
from dgd.fitting.many.gram_path import losses, path_of
from dgd.fitting.many.in_common import InCommon, on_grid, refuse_checkpoint
from dgd.fitting.many.path_result import Path
from dgd.fitting.many.penalty_grid import Grid, checked_penalties, given_grid, strength_of
from dgd.fitting.many.summary_cross_validation import penalties_of
from dgd.fitting.summary.summarize import summarize
from dgd.fitting.verdict.stopping import MAX_ITER
from dgd.losses import Loss
from dgd.models.model import Model
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset
from dgd.passes.session import session
from dgd.penalties import Penalty
from dgd.solvers import Solver

PATH_TOL = 1e-8


def path(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    loss: str | Loss = "squared",
    penalty: str | float | Sequence[Penalty] = "l1",
    n_lambdas: int | None = None,
    fit_intercept: bool = True,
    solver: str | Solver = "auto",
    max_iter: int = MAX_ITER,
    tol: float = PATH_TOL,
    precision: str = "double",
    checkpoint: str | os.PathLike[str] | None = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Path:
    """Fit a penalty at many strengths λ, in the passes of one fit.

        λ · (ρ |b| + ½ (1 − ρ) b²)        ρ = 1 for "l1", 0 for "l2", or a number between them

    With ρ > 0 the largest λ is the least under which every coefficient is 0, max |∂f/∂bⱼ| / ρ at the best constant, and
    the smallest 10⁻⁴ of it, 10⁻³ with fewer rows than columns. For "l2", from 10² to 10⁻⁴ times the loss's mean
    curvature along a column.

    The squared loss takes one pass (up to 1,000 columns): centred products, from which each fit follows from the one
    before it, among the columns that the strong rule keeps. Fits of other losses go through the data together, as in
    `cross_validate`: as many passes as the hardest of them takes, and not the sum. Those are made to `tol`; with
    tol=1e-12 they have the digits of `dgd.fit`.

    data, y, weight, offset, reading: see `open_dataset`. loss, fit_intercept, solver, precision: see `fit`.
    penalty: "l1", "l2" or ρ, of `n_lambdas` strengths (20; 100 of the squared loss); or a list of `dgd.penalties`.
    checkpoint: a folder in which what each pass finds is kept, for other losses than the squared one: after an
        interruption the same call makes only the passes that are not there, and ends with the same bits.
    client, threads, execution: where it runs, as for `fit`.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. CheckpointError where the folder is
    of another call.
    """
    began = time.perf_counter()
    where = execution_of(execution, client, threads)
    stopping = replace(make_stopping(max_iter, tol, None), refines=tol < PATH_TOL)
    dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
    dataset = coded_for(dataset, intercept=fit_intercept).waiting_at_most(where.read_timeout)
    grid = given_grid("path(penalty", penalty)
    given = [] if grid else checked_penalties("path", penalty, dataset.shape[1])
    how = InCommon(dataset, loss, solver, fit_intercept, precision, stopping)
    method = how.method(grid.penalty(1.0) if grid else given[0])
    grid = grid and grid.of_size(n_lambdas, by_summary=method.sums_products)
    if n_lambdas is not None and not grid:
        raise ConfigurationError("`path(n_lambdas=...)` goes with a kind of penalty, such as penalty='l1'")
    if method.sums_products and all(how.method(each, method.loss).sums_products for each in given):
        refuse_checkpoint("path", checkpoint)
        found = _from_summary(how, given or grid, where)
    else:
        asked = how.question(method, given or grid)
        with (
            journal_at("path", checkpoint, dataset, asked) as journal,
            session(where) as running,
            single_threaded_blas(),
        ):
            count = grid.count if grid else len(given)
            fits = ManyFits.begin(
                running,
                dataset,
                method,
                None,
                penalties=count,
                precision=precision,
                stopping=stopping,
                journal=journal,
                exactly=bool(grid and grid.ratio),
            )
            found = _in_lockstep(fits, how, given or on_grid(grid, fits))
    return replace(found, seconds=time.perf_counter() - began)


def _from_summary(how: InCommon, penalties: Sequence[Penalty] | Grid | None, where: Execution) -> Path:
    summary = summarize(how.dataset, precision=how.precision, execution=where)
    intercept = bool(how.fit_intercept)
    with single_threaded_blas():
        if isinstance(penalties, Grid):
            penalties = penalties_of(penalties, summary, fit_intercept=intercept)
        assert penalties is not None
        thetas = path_of(summary.total, penalties, fit_intercept=intercept)
        means = losses(summary.total, thetas, fit_intercept=intercept).sum(axis=1)
    base = summary.fit(penalty=penalties[-1], fit_intercept=intercept).model
    thetas = thetas if summary.several else thetas[..., 0]
    models = tuple(_model(base, theta, penalty, intercept) for theta, penalty in zip(thetas, penalties, strict=True))
    sure = np.ones(len(penalties), dtype=bool)
    return Path(
        tuple(penalties),
        _strengths(penalties, how),
        thetas,
        means,
        sure,
        models,
        passes=1,
        bytes_read=how.dataset.footprint.per_pass,
    )


def _in_lockstep(fits: ManyFits, how: InCommon, penalties: Sequence[Penalty]) -> Path:
    methods = [how.method(penalty, fits.method.loss) for penalty in penalties]
    whole, _ = fits.run(methods)
    results = [fit.result(fits.plan) for fit in whole]
    means = [
        result.loss - _penalty_value(penalty, result.model) for result, penalty in zip(results, penalties, strict=True)
    ]
    return Path(
        tuple(penalties),
        _strengths(penalties, how),
        np.stack([result.theta for result in results]),
        np.array(means),
        np.array([result.converged for result in results]),
        tuple(result.model for result in results),
        passes=fits.lockstep.passes,
        bytes_read=fits.lockstep.bytes_read,
    )


def _strengths(penalties: Sequence[Penalty], how: InCommon) -> Vector:
    return np.array([strength_of(penalty, how.dataset.shape[1]) for penalty in penalties])


def _penalty_value(penalty: Penalty, model: Model) -> float:
    b = model.coef.T
    return penalty.value(b) + penalty.nonsmooth_value(b)


def _model(base: Model, theta: Vector, penalty: Penalty, intercept: bool) -> Model:
    """The model of one θ, as `base` is that of another."""
    coef = np.ascontiguousarray(theta[int(intercept) :].T)
    level = theta[0] if intercept else np.zeros(theta.shape[1:])
    provenance = {**base.provenance, "penalty": repr(penalty)}
    return replace(
        base, coef=coef, intercept=float(level) if np.ndim(level) == 0 else np.array(level), provenance=provenance
    )
