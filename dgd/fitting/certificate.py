"""How far a result can be from the optimum, where that can be known.

For F that is μ-strongly convex and s any element of ∂F(θ):

    ‖θ − θ*‖ ≤ ‖s‖/μ        F(θ) − F(θ*) ≤ ‖s‖²/(2μ)

Two cases are known without a further pass. A quadratic whose Hessian H was summed: then θ − θ* = H⁻¹∇F(θ), no bound
but the distance itself. And an l2 penalty on every coefficient, with μ its least strength: without an intercept, or
with the squared loss, whose intercept in centred columns does not depend on the coefficients.

Source: Boyd and Vandenberghe (2004), Convex Optimization, section 9.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd.fitting.coordinates import Coordinates
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.solvers.base import Evaluation, vector_norm

SINGULAR = 1e-13


@dataclass(frozen=True, slots=True)
class Certificate:
    """Bounds that hold in exact arithmetic: ‖b − b*‖ on the coefficients, and F − F* on the objective."""

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
    return _by_hessian(objective, evaluation, known.coordinates) or _by_penalty(
        objective, evaluation, known.coordinates
    )


def _by_hessian(objective: Objective, evaluation: Evaluation, coordinates: Coordinates) -> Certificate | None:
    H, g = evaluation.hessian, evaluation.gradient
    if H is None or not objective.loss.quadratic or evaluation.subgradient is not None:
        return None
    values, vectors = np.linalg.eigh(H)
    if not values[0] > SINGULAR * values[-1] > 0:
        return None
    step = vectors @ ((vectors.T @ g) / values)
    part = coordinates.coef_part(step)
    scale = coordinates.scale if part.ndim == 1 else coordinates.scale[:, None]
    return Certificate(vector_norm((part / scale).ravel()), 0.5 * float(g @ step), "by the Hessian of a quadratic")


def _by_penalty(objective: Objective, evaluation: Evaluation, coordinates: Coordinates) -> Certificate | None:
    """In centred columns a quadratic's intercept is a problem of its own, with curvature `gradient_scale`."""
    loss = objective.loss
    centred = coordinates.centred or not objective.fit_intercept
    shape = coordinates.coef_part(evaluation.point).shape
    mu = float(np.min(objective.penalty.curvature(np.zeros(shape))))
    if not mu > 0 or (objective.fit_intercept and not (loss.quadratic and centred)):
        return None
    slope = evaluation.gradient if evaluation.subgradient is None else evaluation.subgradient
    part = coordinates.coef_part(slope)
    scale = coordinates.scale if part.ndim == 1 else coordinates.scale[:, None]
    norm = vector_norm((part * scale).ravel())
    gap = norm * norm / (2 * mu)
    if objective.fit_intercept:
        rest = slope[: len(slope) - part.size]
        gap += float(rest @ rest) / (2 * loss.gradient_scale)
    return Certificate(norm / mu, gap, f"by an l2 penalty of at least {mu:.3g}")
