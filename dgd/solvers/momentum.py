"""Gradient descent with momentum (heavy ball): each step adds β times the previous one.

    θₖ₊₁ = θₖ − η ∇f(θₖ) + β (θₖ − θₖ₋₁)

On a quadratic it converges for 0 < η < 2 (1 + β)/L, in about 1/(1 − β) times fewer passes than without momentum, as
long as small curvature is what slows it. Polyak (1964), Some methods of speeding up the convergence of iteration
methods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, curvature, no_prox, vector_norm
from dgd.solvers.gradient_descent import safe_rate
from dgd.solvers.safe_step import NO_ESTIMATE, NOT_FINITE, StepEstimate
from dgd.solvers.steps.progress import NO_PROGRESS, NO_RISES, PATIENCE, SUSTAINED_RISES, Progress, Rises, rose

BETA = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentumState(State):
    """θ after the last step, and the evaluation one step before: its point is θₖ₋₁ of the next step."""

    value_is_of_point: ClassVar[bool] = False

    rises: Rises = NO_RISES
    L: float = 0.0
    progress: Progress = NO_PROGRESS


@dataclass(frozen=True, slots=True)
class Momentum(Solver):
    """The heavy ball with the fixed learning rate η."""

    name: ClassVar[str] = "momentum"
    smooth_only: ClassVar[bool] = True

    learning_rate: float
    beta: float = BETA

    def __post_init__(self) -> None:
        check_rate(self.learning_rate, "momentum")
        check_beta(self.beta)

    def init(self, start: Vector, *, tol: float = 0.0) -> MomentumState:
        """Begin at θ₀, at rest."""
        # An oscillation lasts about 1/(1 − β) passes; the loss may rise through half of one.
        patience = max(PATIENCE, math.ceil(5 / (1 - self.beta)))
        return MomentumState(point=start, progress=Progress(patience=patience))

    def tell(self, state: MomentumState, evaluation: Evaluation, prox: Prox = no_prox) -> MomentumState:
        """θₖ₊₁, unless the loss says that this leads nowhere."""
        if not evaluation.finite:
            return self._diverged(state, "the loss is no longer finite")
        last = state.best
        if last is not None:
            L = max(state.L, curvature(last, evaluation))
            state = replace(state, L=L, rises=state.rises.after(last.value, evaluation.value))
        state = replace(state, best=evaluation, progress=state.progress.after(evaluation))
        if state.rises.diverged(evaluation.value, max(SUSTAINED_RISES, math.ceil(2 / (1 - self.beta)))):
            what = f"the loss rose {state.rises.count} passes in a row, to {evaluation.value:.6g}"
            return self._diverged(state, what)
        if state.progress.stalled:
            return replace(state, point=evaluation.point, learning_rate=0.0, status=Status.STALLED)
        point = evaluation.point - self.learning_rate * evaluation.gradient
        if last is not None:
            point = point + self.beta * (evaluation.point - last.point)
        return replace(state, point=point, learning_rate=self.learning_rate)

    def _diverged(self, state: MomentumState, what: str) -> MomentumState:
        """Keep the last finite θ, and say which learning rate would have been safe."""
        safe = safe_rate(self.learning_rate, 2 * (1 + self.beta), state.L)
        return replace(
            state,
            point=state.point if state.best is None else state.best.point,
            learning_rate=0.0,
            status=Status.DIVERGED,
            note=f"{what} with learning rate {self.learning_rate:g}{safe}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeMomentumState(State):
    """The last accepted θ with its evaluation, the step that led there, and the trial beyond it."""

    trial: Vector
    velocity: Vector
    """θₖ − θₖ₋₁; 0 after a restart."""
    step: StepEstimate = NO_ESTIMATE
    restarts: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def advice(self) -> str:
        """The learning rate that was found."""
        if self.note or self.best is None:
            return self.note
        return f"{self.step.words}; momentum restarted {self.restarts} times"


@dataclass(frozen=True, slots=True)
class SafeMomentum(Solver):
    """The heavy ball with η = 1/L̂ as in `safe_step`: where the loss rises it goes back and starts again from rest."""

    name: ClassVar[str] = "momentum"
    smooth_only: ClassVar[bool] = True

    beta: float = BETA

    def __post_init__(self) -> None:
        check_beta(self.beta)

    def init(self, start: Vector, *, tol: float = 0.0) -> SafeMomentumState:
        """Begin at θ₀, at rest."""
        return SafeMomentumState(point=start, trial=start, velocity=np.zeros_like(start))

    def ask(self, state: SafeMomentumState) -> Vector:
        """The trial θ − η ∇f(θ) + β (θ − θ_before)."""
        return state.trial

    def tell(self, state: SafeMomentumState, evaluation: Evaluation, prox: Prox = no_prox) -> SafeMomentumState:
        """Accept the trial, or drop the momentum, or without any take a shorter step."""
        best = state.best
        if best is None:
            return self._first(state, evaluation)
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        if not evaluation.finite or rose(evaluation.value, best.value, evaluation.value_rounding):
            return self._retry(state, best, evaluation)
        state = replace(
            state,
            best=evaluation,
            point=evaluation.point,
            velocity=evaluation.point - best.point,
            step=state.step.accepted(best, evaluation),
        )
        return self._move(state, evaluation)

    def _first(self, state: SafeMomentumState, evaluation: Evaluation) -> SafeMomentumState:
        if not evaluation.finite:
            return replace(state, status=Status.DIVERGED, note=NOT_FINITE)
        step = replace(state.step, first_norm=vector_norm(evaluation.gradient))
        return self._move(
            replace(state, best=evaluation, step=step, progress=state.progress.after(evaluation)), evaluation
        )

    def _move(self, state: SafeMomentumState, best: Evaluation) -> SafeMomentumState:
        eta = state.step.eta
        trial = best.point - eta * best.gradient + self.beta * state.velocity
        return replace(state, trial=trial, learning_rate=eta, accepted=True)

    def _retry(self, state: SafeMomentumState, best: Evaluation, evaluation: Evaluation) -> SafeMomentumState:
        if state.velocity.any():
            state = replace(state, velocity=np.zeros_like(best.point), restarts=state.restarts + 1)
        else:
            state = replace(state, step=state.step.refused(best, evaluation))
        state = replace(self._move(state, best), learning_rate=0.0, accepted=False)
        if not (np.isfinite(state.trial).all() and (state.trial != best.point).any()):
            return replace(state, status=Status.STALLED)
        return state


def check_rate(rate: object, solver: str) -> None:
    """Refuse anything but a positive number."""
    if not (isinstance(rate, (int, float, np.floating)) and math.isfinite(rate) and rate > 0):
        raise ConfigurationError(
            f"`fit(learning_rate=...)` must be a positive number or 'auto' for solver={solver!r}, got {rate!r}"
        )


def check_beta(beta: float) -> None:
    """Refuse momentum that would not decay."""
    if not 0 <= beta < 1:
        raise ConfigurationError(f"`Momentum(beta=...)` must be at least 0 and below 1, got {beta!r}")
