"""Centred products of columns and targets: all that a squared loss ever asks of the rows.

    Σw        x̄ = Σ w x / Σw        Σ w (x − x̄)(x − x̄)ᵀ        Σ w (x − x̄)(y − ȳ)ᵀ        Σ w (y − ȳ)²

Each chunk sums differences from a centre of its own, near its mean, so that no mean, however large, costs a digit;
chunks are merged by Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance. Of y only the squares
are summed, not the products of targets with each other: memory is n² + nq numbers for q targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Matrix, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled, sampled_level
from dgd.data.dataset import Chunk
from dgd.data.mixed import Cells, Mixed
from dgd.errors import ConfigurationError
from dgd.losses import Squared
from dgd.passes.sums.bad_rows import check_finite, check_targets, checked_weight
from dgd.passes.sums.blocks import FLOAT64, as_block, cells_filled, columns_of, stored_parts
from dgd.passes.sums.moments import Moments, columns

BLOCK_BYTES = 2**20
"""Of X in a block; it is multiplied by itself while it is in a core's cache."""
BLOCK_ROWS = 2
"""At least so many rows for each column: below that, adding n² products takes as long as making them."""
LEAST_PRECISE = 1e-8
"""Rounding of a whole, as a part of the least curvature of what is left of it, up to which rows may be subtracted."""
CONSTANT = 1e-12
"""Of a category's column: squared deviations below this part of its squares are rounding."""
FAR = 4.0
"""Columns whose mean is more spreads away from 0 are centred before they are multiplied: the others lose a digit."""


@dataclass(frozen=True, slots=True)
class Gram:
    """Σw, means and centred products of some rows."""

    rows: int
    """Those that were summed, whatever their weight."""
    weight: float
    about: Vector
    """What was subtracted from the columns, (n,): a provisional centre in few binary digits."""
    mean: Vector
    """Of what was left of them."""
    products: Matrix
    """Σ w (x − x̄)(x − x̄)ᵀ, (n, n), symmetric to the bit."""
    level: Vector
    """What was subtracted from the targets, (q,)."""
    target_mean: Vector
    """Of what was left of them."""
    cross: Matrix
    """Σ w (x − x̄)(y − ȳ)ᵀ, (n, q)."""
    squares: Vector
    """Σ w (y − ȳ)², (q,)."""

    def __add__(self, other: Self) -> Self:
        weight = self.weight + other.weight
        if not (self.weight and other.weight):
            return replace(self if self.weight else other, rows=self.rows + other.rows)
        share = self.weight * (other.weight / weight)
        step = other.mean + (other.about - self.about) - self.mean
        target_step = other.target_mean + (other.level - self.level) - self.target_mean
        with np.errstate(over="ignore", invalid="ignore"):
            return type(self)(
                rows=self.rows + other.rows,
                weight=weight,
                about=self.about,
                mean=self.mean + step * (other.weight / weight),
                products=_sum(self.products, other.products, _square(step, share)),
                level=self.level,
                target_mean=self.target_mean + target_step * (other.weight / weight),
                cross=_sum(self.cross, other.cross, np.outer(step * share, target_step)),
                squares=self.squares + other.squares + share * target_step * target_step,
            )

    @property
    def moments(self) -> Moments:
        """Of the columns, less `about`."""
        return Moments(self.weight, self.mean, np.diag(self.products).copy())

    @property
    def target_moments(self) -> Moments:
        """Of the targets, less `level`."""
        return Moments(self.weight, self.target_mean, self.squares)

    def without(self, other: Self) -> Self:
        """The sums less those of some of the rows. Raises ConfigurationError where too few digits are left."""
        weight = self.weight - other.weight
        if not (weight > 0 and other.rows < self.rows):
            raise ConfigurationError("nothing is left of a summary without these rows; they must be some of its own")
        mean = self.mean - (other.mean + (other.about - self.about) - self.mean) * (other.weight / weight)
        level = other.target_mean + (other.level - self.level)
        target_mean = self.target_mean - (level - self.target_mean) * (other.weight / weight)
        step, target_step = other.mean + (other.about - self.about) - mean, level - target_mean
        share = weight * (other.weight / self.weight)
        rest = replace(
            self,
            rows=self.rows - other.rows,
            weight=weight,
            mean=mean,
            products=self.products - other.products - _square(step, share),
            target_mean=target_mean,
            cross=self.cross - other.cross - np.outer(step * share, target_step),
            squares=self.squares - other.squares - share * target_step * target_step,
        )
        rest._check_digits(self)
        return rest

    def _check_digits(self, whole: Self) -> None:
        """Refuse what a subtraction has left where rounding of the whole is seen in it."""
        before, after = np.diag(whole.products), np.diag(self.products)
        used = before > 0
        size = np.sqrt(np.maximum(after[used], 0.0))
        lost = np.inf
        if (after[used] > 0).all() and (self.squares >= 0).all():
            S = self.products[np.ix_(used, used)] / size / size[:, None]
            least = float(np.linalg.eigvalsh(S)[0]) if len(S) else 1.0
            grown = float((before[used] / after[used]).max(initial=1.0))
            lost = grown / least * float(np.finfo(np.float64).eps) if least > 0 else np.inf
        if not lost <= LEAST_PRECISE:
            raise ConfigurationError(
                "too few digits are left of the products without these rows: what remains is small, or its columns "
                "are nearly dependent; summarise the rows that remain"
            )

    def moved_to(self, about: Vector | None, level: float | Vector) -> Self:
        """The same sums, where that had been subtracted from columns and targets."""
        about = np.zeros_like(self.about) if about is None else about
        target = np.broadcast_to(np.asarray(level, dtype=np.float64), self.level.shape)
        return replace(
            self,
            about=about,
            mean=self.mean + (self.about - about),
            level=target,
            target_mean=self.target_mean + (self.level - target),
        )

    def select(self, features: Any = slice(None), targets: Any = slice(None)) -> Self:
        """Those of some columns and some targets, each a slice or a list of numbers."""
        return replace(
            self,
            about=self.about[features],
            mean=self.mean[features],
            products=np.ascontiguousarray(self.products[features][:, features]),
            level=self.level[targets],
            target_mean=self.target_mean[targets],
            cross=np.ascontiguousarray(self.cross[features][:, targets]),
            squares=self.squares[targets],
        )


@dataclass(frozen=True)
class GramSum:
    """The Gram of a chunk. An offset is subtracted from the targets.

    precision: "double", or "single" for products in float32, which are added up in float64.
    """

    precision: str = "double"

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Gram:
        (found,) = self.of_parts(chunk, [slice(0, len(chunk.X))], buffers)
        return found

    def of_parts(self, chunk: Chunk, parts: Sequence[slice], buffers: Buffers) -> tuple[Gram, ...]:
        """The Grams of some parts of a chunk, about one centre: that of all of its rows."""
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            about, (y, level) = sampled(chunk.X, FAR), encoded_targets(chunk)
            centre = None if about is None else Centre(about)
            weight = checked_weight(chunk, dtype)
            grams = tuple(
                _summed(chunk.X[p], y[p], level, None if weight is None else weight[p], centre, dtype, buffers)
                for p in parts
            )
        if not all(np.isfinite(np.diag(g.products)).all() and np.isfinite(g.squares).all() for g in grams):
            check_finite(chunk)
            check_targets(chunk, Squared())
        return grams


def encoded_targets(chunk: Chunk) -> tuple[Array, Vector]:
    """The targets less the offset, in columns, and a level near their mean."""
    assert chunk.y is not None
    y = Squared().encode(chunk.y, FLOAT64) if chunk.y.dtype.kind not in "f" else chunk.y
    if chunk.offset is not None:
        y = np.subtract(y, chunk.offset, dtype=np.float64)
    y = columns(y)
    return y, sampled_level(y)


def _summed(
    X: Cells,
    y: Array,
    level: Vector,
    weight: Array | None,
    centre: Centre | None,
    dtype: np.dtype[Any],
    buffers: Buffers,
) -> Gram:
    """Block by block: the products of differences, which are then moved from the centre to the mean."""
    (rows, n), q = X.shape, y.shape[1]
    parts = _parts(X, q, dtype, centre)
    taken = buffers.take("targets", (max((part.stop - part.start for part in parts), default=1), q), dtype)
    products, product = np.zeros((n, n)), buffers.take("product", (n, n), dtype)
    cross, squares = np.zeros((n, q)), np.zeros(q)
    sums, target_sums = np.zeros(n), np.zeros(q)
    for part in parts:
        z = np.subtract(y[part], level, out=taken[: part.stop - part.start], casting="unsafe")
        ones = np.ones(len(z), dtype) if weight is None else np.sqrt(weight[part])
        if weight is not None:
            z *= ones[:, None]
        if not isinstance(X, np.ndarray):
            block = columns_of(X[part], dtype, buffers, centre)
            bordered = block.gram(None if weight is None else weight[part])
            products += bordered[1:, 1:]
            sums += bordered[0, 1:]
            cross += block.transposed_times(z if weight is None else z * ones[:, None]).T
        else:
            rows_of = as_block(X[part], dtype, buffers, centre)
            if weight is not None:
                rows_of = np.multiply(rows_of, ones[:, None], out=buffers.take("weighted", rows_of.shape, dtype))
            # In memory that is used again: fresh pages cost more than the addition.
            products += np.dot(rows_of.T, rows_of, out=product)
            cross += np.dot(rows_of.T, z)
            sums += np.dot(ones, rows_of)
        squares += np.einsum("ij,ij->j", z, z)
        target_sums += np.dot(ones, z)
    weight_sum = float(rows) if weight is None else float(weight.sum(dtype=np.float64))
    about = np.zeros(n) if centre is None or centre.columns is None else centre.columns
    if not weight_sum > 0:
        return Gram(rows, weight_sum, about, sums, products, level, target_sums, cross, squares)
    mean, target_mean = sums / weight_sum, target_sums / weight_sum
    root = mean * np.sqrt(weight_sum)
    products -= np.outer(root, root, out=buffers.take("square", (n, n), FLOAT64))
    cross -= np.outer(mean, target_sums)
    if isinstance(X, Mixed):
        # Of a level that all rows have rounding is left, for codes are not centred.
        constant = np.diag(products) <= CONSTANT * root * root
        products[constant], products[:, constant], cross[constant] = 0.0, 0.0, 0.0
    return Gram(
        rows,
        weight_sum,
        about,
        mean,
        products,
        level,
        target_mean,
        cross,
        np.maximum(squares - target_mean * target_sums, 0.0),
    )


def _parts(X: Cells, targets: int, dtype: np.dtype[Any], centre: Centre | None) -> list[slice]:
    """The rows of each block."""
    if not isinstance(X, np.ndarray):
        return stored_parts(X, 4 * targets + cells_filled(X, centre))
    rows, n = X.shape
    step = min(max(rows, 1), gram_rows(n, dtype))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def gram_rows(n_features: int, dtype: np.dtype[Any]) -> int:
    """The rows of a block."""
    return max(16, BLOCK_BYTES // (dtype.itemsize * n_features), BLOCK_ROWS * n_features)


def _square(step: Vector, share: float) -> Matrix:
    """share · step stepᵀ, symmetric to the bit."""
    part = step * np.sqrt(share)
    return np.outer(part, part)


def _sum(one: Matrix, other: Matrix, into: Matrix) -> Matrix:
    """The sum of three, in the memory of the last."""
    into += one
    into += other
    return into
