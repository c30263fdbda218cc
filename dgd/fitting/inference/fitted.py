"""What a result goes back to its data with, after the fit: the rows it fitted, θ there, and what its passes know."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.data.reading import ReadingOptions
from dgd.data.transforms.row_split import RowSplit
from dgd.data.transforms.targets_only import targets_only
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.known import Known
from dgd.fitting.loop import Run
from dgd.fitting.objective import Objective
from dgd.fitting.problem import Method
from dgd.fitting.split_sums import OnRowsToFit
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution
from dgd.passes.executor import PassResult
from dgd.passes.plan import Need
from dgd.passes.session import Session, session
from dgd.passes.sums.row_sums import Part, RowSums, Sums
from dgd.solvers.base import Status


@dataclass(frozen=True, eq=False)
class Fitted:
    """The rows that were fitted, and what is known at θ."""

    dataset: Dataset
    method: Method
    split: RowSplit | None
    known: Known
    theta: Vector
    """For columns and targets less the centre of `known`."""
    status: Status
    mean_loss: float | None
    """At θ, without the penalty; None where it is not known there, or not in double precision."""
    hessian: Matrix | None
    """That of the mean loss at θ, in the coordinates of `known`; None as for the loss."""
    factor: Matrix | None
    """R with RᵀR that Hessian, where the fit has it."""
    where: Execution
    slope: Vector | None = field(default=None, repr=False)
    """The derivative of the smooth part of F by each coefficient at θ, in the user's units; None as for the loss."""
    data: Any = field(default=None, repr=False)
    """What the fit was given as data."""
    reading: ReadingOptions = field(default_factory=ReadingOptions, repr=False)

    @classmethod
    def of(cls, objective: Objective, run: Run, method: Method, dataset: Dataset, where: Execution) -> Fitted:
        """What a run has found."""
        known, last = run.state.known, run.state.last
        at_point = last is not None and np.array_equal(last.point, run.point)
        double = objective.precision == "double"
        # A Hessian that is not constant is the last that was summed: that of θ only if the last pass was made there.
        here = at_point and last is not None and last.hessian is not None
        has_hessian = double and known.coordinates.standardised and (objective.loss.quadratic or here)
        knows_loss = double and known.targets is not None and not run.loss_is_before_last_step
        return cls(
            dataset=dataset,
            method=method,
            split=objective.validation if isinstance(objective.validation, RowSplit) else None,
            known=known,
            theta=known.coordinates.to_user(run.point),
            status=run.status,
            mean_loss=objective.mean_loss(run.loss, run.point, known) if knows_loss else None,
            hessian=known.hessian if has_hessian else None,
            factor=known.factor if has_hessian else None,
            where=where,
            slope=_by_coefficient(last.gradient, known) if last is not None and at_point and double else None,
        )

    @property
    def has_hessian(self) -> bool:
        """Whether the Hessian at θ is known, itself or as a factor."""
        return self.hessian is not None or self.factor is not None

    @property
    def outputs(self) -> int:
        """The columns of θ; 1 where it is a vector."""
        return self.method.outputs or 1

    @property
    def parameters(self) -> int:
        """p, those of one output."""
        return self.method.n_parameters // self.outputs

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of one output; "(intercept)" where a feature has the other name."""
        features = self.dataset.feature_names or tuple(f"x{j}" for j in range(self.dataset.shape[1]))
        if not self.method.fit_intercept:
            return features
        return ("(intercept)" if "intercept" in features else "intercept", *features)

    @property
    def coordinates(self) -> Coordinates:
        """Standardised ones, where a pass found them; else those of the solver."""
        return self.known.yardstick or self.known.coordinates

    def means(self, coordinates: Coordinates) -> Vector:
        """The columns' centre in coordinates z, in the user's units; 0 without an intercept."""
        return coordinates.mean if self._columns is None else coordinates.mean + self._columns

    def means_rounding(self, coordinates: Coordinates) -> Vector:
        """What rounding has made of `means`: near 1e16 it is more than 1."""
        if self._columns is None:
            return np.zeros_like(coordinates.mean)
        return (self.means(coordinates) - self._columns) - coordinates.mean

    @property
    def _columns(self) -> Vector | None:
        return None if self.known.centre is None else self.known.centre.columns

    def row_sums(self, parts: tuple[Part, ...], theta: Vector | None = None) -> RowSums:
        """The sum of a chunk at a θ for centred columns, by default the one that was fitted."""
        theta = self.theta if theta is None else theta
        intercept: Any = theta[0] if self.method.fit_intercept else np.zeros(theta.shape[1:])
        coef = theta[1:] if self.method.fit_intercept else theta
        return RowSums(self.method.loss, intercept, coef, parts, "double", self.known.centre)


class Passes:
    """Passes over the rows that were fitted; they are counted."""

    def __init__(self, fitted: Fitted, where: Execution, ends: ExitStack) -> None:
        self._fitted, self._where, self._ends = fitted, where, ends
        self._session: Session | None = None
        self.count = 0

    def sums(
        self, parts: tuple[Part, ...], *, theta: Vector | None = None, held_bytes: int = 0, groups: Any = None
    ) -> Sums:
        """One pass: the sum of each part at θ. held_bytes: of one sum."""
        dataset = self._fitted.dataset
        dataset = dataset if groups is None else replace(dataset, groups=groups)
        self.count += 1
        return self._swept(dataset, self._fitted.row_sums(parts, theta), held_bytes).value

    def of_targets(self, parts: tuple[Part, ...]) -> Sums:
        """Sums in which no column is: only targets and weights are read, unless X says which rows are left out."""
        fitted = self._fitted
        if fitted.dataset.missing != "error":
            return self.sums(parts)
        q = () if fitted.method.outputs is None else (fitted.method.outputs,)
        zero = RowSums(fitted.method.loss, np.zeros(q), np.zeros((1, *q)), parts)
        return self._swept(targets_only(fitted.dataset), zero, 0).value

    def _swept(self, dataset: Dataset, chunk_sum: RowSums, held_bytes: int) -> PassResult[Sums]:
        running = self._session = self._session or self._ends.enter_context(session(self._where))
        dataset = running.open(dataset, Need(outputs=self._fitted.outputs, hessian_bytes=held_bytes))
        split = self._fitted.split
        if split is None:
            return running.executor.sweep(dataset, chunk_sum)
        return running.executor.sweep(dataset, OnRowsToFit(chunk_sum, split))


@contextmanager
def passes_over(fitted: Fitted, where: Execution) -> Iterator[Passes]:
    """Passes in a session of their own, which the first one begins.

    The driver's arithmetic is on one thread, so that its bits are the same.
    """
    with ExitStack() as ends, single_threaded_blas():
        yield Passes(fitted, where, ends)


def _by_coefficient(gradient: Vector, known: Known) -> Vector:
    """A gradient's part of the coefficients, (n,) or (n, q), by coefficients of columns in the user's units."""
    part = known.coordinates.coef_part(gradient)
    return part * (known.coordinates.scale if part.ndim == 1 else known.coordinates.scale[:, None])
