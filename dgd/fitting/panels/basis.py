"""Orthonormal columns in place of those of X, made once for all targets: what is solved for each is then a product.

    Z = (X − x̄) T        Σ w z zᵀ = I        X − x̄ = Z · diag(s) Vᵀ

T follows from an R factor of X, by its singular values, and is then corrected by the products of Z itself: no digit is
lost to the square of a condition, as with XᵀX. Stathopoulos and Wu (2002), A block orthogonalization procedure with
constant synchronization requirements; Yamamoto et al. (2015), Roundoff error analysis of the CholeskyQR2 algorithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Array, Matrix, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.dataset import Chunk
from dgd.data.folds import Folds
from dgd.passes.sums.r_factor import RFactor

EPS = float(np.finfo(np.float64).eps)
DEPENDENT = 1e-13
"""Singular values below this part of the largest, in columns of one spread, are taken for 0."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Z of some rows of X: ((x − about − mean) @ turn) @ again."""

    about: Vector
    mean: Vector
    turn: Matrix
    """(n, r)."""
    again: Matrix
    """(r, r); apart, because it takes back what the first product has rounded."""

    @property
    def rank(self) -> int:
        """The columns of Z."""
        return int(self.turn.shape[1])

    def of(self, chunk: Chunk) -> tuple[Matrix, Matrix]:
        """[1 Z] of all rows of a chunk that were read, and the same times the weights; rows that were left out are 0.

        Both are (rows, 1 + r).
        """
        X, weight = all_rows(chunk)
        block = np.empty(X.shape)
        Centre(self.about).subtract(X, block)
        block -= self.mean
        made = np.empty((len(X), 1 + self.rank))
        made[:, 0] = 1
        made[:, 1:] = np.dot(np.dot(block, self.turn), self.again)
        return made, made if weight is None else made * weight[:, None]


def all_rows(chunk: Chunk) -> tuple[Array, Vector | None]:
    """X of all rows that were read, dense, and their weights: rows that were left out have zeros, and weight 0."""
    X = chunk.X if isinstance(chunk.X, np.ndarray) else chunk.X.toarray()
    weight = None if chunk.weight is None else chunk.weight.astype(np.float64)
    if chunk.left_out is None or chunk.numbers is None:
        return X, weight
    there = chunk.numbers - chunk.start
    whole = np.zeros((chunk.rows_read, X.shape[1]), X.dtype)
    whole[there] = X
    weights = np.zeros(chunk.rows_read)
    weights[there] = 1.0 if weight is None else weight
    return whole, weights


@dataclass(frozen=True, eq=False)
class BasisProducts:
    """The chunk sum [1 Z]ᵀ W [1 Z], (K, 1 + r, 1 + r): one for each of K folds, or a single one."""

    basis: Basis
    folds: Folds | None = None

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Array:
        plain, weighted = self.basis.of(chunk)
        if self.folds is None:
            whole: Array = np.dot(plain.T, weighted)
            return whole[None]
        fold = fold_of_rows(self.folds, chunk.index, chunk.start, len(plain))
        return np.stack([np.dot(plain[fold == k].T, weighted[fold == k]) for k in range(self.folds.count)])


def fold_of_rows(folds: Folds, index: int, start: int, rows: int) -> Array:
    """The fold of each of some rows of a row chunk."""
    nothing = np.broadcast_to(np.zeros(1), (rows, 1))
    return folds.of(Chunk(index=index, start=start, X=nothing, y=None, weight=None, bytes_read=0))


@dataclass(frozen=True, eq=False)
class Factored:
    """The decomposition X − x̄ = Z diag(s) Vᵀ, and what it was made of."""

    rows: int
    """Those that were not left out."""
    weighted: int
    """Those of them with a weight above 0."""
    weight: float
    basis: Basis
    sums: Vector
    """Σ w z, (r,): rounding of 0 with an intercept."""
    values: Vector
    """s, (r,)."""
    vectors: Matrix
    """V in the units of X, (n, r): b = V diag(1/s) Σ w z y."""
    products: Array
    """(K, 1 + r, 1 + r), those of [1 Z] by fold."""
    condition: float
    """Of the columns, in one spread."""
    fit_intercept: bool

    @property
    def digits(self) -> float:
        """Of the coefficients, that rounding leaves."""
        return max(0.0, -math.log10(4 * EPS * max(1.0, self.condition)))

    @property
    def mean(self) -> Vector:
        """x̄, (n,)."""
        return self.basis.about + self.basis.mean


@dataclass(frozen=True, eq=False)
class Start:
    """A basis that is orthonormal but for rounding, and what X is of it."""

    basis: Basis
    columns: Matrix
    """(x − x̄) · scale = z @ columns, (r, n)."""
    scale: Vector
    """Of each column, 1 / spread; 0 for a constant."""
    condition: float


def start_of(factor: RFactor, *, fit_intercept: bool) -> Start:
    """The first basis, by the singular values of the R factor in columns of one spread."""
    n = len(factor.about)
    about, mean, R = factor.about, factor.factor[0, 1 : n + 1] / factor.factor[0, 0], factor.columns
    if not fit_intercept:
        whole = factor.moved_to(np.zeros(n), np.zeros_like(factor.level)).factor[:, 1 : n + 1]
        about, mean, R = np.zeros(n), np.zeros(n), np.asarray(np.linalg.qr(whole, mode="r"))
    root = math.sqrt(factor.weight)
    size = np.sqrt((R * R).sum(axis=0)) / root
    scale = np.divide(1.0, size, out=np.zeros(n), where=size > 16 * EPS * abs(mean))
    _, values, turned = np.linalg.svd(R * scale, full_matrices=False)
    kept = values > DEPENDENT * values.max(initial=0.0)
    values, turned = values[kept], turned[kept]
    condition = float(values[0] / values[-1]) if len(values) else 1.0
    basis = Basis(about, mean, scale[:, None] * turned.T / values, np.eye(len(values)))
    return Start(basis, values[:, None] * turned, scale, condition)


def factored(
    start: Start, products: Array, rows: int, weighted: int, *, fit_intercept: bool, penalised: bool
) -> Factored:
    """The decomposition, from the products of the first basis.

    penalised: whether singular values are those of X as it is, on which a penalty depends; else of its columns in one
    spread, which keeps the digits of small ones.
    """
    total = products.sum(axis=0)
    weight, sums, G = float(total[0, 0]), total[0, 1:], total[1:, 1:]
    if fit_intercept:
        G = G - np.outer(sums, sums) / weight
    L = np.linalg.cholesky((G + G.T) / 2)
    units = np.where(start.scale > 0, start.scale, 1.0)
    # Of dependent columns the coefficients are those of least norm in the units of X, as for `dgd.fit`.
    raw = penalised or len(G) < np.count_nonzero(start.scale)
    left, values, vectors = np.linalg.svd(L.T @ (start.columns / units if raw else start.columns), full_matrices=False)
    turn = np.linalg.solve(L.T, left)
    change = np.zeros((1 + len(G), 1 + len(G)))
    change[0, 0], change[1:, 1:] = 1, turn
    return Factored(
        rows=rows,
        weighted=weighted,
        weight=weight,
        basis=replace(start.basis, again=turn),
        sums=turn.T @ sums,
        values=values,
        vectors=vectors.T if raw else vectors.T * start.scale[:, None],
        products=np.stack([change.T @ each @ change for each in products]),
        condition=float(values[0] / values[-1]) if raw and not penalised and len(values) else start.condition,
        fit_intercept=fit_intercept,
    )
