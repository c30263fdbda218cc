"""Damped Newton's method: a step to the minimum of the quadratic model of f at θ, shortened if it is too long.

    (H + λI) d = −∇f       H = ∇²f(θ)        θ ← θ + t d        t = 1 unless the loss says otherwise

and with a g that has a prox, d = z − θ with z = argmin ∇fᵀ(z − θ) + ½ (z − θ)ᵀ H (z − θ) + g(z), by `quadratic_model`:
Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions. The rest is of g = 0.

`dgd.solvers.steps.newton_step` has the linear algebra. Backtracking: Dennis and Schnabel (1983), Numerical Methods for
Unconstrained Optimization, §6.3. An inexact H still leads to the minimum, since each pass brings a true gradient: that
is iterative refinement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox, vector_norm
from dgd.solvers.steps.line_search import (
    FLAT,
    ProximalSearch,
    Sample,
    Search,
    search_along,
    search_towards,
    steepest_search,
)
from dgd.solvers.steps.newton_step import newton_step
from dgd.solvers.steps.progress import NO_PROGRESS, Progress
from dgd.solvers.steps.quadratic_model import ROUNDS, idle, model_minimum

IDLE = 5
"""Newton steps in a row that lower neither loss nor gradient: rounding level."""
REFINED = 1e-9
"""A step that changes no entry of θ by more than this part is not worth a pass."""
TINY = 1e-6
SMALLEST = float(np.finfo(np.float64).tiny)
ENDLESS = 4
"""Whole steps in a row, alike in direction and length, after which no minimum is expected along them."""
FAR = 1e-3
"""The least length of such steps, as a part of θ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewtonState(State):
    """The accepted θ with its evaluation, and the step that is being tried from there."""

    first_value: float = 0.0
    search: Search | ProximalSearch | None = None
    steps: int = 0
    rejected: int = 0
    rank: int = 0
    """Of the last Hessian."""
    step: Vector | None = None
    """The next Newton step."""
    ahead: float = 0.0
    """What it changes most, as a part of that entry of θ, or of `TINY` of the largest one."""
    before: float = math.inf
    """The same of the step before."""
    alike: int = 0
    """Steps in a row that were like the one before: where the minimum is at infinity, F falls like e^−t along them."""
    unsolved: int = 0
    """Quadratic models whose minimum was not found within its rounds."""
    progress: Progress = NO_PROGRESS

    @property
    def value(self) -> float:
        """F at `point`."""
        return math.nan if self.best is None else self.best.value

    @property
    def settled(self) -> bool:
        """Whether the next step is too short to matter, or no shorter than the last one: rounding hides the rest."""
        undecided = 0 < self.alike < ENDLESS and self.ahead > FAR
        return self.ahead <= REFINED or (self.ahead > self.before / 2 and not undecided)

    @property
    def runs_away(self) -> bool:
        """Whether steps stay the same while the gradient vanishes: the minimum is at infinity."""
        return self.alike >= ENDLESS and self.ahead > FAR


@dataclass(frozen=True, slots=True)
class Newton(Solver):
    """Newton's method with backtracking, and with a prox."""

    name: ClassVar[str] = "newton"
    wants_kinks: ClassVar[bool] = True
    wants_hessian: ClassVar[bool] = True

    def init(self, start: Vector, *, tol: float = 0.0) -> NewtonState:
        """Begin at θ₀."""
        return NewtonState(point=start)

    def ask(self, state: NewtonState) -> Vector:
        """The trial θ + t d."""
        if state.search is None:
            return state.point
        if isinstance(state.search, ProximalSearch):
            return state.search.trial
        return state.point + state.search.step * state.search.direction

    def tell(self, state: NewtonState, evaluation: Evaluation, prox: Prox = no_prox) -> NewtonState:
        """Accept the trial and solve for the next step, or reject it and try a shorter one."""
        if state.search is None:
            return _first(state, evaluation, prox)
        if isinstance(state.search, ProximalSearch):
            if not state.search.descends(evaluation):
                return _rejected(state, state.search.shorter(evaluation, prox))
            return _accepted(state, evaluation, prox)
        trial = state.search.sample(evaluation)
        if not state.search.descends(trial):
            return _rejected(state, _shortened(state.search, trial))
        return _accepted(state, evaluation, prox)

    def towards(self, state: NewtonState, target: Vector) -> NewtonState:
        """Where no trial has been made since the last step: try a point of which more is known than by the parabola."""
        assert state.best is not None
        search = search_along(state.best, target - state.point, 1.0, state.first_value)
        if search is None or not isinstance(state.search, Search):
            return state
        return replace(state, search=search, step=search.direction, ahead=_part(state.point, search.direction))


@dataclass(frozen=True, slots=True)
class FromSummary(Newton):
    """Least squares from centred products of columns and targets, H and c: one Newton step, from the best constant.

    ∇F(θ) = Hθ − c at the minimum follows from them too, so that one pass is enough, unless rounding of H and c matters.
    """

    name: ClassVar[str] = "summary"
    quadratic_only: ClassVar[bool] = True
    wants_products: ClassVar[bool] = True


def _first(state: NewtonState, evaluation: Evaluation, prox: Prox) -> NewtonState:
    if not evaluation.finite:
        advice = "the loss at the start is not finite: rescale the columns or the target"
        return replace(state, learning_rate=0.0, accepted=False, status=Status.DIVERGED, note=advice)
    state = replace(state, best=evaluation, first_value=evaluation.value, accepted=False)
    return _solved(replace(state, progress=state.progress.after(evaluation)), evaluation, prox)


def _accepted(state: NewtonState, evaluation: Evaluation, prox: Prox) -> NewtonState:
    """θ at the trial, and the next step from there."""
    assert state.search is not None
    state = replace(
        state,
        point=evaluation.point,
        best=evaluation,
        learning_rate=state.search.step,
        accepted=True,
        steps=state.steps + 1,
        progress=state.progress.after(evaluation),
    )
    return _stalled(state) if state.progress.idle >= IDLE else _solved(state, evaluation, prox)


def _solved(state: NewtonState, best: Evaluation, prox: Prox) -> NewtonState:
    """The Newton step from `best`; where rounding has spoilt it, a gradient step."""
    assert best.hessian is not None, "Newton was given an evaluation without its Hessian"
    if prox is not no_prox:
        assert prox.kinks is not None, "Newton was given a penalty without its kinks"
        target, found = model_minimum(best, best.hessian, prox.kinks)
        state = replace(state, unsolved=state.unsolved + (not found))
        towards = search_towards(target, best, state.first_value)
        if towards is None:
            return _stalled(state)
        state = replace(state, search=towards, rank=state.point.size)
        return _looking_ahead(state, towards.target - best.point)
    direction, rank = newton_step(best.hessian, best.gradient)
    direction[idle(best, best.hessian)] = 0.0
    search = search_along(best, direction, 1.0, state.first_value) or steepest_search(best, state.first_value)
    if search is None:
        return _stalled(state)
    return _looking_ahead(replace(state, search=search, rank=rank), direction)


def _looking_ahead(state: NewtonState, step: Vector) -> NewtonState:
    length = vector_norm(step)
    alike = 0
    if state.step is not None and state.learning_rate == 1.0:
        last = vector_norm(state.step)
        same_way = float(step @ state.step) > 0.9 * length * last
        alike = state.alike + 1 if same_way and last / 2 < length < 2 * last else 0
    before = state.ahead if state.steps else math.inf
    state = replace(state, step=step, ahead=_part(state.point, step), before=before, alike=alike)
    return replace(state, note=_advice(state))


def _part(point: Vector, step: Vector) -> float:
    """What a step changes most, as a part of that entry of θ."""
    size = abs(point)
    with np.errstate(over="ignore"):
        return float((abs(step) / np.maximum(size, max(TINY * float(size.max()), SMALLEST))).max())


def _shortened(search: Search, trial: Sample) -> Search:
    """A shorter step, by the secant of the slopes: a fifth to a half of the rejected one, a tenth if F is infinite."""
    part = 0.1
    if math.isfinite(trial.value) and math.isfinite(trial.slope):
        curvature = trial.slope - search.start.slope
        part = min(max(-search.start.slope / curvature, 0.2), 0.5) if curvature > 0 else 0.5
    rise, before = trial.value - search.start.value, search.high
    flat = abs(rise) <= search.slack
    if before is not None and math.isfinite(before.value):
        # A convex F is no higher at a part of the way than that part of the rise: what is, is rounding.
        most = max(trial.step / before.step * (before.value - search.start.value), 0.0)
        flat = flat or rise > most + search.slack
    return replace(search, step=part * trial.step, trials=search.trials + 1, high=trial, flat=search.flat + flat)


def _rejected(state: NewtonState, search: Search | ProximalSearch) -> NewtonState:
    """The shorter step, if it is long enough to lead anywhere."""
    assert state.search is not None
    idle = state.progress.idle + (search.flat > state.search.flat)
    state = replace(state, rejected=state.rejected + 1, progress=replace(state.progress, idle=idle))
    state = replace(state, search=search, learning_rate=0.0, accepted=False)
    moves = search.moves if isinstance(search, ProximalSearch) else search.flat < FLAT and search.moves(state.point)
    return replace(state, note=_advice(state)) if moves and idle < IDLE else _stalled(state)


def _stalled(state: NewtonState) -> NewtonState:
    return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED, note=_advice(state))


def _advice(state: NewtonState) -> str:
    steps = "1 Newton step" if state.steps == 1 else f"{state.steps} Newton steps"
    rejected = "1 rejected trial" if state.rejected == 1 else f"{state.rejected} rejected trials"
    more = ""
    if state.rank < state.point.size:
        more = f"; the Hessian is singular, of rank {state.rank} for {state.point.size} parameters"
    if state.unsolved:
        more += f"; {state.unsolved} of the steps by a quadratic whose minimum was not found in {ROUNDS} rounds"
    return f"{steps} and {rejected}{more}"
