"""Newton's step, by a Hessian that may be singular or have negative eigenvalues.

    (H + λI) d = −g

H is scaled to a unit diagonal before it is factored, S = D⁻¹ H D⁻¹ with D = √diag H: columns of scales 1e-6 and 1e6
are then alike, and the step is the same. λ = 0 where the Cholesky factorisation of S succeeds. Where H is singular
(repeated columns, a softmax without penalty) the eigenvectors of S give the step of least norm on its range; where it
has negative eigenvalues beyond rounding λ lifts them: Levenberg (1944), A method for the solution of certain non-linear
problems in least squares.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Matrix, Vector

EPS = float(np.finfo(np.float64).eps)
SINGULAR = 16 * EPS
"""An eigenvalue below this part of the largest, for each parameter, is rounding of zero."""
DOUBTFUL = 100.0
"""Where an estimate of the least eigenvalue is not so many times larger, the eigenvalues are computed."""


def newton_step(hessian: Matrix, gradient: Vector) -> tuple[Vector, int]:
    """d with H d = −g, of least norm where H is singular, and the rank of H.

    A gradient that is q times as long as H is that of q outputs, entry by entry, which share H.
    """
    S, D = _scaled(hessian)
    right = -gradient.reshape(len(S), -1) / D[:, None]
    step, rank = _scaled_step(S, right, D)
    return step.ravel(), rank * right.shape[1]


def inverse(hessian: Matrix) -> Matrix:
    """H⁻¹, symmetric; where H is singular it leads to steps of least norm, where it is not convex to descent."""
    S, D = _scaled(hessian)
    found = _regular_inverse(S)
    if found is None:
        found, _ = _least_norm_step(S, np.diag(1 / D), D)
    else:
        found /= D[:, None]
        found /= D
    found = found + found.T
    found /= 2
    return found


def _scaled(hessian: Matrix) -> tuple[Matrix, Vector]:
    """S = D⁻¹ H D⁻¹ and the diagonal of D."""
    S = hessian + hessian.T
    S /= 2
    diagonal = np.sqrt(np.maximum(np.diag(S), 0.0))
    D = np.where(diagonal > 0, diagonal, 1.0)
    S /= D[:, None]
    S /= D
    return S, D


def _scaled_step(S: Matrix, right: Matrix, D: Vector) -> tuple[Matrix, int]:
    if _is_definite(S):
        probe = _probe(len(S))
        found = np.asarray(np.linalg.solve(S, np.hstack([right, probe])), np.float64)
        if _is_regular(probe, found[:, -1]):
            return found[:, :-1] / D[:, None], len(S)
    return _least_norm_step(S, right, D)


def _regular_inverse(S: Matrix) -> Matrix | None:
    """S⁻¹, or None where S is singular, or nearly."""
    if _is_definite(S):
        found = np.asarray(np.linalg.inv(S), np.float64)
        probe = _probe(len(S))
        if _is_regular(probe, found @ probe):
            return found
    return None


def _is_definite(S: Matrix) -> bool:
    try:
        pivots = np.diag(np.linalg.cholesky(S))
    except np.linalg.LinAlgError:
        return False
    return float(pivots.min()) ** 2 > SINGULAR * len(S)


def _probe(p: int) -> Matrix:
    """Of a singular S any S⁻¹v is long, which the pivots of a graded S, as of rare classes, do not show."""
    return np.random.default_rng(0).normal(size=(p, 1))


def _is_regular(probe: Matrix, found: Matrix) -> bool:
    """Whether S⁻¹ makes the probe no longer than a regular one does."""
    return bool(np.linalg.norm(probe) > DOUBTFUL * SINGULAR * len(probe) * np.linalg.norm(found))


def _least_norm_step(S: Matrix, right: Matrix, D: Vector) -> tuple[Matrix, int]:
    """The step from the eigenvectors of S, with its part in the null space of H = D S D taken out."""
    eigenvalues, vectors = np.linalg.eigh(S)
    cutoff = SINGULAR * len(S) * float(abs(eigenvalues).max())
    kept = abs(eigenvalues) > cutoff
    damping = 2 * max(0.0, -float(eigenvalues[kept].min(initial=0.0)))
    along = vectors[:, kept].T @ right / (eigenvalues[kept] + damping)[:, None]
    step = (vectors[:, kept] @ along) / D[:, None]
    if not kept.all():
        null = vectors[:, ~kept] / D[:, None]
        null, _ = np.linalg.qr(null / np.linalg.norm(null, axis=0))
        step = step - null @ (null.T @ step)
    return step, int(kept.sum())
