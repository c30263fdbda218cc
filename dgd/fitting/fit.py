"""`dgd.fit` and `dgd.plan`, put together from the layers below."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.design.opening import as_opened, coded_for
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word
from dgd.fitting.arguments import checked_callbacks, checked_standardize, make_stopping
from dgd.fitting.checkpoint.keeping import Keeping, checked_path
from dgd.fitting.checkpoint.lock import checkpoint_lock
from dgd.fitting.interruption import interrupts_with_result
from dgd.fitting.problem import Method, make_method, validation_rows
from dgd.fitting.result import Result
from dgd.fitting.run import Task, run
from dgd.fitting.sampled.planned import planned_with_sample
from dgd.fitting.start import start_of
from dgd.fitting.verdict.stopping import MAX_ITER, TOL, Callback
from dgd.losses import Loss
from dgd.models.model import Model
from dgd.passes.events import PassStopped, Tell
from dgd.passes.execution import Execution, execution_of
from dgd.passes.executor import Executor
from dgd.passes.opening import open_dataset
from dgd.passes.pace import pace_of
from dgd.passes.plan import Plan
from dgd.passes.session import session
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import RowSums
from dgd.penalties import Penalty
from dgd.solvers import Solver

PRECISIONS = ("double", "single")


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
    theta0: Sequence[float] | Vector | Result | Model | str | os.PathLike[str] | None = None,
    max_iter: int = MAX_ITER,
    tol: float = TOL,
    max_seconds: float | None = None,
    validation: Any = None,
    validation_fraction: float | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    seed: int = 0,
    precision: str = "double",
    callbacks: Sequence[Callback] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: float | str = 60.0,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Result:
    """Fit a linear model; every step is one exact pass over all the data.

        minimise  F(θ) = 1/Σw Σᵢ wᵢ·loss(ηᵢ, yᵢ) + Σⱼ l1ⱼ|bⱼ| + ½ Σⱼ l2ⱼ bⱼ²        ηᵢ = b₀ + bᵀx⁽ⁱ⁾ + offsetᵢ

        squared  (η − y)²      huber  ½r² to |r| = δ, then linear      logistic  log(1 + e^η) − yη
        poisson  e^η − yη      softmax  −log p of the row's class      quantile  pinball, smoothed
        gamma, tweedie, inverse_gaussian, negative_binomial: amounts and counts, of which e^η is expected
        probit, cloglog  two classes by other links      binomial  y = (successes, failures), two columns
        squared_hinge, squared_epsilon_insensitive: those of support vector machines

    θ = (b₀, b). The intercept b₀ has no penalty but one that is given to it. The mean squared loss is the MSE, without
    ½; unweighted, Σw is the number of rows m. With y of shape (m, q), or K classes by softmax, θ is a matrix with a
    column for each, the losses are summed over the columns, and one read of X serves them all.

    data, y, weight, offset, reading: see `open_dataset`.
    loss: a name above, or an object of `dgd.losses`: `Huber(delta)`, `Quantile(quantile, smoothing)`, `Tweedie(power)`,
        `NegativeBinomial(alpha)`, `SquaredEpsilonInsensitive(epsilon)`, `Logistic(classes)`, `Softmax(classes)`.
        Targets are checked: 0 to 1 or the declared classes, counts of 0 or more. Classes that a softmax was not told,
        or that are strings, are found by reading y once before the fit.
    penalty: an object of `dgd.penalties`: L2, L1, ElasticNet, Box, NonNegative, each with numbers, one per feature, or
        (q, n) of them for q outputs or classes, and with `intercept=` a penalty of the intercept's own.
    fit_intercept: whether θ has an intercept, as its first entry; no column of ones is stored for it.
    solver: gd, momentum, nesterov, fista, barzilai-borwein, cg, lbfgs, newton, quasi-newton, summary, minibatch, an
        object of `dgd.solvers`, or "auto", which chooses by loss, penalty and size; `Result.explain()` says what and
        why.
    learning_rate: for gd a number: the textbook's iteration in the coordinates of the data; a function of the step,
        such as `Decay(t0, t1)`; "auto": a safe step, found and guarded on the way; "exact": the exact line search of a
        quadratic, at one pass per iteration; "backtracking". The other solvers find their steps by themselves, or take
        a number where their page says so.
    standardize: whether the descent runs in standardised columns, as a change of variables that costs no pass and does
        not change the solution; "auto": yes, unless the learning rate is a number or a function.
    theta0: where to begin, in the coordinates of the data: θ, the result of an earlier fit, a model, or the path of a
        saved one. By default at the null model: b = 0, and for b₀ the best constant, for which the targets are read
        once before the first pass; by the textbook, with a number or a function for the learning rate, at θ = 0.
    max_iter, tol, max_seconds: stop after so many passes, at ‖∇F‖ ≤ tol·‖∇F(null model)‖ wherever the fit starts, or
        when that many seconds are over, if need be in the middle of a pass, with what the last whole one reached.
        Newton's method ends only where its next step would change no coefficient by more than 1e-9 of it, whatever
        larger `tol` is given; what each `tol` buys is in the guide, `which-solver`.
        Gradients (with l1 or bounds, least subgradients) are measured in standardised columns, and at the null model
        without the entry of b₀, so that no mean of a column or target is part of the measure; nothing below what
        rounding makes of them is asked for. By the textbook they are those of the solver's coordinates, and the measure
        is ‖∇F(0)‖.
    validation: rows to score at each point and not to fit: a dataset, a path or (X, y).
    validation_fraction: a part of the rows instead, drawn by `seed` from every chunk, and read with the others in one
        pass. Where the solver returns another point than it evaluates (with l1 or bounds, or mini-batches) the rows
        held out are read once more.
    patience, min_delta: stop when the objective on these rows has not fallen by min_delta for so many passes, and
        restore the best θ.
    precision: "double", float64 arithmetic whatever the stored dtype, or "single", float32 within a chunk.
    callbacks: functions of a `Record`, called after each pass, θ included; one that returns True stops the fit. A
        callback with a method `on_event`, of an `Event`, also hears, in this thread, how a pass gets on and what it
        waits for. If that returns True the fit ends in mid-pass. Its `on_start`, of a `Beginning`, and `on_end`, of the
        result and the error, one of them None, hear of the rest. `dgd.callbacks.Events(path)` writes all of it.
    checkpoint: a file that the state of the fit is brought to every `checkpoint_every` seconds, or after each pass with
        "pass": `dgd.resume` goes on from there, and its result is, to the bit, that of a fit without a break. The one
        before is kept beside it. A checkpoint that cannot be written is a warning, and the fit goes on.
    client, threads: a `distributed.Client`, or a number of threads of this process; by default the active client, or a
        thread for each processor.
    execution: a `dgd.Execution`, which says how much memory may be used as well, and how long a read or a worker is
        waited for. None of this changes a bit of the result.

    Raises ConfigurationError, PlanError, DataError or ClusterLostError. Divergence and limits are statuses, not errors.
    A KeyboardInterrupt and a ClusterLostError bring what was reached by then as their `result`, None before any pass.
    Source: Géron, Hands-On Machine Learning, chapter 4; each solver's page cites its paper.
    """
    where = execution_of(execution, client, threads)
    stopping = make_stopping(max_iter, tol, max_seconds, patience, min_delta)
    if patience is not None and validation is None and validation_fraction is None:
        raise ConfigurationError(
            "`fit(patience=...)` needs validation rows: give `validation=` a dataset, or `validation_fraction=` a part"
        )
    listening = checked_callbacks(callbacks)
    checked_word("fit(precision", precision, PRECISIONS)
    with interrupts_with_result():
        dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
        dataset = coded_for(dataset, intercept=fit_intercept).waiting_at_most(where.read_timeout)
        reading = as_opened(reading, dataset)
        method = make_method(
            loss, penalty, solver, learning_rate, fit_intercept=fit_intercept, dataset=dataset, read_labels=True
        )
        standardizing = checked_standardize(standardize, method.rate)
        held_out = validation_rows(validation, validation_fraction, seed, dataset, **reading)
        theta0 = start_of(theta0, dataset, method)
        task = Task(dataset, method, held_out, precision, standardizing, stopping)
        if checkpoint is None:
            return run(task, where, listening, theta0=theta0).of_data(data, reading)
        places = {"data": data, "y": y, "weight": weight, "offset": offset, "validation": validation}
        with checkpoint_lock(checked_path(checkpoint)) as lock:
            keeping = Keeping.new(lock, checkpoint_every, task, places, reading)
            return run(task, where, listening, theta0=theta0, reached_of=keeping.checkpoints).of_data(data, reading)


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
    measure: bool = False,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Plan:
    """What a fit would cost: bytes and tasks per pass, memory per process. Nothing but metadata is read.

    measure: read the first chunks as well, and say what pace to expect (`Plan.pace`).
    The other arguments are those of `fit`; a softmax must be told its classes. `Plan.check()` raises PlanError where
    the fit would.
    """
    where = execution_of(execution, client, threads)
    checked_word("plan(precision", precision, PRECISIONS)
    dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
    dataset = coded_for(dataset, intercept=fit_intercept)
    method = make_method(loss, penalty, solver, learning_rate, fit_intercept=fit_intercept, dataset=dataset)
    return planned(dataset, method, precision, where, measure=measure)


def planned(
    dataset: Dataset, method: Method, precision: str, where: Execution, *, measure: bool, tell: Tell | None = None
) -> Plan:
    """What a fit by this method would cost; where `tell` ends the measuring, what is known without it."""
    dataset = method.read(dataset)
    with session(where, tell) as running:
        cost, _, _ = planned_with_sample(running, dataset, method, precision)
        if not (measure and cost.fits):
            return cost
        return _with_pace(cost, running.reading(dataset, cost), running.executor, method, precision)


def _with_pace(cost: Plan, dataset: Dataset, executor: Executor, method: Method, precision: str) -> Plan:
    shape = () if method.outputs is None else (method.outputs,)
    zero = np.zeros((dataset.shape[1], *shape))
    sums = RowSums(method.loss, np.zeros(shape), zero, (LossAndGradient(),), precision)
    try:
        return replace(cost, pace=pace_of(dataset, executor, sums))
    except PassStopped:
        return cost
