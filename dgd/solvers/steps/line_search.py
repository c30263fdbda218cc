"""A search for a step along a direction, one trial a pass: what is known of φ(t) = F(θ + t d), and where to look next.

A trial is taken by the weak Wolfe conditions, or near rounding level, where values say nothing any more, by the slopes
alone: Hager and Zhang (2005), A new conjugate gradient method with guaranteed descent and an efficient line search. A
rejected one narrows a bracket, whose next t is the zero of the slopes' secant: Nocedal and Wright (2006), §3.5.

With a g that is not smooth the search goes from θ to the minimum z of a model of F, t ≤ 1, and its descent is measured
by t ∇fᵀd + g(θ + t d) − g(θ): Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite
functions, §2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Vector
from dgd.solvers.base import Evaluation, Prox

DECREASE = 1e-4
"""δ: a step lowers the loss by at least this part of what the first slope promises."""
FLATTENING = 0.9
"""σ: a step leaves at most this part of the first slope."""
FLAT = 3
"""Trials whose loss differs by no more, and whose subgradient is no smaller, before rounding is blamed."""
FIRST_ROUNDING = 1e-15
"""The same, relatively to the loss at the start: terms of that size may cancel."""


@dataclass(frozen=True, slots=True)
class Sample:
    """φ(t) = F(θ + t d) and its slope φ′(t) = ∇fᵀd at one t."""

    step: float
    value: float
    slope: float


@dataclass(frozen=True, slots=True)
class Search:
    """A line search along d: what is known of φ, and the t to try next."""

    direction: Vector
    start: Sample
    step: float
    slack: float
    """How much higher φ may be by rounding."""
    low: Sample
    """The longest step known to be too short."""
    high: Sample | None = None
    """The shortest step known to be too long."""
    trials: int = 0
    flat: int = 0
    """Rejected trials that differ from the start by rounding alone."""

    def sample(self, evaluation: Evaluation) -> Sample:
        """φ at the t that was tried, infinite where F, gradient or Hessian are not numbers."""
        if not evaluation.finite:
            return Sample(self.step, math.inf, math.nan)
        return Sample(self.step, evaluation.value, float(evaluation.gradient @ self.direction))

    def moves(self, point: Vector) -> bool:
        """Whether the next t is long enough to change θ at all."""
        return bool((point + self.step * self.direction != point).any())

    def descends(self, trial: Sample) -> bool:
        """φ(t) ≤ φ(0) + δ t φ′(0); or no higher as far as rounding shows, with a slope that says the same."""
        if trial.value <= self.start.value + DECREASE * trial.step * self.start.slope:
            return True
        return trial.value <= self.start.value + self.slack and trial.slope <= (2 * DECREASE - 1) * self.start.slope

    def accepts(self, trial: Sample) -> bool:
        """Whether the loss has fallen enough and the slope has flattened enough."""
        return self.descends(trial) and trial.slope >= FLATTENING * self.start.slope

    def after(self, trial: Sample) -> Search:
        """The search after a rejected trial: the bracket narrowed, the next t inside it or beyond."""
        usable = math.isfinite(trial.value) and math.isfinite(trial.slope)
        if usable and trial.slope < 0 and trial.value <= self.start.value + self.slack:
            low, high = trial, self.high
        else:
            low, high = self.low, trial
        return replace(self, low=low, high=high, step=_between(self.low, low, high), trials=self.trials + 1)


@dataclass(frozen=True, slots=True)
class ProximalSearch:
    """A line search from θ to z, for F = f + g: t = 1 first, then shorter."""

    start: Evaluation
    target: Vector
    """z, with zeros and bounds that are exact; d = z − θ."""
    trial: Vector
    """θ + t d, brought back by a prox of step 0 where rounding leaves the bounds."""
    slack: float
    """How much higher F may be by rounding."""
    step: float = 1.0
    flat: int = 0
    """Rejected trials that differ from the start by rounding alone."""

    @property
    def moves(self) -> bool:
        """Whether the next t is long enough to change θ at all, and the trials so far have changed F."""
        return self.flat < FLAT and bool((self.trial != self.start.point).any())

    def promised(self, evaluation: Evaluation) -> float:
        """t ∇fᵀd + g(θ + t d) − g(θ), below 0 where F falls along d at all."""
        slope = float(self.start.gradient @ (evaluation.point - self.start.point))
        return slope + evaluation.nonsmooth - self.start.nonsmooth

    def descends(self, evaluation: Evaluation) -> bool:
        """F(θ + t d) ≤ F(θ) + δ·promised; or no higher as far as rounding shows, with a smaller subgradient."""
        if not evaluation.finite:
            return False
        promised, change = self.promised(evaluation), evaluation.value - self.start.value
        if promised < 0 and change <= DECREASE * promised:
            return True
        return change <= self.slack and evaluation.grad_norm < self.start.grad_norm

    def shorter(self, evaluation: Evaluation, prox: Prox) -> ProximalSearch:
        """t by the secant of the slopes of f, with g as promised, between a tenth and a half of the rejected one."""
        part = 0.1
        if evaluation.finite:
            with np.errstate(over="ignore", invalid="ignore"):
                curvature = float((evaluation.gradient - self.start.gradient) @ (evaluation.point - self.start.point))
            part = min(max(-self.promised(evaluation) / curvature, 0.1), 0.5) if curvature > 0 else 0.5
        flat = evaluation.finite and abs(evaluation.value - self.start.value) <= self.slack
        step = part * self.step
        trial = prox(self.start.point + step * (self.target - self.start.point), 0.0)
        return replace(self, trial=trial, step=step, flat=self.flat + flat)


def _between(before: Sample, low: Sample, high: Sample | None) -> float:
    """The zero of the slopes' secant, kept well inside the bracket; without one, 2 to 100 times as far."""
    if high is None:
        curvature = (low.slope - before.slope) / (low.step - before.step)
        secant = low.step - low.slope / curvature if curvature > 0 else math.inf
        return min(max(secant, 2 * low.step), 100 * low.step)
    width = high.step - low.step
    if not (math.isfinite(high.value) and math.isfinite(high.slope)):
        return low.step + 0.1 * width
    part = low.slope / (low.slope - high.slope) if high.slope > 0 else 0.5
    return low.step + min(max(part, 0.1), 0.9) * width


def search_along(best: Evaluation, direction: Vector, step: float, first_value: float) -> Search | None:
    """The line search from an evaluation, or None if d does not descend."""
    with np.errstate(over="ignore", invalid="ignore"):
        slope = float(best.gradient @ direction)
    if not (math.isfinite(slope) and slope < 0):
        return None
    start = Sample(0.0, best.value, slope)
    return Search(
        direction, start, step, best.value_rounding * abs(best.value) + FIRST_ROUNDING * abs(first_value), start
    )


def steepest_search(best: Evaluation, first_value: float) -> Search | None:
    """The line search along −g, from a first step that is at most 1 long; None where g = 0."""
    norm = best.grad_norm
    return search_along(best, -best.gradient / norm, min(1.0, norm), first_value) if norm > 0 else None


def search_towards(target: Vector, best: Evaluation, first_value: float) -> ProximalSearch | None:
    """The line search to z, or None if that is where the evaluation is."""
    search = ProximalSearch(
        best, target, target, best.value_rounding * abs(best.value) + FIRST_ROUNDING * abs(first_value)
    )
    return search if bool(np.isfinite(target).all()) and search.moves else None
