"""From a user's arguments to what a fit works with: rows to fit and to validate on, loss, penalty, solver."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.opening import open_dataset
from dgd.data.rows import Rows
from dgd.data.selected_rows import Selection, select
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.checks import checked_flag, checked_integer, checked_word
from dgd.errors.words import shown
from dgd.fitting.arguments import checked_rate, make_loss, make_penalty
from dgd.fitting.auto_solver import Choice, check_method, choose
from dgd.losses import Loss
from dgd.penalties import Penalty
from dgd.solvers import SOLVERS, Rate, Solver
from dgd.solvers.minibatch import permutation


@dataclass(frozen=True)
class Method:
    """A loss, a penalty and a solver that work together."""

    loss: Loss
    penalty: Penalty
    solver: Solver
    choice: Choice
    rate: Any
    """The learning rate: the argument, or the solver object's own."""
    outputs: int | None
    n_parameters: int

    @property
    def hessian_bytes(self) -> int:
        """Of one Hessian's sums, 0 where none is summed."""
        if not self.solver.wants_hessian:
            return 0
        p = self.n_parameters // (self.outputs or 1)
        return 8 * (p * p if self.loss.quadratic else self.n_parameters**2)


def make_method(
    loss: Any, penalty: Any, solver: Any, learning_rate: Any, *, fit_intercept: Any, dataset: Dataset
) -> Method:
    """Check each, choose what is "auto", and refuse what cannot work together."""
    assert dataset.y is not None
    the_loss, the_penalty, rate = make_loss(loss), make_penalty(penalty), checked_rate(learning_rate)
    n = dataset.shape[1]
    the_penalty.check(n)
    outputs = the_loss.n_outputs(dataset.y.shape)
    _check_offset(dataset, outputs)
    n_parameters = (n + checked_flag("fit(fit_intercept", fit_intercept)) * (outputs or 1)
    method, choice = make_solver(solver, rate, the_loss, the_penalty, n_parameters)
    check_method(method, the_loss, the_penalty, n_parameters)
    return Method(the_loss, the_penalty, method, choice, _own_rate(method, solver, rate), outputs, n_parameters)


def make_solver(
    solver: Any, learning_rate: Rate, loss: Loss, penalty: Penalty, n_parameters: int
) -> tuple[Solver, Choice]:
    """The solver of that name, or the solver itself; "auto" chooses."""
    if not isinstance(solver, (str, type)) and hasattr(solver, "tell"):
        if learning_rate != "auto":
            raise ConfigurationError(
                f"`fit(learning_rate=...)` goes with a solver's name; {type(solver).__name__} brings its own"
            )
        return solver, Choice(solver.name, "it was given")
    name = checked_word("fit(solver", solver, ["auto", *SOLVERS])
    choice = Choice(name, "it was asked for")
    if name == "auto":
        choice = choose(loss, penalty, n_parameters, learning_rate)
    return SOLVERS[choice.name](learning_rate), choice


def _own_rate(method: Solver, solver: Any, rate: Rate) -> Any:
    return rate if isinstance(solver, str) else getattr(method, "learning_rate", "auto")


def split(dataset: Dataset, validation: Any, seed: Any) -> tuple[Dataset, Dataset | None]:
    """The rows to fit and those to validate on: another dataset, or a part of this one's chunks, drawn by the seed."""
    number = checked_integer("fit(seed", seed, least=0)
    if validation is None:
        return dataset, None
    if isinstance(validation, (float, np.floating)):
        return _hold_out(dataset, float(validation), number)
    if isinstance(validation, tuple) and len(validation) == 2:
        other = open_dataset(*validation)
    elif isinstance(validation, (str, os.PathLike, Dataset)):
        other = open_dataset(validation)
    else:
        raise ConfigurationError(
            f"`fit(validation=...)` must be a dataset, a path, a tuple (X, y), or the part of the chunks to hold out, "
            f"got {shown(validation)}"
        )
    _check_alike(other, dataset)
    return dataset, other


def _check_offset(dataset: Dataset, outputs: int | None) -> None:
    """An offset of another shape than the raw prediction would be repeated by NumPy without a word."""
    shape = (dataset.shape[0], *(() if outputs is None else (outputs,)))
    if dataset.offset is not None and dataset.offset.shape != shape:
        raise SchemaError(
            f"array {dataset.offset.name!r} has shape {dataset.offset.shape}, expected {shape}: a number for each row "
            f"and output",
            array=dataset.offset.name,
        )


def _check_alike(validation: Dataset, dataset: Dataset) -> None:
    """The validation rows must be of the kind that is fitted, for the same reason."""
    if validation.shape[1] != dataset.shape[1]:
        raise SchemaError(
            f"the validation rows have {validation.shape[1]} columns, and the rows to fit have {dataset.shape[1]}",
            array=validation.X.name,
        )
    for name, theirs, ours in (("y", validation.y, dataset.y), ("offset", validation.offset, dataset.offset)):
        found, expected = (None if rows is None else rows.shape[1:] for rows in (theirs, ours))
        if found != expected:
            raise SchemaError(
                f"the {name} of the validation rows is {_shown_shape(theirs)}, and that of the rows to fit is "
                f"{_shown_shape(ours)}; they must be alike",
                array=name,
            )


def _shown_shape(rows: Rows | None) -> str:
    return "missing" if rows is None else f"of shape {rows.shape}"


def _hold_out(dataset: Dataset, part: float, seed: int) -> tuple[Dataset, Dataset]:
    chunks = dataset.n_chunks
    if not 0 < part < 1 or math.isnan(part):
        raise ConfigurationError(f"`fit(validation=...)` must be a part above 0 and below 1, got {part!r}")
    if chunks < 2:
        raise ConfigurationError(
            f"`fit(validation={part:g})` holds out whole chunks, and {dataset.source} has {chunks}; give the "
            f"validation rows as a dataset, or write X in smaller chunks"
        )
    count = min(chunks - 1, max(1, round(part * chunks)))
    order = permutation(chunks, seed)
    kept = Selection.of_chunks(order[count:], dataset.bounds)
    held_out = Selection.of_chunks(order[:count], dataset.bounds)
    return select(dataset, kept), select(dataset, held_out)
