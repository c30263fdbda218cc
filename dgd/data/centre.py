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


def sampled(X: Array) -> Vector | None:
    """A centre for the columns of a chunk, from some of its rows; None where no column needs one.

    It is at most √(rows/ROWS) spreads away from the mean, whatever the rows are: these are some of them.
    """
    values = X[:: max(1, -(-len(X) // ROWS))].astype(np.float64)
    if not len(values):
        return None
    mean = values.mean(axis=0)
    spread = np.sqrt(((values - mean) ** 2).mean(axis=0))
    constant = (values == values[0]).all(axis=0)
    return centre_of(np.where(constant, values[0], mean), np.where(constant, 0.0, spread), X.dtype)


def centre_of(mean: Vector, spread: Vector, dtype: np.dtype[np.generic]) -> Vector | None:
    """The means of columns that are far from 0, and all of a constant; 0 for the others, and None if there are none."""
    found = near(mean, spread)
    if dtype.kind in "iu":
        found = np.rint(found)
    far = np.isfinite(found) & (abs(mean) > FAR * spread)
    return np.where(far, found, 0.0) if far.any() else None


def near(mean: Any, spread: Any) -> Any:
    """The mean to within half a spread, in few binary digits: most differences from it are then exact."""
    unit = np.exp2(np.floor(np.log2(np.where(spread > 0, spread, 1.0))))
    return np.where(spread > 0, np.rint(mean / unit) * unit, mean)[()]


def _as_int64(columns: Vector) -> Array:
    """Whole numbers below 2⁶⁴ in size, modulo 2⁶⁴."""
    return np.where(columns >= 2.0**63, columns - 2.0**64, columns).astype(np.int64)
