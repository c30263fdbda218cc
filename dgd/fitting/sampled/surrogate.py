"""The loss over a sample, corrected by what a pass has found over all rows at one point, and where it is least.

    F̃(θ) = F_S(θ) + (∇F(θₖ) − ∇F_S(θₖ))ᵀ(θ − θₖ) + ½ (θ − θₖ)ᵀ C (θ − θₖ)        C = H − H_S where H was summed last

Gradient, and Hessian where it is known, are at θₖ those of all rows; the sample stands for what these do not say, how
they change on the way. So the step to its minimum leaves of Newton's error the part by which the sample differs from
the data, and needs no new Hessian: steps by one M ≈ ∇²F̃, each with a gradient over the sample. Where H was summed some
passes ago each step s since tells C what it lacks along s, by the update of rank one:

    r = ∇F(θₖ) − ∇F(θₖ₋₁) − (∇F_S(θₖ) − ∇F_S(θₖ₋₁) + C s)        C ← C + r rᵀ / rᵀs

Shamir, Srebro and Zhang (2014), Communication-efficient distributed optimization using an approximate Newton-type
method; Jordan, Lee and Yang (2019), Communication-efficient distributed statistical inference. The update: Nocedal and
Wright (2006), Numerical Optimization, §6.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.solvers.base import Evaluation, vector_norm
from dgd.solvers.steps.metric import DenseMetric
from dgd.solvers.steps.pairs import Pairs, inverse_times

ROUNDS = 6
"""Gradients over the sample for one step, at most."""
SOLVED = 1e-8
"""λ² that is left, as a part of what it is at the start."""
SHRINKS = 0.25
"""λ² of a round, as a part of the one before, at most: else M is not near enough, or F̃ has no minimum there."""
NEAR = 1e-3
"""The part of λ² with which a round may be the last that shrinks it."""
LEAST = 1e-8
"""rᵀs, as a part of ‖r‖‖s‖, below which C is left as it is."""


@dataclass(frozen=True)
class Correction:
    """What a sample's loss lacks of that of all rows."""

    point: Vector
    """θₖ."""
    gradient: Vector
    """∇F(θₖ)."""
    there: Vector
    """∇F_S(θₖ)."""
    hessian: Matrix | None = None
    """C; None for 0."""

    def after(self, evaluation: Evaluation, there: Vector) -> Correction:
        """The same at another point, where no Hessian was summed."""
        C, s = self.hessian, evaluation.point - self.point
        if C is not None:
            r = evaluation.gradient - self.gradient - (there - self.there) - C @ s
            along = float(r @ s)
            if abs(along) > LEAST * vector_norm(r) * vector_norm(s):
                C = C + np.outer(r, r) / along
        return Correction(evaluation.point, evaluation.gradient, there, C)


@dataclass(frozen=True)
class Surrogate:
    """F̃, expanded at one evaluation over all rows."""

    sample: Objective
    known: Known
    lacks: Correction

    @classmethod
    def of(cls, sample: Objective, known: Known, at: Evaluation, before: Correction | None = None) -> Surrogate:
        """F̃ with the C of that point where its evaluation brings H, else with that from an earlier one."""
        there = over(sample, known, at)
        if at.hessian is None and before is not None:
            return cls(sample, known, before.after(at, there.gradient))
        return cls.between(sample, known, at, there)

    @classmethod
    def between(cls, sample: Objective, known: Known, at: Evaluation, there: Evaluation) -> Surrogate:
        """F̃ from what is known of both at one point; there: over the sample."""
        C = None if at.hessian is None or there.hessian is None else at.hessian - there.hessian
        return cls(sample, known, Correction(at.point, at.gradient, there.gradient, C))

    def gradient(self, point: Vector) -> Vector:
        """∇F̃."""
        lacks = self.lacks
        found: Vector = self.sample.evaluate(point, self.known).evaluation.gradient - lacks.there + lacks.gradient
        return found if lacks.hessian is None else found + lacks.hessian @ (point - lacks.point)

    def minimum(self, metric: DenseMetric, start: Vector | None = None, pairs: Pairs = ()) -> Vector | None:
        """θ with ∇F̃(θ) ≈ 0, by steps of one metric from θₖ or another start; None where they do not lead there.

        pairs: what corrects the metric.
        """
        point, slope = (self.lacks.point, self.lacks.gradient) if start is None else (start, self.gradient(start))
        step = inverse_times(pairs, slope, metric)
        first = left = float(slope @ step)
        for _ in range(ROUNDS):
            if not (math.isfinite(left) and left >= 0):
                return None
            point = point - step
            if left <= SOLVED * first:
                break
            slope = self.gradient(point)
            step, before = inverse_times(pairs, slope, metric), left
            left = float(slope @ step)
            if not left <= SHRINKS * before:
                return point if left <= NEAR * first else None
        return point if np.isfinite(point).all() else None


def over(sample: Objective, known: Known, at: Evaluation) -> Evaluation:
    """What a sample finds where all rows were evaluated: its gradient, and a Hessian where they brought one."""
    return sample.evaluate(at.point, known, hessian=at.hessian is not None).evaluation
