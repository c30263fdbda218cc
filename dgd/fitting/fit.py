"""`dgd.fit` and `dgd.plan`, put together from the layers below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd._version import __version__
from dgd.data.dataset import Dataset
from dgd.data.distinct import classes_of, with_labels
from dgd.data.opening import open_dataset
from dgd.data.resident_chunks import chunk_bytes
from dgd.errors import ConfigurationError, ValueRangeError
from dgd.errors.checks import checked_word
from dgd.fitting.arguments import (
    checked_callbacks,
    checked_resident,
    checked_standardize,
    checked_start,
    make_loss,
    make_stopping,
    refuse_unavailable,
)
from dgd.fitting.certificate import certify
from dgd.fitting.divergence import columns_to_blame
from dgd.fitting.loop import Callback, Run, minimise
from dgd.fitting.objective import Objective
from dgd.fitting.problem import Method, make_method, split
from dgd.fitting.result import Result, finite_or_none
from dgd.losses import Loss
from dgd.models.model import Model
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import executor_for
from dgd.passes.executor import Executor
from dgd.passes.pace import pace_of
from dgd.passes.plan import Plan, make_plan
from dgd.passes.sums.gradient import GradientSum
from dgd.penalties import Penalty
from dgd.solvers import MiniBatch, Solver
from dgd.solvers.base import Status

PRECISIONS = ("double", "single")
MAX_ITER = 1000
TOL = 1e-12


def fit(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    loss: str | Loss = "squared",
    penalty: Penalty | None = None,
    fit_intercept: bool = True,
    solver: str | Solver = "auto",
    learning_rate: float | str | Callable[[int], float] = "auto",
    standardize: bool | str = "auto",
    theta0: Sequence[float] | Vector | Result | None = None,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    max_seconds: float | None = None,
    validation: Any = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    seed: int = 0,
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

        minimise  F(θ) = 1/Σw Σᵢ wᵢ·loss(ηᵢ, yᵢ) + Σⱼ l1ⱼ|bⱼ| + ½ Σⱼ l2ⱼ bⱼ²        ηᵢ = b₀ + bᵀx⁽ⁱ⁾ + offsetᵢ

        squared  (η − y)²      huber  ½r² to |r| = δ, then linear      logistic  log(1 + e^η) − yη
        poisson  e^η − yη      softmax  −log p of the row's class

    θ = (b₀, b). The intercept b₀ is never penalised. The mean squared loss is the MSE, without ½; unweighted, Σw is the
    number of rows m. With y of shape (m, q), or K classes by softmax, θ is a matrix with a column for each, the losses
    are summed over the columns, and one read of X serves them all.

    data, y, weight, offset: see `open_dataset`.
    loss: a name above, or an object of `dgd.losses`: `Huber(delta)`, `Logistic(classes)`, `Softmax(classes)`. Targets
        are checked: 0 to 1 or the declared classes, counts of 0 or more. Classes that a softmax was not told, or that
        are strings, are found by reading y once before the fit.
    penalty: an object of `dgd.penalties`: L2, L1, ElasticNet, Box, NonNegative, each with numbers or one per feature.
    fit_intercept: whether θ has an intercept, as its first entry; no column of ones is stored for it.
    solver: gd, momentum, nesterov, fista, barzilai-borwein, cg, lbfgs, newton, minibatch, an object of `dgd.solvers`,
        or "auto", which chooses by loss, penalty and size; `Result.explain()` says what and why.
    learning_rate: for gd a number: the textbook's iteration in the coordinates of the data; a function of the step,
        such as `Decay(t0, t1)`; "auto": a safe step, found and guarded on the way; "exact": the exact line search of a
        quadratic, at one pass per iteration; "backtracking". The other solvers find their steps by themselves, or take
        a number where their page says so.
    standardize: whether the descent runs in standardised columns, as a change of variables that costs no pass and does
        not change the solution; "auto": yes, unless the learning rate is a number or a function.
    theta0: where to begin, in the coordinates of the data, or the result of an earlier fit; zeros by default.
    max_iter, tol, max_seconds: stop after so many passes, at ‖∇F‖ ≤ tol·‖∇F(0)‖ wherever the fit starts (in the
        solver's coordinates; with l1 or bounds, the least subgradient), or at the end of the pass in which that many
        seconds are over.
    validation: rows to score at each point: a dataset, a path, (X, y), or the part of the chunks to hold out, drawn by
        `seed`. patience, min_delta: stop when their objective has not fallen by min_delta for so many passes, and
        restore the best θ.
    precision: "double", float64 arithmetic whatever the stored dtype, or "single", float32 within a chunk.
    client, threads: a `distributed.Client`, or a number of threads of this process; by default the active client, or a
        thread for each processor. The result's bits are the same.
    resident: "auto", or bytes of each process that decoded chunks may stay in from pass to pass; auto takes half of
        what is allowed and free. What is written meanwhile to such a chunk is not seen; the others are read again in
        every pass.
    callbacks: functions of a `Record`, called after each pass, θ included; one that returns True stops the fit.
    memory_limit: bytes one process may hold; by default what the machine or the worker has. A fit whose plan does not
        fit raises PlanError before anything is read.
    worker_timeout: seconds without any worker after which a cluster is lost.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. Divergence and limits are statuses, not errors.
    Source: Géron, Hands-On Machine Learning, chapter 4; each solver's page cites its paper.
    """
    refuse_unavailable(checkpoint=checkpoint)
    staying = checked_resident(resident)
    stopping = make_stopping(max_iter, tol, max_seconds, patience, min_delta)
    if patience is not None and validation is None:
        raise ConfigurationError("`fit(patience=...)` needs validation rows: give `validation=` a dataset or a part")
    listening = checked_callbacks(callbacks)
    checked_word("fit(precision", precision, PRECISIONS)
    dataset = open_dataset(data, y, weight=weight, offset=offset)
    assert dataset.y is not None
    method = make_method(
        with_labels(make_loss(loss), dataset.y),
        penalty,
        solver,
        learning_rate,
        fit_intercept=fit_intercept,
        dataset=dataset,
    )
    standardizing = checked_standardize(standardize, method.rate)
    train, held_out = split(dataset, validation, seed)
    with closing(executor_for(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        cost = _plan(train, executor, precision, method, staying)
        cost.check()
        train = train.reading_ahead(cost.ahead)
        held_out = None if held_out is None else held_out.reading_ahead(cost.ahead)
        executor.keep(train, cost.resident_chunks)
        objective = Objective(
            train,
            method.loss,
            executor,
            penalty=method.penalty,
            fit_intercept=bool(fit_intercept),
            precision=precision,
            validation=held_out,
        )
        start = _feasible(checked_start(theta0, objective.theta_shape), objective)
        # The driver's own arithmetic, too, has bits that depend on the number of BLAS threads.
        with single_threaded_blas():
            run = minimise(
                objective, method.solver, start, standardize=standardizing, stopping=stopping, callbacks=listening
            )
            return _result(objective, run, cost, method)


def plan(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    loss: str | Loss = "squared",
    penalty: Penalty | None = None,
    fit_intercept: bool = True,
    solver: str | Solver = "auto",
    learning_rate: float | str | Callable[[int], float] = "auto",
    precision: str = "double",
    client: Any = None,
    threads: int | None = None,
    resident: str | int = "auto",
    memory_limit: int | None = None,
    worker_timeout: float = 300.0,
    measure: bool = False,
) -> Plan:
    """What a fit would cost: bytes and tasks per pass, memory per process. Nothing but metadata is read.

    measure: read the first chunks as well, and say what pace to expect (`Plan.pace`).
    The other arguments are those of `fit`; a softmax must be told its classes. `Plan.check()` raises PlanError where
    the fit would.
    """
    checked_word("plan(precision", precision, PRECISIONS)
    dataset = open_dataset(data, y, weight=weight, offset=offset)
    method = make_method(loss, penalty, solver, learning_rate, fit_intercept=fit_intercept, dataset=dataset)
    with closing(executor_for(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        cost = _plan(dataset, executor, precision, method, checked_resident(resident))
        return _with_pace(cost, dataset, executor, method, precision) if measure else cost


def _plan(dataset: Dataset, executor: Executor, precision: str, method: Method, resident: str | int) -> Plan:
    resources = executor.resources(dataset)
    cost = make_plan(
        dataset,
        resources,
        precision=precision,
        outputs=method.outputs or 1,
        hessian_bytes=method.hessian_bytes,
    )
    # Two passes are not worth keeping anything for; and an epoch on a cluster is one task, wherever it runs.
    few = method.solver.wants_hessian and method.loss.quadratic and method.penalty.is_smooth
    elsewhere = isinstance(method.solver, MiniBatch) and resources.kind == "cluster"
    if elsewhere or (few and isinstance(resident, str)):
        return cost
    return cost.with_resident(resident, chunk_bytes(dataset), free_bytes=resources.free_bytes)


def _with_pace(cost: Plan, dataset: Dataset, executor: Executor, method: Method, precision: str) -> Plan:
    if not cost.fits:
        return cost
    zero = np.zeros((dataset.shape[1], *(() if method.outputs is None else (method.outputs,))))
    summand = GradientSum(method.loss, np.zeros(zero.shape[1:]), zero, precision)
    train, threads = dataset.reading_ahead(cost.ahead), cost.processes * cost.threads
    return replace(cost, pace=pace_of(train, executor, summand, kind=cost.kind, threads=threads))


def _advice(objective: Objective, run: Run) -> str:
    """What the solver learnt; of a divergence, the columns to blame as well."""
    blame = columns_to_blame(objective, run.last) if run.status is Status.DIVERGED else ""
    return "; ".join(part for part in (run.advice, blame) if part)


def _feasible(theta: Vector, objective: Objective) -> Vector:
    """θ within the penalty's bounds."""
    if objective.penalty.is_smooth:
        return theta
    theta = theta.copy()
    coef = theta[int(objective.fit_intercept) :]
    coef[...] = objective.penalty.prox(coef, 0.0)
    return theta


def _result(objective: Objective, run: Run, cost: Plan, method: Method) -> Result:
    """The run in the user's coordinates, with a model that says where it came from."""
    # The change of variables rounds: a bound that the solver kept to the bit is kept here as well.
    theta = _feasible(objective.coordinates.to_user(run.point), objective)
    dataset = objective.dataset
    if not np.isfinite(theta).all():
        raise ValueRangeError(
            f"the parameters that fit array {dataset.X.name!r} are beyond the range of float64; rescale its columns, "
            f"or the target",
            array=dataset.X.name,
        )
    rate = method.rate if isinstance(method.rate, (str, float)) else repr(method.rate)
    provenance = {
        "dgd": __version__,
        "numpy": np.__version__,
        "dataset": dataset.source,
        "fingerprint": dataset.fingerprint,
        "rows": dataset.shape[0],
        "solver": method.choice.name,
        "learning_rate": rate,
        "penalty": repr(method.penalty),
        "status": run.status.name.lower(),
        "passes": len(run.history),
        "loss_value": finite_or_none(run.loss),
    }
    coef = theta[1:] if objective.fit_intercept else theta
    intercept: float | Vector = theta[0] if objective.fit_intercept else np.zeros(theta.shape[1:])
    model = Model(
        coef=np.ascontiguousarray(coef.T),
        intercept=float(intercept) if theta.ndim == 1 else np.array(intercept),
        loss=method.loss.name,
        classes=classes_of(method.loss),
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        provenance=provenance,
        link=method.loss,
    )
    return Result(
        theta=theta,
        status=run.status,
        history=run.history,
        loss=run.loss,
        model=model,
        plan=cost,
        advice=_advice(objective, run),
        choice=method.choice,
        explained=objective.explained(run.loss, run.point),
        certificate=certify(objective, run.last),
    )
