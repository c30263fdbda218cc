"""Columns that nearly repeat each other, by name: what a singular Hessian or a wide certificate is about."""

from __future__ import annotations

import numpy as np

from dgd._typing import Integers, Matrix, Vector
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.fitting.verdict.certificate import Certificate
from dgd.fitting.verdict.definite import exceeds_trace
from dgd.solvers.base import Evaluation, State, Status, vector_norm
from dgd.solvers.newton import NewtonState

WIDE = 1e-3
"""A bound on the distance to the optimal coefficients that is more than this part of them says little."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""An eigenvalue below this part of the largest, for each column, is rounding of zero."""
NEAR = 1e-6
"""Columns with one below this part are near enough to each other to be named for it."""
SHARE = 0.1
"""A column is named if its part of a direction without curvature is at least this part of the largest."""
SHOWN = 6


def is_wide(objective: Objective, certificate: Certificate | None, evaluation: Evaluation, known: Known) -> bool:
    """Whether columns are near each other, and a certificate leaves a part of the coefficients open for it."""
    if certificate is None or not objective.loss.quadratic or not nearly_collinear(objective, known, wide=True):
        return False
    part, scale = known.coordinates.coef_part(evaluation.point), known.coordinates.scale
    coef = part / (scale if part.ndim == 1 else scale[:, None])
    return certificate.distance > WIDE * vector_norm(coef.ravel())


def stops_short(objective: Objective, solver: State) -> bool:
    """Whether Newton's steps have ended without the directions that its rank leaves out.

    H squares the condition of the columns. A gradient does not, so that methods of gradients alone go on from there.
    """
    stalled = isinstance(solver, NewtonState) and solver.status is Status.STALLED and solver.rank < solver.point.size
    return stalled and objective.penalty.is_smooth and not objective.loss.shift_is_free


def nearly_collinear(objective: Objective, known: Known, *, wide: bool) -> str:
    """The rank of the columns and those that depend on each other; nothing if they do not.

    wide: the direction of the least curvature is named even where it is somewhat more than rounding.
    """
    H = known.hessian
    if H is None or objective.loss.shift_is_free or not (objective.outputs is None or objective.loss.quadratic):
        return ""
    first = int(objective.fit_intercept)
    used = np.flatnonzero(np.diag(H)[first:] > 0)
    # What an l2 penalty decides is not open.
    scaled, whole = known.coordinates.penalty(objective.penalty), int(known.coordinates.whole)
    zeros = np.zeros((objective.dataset.shape[1] + whole, objective.outputs or 1))
    ridge = scaled.curvature(zeros)[whole:][used].min(axis=1)
    part = H[first:, first:][np.ix_(used, used)] + np.diag(ridge)
    if len(used) < 2 or not np.isfinite(part).all():
        return ""
    return dependence(part, used, objective.dataset.feature_names, wide=wide)


def dependence(part: Matrix, used: Integers, names: tuple[str, ...] | None, *, wide: bool) -> str:
    """The same of the Gram matrix of some columns; `used`: their numbers."""
    S = with_unit_diagonal(part)
    if exceeds_trace(S, max(ROUNDING * len(used), NEAR if wide else 0.0)):
        return ""
    values, vectors = np.linalg.eigh(S)
    return _dependence(values, vectors, used, names, wide=wide)


def dependence_by_factor(R: Matrix, used: Integers, names: tuple[str, ...] | None) -> str:
    """The same of their R factor, in which what is left of a column is not squared."""
    _, sizes, directions = np.linalg.svd(R / np.linalg.norm(R, axis=0))
    return _dependence(sizes[::-1], directions[::-1].T, used, names, wide=False)


def _dependence(values: Vector, vectors: Matrix, used: Integers, names: tuple[str, ...] | None, *, wide: bool) -> str:
    missing = int((values <= ROUNDING * len(used) * values[-1]).sum())
    if not missing and not (wide and values[0] <= NEAR * values[-1]):
        return ""
    size = abs(vectors[:, : max(missing, 1)]).max(axis=1)
    return f"nearly collinear: rank {len(used) - missing} of {len(used)} ({involved(size, used, names)})"


def involved(size: Vector, used: Integers, names: tuple[str, ...] | None) -> str:
    """The columns with most of a direction; size: the part of each in it."""
    named = [int(used[j]) for j in np.argsort(-size, kind="stable") if size[j] >= SHARE * size.max()]
    shown = ", ".join(repr(names[j]) if names else str(j) for j in sorted(named[:SHOWN]))
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return f"columns {shown}{more}"


def with_unit_diagonal(H: Matrix) -> Matrix:
    """H of columns of one length."""
    size = np.sqrt(np.diag(H))
    return H / size[:, None] / size
