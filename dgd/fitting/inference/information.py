"""The information Σ w·l″·xxᵀ at θ as its inverse's root, from the fit's own Hessian or from one pass.

    A with A Aᵀ = (Σ w·l″·xxᵀ)⁻¹

in the coordinates z = (x − c)/s of the fit, in which columns have a mean of 0 and a spread of 1, so that neither large
means nor scales cost digits. With several outputs there is an A for each; K classes have one together, on the subspace
of parameters whose sum over the classes is 0, which are those that the loss determines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.errors import DataError
from dgd.errors.words import visible
from dgd.fitting.coordinates import CONSTANT, Coordinates
from dgd.fitting.inference.fitted import Fitted
from dgd.fitting.verdict.collinear import ROUNDING, dependence, dependence_by_factor, with_unit_diagonal
from dgd.losses import Huber

EPS = float(np.finfo(np.float64).eps)
DIGITS_LOST = 1e-8
"""What rounding may make of a covariance before a note says so."""


@dataclass(frozen=True, eq=False)
class Information:
    """Σ w·l″·xxᵀ of each equation, and A."""

    matrices: Vector
    """(E, P, P)."""
    inverse_root: Vector
    """A, (q, p, k), without a row for an intercept that is not fitted."""
    coordinates: Coordinates
    """z, about the centre of the fit."""
    joint: bool
    root: Matrix | None = None
    """R of one equation, with RᵀR its matrix, where it was summed as such."""

    @property
    def rounding(self) -> float:
        """What part of the covariance may be rounding."""
        if self.root is not None:
            return float(np.linalg.cond(self.root / np.linalg.norm(self.root, axis=0))) * EPS
        matrices: Any = self.matrices
        if self.joint:
            # Along a shift of all classes there is no information, and none is asked for.
            basis = _basis(len(self.inverse_root), self.matrices.shape[1])
            matrices = basis.T @ self.matrices @ basis
        return max(float(np.linalg.cond(with_unit_diagonal(matrix))) for matrix in matrices) * EPS

    def for_columns(self, root: Vector) -> Vector:
        """A matrix (q, p, k) in coordinates z as one for columns less the fit's centre; with an intercept's row."""
        found = [replace(self.coordinates, outputs=each.shape[1]).to_user(each.ravel()) for each in root]
        return _with_intercept_row(np.stack(found), self.coordinates)

    def about_means(self, root: Vector, rounding: Vector) -> Vector:
        """The same for columns less their mean in coordinates z, which is rounded by so much."""
        first = int(self.coordinates.intercept)
        found = root.copy()
        found[:, first:] /= self.coordinates.scale[:, None]
        if first:
            found[:, 0] += np.einsum("j,qjk->qk", rounding, found[:, first:])
        return _with_intercept_row(found, self.coordinates)


def of_hessian(fitted: Fitted, hessian: Matrix, weight: float) -> Information:
    """From the Hessian of the mean loss in the coordinates of the fit: of all outputs, of a quadratic one for each."""
    loss, q, coordinates = fitted.method.loss, fitted.method.outputs, fitted.known.coordinates
    sums = hessian * (weight / loss.gradient_scale)
    if q is None:
        return _information(fitted, coordinates, sums[None])
    if loss.quadratic:
        return _information(fitted, coordinates, np.broadcast_to(sums, (q, *sums.shape)))
    p = len(sums) // q
    split = sums.reshape(p, q, p, q)
    if loss.shift_is_free:
        return _information(fitted, coordinates, split.transpose(1, 0, 3, 2).reshape(1, q * p, q * p))
    return _information(fitted, coordinates, np.stack([split[:, k, :, k] for k in range(q)]))


def of_factor(fitted: Fitted, factor: Matrix, weight: float) -> Information:
    """From the R factor of the mean squared loss in the coordinates of the fit, which all outputs share."""
    q, coordinates = fitted.outputs, fitted.known.coordinates
    R: Matrix = np.asarray(np.linalg.qr(factor * np.sqrt(weight / fitted.method.loss.gradient_scale), mode="r"))
    first, H = int(fitted.method.fit_intercept), R.T @ R
    _check_constant(fitted, coordinates, H)
    _check_dependence(dependence_by_factor(R[:, first:], np.arange(len(R) - first), fitted.dataset.feature_names))
    size = np.linalg.norm(R, axis=0)
    inverse = np.linalg.inv(R / size) / size[:, None]
    return Information(
        np.broadcast_to(H, (q, *H.shape)), np.broadcast_to(inverse, (q, *inverse.shape)), coordinates, False, R
    )


def of_sums(fitted: Fitted, sums: Vector) -> Information:
    """From the sums of a pass about the fit's centre: (p, p), (q, p, p) or (q, q, p, p), the intercept's row first."""
    q, intercept = fitted.outputs, fitted.method.fit_intercept
    own = sums if sums.ndim == 2 else sums.sum(axis=0) if sums.ndim == 3 else np.einsum("kkij->ij", sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = own[0, 1:] / own[0, 0] if intercept else np.zeros(len(own) - 1)
        scale = np.sqrt(np.maximum(np.diag(own)[1:] / own[0, 0] - mean**2, 0.0))
    single = Coordinates(mean, np.where(scale > 0, scale, 1.0), intercept, None, standardised=True)
    coordinates = replace(single, outputs=fitted.method.outputs)
    if not np.isfinite(mean).all():
        raise DataError(_no_information(fitted))
    if sums.ndim == 4:
        blocks = np.block([[single.hessian(sums[k, other]) for other in range(q)] for k in range(q)])
        return _information(fitted, coordinates, blocks[None])
    if sums.ndim == 2:
        found = single.hessian(sums)
        return _information(fitted, coordinates, np.broadcast_to(found, (q, *found.shape)))
    return _information(fitted, coordinates, np.stack([single.hessian(each) for each in sums]))


def _information(fitted: Fitted, coordinates: Coordinates, matrices: Vector) -> Information:
    """Raises DataError, naming the columns, where they depend on each other or are constant."""
    q, p, joint = fitted.outputs, fitted.parameters, fitted.method.loss.shift_is_free
    _check_columns(fitted, coordinates, matrices[0, :p, :p])
    shared = matrices.strides[0] == 0
    roots = [_inverse_root(fitted, H, q if joint else 1) for H in (matrices[:1] if shared else matrices)]
    root = np.broadcast_to(roots[0], (q, *roots[0].shape)) if shared else np.stack(roots)
    if joint:
        root = root.reshape(q, p, -1)
    return Information(matrices, root, coordinates, joint)


def _inverse_root(fitted: Fitted, H: Matrix, classes: int) -> Matrix:
    """A of one equation, (P, k): k is P, for K classes P (K − 1)/K."""
    basis: Matrix = np.eye(len(H))
    if classes > 1:
        basis = _basis(classes, len(H))
        H = basis.T @ H @ basis
    size = np.sqrt(np.diag(H))
    if not (np.isfinite(size).all() and (size > 0).all()):
        raise DataError(_no_information(fitted))
    scaled = H / size[:, None] / size
    values = np.linalg.eigvalsh(scaled)
    if not values[0] > ROUNDING * len(H) * values[-1]:
        raise DataError(_no_information(fitted))
    R = np.linalg.cholesky(scaled).T
    found: Matrix = basis @ (np.linalg.inv(R) / size[:, None])
    return found


def _check_columns(fitted: Fitted, coordinates: Coordinates, H: Matrix) -> None:
    """Refuse constant columns, and such as depend on each other."""
    _check_constant(fitted, coordinates, H)
    first = int(fitted.method.fit_intercept)
    used = np.arange(len(H) - first)
    if len(used) > 1:
        _check_dependence(dependence(H[first:, first:], used, fitted.dataset.feature_names, wide=False))


def _check_constant(fitted: Fitted, coordinates: Coordinates, H: Matrix) -> None:
    first, scale = int(fitted.method.fit_intercept), coordinates.scale
    spread = np.diag(H)[first:].copy()
    mean = np.zeros_like(spread)
    if first:
        spread -= H[0, 1:] ** 2 / H[0, 0]
        spread /= H[0, 0]
        mean = coordinates.mean
    constant = np.flatnonzero(~(np.sqrt(np.maximum(spread, 0)) * scale > CONSTANT * np.abs(mean)))
    if len(constant):
        names = ", ".join(repr(visible(fitted.names[first + j])) for j in constant[:6])
        # A row whose residual is beyond δ has no second derivative.
        within = " among the rows whose residual is within delta" if isinstance(fitted.method.loss, Huber) else ""
        raise DataError(
            f"there is no standard error where a column does not vary{within}: {names}"
            + (f" and {len(constant) - 6} more" if len(constant) > 6 else "")
            + "; leave such columns out (`features=`)",
            array="X",
        )


def _check_dependence(found: str) -> None:
    if found:
        raise DataError(
            f"the coefficients have no standard errors: the columns are {found}; leave out those that others give "
            f"(`features=`)",
            array="X",
        )


def _no_information(fitted: Fitted) -> str:
    return (
        f"the information at θ is singular, so that there are no standard errors: by the loss "
        f"{fitted.method.loss.name!r} the rows say nothing of some direction of θ; leave out columns, or classes of "
        f"few rows"
    )


def _basis(classes: int, size: int) -> Matrix:
    """An orthonormal basis of the parameters, `size` of all classes, whose sum over the classes is 0."""
    found: Matrix = np.kron(_contrasts(classes), np.eye(size // classes)).astype(np.float64)
    return found


def _contrasts(classes: int) -> Matrix:
    """An orthonormal basis of what has the sum 0, (K, K − 1): Helmert's."""
    basis = np.zeros((classes, classes - 1))
    for k in range(1, classes):
        basis[:k, k - 1] = 1.0
        basis[k, k - 1] = -float(k)
        basis[:, k - 1] /= np.sqrt(k * (k + 1.0))
    return basis


def _with_intercept_row(root: Vector, coordinates: Coordinates) -> Vector:
    if coordinates.intercept:
        return root
    return np.concatenate([np.zeros_like(root[:, :1]), root], axis=1)
