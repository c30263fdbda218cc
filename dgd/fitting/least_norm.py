"""The shortest of all least-squares solutions, for columns that repeat each other.

Where the centred columns are linearly dependent, Xc v = 0 for some v, b + v predicts the same as b. The part of b in
that null space is taken out, and the intercept makes up for it: b ← b − V Vᵀb, b₀ ← b₀ + μᵀV Vᵀb. A direction whose
eigenvalue is small but whose part of b the predictions need is no such v: columns a and a + 3e-7 d are not the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.fitting.verdict.definite import exceeds_trace
from dgd.losses import Squared
from dgd.passes.blas import single_threaded_blas
from dgd.passes.plan import Need
from dgd.passes.session import Session
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.row_sums import RowSums
from dgd.penalties import NoPenalty
from dgd.penalties.parts import penalises_intercept

SINGULAR = 1e-13
"""An eigenvalue of the standardised columns' Gram matrix below this part of the largest may be rounding of zero."""
UNSEEN = 1e-6
"""A change of the predictions by this part of their spread."""


def least_norm(theta: Vector, dataset: Dataset, running: Session, *, fit_intercept: bool) -> Vector:
    """θ with the same predictions and the shortest coefficients; one pass sums the Gram matrix."""
    coef = theta[1:] if fit_intercept else theta
    zero = 0.0 if theta.ndim == 1 else np.zeros(theta.shape[1])
    dataset = running.open(dataset, Need(hessian_bytes=8 * (dataset.shape[1] + 1) ** 2))
    chunk_sum = RowSums(Squared(), zero, np.zeros_like(coef), (ColumnMoments(), Hessian()), own=fit_intercept)
    sums = running.executor.sweep(dataset, chunk_sum).value
    moments, hessian = sums.parts
    coordinates = Coordinates.standardising(moments, intercept=fit_intercept)
    mean = coordinates.mean if sums.about is None else coordinates.mean + sums.about
    with single_threaded_blas():
        return _shortened(theta, coordinates.hessian(hessian.values), coordinates, mean)


def shortest(theta: Vector, objective: Objective, known: Known) -> Vector:
    """Of all θ with the same predictions and penalty the shortest, as far as that is known without a pass.

    Of a softmax the one whose outputs have a mean of 0; of a quadratic whose Hessian was summed the one without a part
    in its null space, unless there is a penalty that is seen beside it.
    """
    if objective.loss.shift_is_free:
        first = int(objective.fit_intercept and not penalises_intercept(objective.penalty))
        free = theta if isinstance(objective.penalty, NoPenalty) else theta[:first]
        free -= free.mean(axis=1, keepdims=True)
        return theta
    coordinates, H = known.coordinates, known.hessian
    if H is None or not (objective.loss.quadratic and objective.penalty.is_smooth and coordinates.standardised):
        return theta
    curvature = objective.penalty.curvature(np.zeros(objective.dataset.shape[1])) / coordinates.scale**2
    if not curvature.size or curvature.max() > SINGULAR * np.trace(H):
        return theta
    mean = coordinates.mean
    if known.centre is not None and known.centre.columns is not None:
        mean = mean + known.centre.columns
    return _shortened(theta, H, coordinates, mean)


def _shortened(theta: Vector, H: Matrix, coordinates: Coordinates, mean: Vector) -> Vector:
    """Without its part in the null space of H; H is by standardised coordinates, mean that of the columns as stored."""
    first = int(coordinates.intercept)
    coef, part = theta[first:], H[first:, first:]
    if exceeds_trace(part, SINGULAR * len(part)):
        return theta
    values, vectors = np.linalg.eigh(part)
    null = vectors[:, _may_go(values, vectors, coef, coordinates.scale)] / coordinates.scale[:, None]
    if not null.size:
        return theta
    null, _ = np.linalg.qr(null / np.linalg.norm(null, axis=0))
    excess = null @ (null.T @ coef)
    excess[np.diag(H)[first:] == 0] = 0.0
    # Columns of very different scales: what is null in one measure is rounded in the other.
    if _spread(excess, part, coordinates) > UNSEEN * _spread(coef, part, coordinates):
        return theta
    if not coordinates.intercept:
        return coef - excess
    return np.concatenate([(theta[0] + mean @ excess)[None], coef - excess])


def _spread(coef: Vector, H: Matrix, coordinates: Coordinates) -> float:
    """The root mean square of the predictions of these coefficients, up to a factor, over all outputs."""
    z = coef * (coordinates.scale if coef.ndim == 1 else coordinates.scale[:, None])
    return float(np.sqrt(max(float(np.sum(z * (H @ z))), 0.0)))


def _may_go(values: Vector, vectors: Matrix, coef: Vector, scale: Vector) -> NDArray[np.bool_]:
    """The eigenvectors of the standardised columns' Gram matrix that b can do without.

    Both must be so: the eigenvalue is rounding of 0 or near it, and predictions change by less than UNSEEN of theirs.
    """
    z = vectors.T @ (coef * (scale if coef.ndim == 1 else scale[:, None]))
    changes = np.maximum(values, 0.0) * (z * z if z.ndim == 1 else (z * z).sum(axis=1))
    found: NDArray[np.bool_] = (values <= SINGULAR * len(values) * values[-1]) & (changes <= UNSEEN**2 * changes.sum())
    return found
