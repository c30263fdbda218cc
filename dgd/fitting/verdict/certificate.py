"""How far a result can be from the optimum, where that can be known.

For F that is μ-strongly convex and s any element of ∂F(θ):

    ‖θ − θ*‖ ≤ ‖s‖/μ        F(θ) − F(θ*) ≤ ‖s‖²/(2μ)

Both include what rounding makes of the gradient's sums, ε √(m Σ(w r)²) an entry in standardised columns, propagated.
Two cases are known without a further pass. A quadratic whose Hessian H was summed: then θ − θ* = H⁻¹∇F(θ), no bound
but the distance itself. And an l2 penalty on every coefficient, with μ its least strength: without an intercept, or
with the squared loss, whose intercept in centred columns does not depend on the coefficients.

Source: Boyd and Vandenberghe (2004), Convex Optimization, section 9.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Vector
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.fitting.verdict.definite import exceeds_trace
from dgd.solvers.base import Evaluation, vector_norm

SINGULAR = 1e-13
REGULAR = 1e-6
"""A least eigenvalue of this part of the trace: the inverse then needs no eigenvectors."""
ROUNDINGS = 4.0
"""An entry of a gradient is a sum of sums, each of which rounds, and so does η within it."""
STORED = 4 * float(np.finfo(np.float64).eps)
"""What is lost, relatively, where a coefficient is taken back to its column's scale and stored."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Bounds on ‖b − b*‖, the distance to the optimal coefficients, and on F − F*."""

    distance: float
    gap: float
    because: str

    def __str__(self) -> str:
        return (
            f"within {self.distance:.3g} of the optimal coefficients, objective within {self.gap:.3g} ({self.because})"
        )


def certify(objective: Objective, evaluation: Evaluation, known: Known) -> Certificate | None:
    """The certificate of an evaluated point; None where nothing is known."""
    if not evaluation.finite or evaluation.steps:
        return None
    return _by_hessian(objective, evaluation, known) or _by_penalty(objective, evaluation, known)


def _noise(known: Known, size: int) -> Vector:
    """What rounding makes of each entry of a gradient, in the solver's coordinates."""
    noise = np.zeros(size)
    if known.noise is not None:
        part, of_column = known.coordinates.coef_part(noise), ROUNDINGS * known.noise / known.coordinates.scale
        part[...] = of_column if part.ndim == 1 else of_column[:, None]
    return noise


def _by_hessian(objective: Objective, evaluation: Evaluation, known: Known) -> Certificate | None:
    H, g, coordinates = evaluation.hessian, evaluation.gradient, known.coordinates
    if H is None or not objective.loss.quadratic or evaluation.subgradient is not None:
        return None
    if exceeds_trace(H, REGULAR):
        inverse = np.linalg.inv(H)
    else:
        values, vectors = np.linalg.eigh(H)
        if not values[0] > SINGULAR * values[-1] > 0:
            return None
        inverse = (vectors / values) @ vectors.T
    # One H may serve several outputs, whose entries of g lie beside each other.
    step = (inverse @ g.reshape(len(H), -1)).ravel()
    # Entry j of H⁻¹u for independent roundings u.
    blurred = np.sqrt((inverse * inverse) @ _noise(known, len(g)).reshape(len(H), -1) ** 2).ravel()
    part, more = coordinates.coef_part(step), coordinates.coef_part(blurred)
    scale = coordinates.scale if part.ndim == 1 else coordinates.scale[:, None]
    coef = coordinates.coef_part(evaluation.point) / scale
    distance = vector_norm((part / scale).ravel()) + vector_norm((more / scale).ravel())
    distance += STORED * vector_norm(coef.ravel())
    gap = 0.5 * float(g @ step) + float(_noise(known, len(g)) @ (abs(step) + blurred))
    return Certificate(distance, gap, "by the Hessian of a quadratic")


def _by_penalty(objective: Objective, evaluation: Evaluation, known: Known) -> Certificate | None:
    """In centred columns a quadratic's intercept is a problem of its own, with curvature `gradient_scale`."""
    loss, coordinates = objective.loss, known.coordinates
    centred = coordinates.centred or not objective.fit_intercept
    shape = coordinates.coef_part(evaluation.point).shape
    mu = float(np.min(objective.penalty.curvature(np.zeros(shape)), initial=np.inf)) if np.prod(shape) else 0.0
    if not mu > 0 or (objective.fit_intercept and not (loss.quadratic and centred)):
        return None
    slope = evaluation.gradient if evaluation.subgradient is None else evaluation.subgradient
    part = coordinates.coef_part(slope)
    scale = coordinates.scale if part.ndim == 1 else coordinates.scale[:, None]
    norm = vector_norm((part * scale).ravel())
    norm += vector_norm((coordinates.coef_part(_noise(known, len(slope))) * scale).ravel())
    gap = norm * norm / (2 * mu)
    if objective.fit_intercept:
        rest = slope[: len(slope) - part.size]
        gap += float(rest @ rest) / (2 * loss.gradient_scale)
    coef = coordinates.coef_part(evaluation.point) / scale
    return Certificate(norm / mu + STORED * vector_norm(coef.ravel()), gap, f"by an l2 penalty of at least {mu:.3g}")
