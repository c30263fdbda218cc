"""Gradient descent with a backtracking line search: the step is halved until the loss falls far enough.

    θ⁺ = prox(θ − η ∇f(θ), η)     is taken if     f(θ⁺) ≤ f(θ) + ∇f(θ)ᵀ(θ⁺ − θ) + 1/(2η) ‖θ⁺ − θ‖²

which is Armijo's condition where there is no prox. Beck and Teboulle (2009), A fast iterative shrinkage-thresholding
algorithm. After every accepted step a longer one is tried, so that η follows the curvature along the path, which is
mostly below L. Where rounding hides the difference of losses, the same is asked of the gradients (Hager and Zhang 2005,
A new conjugate gradient method with guaranteed descent):

    (∇f(θ⁺) − ∇f(θ))ᵀ(θ⁺ − θ) ≤ 1/η ‖θ⁺ − θ‖²
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, curvature, no_prox
from dgd.solvers.safe_step import NOT_FINITE, PROBE, SHORTEST, prox_step
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

LONGER = 1.5
"""The factor by which η grows after an accepted step."""
FAR = 16.0
"""If η is so many times the inverse of the measured curvature, it goes there at once: halving would take long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktrackingState(State):
    """The last accepted θ with its evaluation, and the trial beyond it."""

    trial: Vector
    eta: float = PROBE
    """The length of the trial's step."""
    rejected: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def advice(self) -> str:
        """The last learning rate, and the passes spent on rejected trials."""
        if self.note or self.best is None:
            return self.note
        passes = "1 pass" if self.rejected == 1 else f"{self.rejected} passes"
        return f"learning rate {self.eta:.3g} at the end; {passes} on rejected trials"


@dataclass(frozen=True, slots=True)
class Backtracking(Solver):
    """Gradient descent with a backtracking line search: `learning_rate="backtracking"`."""

    name: ClassVar[str] = "gd-backtracking"

    @property
    def argument(self) -> str:
        """The argument of `fit` that asks for it."""
        return "learning_rate='backtracking'"

    def init(self, start: Vector, *, tol: float = 0.0) -> BacktrackingState:
        """Begin at θ₀."""
        return BacktrackingState(point=start, trial=start)

    def ask(self, state: BacktrackingState) -> Vector:
        """The trial prox(θ − η ∇f(θ), η)."""
        return state.trial

    def tell(self, state: BacktrackingState, evaluation: Evaluation, prox: Prox = no_prox) -> BacktrackingState:
        """Take the trial if the loss fell enough, and try a longer step; else halve."""
        best = state.best
        if best is None and not evaluation.finite:
            return replace(state, status=Status.DIVERGED, note=NOT_FINITE)
        if best is not None and not evaluation.finite:
            return self._shorter(state, best, prox, SHORTEST)
        state = replace(state, progress=state.progress.after(evaluation))
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        if best is not None and not sufficient(best, evaluation, state.eta):
            far = curvature(best, evaluation) * state.eta
            return self._shorter(state, best, prox, 0.5 if far < FAR else max(1 / far, SHORTEST))
        eta = state.eta if best is None else state.eta * LONGER
        return replace(
            state,
            best=evaluation,
            point=evaluation.point,
            trial=prox_step(prox, evaluation, eta),
            eta=eta,
            learning_rate=eta,
            accepted=True,
        )

    def _shorter(self, state: BacktrackingState, best: Evaluation, prox: Prox, factor: float) -> BacktrackingState:
        """Reject the trial and make a shorter one from the same θ."""
        eta = state.eta * factor
        trial = prox_step(prox, best, eta)
        stuck = not (np.isfinite(trial).all() and (trial != best.point).any())
        return replace(
            state,
            trial=trial,
            eta=eta,
            rejected=state.rejected + 1,
            learning_rate=0.0,
            accepted=False,
            status=Status.STALLED if stuck else None,
        )


def sufficient(before: Evaluation, after: Evaluation, eta: float) -> bool:
    """Whether the curvature of f along a step is at most 1/η: by values, or by gradients where values are rounding."""
    step = after.point - before.point
    with np.errstate(over="ignore", invalid="ignore"):
        allowed = 0.5 / eta * float(step @ step)
        rise = after.smooth_value - before.smooth_value - float(before.gradient @ step)
        change = float((after.gradient - before.gradient) @ step)
    if not (math.isfinite(allowed) and math.isfinite(rise)):
        return False
    if allowed > before.value_rounding * abs(before.value):
        return rise <= allowed
    return change <= 2 * allowed
