"""`dgd.resume`: a fit goes on from its checkpoint."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from dgd.data.dataset import Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.errors import CheckpointError, ConfigurationError
from dgd.errors.checks import checked_flag, checked_integer, checked_number
from dgd.fitting.arguments import checked_callbacks, checked_rate, make_loss, make_penalty
from dgd.fitting.checkpoint.encoding import encoded
from dgd.fitting.checkpoint.identity import Stored
from dgd.fitting.checkpoint.keeping import Keeping, checked_every, checked_path
from dgd.fitting.checkpoint.lock import checkpoint_lock
from dgd.fitting.checkpoint.reached import Checkpoints
from dgd.fitting.interruption import interrupts_with_result
from dgd.fitting.null_model import NullModel
from dgd.fitting.problem import Method, make_solver, validation_rows
from dgd.fitting.result import Result
from dgd.fitting.run import Task, run
from dgd.fitting.verdict.stopping import Callback
from dgd.losses import Loss
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset
from dgd.penalties import Penalty
from dgd.solvers import Solver


def resume(
    checkpoint: str | os.PathLike[str],
    data: Any = None,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    validation: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    loss: Loss | None = None,
    penalty: Penalty | None = None,
    solver: Solver | None = None,
    learning_rate: Callable[[int], float] | None = None,
    max_iter: int | None = None,
    max_seconds: float | None = None,
    checkpoint_every: float | str = 60.0,
    any_version: bool = False,
    callbacks: Sequence[Callback] = (),
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
) -> Result:
    """Go on with a fit from its checkpoint; the result is, to the bit, that of a fit without a break.

    checkpoint: the path that `fit(checkpoint=...)` had; further checkpoints go there. Of a fit that has ended for good
        the last passes are made again.
    data, y, weight, offset, validation: where they were arrays; what had a path is found there.
    storage_options: what fsspec needs to open URLs; they are never stored.
    loss, penalty, solver, learning_rate: where they were objects of your own classes, or functions; others are stored.
    max_iter: another limit, of all passes together; max_seconds: another one, and counted from here.
    checkpoint_every: as in `fit`.
    any_version: go on although the version of dgd, NumPy or BLAS has changed; the last bits may then differ.
    callbacks, client, threads, execution: as in `fit`; none of them is stored, and none changes a bit.

    Raises CheckpointError where the checkpoint is missing or damaged, or where data, problem or versions have changed,
    naming what; OutputInUseError while another fit writes its checkpoints there; and what `fit` raises.
    """
    path = checked_path(checkpoint)
    where = execution_of(execution, client, threads)
    listening = checked_callbacks(callbacks)
    every = checked_every(checkpoint_every)
    with interrupts_with_result(), checkpoint_lock(path) as lock:
        stored = Stored.read(path, () if solver is None else (type(solver).__module__,))
        if not checked_flag("resume(any_version", any_version):
            stored.check_bits()
        reading = replace(stored.reading, storage_options=storage_options)
        dataset = _dataset(stored, data, y, weight, offset, reading).waiting_at_most(where.read_timeout)
        held_out = stored.split or validation_rows(
            _found(stored, "validation", validation), None, 0, dataset, **cast(ReadingOptions, vars(reading))
        )
        stored.check_data(dataset, held_out if isinstance(held_out, Dataset) else None)
        method = _method(stored, loss, penalty, solver, learning_rate)
        stopping = stored.stopping
        if max_iter is not None:
            stopping = replace(stopping, max_iter=checked_integer("resume(max_iter", max_iter, least=1))
        if max_seconds is not None:
            stopping = replace(stopping, max_seconds=checked_number("resume(max_seconds", max_seconds, above=0))
        task = Task(dataset, method, held_out, stored.precision, stored.standardize, stopping)
        if stored.state.start.size != method.n_parameters:
            raise CheckpointError(
                f"{path} has {stored.state.start.size} parameters, and the data give {method.n_parameters}"
            )

        def reached(null: NullModel | None) -> Checkpoints:
            made = Keeping(lock, every, task, stored.places, vars(stored.reading)).checkpoints(null)
            made.go_on_from(stored.running, stored.state)
            return made

        result = run(task, where, listening, null=stored.null, reached_of=reached)
        return result.of_data(_found(stored, "data", data), cast(ReadingOptions, vars(reading)))


def _dataset(stored: Stored, data: Any, y: Any, weight: Any, offset: Any, reading: Reading) -> Dataset:
    """The data that are given, or those at the places of the first run."""
    names = {"y": y, "weight": weight, "offset": offset}
    if isinstance(data, Dataset):
        return open_dataset(data, **names)
    place = _found(stored, "data", data)
    if place is None:
        raise ConfigurationError(
            f"`resume(data=...)` is missing: the data of {stored.path} were arrays of its own process; give them again"
        )
    had = {each.get("role") for each in stored.data}
    # A fit without the weights that the dataset says it has is gone on with without them.
    found: dict[str, Any] = {
        name: _found(stored, name, value) if name in had else False if value is None and name != "y" else value
        for name, value in names.items()
    }
    return open_data(place, **found, need_target=True, reading=reading)


def _found(stored: Stored, name: str, given: Any) -> Any:
    return stored.places[name] if given is None else given


def _method(stored: Stored, loss: Any, penalty: Any, solver: Any, learning_rate: Any) -> Method:
    """That of the first run, with what could not be stored given again."""
    given: dict[str, Any] = {}
    if loss is not None:
        given["loss"] = make_loss(loss)
    if penalty is not None:
        given["penalty"] = make_penalty(penalty)
    parts = {**stored.parts}
    for name, value in given.items():
        parts[name] = _same(stored, name, value)
    if solver is not None or learning_rate is not None:
        rate = "auto" if learning_rate is None else checked_rate(learning_rate)
        name = parts["choice"].name if solver is None else solver
        made, _ = make_solver(name, rate, parts["loss"], parts["penalty"], parts["n_parameters"], parts["outputs"] or 1)
        parts["solver"], parts["rate"] = _same(stored, "solver", made), getattr(made, "learning_rate", "auto")
    missing = [name for name in ("loss", "penalty", "solver") if name not in parts]
    if missing:
        raise ConfigurationError(
            f"`resume({missing[0]}=...)` is missing: it was an object of a class, or had a function, that is not dgd's "
            f"and is not stored in {stored.path}"
        )
    return Method(**parts)


def _same(stored: Stored, name: str, given: Any) -> Any:
    """What is given, if it is what the first run had or that is not known."""
    if name in stored.parts and _plain(stored.parts[name]) != _plain(given):
        raise CheckpointError(
            f"{stored.path} is of a fit with {name}={stored.parts[name]!r}, not {given!r}; leave it out, or fit anew"
        )
    return given


def _plain(value: Any) -> Any:
    arrays: dict[str, Any] = {}
    document = encoded(value, arrays)
    return document, {name: array.tolist() for name, array in arrays.items()}
