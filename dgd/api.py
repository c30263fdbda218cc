"""The library's functions, put together from the layers below; heavy libraries are imported where they are first used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd._version import __version__
from dgd.dataset import Dataset, Rows, as_rows
from dgd.errors import ConfigurationError
from dgd.executor import Executor
from dgd.fit import Callback, Stopping, minimise
from dgd.losses import LOSSES, Loss
from dgd.model import Model, load_model
from dgd.objective import Objective
from dgd.plan import Plan, make_plan
from dgd.result import Result
from dgd.score import Score, ScoreSum
from dgd.solvers import SOLVERS, Solver, Vector

if TYPE_CHECKING:
    from dgd.storage import Group

MAX_ITER = 1000
TOL = 1e-6


def open_dataset(data: Any, y: Any = None, *, weight: Any = None, offset: Any = None) -> Dataset:
    """Open X, y and perhaps weights as one dataset; nothing but metadata is read.

    data: the path or URL of a Zarr group with arrays `X` and `y`, a zarr group or store, a `dgd.Dataset`, or X itself:
    a NumPy, Dask or zarr array, or the path of one. y, weight: the array's name in the group (y: "y" by default; weight:
    none) or the array itself, shape (m,).

    Raises DatasetNotFoundError, IncompleteDatasetError, MetadataError, UnsupportedFormatError or SchemaError, all of
    them DataError, and ConfigurationError for arguments that do not go together.
    """
    _refuse_offset(offset)
    return _open(data, y, weight, need_target=True)


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
    max_iter, tol, max_seconds: stop after so many passes, at ‖∇f‖ ≤ tol·‖∇f(θ₀)‖ (in the solver's coordinates), or at the
        end of the pass in which that many seconds are over.
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
    _refuse_offset(offset)
    for name, value, default in (
        ("penalty", penalty, None),
        ("checkpoint", checkpoint, None),
        ("resident", resident, "auto"),
    ):
        if value is not default and value not in (default, 0):
            raise ConfigurationError(f"`fit({name}=...)` is not available in dgd {__version__}, got {value!r}")
    stopping = _checked_stopping(max_iter, tol, max_seconds)
    method = make_solver(solver, learning_rate)
    chosen_loss = make_loss(loss)
    standardizing = _checked_standardize(standardize, learning_rate)
    if precision not in {"double", "single"}:
        raise ConfigurationError(f"`fit(precision=...)` must be 'double' or 'single', got {precision!r}")
    dataset = open_dataset(data, y, weight=weight)
    with closing(_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        plan = make_plan(dataset, executor.resources(dataset.n_chunks), precision=precision)
        plan.check()
        objective = Objective(dataset, chosen_loss, executor, fit_intercept=fit_intercept, precision=precision)
        run = minimise(
            objective,
            method,
            _checked_start(theta0, objective.n_parameters),
            standardize=standardizing,
            stopping=stopping,
            callbacks=callbacks,
        )
    theta = objective.coordinates.to_user(run.point)
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
        "loss_value": run.loss if np.isfinite(run.loss) else None,
    }
    model = Model(
        coef=theta[1:] if fit_intercept else theta,
        intercept=float(theta[0]) if fit_intercept else 0.0,
        loss=chosen_loss.name,
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        provenance=provenance,
    )
    return Result(
        theta=theta,
        status=run.status,
        history=run.history,
        loss=run.loss,
        model=model,
        advice=run.advice,
        plan=plan,
    )


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
    dataset = open_dataset(data, y, weight=weight)
    with closing(_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)) as executor:
        return make_plan(dataset, executor.resources(dataset.n_chunks), precision=precision)


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
    dataset = _open(data, None, None, need_target=False)
    model.check(dataset)
    if out is None:
        return _predict_in_memory(model, dataset, threads)
    from dgd.storage import predictions

    with closing(_executor(client, threads)) as executor:
        make_plan(dataset, executor.resources(dataset.n_chunks)).check()
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
        make_plan(dataset, executor.resources(dataset.n_chunks)).check()
        swept = executor.sweep(dataset, ScoreSum(model))
    return Score.of(swept.value, dataset.shape[0])


def make_solver(solver: str, learning_rate: float | str) -> Solver:
    """The solver of that name; "auto" chooses."""
    name = "gd" if solver == "auto" else solver
    if name not in SOLVERS:
        raise ConfigurationError(f"`fit(solver=...)` must be one of auto, {', '.join(SOLVERS)}, got {solver!r}")
    return SOLVERS[name](learning_rate)


def make_loss(loss: str | Loss) -> Loss:
    """The loss of that name, or the loss itself."""
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        raise ConfigurationError(f"`fit(loss=...)` must be one of {', '.join(LOSSES)}, got {loss!r}")
    return LOSSES[loss]()


def _open(data: Any, y: Any, weight: Any, *, need_target: bool) -> Dataset:
    if isinstance(data, Dataset):
        if y is not None or weight is not None:
            raise ConfigurationError("a `dgd.Dataset` brings its own y and weight; give them to `open_dataset`")
        dataset = data
    else:
        group = _group(data)
        if group is not None:
            target = ("y" if need_target else None) if y is None else y
            dataset = _open_group(group, target, weight)
        else:
            dataset = Dataset(
                X=_rows("X", data),
                y=None if y is None else _rows("y", y),
                weight=None if weight is None else _rows("weight", weight),
                source=data if isinstance(data, str) else "memory",
            )
    if need_target and dataset.y is None:
        raise ConfigurationError("X was given as an array and there is no y: pass it as the second argument")
    return dataset


def _group(data: Any) -> Group | None:
    """The zarr group that `data` names; None if it names an array, or is one."""
    if isinstance(data, np.ndarray) or not _may_be_location(data):
        return None
    from dgd import storage

    if not storage.is_location(data):
        return None
    group = storage.Group(storage.source_of(data))
    return None if group.is_array else group


def _open_group(group: Group, y: Any, weight: Any) -> Dataset:
    from dgd import storage

    return storage.open_group(
        group,
        y=y if y is None or isinstance(y, str) else _rows("y", y),
        weight=weight if weight is None or isinstance(weight, str) else _rows("weight", weight),
    )


def _rows(name: str, values: Any) -> Rows:
    """An array, wherever it lies, as rows."""
    if _module(values) == "dask" and hasattr(values, "__dask_graph__"):
        from dgd.runtime.dask_rows import DaskRows

        return DaskRows(name, values)
    if _may_be_location(values):
        from dgd import storage

        if storage.is_location(values):
            return storage.open_array(values, name)
    return as_rows(name, values)


def _may_be_location(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike)) or _module(data) == "zarr" or hasattr(data, "get_partial_values")


def _module(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _predict_in_memory(model: Model, dataset: Dataset, threads: int | None) -> Vector:
    from dgd.predictions import MemoryPredictionSum
    from dgd.runtime import ThreadExecutor

    summand = MemoryPredictionSum(model, np.empty(dataset.shape[0]))
    with closing(ThreadExecutor(threads)) as executor:
        make_plan(dataset, executor.resources(dataset.n_chunks)).check()
        executor.sweep(dataset, summand)
    return summand.out


def _executor(
    client: Any, threads: int | None, *, worker_timeout: float = 300.0, memory_limit: int | None = None
) -> Executor:
    from dgd.runtime import choose_executor

    return choose_executor(client, threads, worker_timeout=worker_timeout, memory_limit=memory_limit)


def _refuse_offset(offset: Any) -> None:
    if offset is not None:
        raise ConfigurationError(f"`offset=` is not available in dgd {__version__}, got {type(offset).__name__}")


def _checked_stopping(max_iter: int, tol: float, max_seconds: float | None) -> Stopping:
    if max_iter < 1:
        raise ConfigurationError(f"`fit(max_iter=...)` must be 1 or more, got {max_iter}")
    if not tol >= 0:
        raise ConfigurationError(f"`fit(tol=...)` must be 0 or more, got {tol}")
    if max_seconds is not None and not max_seconds > 0:
        raise ConfigurationError(f"`fit(max_seconds=...)` must be positive, got {max_seconds}")
    return Stopping(max_iter=max_iter, tol=tol, max_seconds=max_seconds)


def _checked_standardize(standardize: bool | str, learning_rate: float | str) -> bool:
    if standardize == "auto":
        return isinstance(learning_rate, str)
    if not isinstance(standardize, bool):
        raise ConfigurationError(f"`fit(standardize=...)` must be True, False or 'auto', got {standardize!r}")
    return standardize


def _checked_start(theta0: Sequence[float] | Vector | None, n_parameters: int) -> Vector:
    if theta0 is None:
        return np.zeros(n_parameters)
    start = np.array(theta0, dtype=np.float64).ravel()
    if start.shape != (n_parameters,):
        raise ConfigurationError(
            f"`fit(theta0=...)` must have {n_parameters} entries (the intercept first, if one is fitted), "
            f"got {start.shape[0]}"
        )
    if not np.isfinite(start).all():
        raise ConfigurationError("`fit(theta0=...)` must be finite numbers")
    return start


__all__ = ["fit", "load_model", "open_dataset", "plan", "predict", "score"]
