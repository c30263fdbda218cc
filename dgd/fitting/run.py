"""A fit as a value, and what runs it: from the start, or from a state on."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.transforms.row_split import RowSplit
from dgd.errors import ClusterLostError, DgdError
from dgd.fitting.arguments import checked_start
from dgd.fitting.beginning import Beginning, listeners
from dgd.fitting.checkpoint.reached import Reached
from dgd.fitting.inference.fitted import Fitted
from dgd.fitting.interruption import Interruption
from dgd.fitting.loop import Run, ended, minimise
from dgd.fitting.null_model import NullModel, null_model
from dgd.fitting.objective import Objective
from dgd.fitting.outcome import result_of
from dgd.fitting.problem import Method
from dgd.fitting.result import Result
from dgd.fitting.sampled.planned import planned_with_sample
from dgd.fitting.state import FitState
from dgd.fitting.verdict.stopping import Callback, Stopping
from dgd.passes.blas import single_threaded_blas
from dgd.passes.choose import client_of
from dgd.passes.events import PassStopped
from dgd.passes.execution import Execution
from dgd.passes.executor import Executor
from dgd.passes.plan import Plan
from dgd.passes.session import session
from dgd.penalties.parts import penalises_intercept
from dgd.solvers.base import Status


@dataclass(frozen=True)
class Task:
    """What is fitted, how, and until when."""

    dataset: Dataset
    method: Method
    held_out: Dataset | RowSplit | None
    precision: str
    standardize: bool
    stopping: Stopping

    @property
    def split(self) -> RowSplit | None:
        """Which rows of the dataset are held out, if some are."""
        return self.held_out if isinstance(self.held_out, RowSplit) else None


def run(
    task: Task,
    where: Execution,
    callbacks: tuple[Callback, ...],
    *,
    theta0: Any = None,
    null: NullModel | None = None,
    reached_of: Callable[[NullModel | None], Reached] = lambda null: Reached(),
) -> Result:
    """Run the fit. `null`: the null model, where it is known; `reached_of`: what is told of each pass."""
    method = task.method
    callbacks = (*callbacks, *_scheduler(where))
    interruption = Interruption(task.stopping.max_seconds, callbacks)
    with listeners(callbacks) as heard, session(where, interruption) as running:
        rows = method.read(task.dataset)
        cost, no_factor, sample = planned_with_sample(
            running, rows, method, task.precision, task.split, starts_anywhere=theta0 is None
        )
        dataset = running.start(rows, cost)
        products = method.sums_products and task.split is None and theta0 is None
        null = null or _null_model(task, dataset, running.executor, known=products)
        reached = reached_of(null)
        if sample and not sample.is_enough(method, null, dataset):
            sample = None
        before = 0 if reached.state is None else len(reached.state.history)
        heard.begins(Beginning.of(dataset, method, task.precision, task.stopping, cost, before))
        objective = Objective(
            dataset,
            method.loss,
            running.executor,
            penalty=method.penalty,
            fit_intercept=method.fit_intercept,
            precision=task.precision,
            measures_standardised=not method.by_the_book,
            null=null,
            products=products,
            no_factor=no_factor,
            sampling=None if sample is None else sample.sampling,
            first_hessian=sample is None or sample.first_hessian,
            then=None if sample is None else sample.then,
            compiled=method.compiles(dataset),
            validation=running.reading(task.held_out, cost) if isinstance(task.held_out, Dataset) else task.held_out,
        )
        given = checked_start(theta0, objective.theta_shape)
        start = objective.start(None if given is None else method.within_bounds(given))
        start = method.within_bounds(start)
        # The driver's own arithmetic, too, has bits that depend on the number of BLAS threads.
        with single_threaded_blas():
            try:
                ran = minimise(
                    objective,
                    method.solver,
                    start,
                    standardize=task.standardize,
                    stopping=task.stopping,
                    callbacks=callbacks,
                    reached=reached,
                )
            except PassStopped:
                ran = _last_whole(interruption.status or Status.INTERRUPTED, objective, method, reached, start)
            except BaseException as error:
                checkpoint = reached.close()
                if isinstance(error, (KeyboardInterrupt, ClusterLostError)):
                    found = _so_far(objective, reached, cost, method)
                    error.result = found and replace(found, checkpoint=checkpoint)  # type: ignore[union-attr]
                raise
            checkpoint = reached.close()
            fitted = Fitted.of(objective, ran, method, task.dataset, where) if ran.state.last else None
            result = replace(result_of(objective, ran, cost, method), checkpoint=checkpoint, fitted=fitted)
        heard.ends(result)
        return result


def _scheduler(where: Execution) -> tuple[Callback, ...]:
    """What tells the scheduler of a cluster how the fit gets on."""
    client = client_of(where)
    if client is None or not where.dashboard:
        return ()
    from dgd.fitting.board.teller import teller_of

    return teller_of(client)


def _last_whole(status: Status, objective: Objective, method: Method, reached: Reached, start: Vector) -> Run:
    """What the last whole pass has reached; before the first one, where it was to begin."""
    state = reached.state and reached.going_on
    evaluation = reached.evaluation or (state and state.last)
    if state and evaluation:
        return ended(status, state, evaluation)
    return Run(start, math.nan, status, FitState(method.solver.init(start), objective.unknown(), start))


def _so_far(objective: Objective, reached: Reached, cost: Plan, method: Method) -> Result | None:
    """The result after the last whole pass; None before the first."""
    if reached.state is None or reached.evaluation is None:
        return None
    with suppress(DgdError):
        return result_of(objective, ended(Status.INTERRUPTED, reached.going_on, reached.evaluation), cost, method)
    return None


def _null_model(task: Task, dataset: Dataset, executor: Executor, *, known: bool) -> NullModel | None:
    """The best constant and a centre; None where there is no intercept to take them up, or a textbook's iteration.

    known: whether the first pass, over products, finds them itself.
    """
    method = task.method
    if not method.fit_intercept or method.by_the_book or penalises_intercept(method.penalty):
        return None
    if known:
        return NullModel(0.0, 0.0, np.zeros(method.outputs or 1))
    try:
        return null_model(dataset, method.loss, executor, task.split)
    except PassStopped:
        # The first pass will be ended as well, at once.
        return None
