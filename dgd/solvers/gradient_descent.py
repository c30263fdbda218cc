"""Batch gradient descent with a given learning rate: the textbook's iteration.

    θ ← θ − η ∇f(θ)                     and with a penalty g that has a prox        θ ← prox(θ − η ∇f(θ), η)

It converges for 0 < η < 2/L, where L is the largest curvature, λmax(2/m XᵀX) for the mean squared error. η is a number,
or a schedule: a function of the iteration t = 0, 1, 2, …
Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, curvature, no_prox
from dgd.solvers.steps.progress import NO_PROGRESS, NO_RISES, Progress, Rises
from dgd.solvers.steps.schedules import Schedule, rate_at

RATES = "a positive number, a schedule, 'auto', 'exact' or 'backtracking'"


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientDescentState(State):
    """θ after the last step, the evaluation one step before, and what tells divergence from descent."""

    value_is_of_point: ClassVar[bool] = False

    t: int = 0
    """Steps made."""
    rises: Rises = NO_RISES
    L: float = 0.0
    """The largest curvature seen along a step."""
    progress: Progress = NO_PROGRESS


@dataclass(frozen=True, slots=True)
class GradientDescent(Solver):
    """Gradient descent with the learning rate η, fixed or a schedule."""

    name: ClassVar[str] = "gd"

    learning_rate: float | Schedule

    def __post_init__(self) -> None:
        rate = self.learning_rate
        if not callable(rate) and not (
            isinstance(rate, (int, float, np.floating)) and math.isfinite(rate) and rate > 0
        ):
            raise ConfigurationError(f"`fit(learning_rate=...)` must be {RATES}, got {rate!r}")

    def init(self, start: Vector, *, tol: float = 0.0) -> GradientDescentState:
        """Begin at θ₀."""
        return GradientDescentState(point=start)

    def tell(self, state: GradientDescentState, evaluation: Evaluation, prox: Prox = no_prox) -> GradientDescentState:
        """θₖ₊₁ = prox(θₖ − η ∇f(θₖ), η), unless the loss says that this leads nowhere."""
        if not evaluation.finite:
            return self._diverged(state, "the loss is no longer finite")
        if state.best is not None:
            state = replace(
                state,
                L=max(state.L, curvature(state.best, evaluation)),
                rises=state.rises.after(state.best.value, evaluation.value),
            )
        state = replace(state, best=evaluation, progress=state.progress.after(evaluation))
        if state.rises.diverged(evaluation.value):
            what = f"the loss rose {state.rises.count} passes in a row, to {evaluation.value:.6g}"
            return self._diverged(state, what)
        if state.progress.stalled:
            return replace(state, point=evaluation.point, learning_rate=0.0, status=Status.STALLED)
        eta = self._rate(state.t)
        point = prox(evaluation.point - eta * evaluation.gradient, eta)
        return replace(state, point=point, learning_rate=eta, t=state.t + 1)

    def _rate(self, t: int) -> float:
        if not callable(self.learning_rate):
            return self.learning_rate
        return rate_at(self.learning_rate, t, call=f"fit(learning_rate={self.learning_rate!r})")

    def _diverged(self, state: GradientDescentState, what: str) -> GradientDescentState:
        """Keep the last finite θ, and say which learning rate would have been safe."""
        eta = self._rate(max(state.t - 1, 0))
        return replace(
            state,
            point=state.point if state.best is None else state.best.point,
            learning_rate=0.0,
            status=Status.DIVERGED,
            note=f"{what} with learning rate {eta:g}{safe_rate(eta, 2.0, state.L)}",
        )


def safe_rate(eta: float, multiple: float, L: float) -> str:
    """The largest safe learning rate, multiple/L, in words; nothing where η is below it."""
    if L > 0 and eta > multiple / L:
        return f"; the largest safe learning rate is about {multiple / L:.3g}"
    return ""
