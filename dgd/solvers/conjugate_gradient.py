"""Conjugate gradients on a quadratic, at one pass per iteration.

    α = −gᵀp / pᵀHp        θ ← θ + α p        g₊ = g + α Hp        β = g₊ᵀ(g₊ − g) / gᵀg        p ← −g₊ + β p

for a quadratic f with Hessian H, here 2/m XᵀX plus l2. With a metric M near H directions are made of M⁻¹g. Hestenes and
Stiefel (1952), Methods of conjugate gradients for solving linear systems; β in the form of Polak and Ribière (1969),
which recovers where rounding has cost conjugacy.
The pass evaluates the gradient at the trial t = θ + s p, and Hp = (∇f(t) − g)/s. So g mixes true gradients,

    g₊ = (1 − ρ) g + ρ ∇f(t),        ρ = α/s,

and its error is multiplied by |1 − ρ| at each step: s is the longest step so far, so that ρ ≤ 1 and errors fade. With
the previous step in its place, a short step before a long one would magnify them. The pass is made at θ itself where
‖g‖ has fallen to what the fit ends at, where the error may be a tenth of ‖g‖, and every `RESTATE` steps: convergence is
only ever seen on a true gradient. Where H is singular, steps stay in its range: θ₀ = 0 leads to the least-norm minimum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox, vector_norm
from dgd.solvers.steps.metric import Metric
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

RESTATE = 100
FIRST_PROBE = 0.5
DOUBT = 0.1
"""The error of g, relative to ‖g‖, at which the true gradient is worth a pass."""
DRIFT = 1e-3
"""The error of g found by that pass, relative to ‖g‖, at which conjugacy is given up."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""The error of a gradient, relative to the largest gradient that it is compared with; more once more is seen."""
IDLE = 3
"""True gradients in a row without descent that mean rounding level."""
SINGLE_STEPS = 10
"""True gradients in a row, each due after one step, that mean rounding level."""
LONG = 10
"""A first step this many times as long as the guessed trial is measured again, at its own length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConjugateState(State):
    """θ with its loss and gradient, carried by the recurrence since they were last evaluated, and the direction p."""

    tol: float
    value: float = math.nan
    gradient: Vector | None = None
    direction: Vector | None = None
    probe: float = FIRST_PROBE
    """s, the trial's length in units of p."""
    guess: bool = True
    """Whether s is a guess, no step being known."""
    remeasured: bool = False
    """Whether a trial was made again, at its step's own length."""
    due: bool = True
    """Whether θ itself is evaluated next."""
    error: float = 0.0
    """Bound on the error of the carried gradient."""
    rounding: float = ROUNDING
    first_norm: float = 0.0
    steps: int = 0
    since: int = 0
    """Steps since θ was last evaluated."""
    singles: int = 0
    """True gradients in a row that were due after one step."""
    restarts: int = 0
    progress: Progress = NO_PROGRESS
    metric: Metric | None = None
    """M near H: gradients are turned by its inverse."""


@dataclass(frozen=True, slots=True)
class ConjugateGradient(Solver):
    """Conjugate gradients, for the squared loss alone or with l2."""

    name: ClassVar[str] = "cg"
    smooth_only: ClassVar[bool] = True
    quadratic_only: ClassVar[bool] = True

    def init(self, start: Vector, *, tol: float = 0.0) -> ConjugateState:
        """Begin at θ₀."""
        return ConjugateState(point=start, tol=tol)

    def with_metric(self, state: ConjugateState, evaluation: Evaluation, metric: Metric) -> ConjugateState:
        """The first evaluation told, with a metric: the method is then preconditioned by it."""
        return self.tell(replace(state, metric=metric), evaluation)

    def ask(self, state: ConjugateState) -> Vector:
        """θ itself when its true gradient is due, else the trial t = θ + s p."""
        if state.due or state.direction is None:
            return state.point
        return state.point + state.probe * state.direction

    def tell(self, state: ConjugateState, evaluation: Evaluation, prox: Prox = no_prox) -> ConjugateState:
        """Take the step that the trial reveals, or the true gradient."""
        if state.due or state.gradient is None or state.direction is None:
            return _restate(state, evaluation)
        if not evaluation.finite:
            return _shorten(state, state.direction)
        g, p = state.gradient, state.direction
        norm = vector_norm(p)
        u = p / norm
        Hu = (evaluation.gradient - g) / (state.probe * norm)
        slope, curvature = float(g @ u), float(u @ Hu)
        if not (curvature > 0 and math.isfinite(slope / curvature)):
            return _flat(state)
        length = -slope / curvature
        alpha = length / norm
        if state.guess and alpha > LONG * state.probe and not state.remeasured:
            return replace(state, probe=alpha, guess=False, remeasured=True, learning_rate=0.0, accepted=False)
        return _stepped(
            replace(state, point=state.point + length * u, value=state.value + 0.5 * length * slope),
            gradient=g + length * Hu,
            alpha=alpha,
            error=_error(state, evaluation, alpha / state.probe),
        )


def _error(state: ConjugateState, evaluation: Evaluation, rho: float) -> float:
    """Bound on the error of g₊ = (1 − ρ) g + ρ ∇f(t)."""
    return abs(1 - rho) * state.error + rho * state.rounding * max(state.first_norm, evaluation.grad_norm)


def _stepped(state: ConjugateState, gradient: Vector, alpha: float, error: float) -> ConjugateState:
    """After a step of α p, which led to this gradient: the next direction and trial."""
    assert state.gradient is not None
    assert state.direction is not None
    before, norm = vector_norm(state.gradient), vector_norm(gradient)
    turned = _turned(state, gradient)
    if state.metric is None:
        beta = max(0.0, float((gradient / before) @ ((gradient - state.gradient) / before)))
    else:
        along = float((_turned(state, state.gradient) / before) @ (state.gradient / before))
        beta = max(0.0, float((turned / before) @ ((gradient - state.gradient) / before)) / along)
    since = state.since + 1
    return replace(
        state,
        gradient=gradient,
        direction=-turned + beta * state.direction,
        learning_rate=alpha,
        accepted=True,
        probe=alpha if state.guess else max(alpha, state.probe),
        guess=False,
        error=error,
        steps=state.steps + 1,
        since=since,
        due=norm <= state.tol * state.first_norm or error > DOUBT * norm or since >= RESTATE,
    )


def _turned(state: ConjugateState, gradient: Vector) -> Vector:
    """M⁻¹g; g itself without a metric."""
    return gradient if state.metric is None else state.metric.solve(gradient)


def _restate(state: ConjugateState, evaluation: Evaluation) -> ConjugateState:
    """Replace the carried gradient by the true one, and p by −g where they differ notably."""
    if not evaluation.finite:
        advice = "the loss at this point is not finite: rescale the columns or the target"
        return replace(state, learning_rate=0.0, accepted=False, status=Status.DIVERGED, note=advice)
    g, norm = evaluation.gradient, evaluation.grad_norm
    best = evaluation if state.best is None or norm <= state.best.grad_norm else state.best
    first_norm, rounding, restarts = state.first_norm or norm, state.rounding, state.restarts
    direction = -_turned(state, g)
    if state.gradient is not None and state.direction is not None:
        drift = vector_norm(g - state.gradient)
        rounding *= max(1.0, drift / state.error) if state.error > 0 else 1.0
        carried = (
            state.direction + _turned(state, state.gradient - g)
            if state.metric
            else state.direction + state.gradient - g
        )
        if drift <= DRIFT * norm and float(g @ carried) < 0:
            direction = carried
        else:
            restarts += 1
    state = replace(
        state,
        value=evaluation.value,
        gradient=g,
        direction=direction,
        first_norm=first_norm,
        rounding=rounding,
        error=rounding * first_norm,
        restarts=restarts,
        singles=state.singles + 1 if state.since == 1 else 0,
        since=0,
        due=False,
        learning_rate=0.0,
        accepted=False,
        best=best,
        progress=state.progress.after(evaluation),
        note=_advice(state.steps, restarts),
    )
    hidden = norm == 0 or state.progress.idle >= IDLE or state.singles >= SINGLE_STEPS
    return _stalled(state) if hidden else state


def _advice(steps: int, restarts: int) -> str:
    if not restarts:
        return f"{steps} conjugate steps"
    return f"{steps} conjugate steps, restarted {'once' if restarts == 1 else f'{restarts} times'} because of rounding"


def _stalled(state: ConjugateState) -> ConjugateState:
    """No descent is left: end at the evaluated iterate of least gradient."""
    assert state.best is not None
    return replace(
        state,
        point=state.best.point,
        value=state.best.value,
        learning_rate=0.0,
        accepted=False,
        status=Status.STALLED,
    )


def _shorten(state: ConjugateState, direction: Vector) -> ConjugateState:
    """The trial overflowed: try a far shorter one."""
    probe = state.probe * 1e-3
    if not (state.point + probe * direction != state.point).any():
        return _stalled(state)
    return replace(state, probe=probe, guess=True, learning_rate=0.0, accepted=False)


def _flat(state: ConjugateState) -> ConjugateState:
    """Along p the curvature is rounding: evaluate θ once, and stop if that changes nothing."""
    if state.since == 0:
        return _stalled(state)
    return replace(state, due=True, learning_rate=0.0, accepted=False)
