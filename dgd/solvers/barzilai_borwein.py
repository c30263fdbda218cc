"""Gradient descent whose step is the inverse curvature along the previous step.

    s = θₖ − θₖ₋₁,   d = ∇f(θₖ) − ∇f(θₖ₋₁)         long: η = sᵀs/sᵀd         short: η = sᵀd/dᵀd
    θₖ₊₁ = θₖ − η ∇f(θₖ)

Barzilai and Borwein (1988), Two-point step size gradient methods. The short step is taken where it is far below the
long one, which happens where steep directions are left in the gradient; the long one then does more: Zhou, Gao and Dai
(2006), Gradient methods with adaptive step-sizes. The loss goes up and down; it must stay a little below the highest
of the last `MEMORY`: Raydan (1997), The Barzilai and Borwein gradient method for the large scale
unconstrained minimization problem. A trial above that is rejected and costs its pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox, vector_norm
from dgd.solvers.safe_step import NOT_FINITE, PROBE, SHORTEST
from dgd.solvers.steps.progress import NO_PROGRESS, Progress, rose

MEMORY = 10
DECREASE = 1e-4
"""The part of η‖∇f‖² by which the loss must fall below the highest remembered."""
SHORT = 0.15
"""The short step is taken where it is below this part of the long one."""
LONGER = 10.0
"""The factor by which η grows where f has no curvature along the last step."""
WAIT = 250
"""So many evaluations without a lower loss or gradient norm mean rounding: this method may go up for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarzilaiBorweinState(State):
    """The current θ with its evaluation, the trial beyond it, and the best θ so far."""

    trial: Vector
    last: Evaluation | None = None
    """At the current θ."""
    eta: float = PROBE
    recent: tuple[float, ...] = ()
    """The losses of the last accepted steps."""
    rejected: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def advice(self) -> str:
        """The learning rate, and the passes spent on rejected trials."""
        if self.note or self.last is None:
            return self.note
        passes = "1 pass" if self.rejected == 1 else f"{self.rejected} passes"
        return f"learning rate {self.eta:.3g} at the end; {passes} on rejected trials"


@dataclass(frozen=True, slots=True)
class BarzilaiBorwein(Solver):
    """Gradient descent with two-point steps and a nonmonotone guard."""

    name: ClassVar[str] = "barzilai-borwein"
    smooth_only: ClassVar[bool] = True

    def init(self, start: Vector, *, tol: float = 0.0) -> BarzilaiBorweinState:
        """Begin at θ₀."""
        return BarzilaiBorweinState(point=start, trial=start, progress=Progress(patience=WAIT))

    def ask(self, state: BarzilaiBorweinState) -> Vector:
        """The trial θ − η ∇f(θ)."""
        return state.trial

    def tell(self, state: BarzilaiBorweinState, evaluation: Evaluation, prox: Prox = no_prox) -> BarzilaiBorweinState:
        """Take the trial unless it is above the recent losses, and make the next."""
        last = state.last
        if last is None and not evaluation.finite:
            return replace(state, status=Status.DIVERGED, note=NOT_FINITE)
        if last is not None and not evaluation.finite:
            return self._shorter(state, last, state.eta * SHORTEST)
        state = replace(state, progress=state.progress.after(evaluation))
        if state.best is None or better(evaluation, state.best):
            state = replace(state, best=evaluation, point=evaluation.point)
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        if last is None:
            return self._move(state, evaluation, state.eta)
        long, short = two_point_steps(last, evaluation)
        norm = vector_norm(last.gradient)
        if rose(evaluation.value, max(state.recent) - DECREASE * state.eta * norm * norm, evaluation.value_rounding):
            return self._shorter(state, last, max(min(long, state.eta / 2), state.eta * SHORTEST))
        eta = short if short < SHORT * long else long
        if not math.isfinite(eta):
            eta = state.eta * (LONGER if evaluation.gradient.any() else 1)
        return self._move(state, evaluation, eta)

    def _move(self, state: BarzilaiBorweinState, evaluation: Evaluation, eta: float) -> BarzilaiBorweinState:
        return replace(
            state,
            last=evaluation,
            recent=(*state.recent, evaluation.value)[-MEMORY:],
            trial=evaluation.point - eta * evaluation.gradient,
            eta=eta,
            learning_rate=eta,
            accepted=True,
        )

    def _shorter(self, state: BarzilaiBorweinState, last: Evaluation, eta: float) -> BarzilaiBorweinState:
        """Reject the trial and make a shorter one from the same θ."""
        trial = last.point - eta * last.gradient
        stuck = not (np.isfinite(trial).all() and (trial != last.point).any())
        return replace(
            state,
            trial=trial,
            eta=eta,
            rejected=state.rejected + 1,
            learning_rate=0.0,
            accepted=False,
            status=Status.STALLED if stuck else None,
        )


def two_point_steps(before: Evaluation, after: Evaluation) -> tuple[float, float]:
    """The long step sᵀs/sᵀd and the short one sᵀd/dᵀd; both infinite where the curvature is not positive."""
    s, d = after.point - before.point, after.gradient - before.gradient
    S, D = vector_norm(s), vector_norm(d)
    if not (S > 0 and D > 0 and math.isfinite(D)):
        return math.inf, math.inf
    cosine = float((s / S) @ (d / D))
    return (S / D / cosine, S / D * cosine) if cosine > 0 else (math.inf, math.inf)


def better(one: Evaluation, other: Evaluation) -> bool:
    """Whether the loss is lower; or the gradient norm, where rounding hides the difference of losses."""
    if rose(other.value, one.value, one.value_rounding):
        return True
    return not rose(one.value, other.value, one.value_rounding) and one.grad_norm < other.grad_norm
