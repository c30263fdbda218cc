"""Batch gradient descent with a learning rate that is found on the way: η = 1/L̂, guarded.

    L̂ = the largest ‖∇f(b) − ∇f(a)‖ / ‖b − a‖ seen along a step        θ ← prox(θ − η ∇f(θ), η)

L̂ never exceeds the largest curvature L (of a quadratic; elsewhere, the largest on the way). While L̂ < L/2, steps of
1/L̂ make the steepest direction grow, so that it soon fills the step and L̂ rises of itself: gradient descent *is* the
power iteration. The first step's length is a probe, its evaluation a trial like the others. A trial whose loss is
higher is rejected: the step is taken again from the same θ, with what L̂ has become. It costs its pass, no more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, curvature, no_prox, vector_norm
from dgd.solvers.steps.progress import NO_PROGRESS, Progress, rose

PROBE = 0.5
"""The first η: 1/L of a single column of unit variance."""
SHORTEST = 1e-3
"""No rejected trial shortens the next one by more than this."""
REGROWTH = 10.0
"""Factor by which η returns to 1/L̂, per step, after a trial that was too far away to measure L."""
TRUSTED_CHANGE = 1e-9
"""A gradient change below this part of the first gradient is too near rounding to estimate L from."""
ROUNDINGS = 100.0
"""The same, in units of what rounding may make of a gradient."""
NOT_FINITE = "the loss at the start is not finite: rescale the columns or the target"


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """η = 1/L̂ and what it was learnt from."""

    eta: float = PROBE
    L: float = 0.0
    cap: float = math.inf
    """η may not exceed this: it grows from the last trial that was far too long."""
    first_norm: float = 0.0
    rejected: int = 0

    def accepted(self, before: Evaluation, after: Evaluation) -> Self:
        """After a step that was taken."""
        L, cap = self._seen(before, after), self.cap * REGROWTH
        return replace(self, L=L, cap=cap, eta=min(1 / L, cap) if L > 0 else self.eta)

    def refused(self, before: Evaluation, after: Evaluation) -> Self:
        """After a trial that was rejected: L̂ is learnt from it only where f is like a quadratic as far as that."""
        estimate = replace(self, rejected=self.rejected + 1)
        if not after.finite:
            return replace(estimate, eta=self.eta * SHORTEST, cap=self.eta * SHORTEST)
        if like_a_quadratic(before, after):
            L = self._seen(before, after)
            return replace(estimate, L=L, eta=min(1 / L, self.eta / 2) if L > 0 else self.eta / 2)
        L = curvature(before, after)
        eta = max(min(1 / L if L > 0 else math.inf, self.eta / 2), self.eta * SHORTEST)
        return replace(estimate, eta=eta, cap=eta)

    def _seen(self, before: Evaluation, after: Evaluation) -> float:
        change = after.gradient - before.gradient
        least = max(TRUSTED_CHANGE * self.first_norm, ROUNDINGS * after.rounding)
        if float(abs(change).max(initial=0.0)) <= least / math.sqrt(max(change.size, 1)):
            return self.L
        return max(self.L, curvature(before, after))

    @property
    def words(self) -> str:
        """η, and what it cost to find."""
        if not self.rejected:
            return f"learning rate {self.eta:.3g}, found without a rejected trial"
        passes = "1 pass" if self.rejected == 1 else f"{self.rejected} passes"
        return f"learning rate {self.eta:.3g}, found at the cost of {passes} on rejected trials"


NO_ESTIMATE = StepEstimate()
"""Before the first evaluation."""


def like_a_quadratic(before: Evaluation, after: Evaluation) -> bool:
    """Whether f(b) − f(a) = ½ (∇f(a) + ∇f(b))ᵀ(b − a) to a tenth of the second-order term."""
    step = after.point - before.point
    with np.errstate(over="ignore", invalid="ignore"):
        second_order = 0.5 * float((after.gradient - before.gradient) @ step)
        excess = after.smooth_value - before.smooth_value - float(before.gradient @ step)
    return abs(excess - second_order) <= 0.1 * abs(second_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeStepState(State):
    """The last accepted θ with its evaluation, the trial beyond it, and the estimate of L."""

    trial: Vector
    step: StepEstimate = NO_ESTIMATE
    progress: Progress = NO_PROGRESS

    @property
    def advice(self) -> str:
        """The learning rate that was found."""
        return self.note or ("" if self.best is None else self.step.words)

    @property
    def rejected(self) -> int:
        """Trials that were rejected."""
        return self.step.rejected


@dataclass(frozen=True, slots=True)
class SafeStep(Solver):
    """Gradient descent with an estimated, guarded learning rate: `learning_rate="auto"`."""

    name: ClassVar[str] = "gd"

    def init(self, start: Vector, *, tol: float = 0.0) -> SafeStepState:
        """Begin at θ₀."""
        return SafeStepState(point=start, trial=start)

    def ask(self, state: SafeStepState) -> Vector:
        """The trial prox(θ − η ∇f(θ), η)."""
        return state.trial

    def tell(self, state: SafeStepState, evaluation: Evaluation, prox: Prox = no_prox) -> SafeStepState:
        """Accept or reject the trial, learn L from it, and make the next."""
        best = state.best
        if best is None:
            return self._first(state, evaluation, prox)
        if not evaluation.finite:
            return self._retry(state, best, evaluation, prox)
        state = replace(state, progress=state.progress.after(evaluation))
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        if rose(evaluation.value, best.value, evaluation.value_rounding):
            return self._retry(state, best, evaluation, prox)
        step = state.step.accepted(best, evaluation)
        return replace(
            state,
            best=evaluation,
            point=evaluation.point,
            accepted=True,
            step=step,
            learning_rate=step.eta,
            trial=prox_step(prox, evaluation, step.eta),
        )

    def _first(self, state: SafeStepState, evaluation: Evaluation, prox: Prox) -> SafeStepState:
        if not evaluation.finite:
            return replace(state, status=Status.DIVERGED, note=NOT_FINITE)
        return replace(
            state,
            best=evaluation,
            step=replace(state.step, first_norm=vector_norm(evaluation.gradient)),
            trial=prox_step(prox, evaluation, PROBE),
            learning_rate=PROBE,
            progress=state.progress.after(evaluation),
        )

    def _retry(self, state: SafeStepState, best: Evaluation, evaluation: Evaluation, prox: Prox) -> SafeStepState:
        step = state.step.refused(best, evaluation)
        state = replace(state, step=step, accepted=False, learning_rate=0.0)
        trial = prox_step(prox, best, step.eta)
        if not (np.isfinite(trial).all() and (trial != best.point).any()):
            return replace(state, status=Status.STALLED)
        return replace(state, trial=trial)


def prox_step(prox: Prox, evaluation: Evaluation, eta: float) -> Vector:
    """prox(θ − η ∇f(θ), η)."""
    return prox(evaluation.point - eta * evaluation.gradient, eta)
