"""Nesterov's accelerated gradient: a gradient step from a point further along the last step than θ itself.

    xₖ₊₁ = prox(yₖ − η ∇f(yₖ), η)                       y₀ = x₀, t₀ = 1
    yₖ₊₁ = xₖ₊₁ + (tₖ − 1)/tₖ₊₁ (xₖ₊₁ − xₖ)             tₖ₊₁ = (1 + √(1 + 4 tₖ²))/2

with η = 1/L, about √κ instead of κ passes. Nesterov (1983), A method for solving the convex programming problem with
convergence rate O(1/k²); with a prox it is FISTA, Beck and Teboulle (2009), A fast iterative shrinkage-thresholding
algorithm. The momentum starts again, t = 1, where it points uphill, (yₖ − xₖ₊₁)ᵀ(xₖ₊₁ − xₖ) > 0, or the loss rises:
O'Donoghue and Candès (2015), Adaptive restart for accelerated gradient schemes; so κ need not be known.

With "auto" the same restarts allow more: the whole last step is made again, yₖ₊₁ = xₖ₊₁ + (xₖ₊₁ − xₖ), with η = 1.2/L̂,
which is a quarter fewer passes: Liang, Luo and Schönlieb (2022), Improving FISTA: faster, smarter, and greedier. L̂ is
that of `safe_step`. A momentum-free step that raises the loss is rejected and taken again, shorter.

Evaluations are made at y, which is kept where g is finite by prox(y, 0). Once the step ‖yₖ − xₖ₊₁‖/η is small enough,
xₖ₊₁ itself is evaluated: only there is it seen whether the fit has converged, with the zeros of the prox kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, curvature, no_prox, vector_norm
from dgd.solvers.gradient_descent import safe_rate
from dgd.solvers.momentum import check_rate
from dgd.solvers.safe_step import NO_ESTIMATE, NOT_FINITE, StepEstimate, prox_step
from dgd.solvers.steps.progress import NO_PROGRESS, NO_RISES, Progress, Rises, rose

LONGER = 1.2
"""η L̂ with "auto"; stable below 4/3, the more so as L̂ is at most L."""
LATER = 0.5
"""An iterate evaluated too early is evaluated again when the step has shrunk by this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NesterovState(State):
    """The iterate x, the point y to evaluate next, and the evaluation at the last y, which x was a step from."""

    value_is_of_point: ClassVar[bool] = False

    trial: Vector
    """What to evaluate: y, or x itself."""
    tol: float = 0.0
    t: float = 1.0
    step: StepEstimate = NO_ESTIMATE
    small: float = 0.0
    """The step per η at which x is to be evaluated."""
    after_check: Vector | None = None
    """The y that waits while x is evaluated."""
    rises: Rises = NO_RISES
    progress: Progress = NO_PROGRESS

    @property
    def advice(self) -> str:
        """The learning rate that was found."""
        return self.note or ("" if self.best is None else self.step.words)


@dataclass(frozen=True, slots=True)
class Nesterov(Solver):
    """Accelerated gradient with adaptive restart; learning_rate: 1/L, or "auto" to estimate it on the way."""

    name: ClassVar[str] = "nesterov"

    learning_rate: float | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.learning_rate != "auto":
            check_rate(self.learning_rate, self.name)

    def init(self, start: Vector, *, tol: float = 0.0) -> NesterovState:
        """Begin at x₀ = y₀ = θ₀."""
        step = NO_ESTIMATE if self.learning_rate == "auto" else StepEstimate(eta=self.learning_rate)
        return NesterovState(point=start, trial=start, tol=tol, step=step)

    def ask(self, state: NesterovState) -> Vector:
        """yₖ; or xₖ, where it may have converged."""
        return state.trial

    def tell(self, state: NesterovState, evaluation: Evaluation, prox: Prox = no_prox) -> NesterovState:
        """Step from y, restart or shorten the step; or, after a look at x, go on to the y that waits."""
        base = state.best
        if base is None:
            return self._first(state, evaluation, prox)
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        if state.progress.stalled:
            return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED)
        if state.after_check is not None:
            return replace(state, trial=state.after_check, after_check=None, learning_rate=0.0, accepted=False)
        if self.learning_rate != "auto":
            return self._given(state, base, evaluation, prox)
        if not evaluation.finite or rose(evaluation.value, base.value, evaluation.value_rounding):
            return self._retry(state, base, evaluation, prox)
        return self._move(replace(state, step=state.step.accepted(base, evaluation)), evaluation, prox)

    def _first(self, state: NesterovState, evaluation: Evaluation, prox: Prox) -> NesterovState:
        if not evaluation.finite:
            return replace(state, status=Status.DIVERGED, note=NOT_FINITE)
        state = replace(
            state,
            step=replace(state.step, first_norm=vector_norm(evaluation.gradient)),
            small=max(state.tol * evaluation.grad_norm, evaluation.rounding),
            progress=state.progress.after(evaluation),
        )
        return self._move(state, evaluation, prox)

    def _move(self, state: NesterovState, evaluation: Evaluation, prox: Prox) -> NesterovState:
        """The step from y, and the next y; first a look at x where the step is small."""
        auto, y = self.learning_rate == "auto", evaluation.point
        eta = state.step.eta * (LONGER if auto and state.step.L > 0 else 1)
        x = prox_step(prox, evaluation, eta)
        moved = x - state.point
        with np.errstate(over="ignore", invalid="ignore"):
            t = 1.0 if float((y - x) @ moved) > 0 else state.t
        following = (1 + math.sqrt(1 + 4 * t * t)) / 2
        beta = float(t > 1) if auto else (t - 1) / following
        trial = prox(x + beta * moved, 0.0)
        state = replace(state, point=x, trial=trial, best=evaluation, t=following, learning_rate=eta, accepted=True)
        step = vector_norm(y - x) / eta
        if step > state.small or prox is no_prox or (trial == x).all():
            return state
        return replace(state, small=LATER * step, trial=x, after_check=trial)

    def _retry(self, state: NesterovState, base: Evaluation, evaluation: Evaluation, prox: Prox) -> NesterovState:
        """The loss rose: drop the momentum and evaluate x; or, if that is what rose, take a shorter step."""
        state = replace(state, t=1.0, learning_rate=0.0, accepted=False)
        if (state.trial != state.point).any():
            return replace(state, trial=state.point)
        step = state.step.refused(base, evaluation)
        x = prox_step(prox, base, step.eta)
        if not (np.isfinite(x).all() and (x != base.point).any()):
            return replace(state, step=step, point=base.point, status=Status.STALLED)
        return replace(state, step=step, point=x, trial=x)

    def _given(self, state: NesterovState, base: Evaluation, evaluation: Evaluation, prox: Prox) -> NesterovState:
        """The step of given length, whatever it leads to; momentum restarts where the loss rose."""
        L = max(state.step.L, curvature(base, evaluation))
        state = replace(state, step=replace(state.step, L=L))
        what = "the loss is no longer finite"
        if evaluation.finite:
            state = replace(state, rises=state.rises.after(base.value, evaluation.value))
            if not state.rises.diverged(evaluation.value):
                t = 1.0 if state.rises.count else state.t
                return self._move(replace(state, t=t), evaluation, prox)
            what = f"the loss rose {state.rises.count} passes in a row, to {evaluation.value:.6g}"
        eta = state.step.eta
        return replace(
            state,
            point=base.point,
            learning_rate=0.0,
            status=Status.DIVERGED,
            note=f"{what} with learning rate {eta:g}{safe_rate(eta, 1.0, L)}",
        )
