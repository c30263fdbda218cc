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
from dgd.losses import Squared
from dgd.passes.blas import single_threaded_blas
from dgd.passes.plan import Need
from dgd.passes.session import Session
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.row_sums import RowSums

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
    with single_threaded_blas():
        first = int(fit_intercept)
        values, vectors = np.linalg.eigh(coordinates.hessian(hessian.values)[first:, first:])
        null = vectors[:, _may_go(values, vectors, coef, coordinates.scale)] / coordinates.scale[:, None]
        if not null.size:
            return theta
        null, _ = np.linalg.qr(null / np.linalg.norm(null, axis=0))
        excess = null @ (null.T @ coef)
    if not fit_intercept:
        return coef - excess
    mean = coordinates.mean if sums.about is None else coordinates.mean + sums.about
    return np.concatenate([(theta[0] + mean @ excess)[None], coef - excess])


def _may_go(values: Vector, vectors: Matrix, coef: Vector, scale: Vector) -> NDArray[np.bool_]:
    """The eigenvectors of the standardised columns' Gram matrix that b can do without.

    Both must be so: the eigenvalue is rounding of 0 or near it, and predictions change by less than UNSEEN of theirs.
    """
    z = vectors.T @ (coef * (scale if coef.ndim == 1 else scale[:, None]))
    changes = np.maximum(values, 0.0) * (z * z if z.ndim == 1 else (z * z).sum(axis=1))
    found: NDArray[np.bool_] = (values <= SINGULAR * len(values) * values[-1]) & (changes <= UNSEEN**2 * changes.sum())
    return found
