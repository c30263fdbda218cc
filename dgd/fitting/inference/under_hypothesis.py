"""The likelihood-ratio test: how far ℓ falls where θ is held to a linear hypothesis.

    2(ℓ − ℓ₀)      ℓ₀ = max ℓ(θ) over Rθ = r

With the squared loss, at its best variance, it is m log(1 + W/RSS), with W = (Rθ − r)ᵀ (R (XᵀWX)⁻¹ Rᵀ)⁻¹ (Rθ − r): no
pass. Else ℓ₀ is found by Newton's method in the null space of R, from where the quadratic model has it; a pass a step,
a few in all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.inference.fitted import Fitted, Passes, passes_over
from dgd.fitting.inference.information import Information
from dgd.models.inference.contrasts import Hypothesis
from dgd.models.inference.fit_statistics import FitStatistics
from dgd.passes.execution import Execution
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.residuals import Residuals

MOST_PASSES = 60
SMALL = 1e-9
"""Of 2(ℓ − ℓ₀): what Newton's decrement may still be."""
LEAST = 1e-10
"""The same in units of ℓ, where the hypothesis is all but true."""


@dataclass(frozen=True, eq=False)
class LikelihoodRatio:
    """2(ℓ − ℓ₀) of each equation, for a hypothesis about its parameters in the user's units."""

    fitted: Fitted
    information: Information
    statistics: FitStatistics
    where: Execution

    def __call__(self, asked: Hypothesis) -> Vector:
        problem = _Held.of(self.fitted, self.information, asked)
        if not self.fitted.method.loss.quadratic:
            with passes_over(self.fitted, self.where) as passes:
                return self._by_newton(problem, passes)
        assert self.statistics.loss is not None
        return np.asarray(self.statistics.rows * np.log1p(problem.distances / self.statistics.loss))

    def _by_newton(self, held: _Held, passes: Passes) -> Vector:
        """Each equation goes its own way; all of them are evaluated by one pass."""
        assert self.statistics.loss is not None
        points, steps = held.start, np.zeros_like(held.start)
        values = np.full(len(points), np.inf)
        done = np.zeros(len(points), dtype=bool)
        found = np.zeros(len(points))
        for _ in range(MOST_PASSES):
            loss, gradients, hessians = self._evaluated(held, points, passes)
            worse = ~done & ~(loss <= values + 1e-12 * np.abs(values))
            for e in np.flatnonzero(~done & ~worse):
                step, decrement = held.newton_step(gradients[e], hessians[e])
                found[e] = 2 * (loss[e] - self.statistics.loss[e]) - decrement
                done[e] = decrement <= SMALL * abs(found[e]) + LEAST * abs(loss[e]) * 1e-3
                values[e], steps[e] = loss[e], step
            if done.all():
                return np.maximum(found, 0.0)
            # A step that went too far is halved: back to where it began, and on by half.
            moved = points + np.where(worse[:, None], -steps / 2, steps)
            steps = np.where(worse[:, None], steps / 2, steps)
            points = np.where(done[:, None], points, moved)
        raise ConfigurationError(
            f"no optimum was found under the hypothesis {held.asked.text!r} in {MOST_PASSES} passes: it may have none; "
            f"use `wald_test`"
        )

    def _evaluated(self, held: _Held, points: Vector, passes: Passes) -> tuple[Vector, Vector, Vector]:
        """Σ loss, its gradient and Hessian of each equation, in coordinates z."""
        fitted, coordinates = self.fitted, self.information.coordinates
        q, p = fitted.outputs, fitted.parameters
        z = points.reshape(q, p).T
        theta = coordinates.to_user(z.ravel())
        sums = passes.sums((Residuals(), LossAndGradient(), Hessian()), theta=theta, held_bytes=8 * points.size * p)
        residuals, gradient, hessian = sums.parts
        slope = coordinates.gradient(gradient.gradient).reshape(p, q).T.reshape(points.shape)
        return residuals.loss, slope, held.blocks(hessian.values)


@dataclass(frozen=True, eq=False)
class _Held:
    """Rθ = r in coordinates z of each equation."""

    fitted: Fitted
    information: Information
    asked: Hypothesis
    null: Matrix
    """A basis of what the hypothesis leaves free, (P, free)."""
    start: Vector
    """Where the quadratic model about θ has its optimum under the hypothesis, (E, P)."""
    distances: Vector
    """W of each equation, with the information for the inverse covariance."""

    @classmethod
    def of(cls, fitted: Fitted, information: Information, asked: Hypothesis) -> _Held:
        coordinates, q, p = information.coordinates, fitted.outputs, fitted.parameters
        E = 1 if information.joint else q
        # θ = T z for each output.
        T = np.column_stack([_single(information).to_user(unit) for unit in np.eye(p)])
        if fitted.known.centre is not None and fitted.known.centre.columns is not None:
            T[0] -= fitted.known.centre.columns @ T[1:]
        T = np.asarray(np.kron(np.eye(q // E), T), dtype=np.float64)
        R = asked.R @ T
        level = 0.0 if fitted.known.centre is None else fitted.known.centre.level
        z = coordinates.from_user(fitted.theta).reshape(p, q).T.reshape(E, -1)
        A = information.inverse_root.reshape(E, len(T), -1)
        start, distances = np.empty_like(z), np.empty(E)
        for e in range(E):
            intercept = asked.R[:, 0] * np.broadcast_to(level, (E,))[e] if fitted.method.fit_intercept else 0.0
            miss = R @ z[e] + intercept - asked.r
            half = R @ A[e]
            multiplier = np.linalg.solve(half @ half.T, miss)
            start[e] = z[e] - A[e] @ (half.T @ multiplier)
            distances[e] = float(miss @ multiplier)
        # Of classes only parameters whose sum over the classes is 0 are meant.
        held = np.vstack([R, np.kron(np.ones(q), np.eye(p))]) if information.joint else R
        _, singular, rotation = np.linalg.svd(held)
        rank = int((singular > 1e-10 * singular[0]).sum())
        return cls(fitted, information, asked, rotation[rank:].T, start, distances)

    def newton_step(self, gradient: Vector, hessian: Matrix) -> tuple[Vector, float]:
        """The step within the null space of R, and gᵀH⁻¹g, twice what it promises."""
        if not self.null.size:
            return np.zeros_like(gradient), 0.0
        slope = self.null.T @ gradient
        curved = self.null.T @ hessian @ self.null
        step = -np.linalg.lstsq(curved, slope, rcond=None)[0]
        return self.null @ step, float(-slope @ step)

    def blocks(self, sums: Vector) -> Vector:
        """The Hessian of each equation in coordinates z, (E, P, P)."""
        single, q = _single(self.information), self.fitted.outputs
        if sums.ndim == 4:
            return np.block([[single.hessian(sums[k, other]) for other in range(q)] for k in range(q)])[None]
        return np.stack([single.hessian(each) for each in (sums if sums.ndim == 3 else sums[None])])


def _single(information: Information) -> Coordinates:
    """The coordinates of one output."""
    return replace(information.coordinates, outputs=None)
