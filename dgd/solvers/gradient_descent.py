"""Batch gradient descent with a learning rate that is given: the textbook's iteration, to the letter.

    θ ← θ − η ∇f(θ)

It converges for 0 < η < 2/L, where L is the largest curvature, λmax(2/m XᵀX) for the mean squared error.
Cauchy (1847), Méthode générale pour la résolution des systèmes d'équations simultanées.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Status, Vector, curvature
from dgd.solvers.progress import NO_PROGRESS, Progress

SUSTAINED_RISES = 20
LEAST_RISE = 1e-6


@dataclass(frozen=True, slots=True)
class GradientDescentState:
    """θ after the last step, and what tells divergence from descent."""

    point: Vector
    learning_rate: float = 0.0
    accepted: bool = True
    status: Status | None = None
    advice: str = ""
    last: Evaluation | None = None
    """The last finite evaluation."""
    rises: int = 0
    """Evaluations in a row at which the loss was higher than at the one before."""
    rise_from: float = math.inf
    """The loss before those rises."""
    L: float = 0.0
    """The largest curvature seen along a step."""
    progress: Progress = NO_PROGRESS

    @property
    def value(self) -> float:
        """f at the last finite evaluation: one step before `point`."""
        return math.nan if self.last is None else self.last.value


@dataclass(frozen=True, slots=True)
class GradientDescent:
    """Gradient descent with the fixed learning rate η."""

    learning_rate: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigurationError(
                f"`fit(learning_rate=...)` must be a positive number, 'auto' or 'exact', got {self.learning_rate!r}"
            )

    def init(self, start: Vector) -> GradientDescentState:
        """Begin at θ₀."""
        return GradientDescentState(point=start)

    def ask(self, state: GradientDescentState) -> Vector:
        """θₖ."""
        return state.point

    def tell(self, state: GradientDescentState, evaluation: Evaluation) -> GradientDescentState:
        """θₖ₊₁ = θₖ − η ∇f(θₖ), unless the loss says that this leads nowhere."""
        if not evaluation.finite:
            return self._diverged(state, "the loss is no longer finite")
        L, rises, rise_from = state.L, 0, math.inf
        if state.last is not None:
            L = max(L, curvature(state.last, evaluation))
            if evaluation.value > state.last.value:
                rises = state.rises + 1
                rise_from = min(state.rise_from, state.last.value)
        state = replace(
            state,
            last=evaluation,
            L=L,
            rises=rises,
            rise_from=rise_from,
            progress=state.progress.after(evaluation),
        )
        if rises >= SUSTAINED_RISES and evaluation.value - rise_from > LEAST_RISE * abs(rise_from):
            return self._diverged(state, f"the loss rose {rises} passes in a row, to {evaluation.value:.6g}")
        if state.progress.stalled:
            return replace(state, point=evaluation.point, learning_rate=0.0, status=Status.STALLED)
        point = evaluation.point - self.learning_rate * evaluation.gradient
        return replace(state, point=point, learning_rate=self.learning_rate)

    def _diverged(self, state: GradientDescentState, what: str) -> GradientDescentState:
        """Keep the last finite θ, and say which learning rate would have been safe."""
        safe = ""
        if state.L > 0 and self.learning_rate > 2 / state.L:
            safe = f"; the largest safe learning rate is about {2 / state.L:.3g}"
        return replace(
            state,
            point=state.point if state.last is None else state.last.point,
            learning_rate=0.0,
            status=Status.DIVERGED,
            advice=f"{what} with learning rate {self.learning_rate:g}{safe}",
        )
