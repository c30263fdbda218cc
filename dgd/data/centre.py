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

ROWS = 256
"""Of a chunk that its centre is taken from, evenly spaced."""
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

    def subtract(self, X: Array, out: FloatArray) -> None:
        """X − c, rounded once, to the dtype of `out`."""
        assert self.columns is not None
        if X.dtype.kind in "iu" and X.dtype.itemsize == 8:
            # The difference modulo 2⁶⁴ is right, whether they are signed or not, and always fits where it matters.
            np.copyto(out, X.astype(np.int64, copy=False) - _as_int64(self.columns), casting="unsafe")
        else:
            np.subtract(X, self.columns, out=out, casting="unsafe")

    def targets(self, y: FloatArray, dtype: np.dtype[np.floating]) -> FloatArray:
        """y − ℓ."""
        return (y - self.level).astype(dtype, copy=False)


def sampled(X: Array, far: float = FAR) -> Vector | None:
    """A centre for the columns of a chunk, from some of its rows; None where no column needs one.

    It is at most √(rows/ROWS) spreads away from the mean, whatever the rows are: these are some of them.
    far: how many spreads away from 0 a column is centred from.
    """
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
    mean = values.mean(axis=0)
    spread = np.sqrt(((values - mean) ** 2).mean(axis=0))
    constant = (values == values[0]).all(axis=0)
    return np.where(constant, values[0], mean), np.where(constant, 0.0, spread)


def centre_of(mean: Vector, spread: Vector, dtype: np.dtype[np.generic], far: float = FAR) -> Vector | None:
    """The means of columns that are far from 0, and all of a constant; 0 for the others, and None if there are none."""
    found = near(mean, spread)
    if dtype.kind in "iu":
        found = np.rint(found)
    away = np.isfinite(found) & (abs(mean) > far * spread)
    return np.where(away, found, 0.0) if away.any() else None


def near(mean: Any, spread: Any) -> Any:
    """The mean to within half a spread, in few binary digits: most differences from it are then exact."""
    unit = np.exp2(np.floor(np.log2(np.where(spread > 0, spread, 1.0))))
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)[()]


def _as_int64(columns: Vector) -> Array:
    """Whole numbers below 2⁶⁴ in size, modulo 2⁶⁴."""
    return np.where(columns >= 2.0**63, columns - 2.0**64, columns).astype(np.int64)
