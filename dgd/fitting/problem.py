"""From a user's arguments to the problem that is solved: loss, penalty and solver that work together, and rows."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.data.design.opening import as_opened
from dgd.data.distinct import distinct
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions, for_urls, for_validation
from dgd.data.rows import Rows
from dgd.data.transforms.row_split import RowSplit
from dgd.data.transforms.together import small_together
from dgd.errors import ConfigurationError, SchemaError
from dgd.errors.checks import checked_flag, checked_integer, checked_number, checked_word
from dgd.errors.words import shown
from dgd.fitting.arguments import checked_rate, make_loss, make_penalty
from dgd.fitting.auto_solver import Choice, check_method, choose
from dgd.losses import Loss, Squared
from dgd.passes.plan import Need
from dgd.passes.products_need import products_need
from dgd.passes.sums.compiled.compiler import compiler
from dgd.passes.sums.compiled.use import COMPILER_BYTES, is_worth_it
from dgd.penalties import Penalty
from dgd.penalties.parts import check_penalty, differs_by_output
from dgd.penalties.separable import Separable
from dgd.solvers import SOLVERS, Rate, Solver

MANY = 1000
"""Passes assumed where their number is not known beforehand."""


@dataclass(frozen=True)
class Method:
    """A loss, a penalty and a solver that work together."""

    loss: Loss
    penalty: Penalty
    solver: Solver
    choice: Choice
    rate: Any
    """The learning rate: the argument, or the solver object's own."""
    fit_intercept: bool
    outputs: int | None
    n_parameters: int

    @property
    def sums_products(self) -> bool:
        """Whether the first pass may sum centred products, of which all else follows."""
        return self.solver.wants_products and isinstance(self.loss, Squared)

    @property
    def by_the_book(self) -> bool:
        """Whether a learning rate was given: the iteration is then the textbook's, from θ = 0."""
        return not isinstance(self.rate, str)

    def within_bounds(self, theta: Vector) -> Vector:
        """θ within the penalty's bounds."""
        if self.penalty.is_smooth:
            return theta
        theta = theta.copy()
        coef = theta[int(self.fit_intercept) :]
        coef[...] = self.penalty.prox(coef, 0.0)
        if isinstance(self.penalty, Separable) and self.penalty.intercept is not None:
            theta[0] = self.penalty.intercept.prox(np.asarray(theta[0]), 0.0)
        return theta

    def read(self, dataset: Dataset) -> Dataset:
        """The rows as its passes read them: small chunks together, but steps within a pass go chunk by chunk."""
        return dataset if self.solver.is_stochastic else small_together(dataset)

    def compiles(self, dataset: Dataset) -> bool:
        """Whether compiled code sums what it can."""
        return self.would_compile(dataset) and compiler() != ""

    def would_compile(self, dataset: Dataset) -> bool:
        """The same, were there a compiler: a fit of products has at most a pass for it, and a mini-batch is small."""
        return not (self.sums_products or self.solver.is_stochastic) and is_worth_it(dataset, self.loss)

    def need(
        self,
        dataset: Dataset,
        precision: str,
        split: RowSplit | None = None,
        *,
        factor: bool = False,
        compiled: bool = False,
    ) -> Need:
        """What the passes of a fit need.

        factor: with room for an R factor, where it sums products; compiled: for a compiler, where that is of use.
        """
        p, q = self.n_parameters // (self.outputs or 1), self.outputs or 1
        compiled = compiled and self.compiles(dataset)
        shared = self.loss.quadratic and not differs_by_output(self.penalty)
        hessian_bytes = 8 * (p * p if shared else self.n_parameters**2)
        in_two = self.solver.wants_hessian and self.loss.quadratic and self.penalty.is_smooth
        if self.sums_products and split is None:
            return products_need(dataset.shape[1], q, dataset.chunk_rows, precision, passes=2, factors=factor)
        return Need(
            precision=precision,
            outputs=self.outputs or 1,
            hessian_bytes=hessian_bytes if self.solver.wants_hessian else 0,
            bytes_per_row=0 if split is None else dataset.row_bytes,
            held_bytes=COMPILER_BYTES if compiled else 0,
            compiler=compiler() if compiled else "",
            passes=2 if in_two else MANY,
            in_order=self.solver.is_stochastic,
        )


def make_method(
    loss: Any,
    penalty: Any,
    solver: Any,
    learning_rate: Any,
    *,
    fit_intercept: Any,
    dataset: Dataset,
    read_labels: bool = False,
) -> Method:
    """Check each, choose what is "auto", and refuse what cannot work together.

    read_labels: whether y may be read for the labels of classes that the loss was not told.
    """
    assert dataset.y is not None
    the_loss, the_penalty, rate = make_loss(loss), make_penalty(penalty), checked_rate(learning_rate)
    if read_labels and the_loss.wants_labels(dataset.y.dtype):
        the_loss = the_loss.with_classes(distinct(dataset.y, missing=dataset.missing))
    n = dataset.shape[1]
    outputs = the_loss.n_outputs(dataset.y.shape)
    _check_offset(dataset, outputs)
    intercept = checked_flag("fit(fit_intercept", fit_intercept) and (
        dataset.design is None or dataset.design.intercept
    )
    if not n and not intercept:
        raise ConfigurationError("X has no columns, and fit_intercept=False leaves nothing to fit; give one of them")
    check_penalty(the_penalty, n, outputs, intercept=intercept)
    n_parameters = (n + intercept) * (outputs or 1)
    method, choice = make_solver(solver, rate, the_loss, the_penalty, n_parameters, outputs or 1)
    check_method(method, the_loss, the_penalty, n_parameters, outputs or 1)
    own_rate = rate if isinstance(solver, str) else getattr(method, "learning_rate", "auto")
    return Method(the_loss, the_penalty, method, choice, own_rate, intercept, outputs, n_parameters)


def make_solver(
    solver: Any, learning_rate: Rate, loss: Loss, penalty: Penalty, n_parameters: int, outputs: int = 1
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
        choice = replace(choose(loss, penalty, n_parameters, learning_rate, outputs), automatic=True)
    made = SOLVERS[choice.name](learning_rate)
    because = choice.because
    if loss.quadratic and made.on_quadratics:
        because += f"; {made.on_quadratics}"
    return made, replace(choice, name=made.name, because=because)


def validation_rows(
    validation: Any, fraction: Any, seed: Any, dataset: Dataset, **reading: Unpack[ReadingOptions]
) -> Dataset | RowSplit | None:
    """The rows to validate on: another dataset, or a fraction of the rows of this one, drawn by the seed."""
    number = checked_integer("fit(seed", seed, least=0)
    if fraction is not None:
        if validation is not None:
            raise ConfigurationError("`fit(validation=..., validation_fraction=...)`: give one of them")
        return _row_split(fraction, number, dataset)
    if validation is None:
        return None
    reading = for_validation(reading, validation, dataset.source)
    if dataset.design is not None:
        reading = as_opened(reading, dataset, new_rows=True)
    if isinstance(validation, tuple) and len(validation) == 2:
        read = Reading.of("fit", for_urls(reading, *validation))
        other = open_data(*validation, None, need_target=True, reading=read, known=dataset.feature_names)
    elif isinstance(validation, (str, os.PathLike, Dataset)):
        read = Reading() if isinstance(validation, Dataset) else Reading.of("fit", for_urls(reading, validation))
        other = open_data(validation, None, None, need_target=True, reading=read, known=dataset.feature_names)
    else:
        hint = "; for a part of the rows give `validation_fraction=`" if isinstance(validation, (int, float)) else ""
        raise ConfigurationError(
            f"`fit(validation=...)` must be a dataset, a path or a tuple (X, y), got {shown(validation)}{hint}"
        )
    _check_alike(other, dataset)
    validated: Dataset = replace(other, missing=dataset.missing)
    return validated


def _row_split(fraction: Any, seed: int, dataset: Dataset) -> RowSplit:
    part = checked_number("fit(validation_fraction", fraction, above=0)
    if not part < 1:
        raise ConfigurationError(f"`fit(validation_fraction=...)` must be above 0 and below 1, got {shown(fraction)}")
    split, rows = RowSplit(part, seed), dataset.shape[0]
    if not 0 < split.count(0, rows) < rows:
        raise ConfigurationError(
            f"`fit(validation_fraction={part:g})` holds out {split.count(0, rows)} of {rows} rows; "
            f"give another fraction"
        )
    return split


def _check_offset(dataset: Dataset, outputs: int | None) -> None:
    """Refuse an offset of another shape than the raw prediction: NumPy would silently repeat it."""
    shape = (dataset.shape[0], *(() if outputs is None else (outputs,)))
    if dataset.offset is not None and dataset.offset.shape != shape:
        raise SchemaError(
            f"array {dataset.offset.name!r} has shape {dataset.offset.shape}, expected {shape}: a number for each row "
            f"and output",
            array=dataset.offset.name,
        )


def _check_alike(validation: Dataset, dataset: Dataset) -> None:
    """The validation rows must have the columns and outputs of the rows that are fitted."""
    if validation.shape[1] != dataset.shape[1]:
        raise SchemaError(
            f"the validation rows have {validation.shape[1]} columns, and the rows to fit have {dataset.shape[1]}",
            array=validation.X.name,
        )
    for name, found, expected in (("y", validation.y, dataset.y), ("offset", validation.offset, dataset.offset)):
        shapes = [None if rows is None else rows.shape[1:] for rows in (found, expected)]
        if shapes[0] != shapes[1]:
            raise SchemaError(
                f"the {name} of the validation rows is {_shape_of(found)}, and that of the rows to fit is "
                f"{_shape_of(expected)}; they must be alike",
                array=name,
            )


def _shape_of(rows: Rows | None) -> str:
    return "missing" if rows is None else f"of shape {rows.shape}"
