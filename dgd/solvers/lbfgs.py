"""Limited-memory BFGS: Newton's method with a Hessian guessed from the last steps.

    d = −B g        B ≈ H⁻¹ from the last `memory` pairs s = θ₊ − θ, y = ∇f(θ₊) − ∇f(θ)        θ ← θ + t d

B g costs 4·memory·n multiplications and no matrix: the two loops of Nocedal and Wright (2006), Numerical Optimization,
algorithm 7.4; Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization. A line search
chooses t, each of its trials a pass; t = 1 is nearly always accepted. It brackets the least value by the slopes, whose
secant is exact on a quadratic and which rounding reaches last; the terms of acceptance are those of Wolfe, and near
rounding level the approximate ones of Hager and Zhang (2005), A new conjugate gradient method with guaranteed descent
and an efficient line search.

With exact steps on a quadratic these are the iterates of conjugate gradients, whatever the memory (Nazareth 1979, A
relationship between the BFGS and conjugate gradient algorithms), and those need one pass each. So as long as every
evaluation fits a quadratic, F(t) − F(θ) = ½ (∇f(t) + ∇f(θ))ᵀ(t − θ), conjugate gradients are used; at κ = 10⁴
steps of t = 1 would need eight times their passes. Most other losses are recognised at the first trial, at no cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox, vector_norm
from dgd.solvers.conjugate_gradient import ConjugateGradient, ConjugateState
from dgd.solvers.steps.line_search import Search, search_along, steepest_search
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

TRIALS = 25
LEAST_CURVATURE = 1e-14
"""sᵀy/‖s‖‖y‖ below which a pair is rounding."""
QUADRATIC = 1e-8
"""How well an evaluation fits a quadratic, relatively to the quadratic term, to be called one."""
GRADIENT_ROUNDING = 1e-14
"""The error of a gradient, relatively to the first."""
CONJUGATE = ConjugateGradient()

Pairs = tuple[tuple[Vector, Vector], ...]
"""(s, y), the oldest first, each divided by ‖s‖."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LBFGSState(State):
    """The accepted θ with its evaluation, the pairs, and the line search under way."""

    conjugate: ConjugateState | None
    """Of conjugate gradients, while every evaluation fits a quadratic."""
    first_value: float = 0.0
    pairs: Pairs = ()
    search: Search | None = None
    steps: int = 0
    rejected: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def value(self) -> float:
        """F at `point`."""
        if self.conjugate is not None:
            return self.conjugate.value
        return math.nan if self.best is None else self.best.value


@dataclass(frozen=True, slots=True)
class LBFGS(Solver):
    """Limited-memory BFGS with the last `memory` pairs."""

    memory: int = 10

    name: ClassVar[str] = "lbfgs"
    on_quadratics: ClassVar[str] = "on a quadratic its exact steps are those of conjugate gradients, which are made"
    smooth_only: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise ConfigurationError(f"`LBFGS(memory=...)` must be at least 1, got {self.memory!r}")

    def init(self, start: Vector, *, tol: float = 0.0) -> LBFGSState:
        """Begin at θ₀."""
        return LBFGSState(point=start, conjugate=CONJUGATE.init(start, tol=tol))

    def ask(self, state: LBFGSState) -> Vector:
        """The trial θ + t d."""
        if state.conjugate is not None:
            return CONJUGATE.ask(state.conjugate)
        if state.search is None:
            return state.point
        return state.point + state.search.step * state.search.direction

    def tell(self, state: LBFGSState, evaluation: Evaluation, prox: Prox = no_prox) -> LBFGSState:
        """Accept the trial and choose the next direction, or reject it and search on."""
        best, search = state.best, state.search
        if state.conjugate is not None:
            return _conjugate(state, state.conjugate, evaluation)
        assert best is not None
        assert search is not None
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        trial = search.sample(evaluation)
        if not search.accepts(trial):
            return _rejected(state, best, search.after(trial))
        state = replace(
            state,
            pairs=with_pair(state.pairs, best, evaluation)[-self.memory :],
            point=evaluation.point,
            best=evaluation,
            learning_rate=trial.step,
            accepted=True,
            steps=state.steps + 1,
        )
        return _stalled(state) if state.progress.stalled else _turned(state, evaluation)


def _conjugate(state: LBFGSState, conjugate: ConjugateState, evaluation: Evaluation) -> LBFGSState:
    """Conjugate gradients' step; or, from an evaluation that no quadratic fits, the first search with what is known."""
    best = state.best
    if best is None:
        told = CONJUGATE.tell(conjugate, evaluation)
        probe = min(1.0, 1 / (evaluation.grad_norm or 1.0))
        return _told(replace(state, best=evaluation, first_value=evaluation.value), replace(told, probe=probe))
    lower = evaluation if evaluation.finite and evaluation.value < best.value else best
    if fits_quadratic(best, evaluation, noise=GRADIENT_ROUNDING * conjugate.first_norm):
        told = CONJUGATE.tell(conjugate, evaluation)
        # A loss that falls without curvature, as huber's far from the data, is a quadratic without a minimum.
        if told.status is not Status.STALLED or not best.value - evaluation.value > best.value_rounding * abs(
            best.value
        ):
            return _told(replace(state, best=lower), told)
    lowered = lower is evaluation
    state = replace(
        state,
        conjugate=None,
        pairs=with_pair((), best, evaluation) if evaluation.finite else (),
        best=lower,
        point=lower.point,
        learning_rate=vector_norm(evaluation.point - best.point) / best.grad_norm if lowered else 0.0,
        accepted=lowered,
        steps=state.steps + lowered,
        rejected=state.rejected + (not lowered),
        progress=state.progress.after(lower),
    )
    return _turned(state, lower)


def _told(state: LBFGSState, conjugate: ConjugateState) -> LBFGSState:
    """The state as conjugate gradients leave it."""
    return replace(
        state,
        conjugate=conjugate,
        point=conjugate.point,
        learning_rate=conjugate.learning_rate,
        accepted=conjugate.accepted,
        status=conjugate.status,
        steps=conjugate.steps,
        note=f"the loss is a quadratic: {conjugate.advice}" if conjugate.steps else conjugate.advice,
    )


def fits_quadratic(first: Evaluation, second: Evaluation, *, noise: float = 0.0) -> bool:
    """Whether F(t) − F(θ) = ½ (∇f(t) + ∇f(θ))ᵀ(t − θ), as on every quadratic, with gradients wrong by at most noise."""
    if not (first.finite and second.finite):
        return False
    step = second.point - first.point
    size = max(vector_norm(first.gradient), vector_norm(second.gradient))
    if size == 0:
        return True
    rise = 0.5 * float((first.gradient / size + second.gradient / size) @ step)
    curvature = 0.5 * float((second.gradient / size - first.gradient / size) @ step)
    rounding = (first.value_rounding * max(abs(first.value), abs(second.value)) + noise * vector_norm(step)) / size
    return abs((second.value - first.value) / size - rise) <= QUADRATIC * abs(curvature) + rounding


def _rejected(state: LBFGSState, best: Evaluation, search: Search) -> LBFGSState:
    """Search on; after too many trials forget the pairs, and without pairs call it rounding."""
    state = replace(state, search=search, rejected=state.rejected + 1, learning_rate=0.0, accepted=False)
    if state.progress.stalled:
        return _stalled(state)
    if search.trials < TRIALS and search.moves(state.point):
        return replace(state, note=_advice(state))
    return _turned(replace(state, pairs=()), best) if state.pairs else _stalled(state)


def _turned(state: LBFGSState, best: Evaluation) -> LBFGSState:
    """A new line search from `best`, along −B g if that descends, else along −g."""
    search = None
    if state.pairs:
        search = search_along(best, -inverse_times(state.pairs, best.gradient), 1.0, state.first_value)
    if search is None:
        search, state = steepest_search(best, state.first_value), replace(state, pairs=())
    if search is None:
        return _stalled(state)
    return replace(state, search=search, note=_advice(state))


def _stalled(state: LBFGSState) -> LBFGSState:
    return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED, note=_advice(state))


def _advice(state: LBFGSState) -> str:
    rejected = "1 rejected trial" if state.rejected == 1 else f"{state.rejected} rejected trials"
    return f"{state.steps} steps and {rejected} of the line search"


def with_pair(pairs: Pairs, before: Evaluation, after: Evaluation) -> Pairs:
    """The pairs with one more, unless its curvature is not positive beyond rounding."""
    step = after.point - before.point
    length = vector_norm(step)
    if length == 0:
        return pairs
    s, y = step / length, (after.gradient - before.gradient) / length
    if not float(s @ y) > LEAST_CURVATURE * vector_norm(y):
        return pairs
    return (*pairs, (s, y))


def inverse_times(pairs: Pairs, gradient: Vector, metric: Matrix | None = None) -> Vector:
    """B g: the BFGS formula for H⁻¹ applied through the pairs to a metric, by default to sᵀy/yᵀy · I."""
    q, alphas = gradient.copy(), []
    with np.errstate(over="ignore", invalid="ignore"):
        for s, y in reversed(pairs):
            alphas.append(float(s @ q) / float(s @ y))
            q = q - alphas[-1] * y
        if metric is None:
            s, y = pairs[-1]
            norm = vector_norm(y)
            q = q * (float(s @ y) / norm / norm)
        else:
            # One that outputs share, where θ is (p, q) in a row.
            q = (metric @ q.reshape(len(metric), -1)).ravel()
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            q = q + (alpha - float(y @ q) / float(s @ y)) * s
    return q
