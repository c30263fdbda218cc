"""The library's functions, put together from the layers below; heavy libraries are imported on first use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy as np

from dgd._version import __version__
from dgd.arguments import (
    checked_callbacks,
    checked_flag,
    checked_integer,
    checked_number,
    checked_rate,
    checked_standardize,
    checked_start,
    checked_word,
    make_loss,
    make_solver,
    make_stopping,
    refuse_unavailable,
)
from dgd.blas import single_threaded_blas
from dgd.dataset import Dataset
from dgd.errors import ConfigurationError, ValueRangeError
from dgd.executor import Executor
from dgd.fit import Callback, Run, minimise
from dgd.losses import Loss
from dgd.model import Model, load_model
from dgd.objective import Objective
from dgd.opening import open_data, open_dataset, refuse_offset
from dgd.plan import Plan, make_plan
from dgd.result import Result, finite_or_none
from dgd.score import Score, ScoreSum
from dgd.solvers import Vector

PRECISIONS = ("double", "single")
MAX_ITER = 1000
TOL = 1e-10


def fit(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    loss: str | Loss = "squared",
    penalty: Any = None,
    fit_intercept: bool = True,
    solver: str = "auto",
    learning_rate: float | str = "auto",
    standardize: bool | str = "auto",
    theta0: Sequence[float] | Vector | None = None,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    max_seconds: float | None = None,
    precision: str = "double",
    client: Any = None,
    threads: int | None = None,
    resident: str | int = "auto",
    checkpoint: Any = None,
    callbacks: Sequence[Callback] = (),
    memory_limit: int | None = None,
    worker_timeout: float = 300.0,
) -> Result:
    """Fit a linear model; every step is one exact pass over all the data.

        minimise  f(θ) = 1/Σw Σᵢ wᵢ (θᵀx⁽ⁱ⁾ − yᵢ)²        θ ← θ − η ∇f(θ),   ∇f(θ) = 2/Σw Xᵀ(w(Xθ − y))

    This is the MSE, without ½; unweighted, Σw is the number of rows m.

    data, y, weight: see `open_dataset`.
    fit_intercept: whether θ has an intercept, as its first entry; no column of ones is stored for it.
    solver: "gd", batch gradient descent; "auto" is the same.
    learning_rate: η, a number: the textbook's iteration in the coordinates of the data; "auto": a safe step, found and
        guarded on the way; "exact": the exact line search of a quadratic, at one pass per iteration.
    standardize: whether the descent runs in standardised columns, as a change of variables that costs no pass and does
        not change the solution; "auto": yes, unless η is a number.
    theta0: where to begin, in the coordinates of the data; zeros by default.
    max_iter, tol, max_seconds: stop after so many passes, at ‖∇f‖ ≤ tol·‖∇f(θ₀)‖ (in the solver's coordinates), or at
        the end of the pass in which that many seconds are over.
    precision: "double", float64 arithmetic whatever the stored dtype, or "single", float32 within a chunk.
    client, threads: a `distributed.Client`, or a number of threads of this process; by default the active client, or a
        thread for each processor. The result's bits are the same.
    callbacks: functions of a `Record`, called after each pass; one that returns True stops the fit.
    memory_limit: bytes one process may hold; by default what the machine or the worker has. A fit whose plan does not
        fit raises PlanError before anything is read.
    worker_timeout: seconds without any worker after which a cluster is lost.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. Divergence and limits are statuses, not errors.
    Source: Géron, Hands-On Machine Learning, chapter 4; Cauchy (1847).
    """
    refuse_offset(offset)
    refuse_unavailable(penalty=penalty, resident=resident, checkpoint=checkpoint)
    stopping = make_stopping(max_iter, tol, max_seconds)
    rate = checked_rate(learning_rate)
    method, chosen_loss = make_solver(solver, rate), make_loss(loss)
    standardizing = checked_standardize(standardize, rate)
    listening = checked_callbacks(callbacks)
    intercept = checked_flag("fit(fit_intercept", fit_intercept)
    checked_word("fit(precision", precision, PRECISIONS)
    dataset = open_dataset(data, y, weight=weight)
    with closing(_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        cost = make_plan(dataset, executor.resources(dataset), precision=precision)
        cost.check()
        objective = Objective(dataset, chosen_loss, executor, fit_intercept=intercept, precision=precision)
        start = checked_start(theta0, objective.n_parameters)
        # The driver's own arithmetic, too, has bits that depend on the number of BLAS threads.
        with single_threaded_blas():
            run = minimise(objective, method, start, standardize=standardizing, stopping=stopping, callbacks=listening)
            return _result(objective, run, cost, rate)


def plan(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    precision: str = "double",
    client: Any = None,
    threads: int | None = None,
    memory_limit: int | None = None,
    worker_timeout: float = 300.0,
) -> Plan:
    """What a fit would cost: bytes and tasks per pass, memory per process. Nothing but metadata is read.

    The arguments are those of `fit`. `Plan.check()` raises PlanError where the fit would.
    """
    checked_word("plan(precision", precision, PRECISIONS)
    dataset = open_dataset(data, y, weight=weight)
    with closing(_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        return make_plan(dataset, executor.resources(dataset), precision=precision)


def predict(
    model: Model,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    client: Any = None,
    threads: int | None = None,
    overwrite: bool = False,
) -> Vector | None:
    """Predictions of a model for every row; see `Model.predict`."""
    dataset = open_data(data, None, None, need_target=False)
    model.check(dataset)
    if out is None and client is not None:
        raise ConfigurationError("`predict(client=...)` writes its predictions: give `out=`, or leave the client out")
    if out is None:
        return _predict_in_memory(model, dataset, threads)
    from dgd.storage import predictions

    with closing(_executor(client, threads)) as executor:
        make_plan(dataset, executor.resources(dataset), bytes_per_row=predictions.BYTES_PER_ROW).check()
        path = predictions.prepare(dataset, out, overwrite=overwrite)
        executor.sweep(dataset, predictions.PredictionSum(model, str(path)))
        predictions.commit(path, fingerprint=dataset.fingerprint)
    return None


def score(
    model: Model,
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    client: Any = None,
    threads: int | None = None,
) -> Score:
    """MSE, RMSE, MAE and R² of a model on a dataset, in one pass."""
    dataset = open_dataset(data, y, weight=weight)
    model.check(dataset)
    with closing(_executor(client, threads)) as executor:
        make_plan(dataset, executor.resources(dataset)).check()
        swept = executor.sweep(dataset, ScoreSum(model))
    return Score.of(swept.value, dataset.shape[0])


def _result(objective: Objective, run: Run, cost: Plan, learning_rate: float | str) -> Result:
    """The run in the user's coordinates, with a model that says where it came from."""
    theta = objective.coordinates.to_user(run.point)
    dataset = objective.dataset
    if not np.isfinite(theta).all():
        raise ValueRangeError(
            f"the parameters that fit array {dataset.X.name!r} are beyond the range of float64; rescale its columns, "
            f"or the target",
            array=dataset.X.name,
        )
    provenance = {
        "dgd": __version__,
        "numpy": np.__version__,
        "dataset": dataset.source,
        "fingerprint": dataset.fingerprint,
        "rows": dataset.shape[0],
        "solver": "gd",
        "learning_rate": learning_rate,
        "status": run.status.name.lower(),
        "passes": len(run.history),
        "loss_value": finite_or_none(run.loss),
    }
    model = Model(
        coef=theta[1:] if objective.fit_intercept else theta,
        intercept=float(theta[0]) if objective.fit_intercept else 0.0,
        loss=objective.loss.name,
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        provenance=provenance,
    )
    return Result(theta, run.status, run.history, run.loss, model, cost, run.advice)


def _predict_in_memory(model: Model, dataset: Dataset, threads: int | None) -> Vector:
    from dgd.predictions import MemoryPredictionSum
    from dgd.runtime import ThreadExecutor

    summand = MemoryPredictionSum(model, np.empty(dataset.shape[0]))
    with closing(ThreadExecutor(threads)) as executor:
        resources = executor.resources(dataset)
        make_plan(dataset, resources, bytes_per_row=8, held_bytes=summand.out.nbytes).check()
        executor.sweep(dataset, summand)
    return summand.out


def _executor(
    client: Any, threads: int | None, *, worker_timeout: float = 300.0, memory_limit: int | None = None
) -> Executor:
    from dgd.runtime import choose_executor

    checked_number("worker_timeout", worker_timeout, above=0)
    if threads is not None:
        checked_integer("threads", threads, least=1)
    if memory_limit is not None:
        checked_number("memory_limit", memory_limit, above=0)
    return choose_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)


__all__ = ["fit", "load_model", "open_dataset", "plan", "predict", "score"]
