"""Steepest descent with the exact line search of a quadratic, at one pass per iteration.

    η = gᵀg / gᵀHg        θ ← θ − η g        g ← g − η Hg        f ← f − η gᵀg + ½ η² gᵀHg

for a quadratic f with Hessian H, here 2/m XᵀX. The pass evaluates the gradient at the trial point t = θ − s g, with s
the step of two iterations before, and Hg = (g − ∇f(t))/s. So the recurrence for g mixes true gradients,

    g ← (1 − ρ) g + ρ ∇f(t),        ρ = η/s,

and ρ is near 1, because the exact steps settle into a cycle of two (Akaike 1959, On a successive transformation of
probability distribution). Still, every `RESTATE` steps, and whenever ‖g‖ has fallen a thousandfold, the pass is made at
θ itself and restates g and f: rounding cannot drift, and convergence is only ever seen on a true gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox, vector_norm
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

RESTATE = 50
FALL = 1e-3
FIRST_STEP = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactState(State):
    """θ with its loss and gradient, carried by the recurrence since they were last restated."""

    value: float = math.inf
    gradient: Vector | None = None
    steps: tuple[float, ...] = (FIRST_STEP,)
    """The last two steps, the older first: it is the next trial's length."""
    since: int = 0
    """Steps since the gradient was restated."""
    restated_norm: float = math.inf
    due: bool = True
    first: bool = True
    """Whether no exact step is known yet, so that the trial's length is a guess."""
    progress: Progress = NO_PROGRESS


@dataclass(frozen=True, slots=True)
class ExactLineSearch(Solver):
    """Steepest descent with exact steps on a quadratic: `learning_rate="exact"`."""

    name: ClassVar[str] = "gd-exact"
    for_other_losses: ClassVar[str] = "learning_rate='backtracking'"
    smooth_only: ClassVar[bool] = True
    quadratic_only: ClassVar[bool] = True

    @property
    def argument(self) -> str:
        """The argument of `fit` that asks for it."""
        return "learning_rate='exact'"

    def init(self, start: Vector, *, tol: float = 0.0) -> ExactState:
        """Begin at θ₀."""
        return ExactState(point=start)

    def ask(self, state: ExactState) -> Vector:
        """θ itself when the gradient is due to be restated, else the trial t = θ − s g."""
        if state.due or state.gradient is None:
            return state.point
        return state.point - state.steps[0] * state.gradient

    def tell(self, state: ExactState, evaluation: Evaluation, prox: Prox = no_prox) -> ExactState:
        """Take the exact step that the trial reveals, or the restated gradient."""
        if state.due or state.gradient is None:
            return self._restate(state, evaluation)
        if not evaluation.finite:
            return self._shorten(state)
        g, s = state.gradient, state.steps[0]
        Hg = (g - evaluation.gradient) / s
        norm = vector_norm(g)
        uHu = float((g / norm) @ (Hg / norm)) if norm > 0 else 0.0
        if not (uHu > 0 and math.isfinite(1 / uHu)):
            return self._flat(state)
        eta = 1 / uHu
        gradient = g - eta * Hg
        since = state.since + 1
        return replace(
            state,
            point=state.point - eta * g,
            value=state.value - 0.5 * eta * norm * norm,
            gradient=gradient,
            learning_rate=eta,
            accepted=True,
            steps=(eta,) if state.first else (state.steps[-1], eta),
            first=False,
            since=since,
            due=since >= RESTATE or vector_norm(gradient) <= FALL * state.restated_norm,
        )

    def _restate(self, state: ExactState, evaluation: Evaluation) -> ExactState:
        if not evaluation.finite:
            return replace(
                state,
                learning_rate=0.0,
                status=Status.DIVERGED,
                note="the loss at this point is not finite: rescale the columns or the target",
            )
        state = replace(
            state,
            value=evaluation.value,
            gradient=evaluation.gradient,
            restated_norm=evaluation.grad_norm,
            since=0,
            due=False,
            learning_rate=0.0,
            accepted=False,
            progress=state.progress.after(evaluation),
        )
        # Two restated gradients without any descent between them, a whole cycle apart: rounding level.
        return replace(state, status=Status.STALLED) if state.progress.idle >= 2 else state

    def _shorten(self, state: ExactState) -> ExactState:
        """The trial overflowed: try a far shorter one."""
        assert state.gradient is not None
        shorter = state.steps[0] * 1e-3
        stuck = not (state.point - shorter * state.gradient != state.point).any()
        return replace(
            state,
            steps=(shorter,),
            first=True,
            learning_rate=0.0,
            accepted=False,
            status=Status.STALLED if stuck else None,
        )

    def _flat(self, state: ExactState) -> ExactState:
        """Along g the curvature is rounding: restate once, and stop if that changes nothing."""
        return replace(
            state,
            due=True,
            learning_rate=0.0,
            accepted=False,
            status=Status.STALLED if state.since == 0 else None,
        )
