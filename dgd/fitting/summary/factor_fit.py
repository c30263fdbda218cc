"""A smooth squared loss that is minimised from an R factor, without squaring the condition of its columns.

    min ‖R_y − Rₓ b‖² · 2/W + Σ l2ⱼ bⱼ²        by QR of [√(2/W) Rₓ; √l2], in standardised columns

The error of z is ε(‖z‖ + ‖y‖) times R⁻¹, and ε times the residual times (RᵀR)⁻¹, row by row: Higham (2002), Accuracy
and Stability of Numerical Algorithms, chapter 20.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Matrix, Vector
from dgd.fitting.known import Pass
from dgd.fitting.objective import Objective
from dgd.fitting.summary.products import TINY
from dgd.fitting.verdict.certificate import Certificate
from dgd.fitting.verdict.collinear import ROUNDING as SINGULAR
from dgd.passes.sums.r_factor import RFactor
from dgd.penalties.parts import differs_by_output
from dgd.solvers.base import vector_norm

EPS = float(np.finfo(np.float64).eps)
ROUNDING = 4 * EPS


@dataclass(frozen=True)
class Factored:
    """The minimum, how many digits of each coefficient are sure, and the certificate."""

    found: Pass
    sure: float
    certificate: Certificate


def by_factor(objective: Objective, first: Pass, factor: RFactor) -> Factored | None:
    """The minimum; None where the columns depend on each other to the last digit, or the penalty is not smooth.

    first: at the best constant, of which the intercept and the coordinates are taken.
    """
    if not objective.penalty.is_smooth or differs_by_output(objective.penalty) or not first.evaluation.finite:
        return None
    coordinates, n = first.known.coordinates, len(factor.about)
    own = int(objective.fit_intercept)
    # Without an intercept the columns are those of the data, and nothing takes their means out.
    rows = factor.factor[1:] if own else factor.moved_to(np.zeros(n), np.zeros_like(factor.level)).factor
    unit = math.sqrt(objective.loss.gradient_scale / factor.weight)
    A, b = unit * rows[:, 1 : n + 1] / coordinates.scale, unit * rows[:, n + 1 :]
    l2 = objective.penalty.curvature(np.zeros(n))
    ridge = np.diag(np.sqrt(l2) / coordinates.scale)
    z, R = _least(np.vstack([A, ridge]), np.vstack([b, np.zeros((n, b.shape[1]))]))
    if R is None:
        return None
    left = A @ z - b
    residual = np.sqrt((left * left).sum(axis=0) + unit * unit * factor.rest)
    point = first.evaluation.point.reshape(n + own, -1).copy()
    point[own:] = z
    gradient = np.zeros_like(point)
    gradient[own:] = A.T @ left + ridge @ (ridge @ z)
    value = float(np.sum(residual * residual) / 2 + np.sum((ridge @ z) ** 2) / 2)
    error = _error(R, z, np.sqrt((b * b).sum(axis=0)), residual)
    evaluation = replace(
        first.evaluation, point=point.ravel(), value=value, gradient=gradient.ravel(), hessian=None, subgradient=None
    )
    # A Hessian of squared condition would take directions for null that the factor knows.
    known = replace(first.known, hessian=None, factor=_with_intercept(A) if own else A)
    found = replace(first, evaluation=evaluation, known=known)
    return Factored(found, _digits(error, z), _certificate(error, coordinates.scale, gradient[own:], R))


def _with_intercept(A: Matrix) -> Matrix:
    """The factor of columns of mean 0, and of one of ones."""
    whole = np.zeros((len(A) + 1, len(A) + 1))
    whole[0, 0], whole[1:, 1:] = math.sqrt(2.0), A
    return whole


def _least(A: Matrix, b: Matrix) -> tuple[Matrix, Matrix | None]:
    """The least-squares solution and R, None where a column is a sum of others to the last digit."""
    Q, R = np.linalg.qr(A)
    size = abs(np.diag(R))
    if not size.min(initial=np.inf) > len(R) * SINGULAR * size.max(initial=0.0):
        return np.zeros((len(R), b.shape[1])), None
    return np.linalg.solve(R, Q.T @ b), R


def sure_digits(R: Matrix, z: Matrix, size: Vector, residual: Vector) -> float:
    """How many digits of each coefficient are sure by such a factor; size: the length of each target."""
    return _digits(_error(R, z, size, residual), z)


def _error(R: Matrix, z: Matrix, size: Vector, residual: Vector) -> Matrix:
    inverse = np.linalg.inv(R)
    reach = np.sqrt((R * R).sum(axis=0) @ (z * z)) + size
    by_columns = np.sqrt((inverse * inverse).sum(axis=1))
    curved = inverse @ inverse.T
    by_residual = np.sqrt((curved * curved) @ (R * R).sum(axis=0))
    error: Matrix = ROUNDING * (np.outer(by_columns, reach) + np.outer(by_residual, residual))
    return error


def _digits(error: Matrix, z: Matrix) -> float:
    least = np.maximum(abs(z), TINY * abs(z).max(axis=0, initial=0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        worst = float(np.nan_to_num(error / least, nan=0.0, posinf=np.inf).max(initial=0.0))
    return math.inf if worst == 0 else max(0.0, -math.log10(worst))


def _certificate(error: Matrix, scale: Vector, gradient: Matrix, R: Matrix) -> Certificate:
    gap = np.linalg.norm(R @ error) ** 2 / 2 + vector_norm((gradient * error).ravel())
    return Certificate(vector_norm((error / scale[:, None]).ravel()), float(gap), "by the R factor of the columns")
