"""The minimum of a quadratic with l1 and bounds, on the driver, by an active-set method.

    Q(z) = ∇fᵀ(z − θ) + ½ (z − θ)ᵀ H (z − θ) + Σ l1ⱼ |zⱼ|        lowerⱼ ≤ zⱼ ≤ upperⱼ

Two steps in turn. A prox-gradient step, p = prox(z − s∘r, s), r = ∇f + H (z − θ), sⱼ = 1/Σₖ |Hⱼₖ|, for which
Q(p) ≤ Q(z). Then the minimum over the face that p is on: a coordinate is fixed if p is at a kink (0 where l1 > 0, or a
bound) and the slope uⱼ = (zⱼ − sⱼ rⱼ − pⱼ)/sⱼ lies between the kink's one-sided slopes; the others are free, on the
straight piece of g with the slope uⱼ. The Newton step on the face is cut where coordinates meet kinks, which are then
fixed, and is taken again. Q falls at every step, so no face returns. Bertsekas (1982), Projected Newton methods for
optimization problems with simple constraints; Lawson and Hanson (1974), Solving Least Squares Problems, ch. 23.

It all happens in x = D z with D near √diag H, of powers of two, for which scaling is exact: columns of scales 1e-6 and
1e6 are alike. Where H is singular on a face the step is of least norm; where Q falls along its null space, the step
goes there, as far as kinks allow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Matrix, Vector
from dgd.solvers.base import Evaluation, Kinks, vector_norm

Mask = NDArray[np.bool_]

ROUNDS = 100
"""Of a prox-gradient step and a face each: of 5,700 problems of up to 36 coordinates none that ended took 20."""
IDLE = 4
"""Rounds in a row that find Q to fall endlessly, or a residual near rounding that does not come down."""
NEAR = 1e4
"""Residuals below so many times their rounding are near it."""
RELEASED = 0.3
"""Coordinates leave their kinks at once whose slopes are at least this part of the largest."""
NOISE = 4.0
"""Residuals below so many units in the last place of what they are summed from are rounding."""
REFINEMENTS = 3
"""Whole Newton steps on a face: one, and what is left by rounding."""
FURTHEST = 1e12
"""How far a null direction is followed in search of kinks, for its length at first."""
EPS = float(np.finfo(np.float64).eps)
SOLVED = 1e-3
"""The residual, as a part of the right side, of a system that is not singular."""
SINGULAR = 16 * EPS
"""An eigenvalue below this part of the largest, for each coordinate, is rounding of zero."""
MANY, FEW, ITERATIONS = 64, 4, 4
"""Coordinates of which all eigenvectors take longer than an inverse, null directions looked for, and how often."""
SHIFT, APART = 1e-12, 1e3
"""Added to S before it is inverted, as a part of its norm; the least other eigenvalue is so many times that."""
SOLVED_WELL = 1e-6
"""The residual of such a system."""


@dataclass(frozen=True, slots=True)
class Quadratic:
    """Q in the coordinates x = D z."""

    origin: Vector
    """D θ."""
    gradient: Vector
    """D⁻¹ ∇f."""
    S: Matrix
    """D⁻¹ H D⁻¹."""
    sizes: Matrix
    """|S|, entry by entry."""
    D: Vector
    steps: Vector
    l1: Vector
    lower: Vector
    upper: Vector

    def prox(self, v: Vector) -> Vector:
        """The prox of g, with steps of this length."""
        threshold = self.steps * self.l1
        soft: Vector = np.clip(v - np.clip(v, -threshold, threshold), self.lower, self.upper)
        return soft

    def slope(self, x: Vector) -> Vector:
        """The gradient of the parabola."""
        return self.gradient + self.S @ (x - self.origin)

    def noise(self, x: Vector) -> Vector:
        """What rounding makes of a residual, that of ∇f included."""
        return NOISE * EPS * (abs(self.gradient) + abs(x) / self.steps + self.sizes @ (abs(x) + abs(self.origin)))

    def at_kink(self, x: Vector, u: Vector) -> Mask:
        """Where x is a kink whose one-sided slopes have u between them, up to rounding."""
        left = np.where(x <= self.lower, -np.inf, np.where(x > 0, self.l1, -self.l1))
        right = np.where(x >= self.upper, np.inf, np.where(x < 0, -self.l1, self.l1))
        rounding = (16 * EPS * (abs(x) + abs(self.steps * u)) + np.finfo(np.float64).tiny) / self.steps
        between: Mask = (left < right) & (left - rounding <= u) & (u <= right + rounding)
        return between

    def piece_end(self, w: Vector, u: Vector) -> Vector:
        """The point nearest to w on the straight piece of g that has the slope u."""
        bent = self.l1 > 0
        low = np.where(bent & (u > 0), np.maximum(self.lower, 0.0), self.lower)
        high = np.where(bent & (u < 0), np.minimum(self.upper, 0.0), self.upper)
        end: Vector = np.clip(w, low, high)
        return end


@dataclass(frozen=True, slots=True)
class Face:
    """A point, and the coordinates that are free there with the slope of g along each."""

    x: Vector
    free: Mask
    u: Vector
    residual: float = 0.0
    """The largest entry of the prox-gradient step that led here, in units of its rounding; 0 for less than 1."""
    endless: bool = False
    """Whether Q was found to fall along a null direction that meets no kink."""


def quadratic_minimum(theta: Vector, gradient: Vector, hessian: Matrix, kinks: Kinks) -> tuple[Vector, bool]:
    """argmin Q to rounding, or the best point that was found; from θ, so that a good θ needs a single face.

    And whether it is one: False where the rounds ran out.
    """
    problem = _scaled(theta, gradient, hessian, kinks)
    face, least, idle = Face(problem.origin, np.zeros(len(theta), dtype=bool), problem.gradient), np.inf, 0
    for _ in range(ROUNDS):
        endless, face = face.endless, _next_face(problem, face.x)
        if face.residual == 0.0:
            break
        idle = idle + 1 if endless or least <= face.residual <= NEAR else 0
        least = min(least, face.residual)
        if idle == IDLE:
            break
        face = _face_minimum(problem, face)
    else:
        return face.x / problem.D, False
    return face.x / problem.D, True


def model_minimum(best: Evaluation, hessian: Matrix, kinks: Kinks) -> tuple[Vector, bool]:
    """The minimum of Q at an evaluation, output by output where they share a Hessian, and whether each is one."""
    target, whole, outputs = np.empty_like(best.point), True, len(best.point) // len(hessian)
    for k in range(outputs):
        one = slice(k, None, outputs)
        part = Kinks(kinks.l1[one], kinks.lower[one], kinks.upper[one])
        target[one], found = quadratic_minimum(best.point[one], best.gradient[one], hessian, part)
        whole = whole and found
    return np.where(idle(best, hessian) & (kinks.l1 == 0), best.point, target), whole


def idle(best: Evaluation, hessian: Matrix) -> Mask:
    """Coordinates that are at their best whatever the others are, such as that of a constant column."""
    coupled = np.count_nonzero(hessian, axis=1) - (np.diag(hessian) != 0)
    alone: Mask = (np.repeat(coupled, len(best.point) // len(hessian)) == 0) & (best.gradient == 0)
    return alone


def _scaled(theta: Vector, gradient: Vector, hessian: Matrix, kinks: Kinks) -> Quadratic:
    H = (hessian + hessian.T) / 2
    diagonal = np.sqrt(np.maximum(np.diag(H), 0.0))
    D = np.exp2(np.round(np.log2(np.where(diagonal > 0, diagonal, 1.0))))
    S = H / D[:, None] / D
    sizes = abs(S)
    sums = sizes.sum(axis=1)
    steps = 1 / np.where(sums > 0, sums, 1.0)
    return Quadratic(theta * D, gradient / D, S, sizes, D, steps, kinks.l1 / D, kinks.lower * D, kinks.upper * D)


def _next_face(problem: Quadratic, x: Vector) -> Face:
    """The face that the prox-gradient step leads to, from which coordinates that leave kinks slowly are held back."""
    s = problem.steps
    v = x - s * problem.slope(x)
    p = problem.prox(v)
    u = (v - p) / s
    residual, noise = abs(x - p) / s, problem.noise(x)
    residual[residual <= noise] = 0.0
    leaving = problem.at_kink(x, u)
    staying = leaving & (residual <= RELEASED * residual[leaving].max(initial=0.0))
    p = np.where(staying, x, p)
    free = ~staying & ~problem.at_kink(p, u)
    return Face(p, free, u, float((residual[residual > 0] / noise[residual > 0]).max(initial=0.0)))


def _face_minimum(problem: Quadratic, face: Face) -> Face:
    """The minimum of Q over the face, with every coordinate fixed that meets a kink on the way."""
    refinements = 0
    while face.free.any() and refinements < REFINEMENTS:
        b = -(problem.slope(face.x) + face.u)[face.free]
        noise = problem.noise(face.x)[face.free]
        if (abs(b) <= noise).all():
            break
        after = _step_on_face(problem, face, b, vector_norm(noise))
        refinements = refinements + 1 if after.free is face.free else 0
        face = after
    return face


def _step_on_face(problem: Quadratic, face: Face, b: Vector, noise: float) -> Face:
    """Along the null space of S to kinks, if Q falls there, or else the Newton step, cut at kinks."""
    S = problem.S[np.ix_(face.free, face.free)]
    newton, null = _directions(S, b, problem.D[face.free], noise)
    d = np.zeros_like(face.x)
    length = 1.0 if null.any() else np.inf
    while length <= FURTHEST:
        d[face.free] = length * null
        kinks = _kinks_met(problem, face, d)
        if np.isfinite(kinks).any():
            return _cut(face, d, kinks, S, b)
        length *= 16
    face = replace(face, endless=face.endless or length < np.inf)
    d[face.free] = newton
    kinks = _kinks_met(problem, face, d)
    return _cut(face, d, kinks, S, b) if np.isfinite(kinks).any() else replace(face, x=face.x + d)


def _directions(S: Matrix, b: Vector, D: Vector, noise: float) -> tuple[Vector, Vector]:
    """The solution of S d = b with the least ‖D⁻¹ d‖; and the part of b in the null space, 0 if it is but noise."""
    try:
        pivots = np.diag(np.linalg.cholesky(S))
        if float(pivots.min()) ** 2 > SINGULAR * len(S):
            newton = np.asarray(np.linalg.solve(S, b), dtype=np.float64)
            # The pivots alone may hide a null vector most of which is in other rows.
            if vector_norm(S @ newton - b) <= SOLVED * vector_norm(b):
                return newton, np.zeros_like(b)
    except np.linalg.LinAlgError:
        pass
    solution, N = _of_few(S, b) or _of_any(S, b)
    step, basis = solution / D, N / D[:, None]
    basis, _ = np.linalg.qr(basis / np.linalg.norm(basis, axis=0))
    newton = (step - basis @ (step @ basis)) * D
    null = N @ (b @ N)
    return newton, null if vector_norm(null) > noise else np.zeros_like(b)


def _of_any(S: Matrix, b: Vector) -> tuple[Vector, Matrix]:
    """S⁺ b and a basis of the null space, by all eigenvectors."""
    values, vectors = np.linalg.eigh(S)
    kept = values > SINGULAR * len(S) * max(float(values[-1]), 0.0)
    return vectors[:, kept] @ (b @ vectors[:, kept] / values[kept]), vectors[:, ~kept]


def _of_few(S: Matrix, b: Vector) -> tuple[Vector, Matrix] | None:
    """The same where the null space has few dimensions and no other eigenvalue is near 0, by inverse iteration.

    As of a softmax, the intercepts of which can all be shifted. None where it is not so, or for few coordinates.
    """
    if len(S) < MANY:
        return None
    greatest = float(abs(S).sum(axis=1).max())
    if not 0 < greatest < np.inf:
        return None
    inverse = np.linalg.inv(S + SHIFT * greatest * np.eye(len(S)))
    V = np.random.default_rng(0).normal(size=(len(S), FEW))
    for _ in range(ITERATIONS):
        V, _ = np.linalg.qr(inverse @ V)
    values, turned = np.linalg.eigh(V.T @ S @ V)
    null = values <= SINGULAR * len(S) * greatest
    if null.all() or not null.any() or values[~null].min() < APART * SHIFT * greatest:
        return None
    N = V @ turned[:, null]
    b = b - N @ (b @ N)
    solution = np.zeros_like(b)
    for _ in range(ITERATIONS):
        solution = solution + inverse @ (b - S @ solution)
        solution = solution - N @ (solution @ N)
    solved = vector_norm(b - S @ solution) <= SOLVED_WELL * vector_norm(b)
    return (solution, N) if solved else None


def _kinks_met(problem: Quadratic, face: Face, d: Vector) -> Vector:
    """For each free coordinate the kink between x and x + d, NaN for none."""
    w = face.x + d
    end = problem.piece_end(w, face.u)
    return np.where(face.free & (end != w), end, np.nan)


def _cut(face: Face, d: Vector, kinks: Vector, S: Matrix, b: Vector) -> Face:
    """The best of some points along x + t d, t ≤ 1, bent at the kinks; what is bent is fixed.

    The first kink is among them: there Q is below Q(x), for Q falls along d.
    """
    met = np.isfinite(kinks)
    at = np.full_like(d, np.inf)
    at[met] = np.clip((kinks - face.x)[met] / d[met], 0.0, 1.0)
    times = np.sort(at[met])
    best, lowest = face, np.inf
    for t in [1.0, *(times[len(times) >> k] for k in range(1, len(times).bit_length() + 1))]:
        x = np.where(at <= t, kinks, face.x + t * d)
        step = (x - face.x)[face.free]
        change = float(step @ (S @ step)) / 2 - float(b @ step)
        if change < lowest:
            best, lowest = replace(face, x=x, free=face.free & ~(at <= t)), change
    return best
