"""Batch gradient descent with a learning rate that is found on the way: η = 1/L̂, guarded.

    L̂ = the largest ‖∇f(b) − ∇f(a)‖ / ‖b − a‖ seen along a step

L̂ never exceeds the largest curvature L (of a quadratic; elsewhere, the largest on the way). While L̂ < L/2, steps of
1/L̂ make the steepest direction grow, so that it soon fills the step and L̂ rises of itself: gradient descent *is* the
power iteration. The first step's length is a probe, its evaluation a trial like the others. A trial whose loss is
higher is rejected: the step is taken again from the same θ, with what L̂ has become. It costs its pass, no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd.solvers.base import Evaluation, Status, Vector, curvature
from dgd.solvers.progress import NO_PROGRESS, Progress

PROBE = 0.5
"""The first η: 1/L of a single column of unit variance."""
ROUNDING = 1e-12
"""A loss is not called higher for less than this, relatively: sums of millions of terms round."""
TRUSTED_CHANGE = 1e-9
"""A gradient change below this part of the first gradient is too near rounding to estimate L from."""


@dataclass(frozen=True, slots=True)
class SafeStepState:
    """The last accepted θ with its evaluation, the trial beyond it, and the estimate of L."""

    point: Vector
    """The accepted θ; before the first evaluation, the start."""
    trial: Vector
    learning_rate: float = 0.0
    accepted: bool = True
    status: Status | None = None
    advice: str = ""
    best: Evaluation | None = None
    first_norm: float = 0.0
    eta: float = PROBE
    L: float = 0.0
    rejected: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def value(self) -> float:
        """f at `point`."""
        return math.nan if self.best is None else self.best.value


@dataclass(frozen=True, slots=True)
class SafeStep:
    """Gradient descent with an estimated, guarded learning rate: `learning_rate="auto"`."""

    def init(self, start: Vector) -> SafeStepState:
        """Begin at θ₀."""
        return SafeStepState(point=start, trial=start)

    def ask(self, state: SafeStepState) -> Vector:
        """The trial θ − η ∇f(θ)."""
        return state.trial

    def tell(self, state: SafeStepState, evaluation: Evaluation) -> SafeStepState:
        """Accept or reject the trial, learn L from it, and make the next."""
        best = state.best
        if best is None:
            return self._first(state, evaluation)
        if not evaluation.finite:
            return self._retry(state, best, state.eta / 1000)
        L = state.L
        change = evaluation.gradient - best.gradient
        if float(abs(change).max()) > TRUSTED_CHANGE * state.first_norm / math.sqrt(change.size):
            L = max(L, curvature(best, evaluation))
        state = replace(state, L=L, progress=state.progress.after(evaluation))
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        eta = 1 / L if L > 0 else state.eta
        if evaluation.value > best.value + ROUNDING * abs(best.value):
            return self._retry(state, best, min(eta, state.eta / 2))
        state = replace(state, best=evaluation, point=evaluation.point, accepted=True, learning_rate=eta)
        return replace(state, eta=eta, trial=evaluation.point - eta * evaluation.gradient, advice=self._advice(state))

    def _first(self, state: SafeStepState, evaluation: Evaluation) -> SafeStepState:
        if not evaluation.finite:
            return replace(
                state,
                status=Status.DIVERGED,
                advice="the loss at the start is not finite: rescale the columns or the target",
            )
        return replace(
            state,
            best=evaluation,
            first_norm=evaluation.grad_norm,
            trial=evaluation.point - PROBE * evaluation.gradient,
            learning_rate=PROBE,
            progress=state.progress.after(evaluation),
        )

    def _retry(self, state: SafeStepState, best: Evaluation, eta: float) -> SafeStepState:
        state = replace(state, eta=eta, rejected=state.rejected + 1, accepted=False, learning_rate=0.0)
        trial = best.point - eta * best.gradient
        if not (np.isfinite(trial).all() and (trial != best.point).any()):
            return replace(state, status=Status.STALLED)
        return replace(state, trial=trial, advice=self._advice(state))

    def _advice(self, state: SafeStepState) -> str:
        if not state.rejected:
            return f"learning rate {state.eta:.3g}, found without a rejected trial"
        passes = "1 pass" if state.rejected == 1 else f"{state.rejected} passes"
        return f"learning rate {state.eta:.3g}, found at the cost of {passes} on rejected trials"
