"""The first step from the best constant, where a pass has summed no Hessian there: by the Hessian of the sample.

At the best constant all rows have the same second derivative h, without an offset, so that what the sample has to tell
is the correlation of columns alone, whatever the targets. Its diagonal is known of all rows, from the columns' moments:

    M = D H_S D        with d so that Mⱼⱼ = h Σw(xⱼ − cⱼ)²/Σw

A column that the sample nearly lacks then has its own curvature.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dgd._typing import Matrix
from dgd.fitting.coefficient_prox import with_curvature
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.solvers import Solver
from dgd.solvers.base import Evaluation, State
from dgd.solvers.quasi_newton import QuasiNewtonState, renewed


def first_step(
    sample: Objective, begun: Evaluation, known: Known, objective: Objective, solver: Solver, tol: float
) -> State:
    """The state of a solver that has been told the evaluation at the best constant; with a Hessian, exactly."""
    prox, state = objective.prox(known), solver.init(begun.point, tol=tol)
    if begun.hessian is not None or not begun.finite:
        told: State = solver.tell(state, begun, prox)
        return told
    told = solver.tell(state, replace(begun, hessian=likely_hessian(sample, begun, known)), prox)
    return replace(renewed(told), hessians=0) if isinstance(told, QuasiNewtonState) else told


def likely_hessian(sample: Objective, begun: Evaluation, known: Known) -> Matrix:
    """M, with the curvature of the penalty."""
    found = sample.evaluate(begun.point, known, hessian=True).known.hessian
    assert found is not None
    if sample.fit_intercept and known.size is not None:
        found = _moved(_scaled(_moved(found, known.coordinates, back=True), known), known.coordinates)
    coordinates, penalty = known.coordinates, known.coordinates.penalty(sample.penalty)
    whole = with_curvature(found, penalty, coordinates, coordinates.penalised_part(begun.point))
    assert whole is not None
    return whole


def _moved(H: Matrix, coordinates: Coordinates, *, back: bool = False) -> Matrix:
    """The Hessian by z of that by θ, the intercept's entries first; back: that by θ of that by z."""
    q = 1 if coordinates.outputs is None else coordinates.outputs
    moved = H.reshape(len(H) // q, q, len(H) // q, q).copy()
    mean, scale = coordinates.mean[:, None, None, None], coordinates.scale[:, None, None, None]
    for _ in range(2):
        moved[1:] = moved[1:] * scale + mean * moved[:1] if back else (moved[1:] - mean * moved[:1]) / scale
        moved = moved.transpose(2, 3, 0, 1)
    return moved.reshape(H.shape)


def _scaled(H: Matrix, known: Known) -> Matrix:
    """Scaled to the diagonal that it has over all rows."""
    assert known.size is not None
    outputs = known.coordinates.outputs or 1
    diagonal = np.diag(H).reshape(-1, outputs)
    wanted = np.concatenate([np.ones(1), known.size**2])[:, None] * diagonal[0]
    lacking = diagonal <= 0
    D = np.sqrt(np.divide(wanted, diagonal, out=np.ones_like(wanted), where=~lacking)).ravel()
    scaled: Matrix = H * D * D[:, None]
    scaled[np.diag_indices_from(scaled)] += np.where(lacking, wanted, 0.0).ravel()
    return scaled
