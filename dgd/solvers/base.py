"""What a solver is: it asks for a point and is told loss and gradient there. One evaluation is one pass.

    state = solver.init(start)
    loop:  evaluation = evaluate(solver.ask(state))          one pass over the data
           state = solver.tell(state, evaluation)            arithmetic on n numbers

A solver is a frozen configuration; what evolves is its state. It sees no data, no loss and no executor. A trial that a
line search rejects is a step like any other, so passes, limits and progress share one unit.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class Status(enum.Enum):
    """Why a fit ended; the value is the sentence the user reads."""

    CONVERGED = "converged: the gradient norm fell to `tol` times its first value"
    ITERATION_LIMIT = "iteration limit: `max_iter` passes were made before the gradient norm fell to `tol`"
    TIME_LIMIT = "time limit: `max_seconds` were over before the gradient norm fell to `tol`"
    DIVERGED = "diverged: the loss grows; give a smaller `learning_rate`, or learning_rate='auto'"
    STALLED = "stalled: rounding hides any further descent; a larger `tol` would call this converged"
    INTERRUPTED = "interrupted: stopped on request after a whole pass"

    @property
    def label(self) -> str:
        """The status in one word or two: the part before the colon."""
        return self.value.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Loss f(θ) and gradient ∇f(θ) at a point θ, from one pass over the data."""

    point: Vector
    value: float
    gradient: Vector

    @property
    def grad_norm(self) -> float:
        """‖∇f(θ)‖₂, without overflow on the way."""
        return vector_norm(self.gradient)

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are finite numbers."""
        return math.isfinite(self.value) and bool(np.isfinite(self.gradient).all())


class State(Protocol):
    """What every solver's state shows to the fit."""

    @property
    def point(self) -> Vector:
        """θ, the iterate a fit that ends now returns."""
        ...

    @property
    def value(self) -> float:
        """The loss at the last θ whose loss is known; NaN before the first evaluation."""
        ...

    @property
    def learning_rate(self) -> float:
        """η of the step that followed the last evaluation; 0 if it was followed by none."""
        ...

    @property
    def accepted(self) -> bool:
        """Whether the last evaluation led to a step; False for a rejected trial or a probe."""
        ...

    @property
    def status(self) -> Status | None:
        """DIVERGED or STALLED once the solver can go no further, else None."""
        ...

    @property
    def advice(self) -> str:
        """What the solver learnt that the user should know, such as the largest safe learning rate."""
        ...


class Solver(Protocol):
    """A method of descent."""

    def init(self, start: Vector) -> Any:
        """The state before the first evaluation."""
        ...

    def ask(self, state: Any) -> Vector:
        """The point to evaluate next."""
        ...

    def tell(self, state: Any, evaluation: Evaluation) -> Any:
        """The state after that evaluation."""
        ...


def vector_norm(vector: Vector) -> float:
    """‖v‖₂, scaled so that squares neither overflow nor vanish."""
    largest = float(np.abs(vector).max(initial=0.0))
    if largest == 0.0 or not math.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(vector / largest))


def curvature(before: Evaluation, after: Evaluation) -> float:
    """‖∇f(b) − ∇f(a)‖ / ‖b − a‖, a lower bound on the largest curvature L; 0 where a = b.

    Gradient descent converges for learning rates below 2/L.
    """
    apart = vector_norm(after.point - before.point)
    if apart == 0.0 or not (before.finite and after.finite):
        return 0.0
    return vector_norm(after.gradient - before.gradient) / apart
