"""The R factor of columns and targets: what a Gram squares the condition of, this does not.

    √w [1  X − c  Y − ℓ] = Q R        R = [ r  rᵀx̄   rᵀȳ ]        b = Rₓ⁻¹ R_y        Σ w r² = ‖R_y − Rₓ b‖² + rest
                                          [ 0   Rₓ   R_y ]

Householder's for each block, and for the factors of two blocks stacked, up the fixed tree: Demmel, Grigori, Hoemmen and
Langou (2012), Communication-optimal parallel and sequential QR and LU factorizations. The first column takes the means
out of the others. Of the rows below the first n + 1 only the squares of the targets' columns are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Integers, Matrix, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.dataset import Chunk
from dgd.data.mixed import Cells
from dgd.losses import Squared
from dgd.passes.sums.bad_rows import check_finite, check_targets, checked_weight
from dgd.passes.sums.blocks import FLOAT64, as_block
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.gram_sum import FAR, counted_rows, encoded_targets, gram_rows


@dataclass(frozen=True, slots=True)
class RFactor:
    """Σw and the R factor of some rows."""

    rows: int
    weight: float
    about: Vector
    """What was subtracted from the columns, (n,)."""
    level: Vector
    """What was subtracted from the targets, (q,)."""
    factor: Matrix
    """(n + 1, n + 1 + q): the first rows of R."""
    rest: Vector
    """The squares of what is below them, (q,)."""
    counted: int
    """The rows of a weight above 0."""
    log_weight: float
    """Σ log w over them."""

    def __add__(self, other: Self) -> Self:
        rows = self.rows + other.rows
        if not (self.weight and other.weight):
            return replace(self if self.weight else other, rows=rows)
        factor, rest = _reduced(
            np.concatenate([self.factor, other.moved_to(self.about, self.level).factor]), len(self.about)
        )
        return replace(
            self,
            rows=rows,
            weight=self.weight + other.weight,
            factor=factor,
            rest=self.rest + other.rest + rest,
            counted=self.counted + other.counted,
            log_weight=self.log_weight + other.log_weight,
        )

    def moved_to(self, about: Vector, level: Vector) -> Self:
        """The same factor, where that had been subtracted from columns and targets."""
        step = np.concatenate([self.about - about, self.level - level])
        factor = self.factor
        if step.any():
            factor = factor.copy()
            factor[0, 1:] += factor[0, 0] * step
        return replace(self, about=about, level=level, factor=factor)

    def select(self, features: Any = slice(None), targets: Any = slice(None)) -> Self:
        """That of some columns, and some targets."""
        n = len(self.about)
        columns = np.concatenate([[0], 1 + np.arange(n)[features], 1 + n + np.arange(len(self.level))[targets]])
        about = self.about[features]
        factor, rest = _reduced(self.factor[:, columns], len(about))
        return replace(self, about=about, level=self.level[targets], factor=factor, rest=self.rest[targets] + rest)

    @property
    def columns(self) -> Matrix:
        """Rₓ, (n, n), upper triangular."""
        n = len(self.about)
        return self.factor[1:, 1 : n + 1]

    @property
    def targets(self) -> Matrix:
        """R_y, (n, q)."""
        return self.factor[1:, len(self.about) + 1 :]

    @property
    def gram(self) -> Gram:
        """The centred products that follow."""
        n, first = len(self.about), self.factor[0, 1:] / self.factor[0, 0]
        products = self.columns.T @ self.columns
        return Gram(
            rows=self.rows,
            weight=self.weight,
            about=self.about,
            mean=first[:n],
            products=(products + products.T) / 2,
            level=self.level,
            target_mean=first[n:],
            cross=self.columns.T @ self.targets,
            squares=(self.targets**2).sum(axis=0) + self.rest,
            counted=self.counted,
            log_weight=self.log_weight,
        )


@dataclass(frozen=True)
class RFactorSum:
    """The R factor of a chunk, in float64. An offset is subtracted from the targets."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> RFactor:
        (found,) = self.of_parts(chunk, [slice(0, len(chunk.X))], buffers)
        return found

    def of_parts(
        self, chunk: Chunk, parts: Sequence[slice], buffers: Buffers, order: Integers | None = None
    ) -> tuple[RFactor, ...]:
        """The factors of some parts of a chunk, about one centre: that of all of its rows.

        order: of the rows that parts are slices of; None: as they are.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            about, (y, level) = sampled(chunk.X, FAR), encoded_targets(chunk)
            weight = checked_weight(chunk, FLOAT64)
            some = parts if order is None else [order[p] for p in parts]
            found = tuple(
                _factored(chunk.X[p], y[p], level, None if weight is None else weight[p], about, buffers) for p in some
            )
        if not all(np.isfinite(each.factor).all() and np.isfinite(each.rest).all() for each in found):
            check_finite(chunk)
            check_targets(chunk, Squared())
        return found


def _factored(
    X: Cells, y: Array, level: Vector, weight: Array | None, about: Vector | None, buffers: Buffers
) -> RFactor:
    (rows, n), q = X.shape, y.shape[1]
    step = min(max(rows, 1), gram_rows(n + 1, FLOAT64))
    centre = None if about is None else Centre(about)
    factor, rest = np.zeros((n + 1, n + 1 + q)), np.zeros(q)
    for start in range(0, rows, step):
        cells = X[start : start + step]
        # A triangular factor has no zeros to spare: these few rows are made dense.
        block = as_block(cells if isinstance(cells, np.ndarray) else cells.toarray(), FLOAT64, buffers, centre)
        stacked = buffers.take("stacked", (n + 1 + len(block), n + 1 + q), FLOAT64)
        stacked[: n + 1] = factor
        part = stacked[n + 1 :]
        part[:, 0], part[:, 1 : n + 1] = 1, block
        np.subtract(y[start : start + step], level, out=part[:, n + 1 :])
        if weight is not None:
            part *= np.sqrt(weight[start : start + step])[:, None]
        factor, more = _reduced(stacked, n)
        rest += more
    total = float(rows) if weight is None else float(weight.sum())
    about = np.zeros(n) if about is None else about
    return RFactor(rows, total, about, level, factor, rest, *counted_rows(rows, weight))


def _reduced(stacked: Matrix, n: int) -> tuple[Matrix, Vector]:
    """The first n + 1 rows of R, and the squares of the targets' columns below them."""
    if not np.isfinite(stacked).all():
        return np.full((n + 1, stacked.shape[1]), np.nan), np.full(stacked.shape[1] - n - 1, np.nan)
    factor = np.zeros((n + 1, stacked.shape[1]))
    if stacked.shape[1] > 2 * (n + 1):
        # Of many targets no factor of their own is made.
        Q, columns = np.linalg.qr(stacked[:, : n + 1])
        along = Q.T @ stacked[:, n + 1 :]
        factor[: len(columns), : n + 1], factor[: len(along), n + 1 :] = columns, along
        left = stacked[:, n + 1 :] - Q @ along
        return factor, (left * left).sum(axis=0)
    found: Matrix = np.asarray(np.linalg.qr(stacked, mode="r"))
    factor[: len(found)] = found[: n + 1]
    below: Matrix = found[n + 1 :, n + 1 :]
    return factor, (below * below).sum(axis=0)
