"""Steps along −B g, where B ≈ H⁻¹ is known by pairs of steps and gradients, and a line search chooses their length.

What `lbfgs` and `quasi-newton` have in common. They differ in what the pairs correct: a number, or H⁻¹ of a Hessian.
With l1 or bounds it is H itself that they correct.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.solvers.base import Evaluation, State, Status, vector_norm
from dgd.solvers.steps.line_search import Sample, Search, search_along, steepest_search
from dgd.solvers.steps.metric import Metric
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

TRIALS = 25
LEAST_CURVATURE = 1e-14
"""sᵀy/‖s‖‖y‖ below which a pair is rounding."""

Pairs = tuple[tuple[Vector, Vector], ...]
"""(s, y), the oldest first, each divided by ‖s‖."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsState(State):
    """The accepted θ with its evaluation, the pairs, what they correct, and the line search under way."""

    first_value: float = 0.0
    pairs: Pairs = ()
    metric: Metric | None = None
    """Near the Hessian, such as that of an earlier point, or its shape; None: yᵀy/sᵀy of the last pair."""
    sizes: tuple[float, ...] = ()
    """sᵀy/yᵀM⁻¹y of the last pairs, of which the median says how large M is, where that is a shape alone: noise near
    rounding level is then no size."""
    search: Search | None = None
    steps: int = 0
    rejected: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def said(self) -> str:
        """What was done, for the user."""
        return f"{self.steps} steps and {self.trials_said}"

    @property
    def trials_said(self) -> str:
        """The trials that led nowhere."""
        trials = "1 rejected trial" if self.rejected == 1 else f"{self.rejected} rejected trials"
        return f"{trials} of the line search"


P = TypeVar("P", bound=PairsState)


def accepted(state: P, evaluation: Evaluation, trial: Sample, memory: int) -> P:
    """θ at the trial, and one more pair."""
    assert state.best is not None
    found = pair_between(state.best, evaluation)
    return replace(
        state,
        pairs=(*state.pairs, *found)[-memory:],
        sizes=(*state.sizes, *sizes_of(found, state.metric))[-memory:],
        point=evaluation.point,
        best=evaluation,
        learning_rate=trial.step,
        accepted=True,
        steps=state.steps + 1,
    )


def sizes_of(pairs: Pairs, metric: Metric | None) -> list[float]:
    """sᵀy/yᵀM⁻¹y of pairs, of a metric that is a shape alone."""
    if metric is None or not metric.is_shape:
        return []
    along = [(float(s @ y), float(y @ metric.solve(y))) for s, y in pairs]
    return [curved / turned for curved, turned in along if turned > 0]


def median_size(sizes: tuple[float, ...]) -> float:
    """What the inverse of a shape is multiplied by; 1 where nothing is known."""
    return float(np.median(sizes)) if sizes else 1.0


def rejected(state: P, search: Search) -> P:
    """Search on; after too many trials forget the pairs, and without pairs call it rounding."""
    state = replace(state, search=search, rejected=state.rejected + 1, learning_rate=0.0, accepted=False)
    if state.progress.stalled:
        return stalled(state)
    if search.trials < TRIALS and search.moves(state.point):
        return replace(state, note=state.said)
    return turned(replace(state, pairs=())) if state.pairs else stalled(state)


def turned(state: P) -> P:
    """A new line search from the best evaluation, along −B g if that descends, else along −g."""
    best, search = state.best, None
    assert best is not None
    if state.pairs or state.metric is not None:
        direction = -inverse_times(state.pairs, best.gradient, state.metric, median_size(state.sizes))
        search = search_along(best, direction, 1.0, state.first_value)
    if search is None:
        search, state = steepest_search(best, state.first_value), replace(state, pairs=())
    if search is None:
        return stalled(state)
    state = replace(state, search=search)
    return replace(state, note=state.said)


def stalled(state: P) -> P:
    """Rounding hides the rest."""
    return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED, note=state.said)


def pair_between(before: Evaluation, after: Evaluation) -> Pairs:
    """The one pair, or none where its curvature is not positive beyond rounding."""
    step = after.point - before.point
    length = vector_norm(step)
    if length == 0:
        return ()
    s, y = step / length, (after.gradient - before.gradient) / length
    return ((s, y),) if float(s @ y) > LEAST_CURVATURE * vector_norm(y) else ()


def corrected(hessian: Matrix, before: Evaluation, after: Evaluation) -> Matrix:
    """A Hessian corrected by a pair, H − (Hs)(Hs)ᵀ/sᵀHs + yyᵀ/yᵀs, what `inverse_times` is the inverse of."""
    for s, y in pair_between(before, after):
        Hs = hessian @ s
        along = float(s @ Hs)
        if along > 0:
            hessian = hessian - np.outer(Hs, Hs / along) + np.outer(y, y / float(s @ y))
    return hessian


def inverse_times(pairs: Pairs, gradient: Vector, metric: Metric | None = None, size: float = 1.0) -> Vector:
    """B g: the BFGS formula for H⁻¹ applied through the pairs to the inverse of a metric, by default to sᵀy/yᵀy · I.

    size: what the inverse of the metric is multiplied by.
    """
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
            q = size * metric.solve(q)
        for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
            q = q + (alpha - float(y @ q) / float(s @ y)) * s
    return q
