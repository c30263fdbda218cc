"""What is subtracted from columns and targets before anything is summed, so that a large mean costs no digits.

    x − c, y − ℓ        η = xᵀb + b₀ = (x − c)ᵀb + β + ℓ        β = b₀ + cᵀb − ℓ

Products of columns with a mean of 1e8 spreads keep half of their digits, and none at 1e16: centring the sums afterwards
does not bring them back. The difference is taken before a value is converted: in 64-bit integers for such columns, in
float64 for all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.csr import Csr
from dgd.data.mixed import Cells, Coded, Mixed, by_part

ROWS = 256
"""Of a chunk that its centre is taken from, evenly spaced."""
ALIKE = 1e-9
"""Values whose spread is at most this part of their mean may be the same number."""
FAR = 256.0
"""Columns whose mean is more spreads away from 0 are centred. Up to 1000 costs no more than a pass of refinement."""


@dataclass(frozen=True)
class Centre:
    """A provisional centre of the columns, (n,), None where all are near 0; and of the targets, one for each output.

    It need not be the mean: a spread or a few away from it is near enough.
    """

    columns: Vector | None = None
    level: float | Vector = 0.0

    def to_user(self, theta: Vector) -> Vector:
        """θ for columns and targets as they are stored, from that for their differences; the intercept first."""
        found = theta.copy()
        found[0] += self.level
        if self.columns is not None:
            found[0] -= self.columns @ theta[1:]
        return found

    def from_user(self, theta: Vector) -> Vector:
        """The inverse of `to_user`."""
        found = theta.copy()
        if self.columns is not None:
            found[0] += self.columns @ theta[1:]
        found[0] -= self.level
        return found

    def of_columns(self, some: slice) -> Centre | None:
        """That of some columns; None where all of them are near 0."""
        columns = None if self.columns is None else self.columns[some]
        return None if columns is None or not columns.any() else Centre(columns)

    def subtract(self, X: Array, out: FloatArray) -> None:
        """X − c, rounded once, to the dtype of `out`."""
        assert self.columns is not None
        _subtract(X, self.columns, out)

    def subtract_stored(self, X: Csr, dtype: np.dtype[Any]) -> Csr:
        """X − c as a sparse matrix, each stored value rounded once, to that dtype.

        Columns are centred where c is more than `FAR` spreads, so that all but 1 in 65,537 of their cells are stored:
        cells of such columns that are not stored become stored, as −c, and no other column changes.
        """
        assert self.columns is not None
        X = X.canonical()
        values = np.empty(X.data.shape, dtype)
        _subtract(X.data, self.columns[X.indices], values)
        stored = Csr(values, X.indices, X.indptr, X.columns)
        rows, far = _not_stored(X, np.flatnonzero(self.columns))
        if not len(rows):
            return stored
        indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=len(X)))))
        absent = np.negative(self.columns[far]).astype(dtype)
        return Csr.of(stored.scipy() + Csr(absent, far.astype(X.indices.dtype), indptr, X.columns).scipy())

    def targets(self, y: FloatArray, dtype: np.dtype[np.floating]) -> FloatArray:
        """y − ℓ."""
        return (y - self.level).astype(dtype, copy=False)


def sampled(X: Cells, far: float = FAR) -> Vector | None:
    """A centre for the columns of a chunk, from some of its rows; None where no column needs one.

    It is at most √(rows/ROWS) spreads away from the mean, whatever the rows are: these are some of them.
    far: how many spreads away from 0 a column is centred from.
    """
    if isinstance(X, Mixed):
        return _sampled_mixed(X, far)
    if isinstance(X, Csr):
        return _sampled_stored(X[:: max(1, -(-len(X) // ROWS))], far)
    return centre_of(*_sampled_moments(X), X.dtype, far) if len(X) else None


def sampled_level(y: Array) -> Vector:
    """A level near the mean of each column of a chunk's targets, from some of its rows."""
    if not len(y):
        return np.zeros(y.shape[1])
    with np.errstate(invalid="ignore"):
        found: Vector = near(*_sampled_moments(y))
    return np.where(np.isfinite(found), found, 0.0)


def _sampled_moments(X: Array) -> tuple[Vector, Vector]:
    values = X[:: max(1, -(-len(X) // ROWS))].astype(np.float64)
    mean = np.dot(np.full(len(values), 1 / len(values)), values)
    differences = values - mean
    spread = np.sqrt(np.einsum("ij,ij->j", differences, differences) / len(values))
    suspect = spread <= ALIKE * abs(mean)
    if suspect.any():
        constant = suspect & (values == values[0]).all(axis=0)
        mean, spread = np.where(constant, values[0], mean), np.where(constant, 0.0, spread)
    return mean, spread


def _sampled_stored(X: Csr, far: float) -> Vector | None:
    """A centre from these rows: of columns that are stored in each of them, as no other is further than 16 spreads."""
    rows = len(X)
    if not rows:
        return None
    X = X.canonical()
    full = np.flatnonzero(np.bincount(X.indices, minlength=X.columns) == rows)
    if not len(full):
        return None
    centre = sampled(X.with_columns(full).toarray(), far)
    if centre is None:
        return None
    found = np.zeros(X.columns)
    found[full] = centre
    return found


def _sampled_mixed(X: Mixed, far: float) -> Vector | None:
    """That of its numbers; categories have none."""
    found, away = np.zeros(X.shape[1]), False
    for some, part in by_part(X):
        centre = None if isinstance(part, Coded) else sampled(part, far)
        if centre is not None:
            found[some], away = centre, True
    return found if away else None


def _not_stored(X: Csr, columns: Array) -> tuple[Array, Array]:
    """Rows and columns of the cells of some columns that are not stored, row by row."""
    some = X.with_columns(columns)
    if len(some.data) == len(X) * len(columns):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    there = np.zeros((len(X), len(columns)), bool)
    there[np.repeat(np.arange(len(X)), some.lengths), some.indices] = True
    rows, places = np.nonzero(~there)
    return rows, columns[places]


def _subtract(X: Array, centre: Vector, out: FloatArray) -> None:
    if X.dtype.kind in "iu" and X.dtype.itemsize == 8:
        # The difference modulo 2⁶⁴ is right, whether they are signed or not, and always fits where it matters.
        np.copyto(out, X.astype(np.int64, copy=False) - _as_int64(centre), casting="unsafe")
    else:
        np.subtract(X, centre, out=out, casting="unsafe")


def centre_of(
    mean: Vector, spread: Vector, dtype: np.dtype[np.generic], far: float = FAR, *, coded: Array | None = None
) -> Vector | None:
    """The means of columns that are far from 0, and all of a constant; 0 for the others, and None if there are none.

    coded: which columns are those of categories, which have no centre.
    """
    if not (abs(mean) > far * spread).any():
        return None
    found = near(mean, spread)
    if dtype.kind in "iu":
        found = np.rint(found)
    away = np.isfinite(found) & (abs(mean) > far * spread)
    if coded is not None:
        away &= ~coded
    return np.where(away, found, 0.0) if away.any() else None


def near(mean: Any, spread: Any) -> Any:
    """The mean to within half a spread, in few binary digits: most differences from it are then exact."""
    unit = np.exp2(np.floor(np.log2(np.where(spread > 0, spread, 1.0))))
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)[()]


def _as_int64(columns: Vector) -> Array:
    """Whole numbers below 2⁶⁴ in size, modulo 2⁶⁴."""
    return np.where(columns >= 2.0**63, columns - 2.0**64, columns).astype(np.int64)
