"""The state of a fit as one value: all that a fit needs to go on from, without data, executor or function in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dgd._typing import Array, Vector
from dgd.errors import CheckpointError
from dgd.fitting.checkpoint.encoding import OWN, UNREADABLE, decoded, encoded
from dgd.fitting.epoch import EpochPart
from dgd.fitting.known import Known
from dgd.fitting.record import Record, records_of, table_of
from dgd.fitting.sampled.start import SampledStart
from dgd.fitting.sampled.surrogate import Correction
from dgd.solvers.base import Evaluation, State

HISTORY = "history"


@dataclass(frozen=True)
class Best:
    """The lowest validation loss so far, where, and the passes since."""

    loss: float = math.inf
    point: Vector | None = None
    value: float = math.nan
    idle: int = 0

    def after(self, loss: float, point: Vector, value: float, min_delta: float) -> Best:
        """One more validation."""
        if loss < self.loss - min_delta:
            return Best(loss, point, value)
        return Best(self.loss, self.point, self.value, self.idle + 1)


@dataclass
class FitState:
    """Everything that a fit needs to go on."""

    solver: State
    known: Known
    start: Vector
    """Where it began, in the solver's coordinates."""
    threshold: float = 0.0
    """The gradient norm at which the fit has converged."""
    best: Best = field(default_factory=Best)
    last: Evaluation | None = None
    """The last evaluation that was finite, or the first one."""
    history: list[Record] = field(default_factory=list)
    handed_over: bool = False
    """Whether another method has taken over from the one that was asked for."""
    before: State | None = None
    """That of Newton's method, where another one went on from the start."""
    factor: str = ""
    """What a pass over an R factor has brought, or why there was none where it would have helped."""
    sampled: SampledStart | None = None
    """Where the second pass is made, if that is the minimum over a sample of the rows."""
    sample: str = ""
    """What became of the sample, for the user."""
    lacking: Correction | None = None
    """What the loss over the sample lacks, where steps are corrected by that."""
    epoch: EpochPart | None = None
    """The part of an epoch that has been run, where the next pass is to go on within it."""

    def to_arrays(self) -> tuple[Any, dict[str, Array]]:
        """The state as JSON and arrays."""
        arrays: dict[str, Array] = {HISTORY: table_of(self.history)}
        return encoded(replace(self, history=[]), arrays), arrays

    @classmethod
    def from_arrays(cls, document: Any, arrays: dict[str, Array], *, own: Sequence[str] = OWN) -> FitState:
        """The state that `to_arrays` made. `own`: modules whose dataclasses may be made, such as a solver's own.

        Raises CheckpointError where the document is not a state.
        """
        try:
            state = decoded(document, arrays, own)
            if not isinstance(state, cls):
                raise TypeError(f"it is a {type(state).__name__}")
            state.history = records_of(arrays[HISTORY])
            state.check()
        except UNREADABLE as error:
            raise CheckpointError(f"this is not the state of a fit: {error!r}") from error
        return state

    def check(self) -> None:
        """Raise ValueError unless points and evaluations are finite and of one shape."""
        n = self.known.coordinates.scale.shape
        points = {"start": self.start, "point": self.solver.point}
        if self.before is not None:
            points["before"] = self.before.point
        if self.sampled is not None:
            points["sampled"] = self.sampled.point
        if self.best.point is not None:
            points["best"] = self.best.point
        if self.epoch is not None:
            points["epoch"] = self.epoch.so_far.point
        for name, point in points.items():
            if point.size != self.start.size or not np.isfinite(point).all():
                raise ValueError(f"{name} of {point.size} numbers is not a finite point of {self.start.size}")
        for evaluation in (self.last, self.solver.best):
            if evaluation is not None and not evaluation.point.size == evaluation.gradient.size == self.start.size:
                raise ValueError(f"an evaluation is of {evaluation.gradient.size} numbers, not {self.start.size}")
        coordinates = self.known.coordinates
        if coordinates.mean.shape != n or not (np.isfinite(coordinates.mean).all() and (coordinates.scale > 0).all()):
            raise ValueError("the coordinates are no finite means and positive scales")
