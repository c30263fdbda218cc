"""How far the coefficients of a model may be off: their covariance, as a root, and what intervals need besides.

    cov = L Lᵀ      se(η at x)² = ‖(1, x − c)ᵀ L‖²

L belongs to columns less their centre c, near the mean: with columns of a mean of 1e8 and a spread of 1 the covariance
of coefficients of x itself has entries that cancel to 16 digits in a prediction's variance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.dataset import Chunk
from dgd.passes.sums.blocks import Blocks

COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster")


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The covariance of a model's coefficients.

    root: L, (q, p, k), for each output its p parameters, the intercept's first, where there is one or not (p = n + 1).
    """

    cov: str
    root: Vector
    centre: Vector
    """c, (n,); 0 without an intercept."""
    df: float
    """Degrees of freedom of t; infinite: the normal distribution."""
    dispersion: Vector
    """The variance of an observation of each output, by the squared loss, else 1 or an estimate; (q,)."""
    joint: bool
    """Whether outputs have covariances with each other, as classes do."""

    def flaw(self, coef_shape: tuple[int, ...]) -> str | None:
        """What is wrong with it beside coefficients of that shape; None if nothing is."""
        q, n = (1, *coef_shape)[-2:]
        if self.cov not in COVARIANCES:
            return f"its covariance is called {self.cov!r}"
        if self.root.ndim != 3 or self.root.shape[:2] != (q, n + 1) or 0 in self.root.shape:
            return f"its covariance has the shape {self.root.shape} beside coefficients of shape {coef_shape}"
        if self.centre.shape != (n,) or self.dispersion.shape != (q,):
            return f"its covariance has a centre of shape {self.centre.shape} and dispersions {self.dispersion.shape}"
        numbers = (self.root, self.centre, self.dispersion)
        if not (all(np.isfinite(each).all() for each in numbers) and self.df > 0 and (self.dispersion >= 0).all()):
            return "its covariance has numbers that are not finite, or negative"
        return None

    def raw_errors(self, chunk: Chunk, buffers: Buffers) -> Iterator[tuple[slice, Vector]]:
        """(1, x − c)ᵀ L of some rows, (rows, q, k), block by block: of its products over k are the covariances of η."""
        q, p, k = self.root.shape
        flat = self.root.transpose(1, 0, 2).reshape(p, q * k)
        # 64-bit integers are subtracted as such: their centre has to be one.
        centre = np.rint(self.centre) if chunk.X.dtype.kind in "iu" else self.centre
        if not isinstance(chunk.X, np.ndarray):
            # Of sparse rows only columns that are stored nearly everywhere, and of mixed ones numbers: the others are
            # near 0.
            found_centre = sampled(chunk.X)
            centre = np.zeros_like(self.centre) if found_centre is None else found_centre
        constant = flat[0] + (centre - self.centre) @ flat[1:]
        bare = replace(chunk, offset=None, weight=None)
        for block in Blocks(bare, flat[1:], constant, buffers, centre=Centre(centre)):
            yield block.rows, block.raw.reshape(-1, q, k)

    def user_root(self) -> Vector:
        """L for columns as they are: the intercept's row less cᵀ of the others; (q, p, k)."""
        root = self.root.copy()
        root[:, 0] -= np.einsum("j,qjk->qk", self.centre, self.root[:, 1:])
        return root


def square_root(matrix: Array) -> Vector:
    """S with S Sᵀ = the matrix, which is symmetric and not negative, but for rounding."""
    values, vectors = np.linalg.eigh(matrix)
    root: Vector = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


def finite_df(df: float) -> float | None:
    """Degrees of freedom for JSON: None where they are infinite."""
    return None if math.isinf(df) else df
