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

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, Status, no_prox, vector_norm
from dgd.solvers.conjugate_gradient import ConjugateGradient, ConjugateState
from dgd.solvers.steps.metric import Metric
from dgd.solvers.steps.pairs import PairsState, accepted, pair_between, rejected, stalled, turned

QUADRATIC = 1e-8
"""How well an evaluation fits a quadratic, relatively to the quadratic term, to be called one."""
GRADIENT_ROUNDING = 1e-14
"""The error of a gradient, relatively to the first."""
CONJUGATE = ConjugateGradient()


@dataclass(frozen=True, slots=True, kw_only=True)
class LBFGSState(PairsState):
    """The accepted θ with its evaluation, the pairs, and the line search under way."""

    conjugate: ConjugateState | None
    """Of conjugate gradients, while every evaluation fits a quadratic."""

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

    def with_metric(self, state: LBFGSState, evaluation: Evaluation, metric: Metric) -> LBFGSState:
        """The first evaluation told, and a metric for the pairs to correct, in the place of a number."""
        told = replace(
            state,
            conjugate=None,
            metric=metric,
            best=evaluation,
            first_value=evaluation.value,
            accepted=False,
            progress=state.progress.after(evaluation),
        )
        return turned(told)

    def ask(self, state: LBFGSState) -> Vector:
        """The trial θ + t d."""
        if state.conjugate is not None:
            return CONJUGATE.ask(state.conjugate)
        if state.search is None:
            return state.point
        return state.point + state.search.step * state.search.direction

    def tell(self, state: LBFGSState, evaluation: Evaluation, prox: Prox = no_prox) -> LBFGSState:
        """Accept the trial and choose the next direction, or reject it and search on."""
        search = state.search
        if state.conjugate is not None:
            return _conjugate(state, state.conjugate, evaluation)
        assert search is not None
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        trial = search.sample(evaluation)
        if not search.accepts(trial):
            return rejected(state, search.after(trial))
        state = accepted(state, evaluation, trial, self.memory)
        return stalled(state) if state.progress.stalled else turned(state)


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
        pairs=pair_between(best, evaluation) if evaluation.finite else (),
        best=lower,
        point=lower.point,
        learning_rate=vector_norm(evaluation.point - best.point) / best.grad_norm if lowered else 0.0,
        accepted=lowered,
        steps=state.steps + lowered,
        rejected=state.rejected + (not lowered),
        progress=state.progress.after(lower),
    )
    return turned(state)


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
