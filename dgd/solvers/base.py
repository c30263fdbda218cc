"""A solver asks for a point and is told loss and gradient there. One evaluation is one pass.

    state = solver.init(start)
    loop:  evaluation = evaluate(solver.ask(state))          one pass over the data
           state = solver.tell(state, evaluation, prox)      arithmetic on n numbers

A solver is a frozen configuration; what evolves is its state. It sees no data, no loss and no executor: only
evaluations of a smooth f, and the prox of what is not smooth, g. It minimises F = f + g. A trial that a line search
rejects is a step like any other, so passes, limits and progress share one unit.
"""

from __future__ import annotations

import enum
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Matrix, Vector


class Prox(Protocol):
    """The step on the part of F that is not smooth: prox(v, s) = argmin_z g(z) + Σ (zⱼ − vⱼ)²/(2sⱼ).

    One s for all coordinates, or one for each: g is a sum over single coordinates.
    """

    def __call__(self, point: Vector, step: float | Vector) -> Vector: ...

    @property
    def kinks(self) -> Kinks | None:
        """Where g has no gradient; None where g = 0, or is of another kind."""
        ...


@dataclass(frozen=True, slots=True)
class Kinks:
    """g(z) = Σ l1ⱼ |zⱼ| with lowerⱼ ≤ zⱼ ≤ upperⱼ, one entry for each coordinate."""

    l1: Vector
    lower: Vector
    upper: Vector


@dataclass(frozen=True, slots=True)
class NoProx:
    """The prox of g = 0."""

    kinks: ClassVar[None] = None

    def __call__(self, point: Vector, step: float | Vector) -> Vector:
        return point


no_prox = NoProx()


class Status(enum.Enum):
    """Why a fit ended; the value is the sentence the user reads."""

    CONVERGED = "converged: the gradient norm fell to `tol` times its value at the best constant"
    NO_OPTIMUM = (
        "no optimum: the loss falls for ever along a direction of the coefficients, so that they have no finite value; "
        "add a penalty, such as dgd.penalties.L2"
    )
    ILL_CONDITIONED = (
        "ill-conditioned: the gradient norm fell to `tol`, and rounding still leaves a part of the coefficients open"
    )
    ITERATION_LIMIT = "iteration limit: `max_iter` passes were made before the gradient norm fell to `tol`"
    TIME_LIMIT = "time limit: `max_seconds` were over before the gradient norm fell to `tol`"
    DIVERGED = "diverged: the loss grows; give a smaller `learning_rate`, or learning_rate='auto'"
    STALLED = "stalled: rounding hides any further descent before the gradient norm fell to `tol`"
    EARLY_STOPPED = "stopped early: the validation loss has not fallen for `patience` passes; the best θ was restored"
    INTERRUPTED = "interrupted: stopped on request after a whole pass"

    @property
    def label(self) -> str:
        """The status in one word or two: the part before the colon."""
        return self.value.partition(":")[0]


VALUE_ROUNDING = 1e-12
"""What rounding may make of a loss, relatively: sums of millions of terms round."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """F(θ) and ∇f(θ) at a point θ, from one pass over the data."""

    point: Vector
    value: float
    """F(θ) = f(θ) + g(θ)."""
    gradient: Vector
    """∇f(θ), of the smooth part alone."""
    nonsmooth: float = 0.0
    """g(θ)."""
    subgradient: Vector | None = None
    """The element of ∂F(θ) of least norm: zero at a minimum and only there. None where F is smooth: then it is ∇f."""
    hessian: Matrix | None = None
    """∇²f(θ), where it was asked for: of all of θ, or one (p, p) that q outputs share, where θ is (p, q) in a row."""
    rounding: float = 0.0
    """What rounding may make of the gradient's norm; 0 where that is not known."""
    value_rounding: float = VALUE_ROUNDING
    """No F is called higher than another for less than this part of it."""
    steps: int = 0
    """Steps taken within the pass, if it was an `Epoch`; value and gradient are then means over them."""

    @property
    def outputs(self) -> int:
        """How many outputs share the Hessian; 1 where it is that of all of θ, or not known."""
        return 1 if self.hessian is None else len(self.point) // len(self.hessian)

    @property
    def smooth_value(self) -> float:
        """f(θ)."""
        return self.value - self.nonsmooth

    @property
    def grad_norm(self) -> float:
        """The least norm in ∂F(θ), which is ‖∇f(θ)‖₂ where F is smooth; without overflow on the way."""
        return vector_norm(self.gradient if self.subgradient is None else self.subgradient)

    @property
    def finite(self) -> bool:
        """Whether F, gradient and Hessian are finite numbers."""
        return (
            math.isfinite(self.value)
            and bool(np.isfinite(self.gradient).all())
            and (self.hessian is None or bool(np.isfinite(self.hessian).all()))
        )


class Order(Protocol):
    """The order of the rows of a chunk: a pure function, the same on every worker."""

    def __call__(self, epoch: int, chunk: int, rows: int) -> NDArray[np.int64]:
        """Row numbers within a chunk of `rows` rows; they may repeat, and leave rows out."""
        ...


@dataclass(frozen=True, slots=True)
class Epoch:
    """A pass of many steps: mini-batches of each chunk, chunk after chunk.

    For the batch B of step t:  θ ← prox(θ − ηₜ ∇f_B(θ), ηₜ),  with ∇f_B the gradient of the mean loss over B plus that
    of the smooth penalty.
    """

    point: Vector
    number: int
    """Of the epoch, from 0."""
    step: int
    """t of its first step."""
    batch_size: int
    learning_rate: Callable[[int], float]
    chunk_order: Callable[[int], NDArray[np.int64]]
    """The order of that many chunks."""
    row_order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of a solver: numbers and arrays alone, so that a fit can be stored and go on."""

    point: Vector
    """θ, the iterate a fit that ends now returns."""
    learning_rate: float = 0.0
    """η of the step that followed the last evaluation; 0 if it was followed by none."""
    accepted: bool = True
    """Whether the last evaluation led to a step; False for a rejected trial or a probe."""
    status: Status | None = None
    """DIVERGED or STALLED once the solver can go no further."""
    note: str = ""
    """What a user should know, such as the largest safe learning rate."""
    best: Evaluation | None = None
    """The last accepted evaluation, at `point` unless a subclass says otherwise."""

    value_is_of_point: ClassVar[bool] = True
    """Whether `value` is that at `point`, and not one step before."""

    @property
    def value(self) -> float:
        """The objective at the last θ where it is known; NaN before the first evaluation."""
        return math.nan if self.best is None else self.best.value

    @property
    def settled(self) -> bool:
        """Whether a small gradient is enough to end: False if the solver knows that a further step would matter."""
        return True

    @property
    def runs_away(self) -> bool:
        """Whether the solver goes on and on in one direction while the gradient vanishes."""
        return False

    @property
    def advice(self) -> str:
        """What the solver learnt, for the user."""
        return self.note


class Solver(ABC):
    """A method of descent: a frozen configuration. A new one derives from this class."""

    __slots__ = ()

    name: ClassVar[str]
    smooth_only: ClassVar[bool] = False
    """Whether it needs g = 0: no l1 penalty and no bounds."""
    wants_kinks: ClassVar[bool] = False
    """Whether a g that is not 0 must be l1 and bounds."""
    quadratic_only: ClassVar[bool] = False
    """Whether it needs f to be a quadratic: the squared loss, alone or with l2."""
    wants_hessian: ClassVar[bool] = False
    """Whether evaluations must bring ∇²f, all of them or those that `asks_hessian` says."""
    wants_products: ClassVar[bool] = False
    """Whether its first evaluation may be made of centred products of columns and targets, and, where they are precise
    enough, its last one as well: a squared loss is then minimised in one pass.
    """
    is_stochastic: ClassVar[bool] = False
    """Whether it asks for epochs of steps, and not for points."""
    on_quadratics: ClassVar[str] = ""
    """What it does with a quadratic that its name does not say."""
    for_other_losses: ClassVar[str] = "solver='lbfgs' or solver='newton'"
    """What to use in its place where f is not a quadratic."""

    @property
    def argument(self) -> str:
        """The argument of `fit` that asks for it."""
        return f"solver={self.name!r}"

    @abstractmethod
    def init(self, start: Vector, *, tol: float = 0.0) -> Any:
        """The state before the first evaluation.

        tol: the fit ends at an evaluated point whose `grad_norm` is at most about tol times the first. A solver whose
        evaluations are not made at its iterates should then evaluate the iterate itself.
        """

    def asks_hessian(self, state: Any) -> bool:
        """Whether the next evaluation must bring ∇²f."""
        return self.wants_hessian

    def ask(self, state: Any) -> Vector | Epoch:
        """The point to evaluate next, or the epoch to run."""
        point: Vector = state.point
        return point

    @abstractmethod
    def tell(self, state: Any, evaluation: Evaluation, prox: Prox = no_prox) -> Any:
        """The state after that evaluation."""


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
    distance = vector_norm(after.point - before.point)
    if distance == 0.0 or not (before.finite and after.finite):
        return 0.0
    return vector_norm(after.gradient - before.gradient) / distance
