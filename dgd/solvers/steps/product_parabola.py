"""The minimum of a parabola with l1 and bounds whose matrix is never made, on the driver.

    Q(z) = ∇fᵀ(z − θ) + ½ (z − θ)ᵀ B (z − θ) + Σ l1ⱼ |zⱼ|        lowerⱼ ≤ zⱼ ≤ upperⱼ
    B = M/size − Σ b bᵀ/sᵀb + Σ y yᵀ/sᵀy                         b = B s by the pairs before (s, y)

M is a product of columns and outputs, B what BFGS makes of it: with n columns and q outputs a product with B takes
n²q + nq² multiplications, where an active-set method would take (nq)³. Accelerated prox-gradient steps, which begin
anew where they turn back, in coordinates in which M has a diagonal of ones, to a part of the residual at θ: a fit's
step need not be to the very minimum.

Beck and Teboulle (2009), A fast iterative shrinkage-thresholding algorithm; O'Donoghue and Candès (2015), Adaptive
restart for accelerated gradient schemes; Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing
composite functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.solvers.base import Evaluation, Kinks, vector_norm
from dgd.solvers.steps.metric import ProductMetric
from dgd.solvers.steps.pairs import Pairs

PART = 1e-2
"""Of the residual at θ, to which a parabola is minimised."""
ROUNDS = 1000
POWERS, ABOVE = 24, 1.1
"""Products by which the largest eigenvalue is found, and what is added to it for what they may lack."""
TRIES, SHORTER = 4, 4.0
"""Attempts, each with steps so many times shorter, where Q did not fall: the eigenvalue was larger."""


@dataclass(frozen=True, slots=True)
class Corrected:
    """B, by its products."""

    metric: ProductMetric
    size: float
    lowered: Matrix
    """b/√(sᵀb), a pair a row."""
    raised: Matrix
    """y/√(sᵀy)."""

    @classmethod
    def of(cls, metric: ProductMetric, pairs: Pairs, size: float, length: int) -> Self:
        """M/size, corrected by pairs, the oldest first."""
        lowered, raised = np.empty((len(pairs), length)), np.empty((len(pairs), length))
        count = 0
        for s, y in pairs:
            so_far = cls(metric, size, lowered[:count], raised[:count])
            b = so_far.times(s)
            along, curved = float(s @ b), float(s @ y)
            if along > 0 and curved > 0:
                lowered[count], raised[count] = b / np.sqrt(along), y / np.sqrt(curved)
                count += 1
        return cls(metric, size, lowered[:count], raised[:count])

    def times(self, step: Vector) -> Vector:
        """B d."""
        found = self.metric.times(step)
        found /= self.size
        found += (self.raised @ step) @ self.raised
        found -= (self.lowered @ step) @ self.lowered
        return found


def product_minimum(best: Evaluation, metric: ProductMetric, pairs: Pairs, size: float, kinks: Kinks) -> Vector:
    """A point near argmin Q, at which Q is lower than at θ; θ itself where none was found."""
    theta = best.point
    B = Corrected.of(metric, pairs, size, len(theta))
    diagonal = metric.diagonal() / size
    D = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    largest = ABOVE * _largest(B, D)
    for _ in range(TRIES):
        if not 0 < largest < np.inf:
            break
        with np.errstate(over="ignore", invalid="ignore"):
            found = _descended(theta, best.gradient, B, kinks, D, largest)
            step = found - theta
            rise = float((best.gradient + B.times(step) / 2) @ step) + float(kinks.l1 @ (abs(found) - abs(theta)))
        if rise < 0:
            return found
        largest *= SHORTER
    return theta


def _descended(theta: Vector, gradient: Vector, B: Corrected, kinks: Kinks, D: Vector, largest: float) -> Vector:
    """Accelerated prox-gradient steps of 1/largest in the coordinates D z."""
    steps = 1 / (largest * D * D)
    threshold = steps * kinks.l1
    point = ahead = theta
    t, goal = 1.0, 0.0
    for k in range(ROUNDS):
        v = ahead - steps * (gradient + B.times(ahead - theta))
        reached = np.clip(v - np.clip(v, -threshold, threshold), kinks.lower, kinks.upper)
        moved = D * (reached - ahead)
        residual = vector_norm(moved)
        if k == 0:
            goal = PART * residual
        if float(moved @ (D * (reached - point))) < 0:
            t = 1.0
        following = (1 + np.sqrt(1 + 4 * t * t)) / 2
        ahead, point, t = reached + (t - 1) / following * (reached - point), reached, following
        if not goal < residual < np.inf:
            break
    return point


def _largest(B: Corrected, D: Vector) -> float:
    """The largest eigenvalue of D⁻¹ B D⁻¹, from below, by the power method."""
    v, found = np.random.default_rng(0).normal(size=len(D)), 0.0
    for _ in range(POWERS):
        v = B.times(v / D) / D
        found = vector_norm(v)
        if not 0 < found < np.inf:
            return found
        v /= found
    return found
