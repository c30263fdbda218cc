"""The centred products of a chunk: block by block, about a centre near the mean, then moved to the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Array, Integers, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled, sampled_level
from dgd.data.csr import Csr
from dgd.data.dataset import Chunk
from dgd.data.mixed import Cells, Mixed
from dgd.data.transforms.missing import gathered
from dgd.losses import Squared
from dgd.passes.sums.bad_rows import check_finite, check_targets, checked_weight
from dgd.passes.sums.block_rows import is_narrow
from dgd.passes.sums.blocks import FLOAT64, as_block, cells_filled, columns_of, stored_parts
from dgd.passes.sums.columns import Columns
from dgd.passes.sums.dense_columns import narrow_gram
from dgd.passes.sums.gram import Gram, added
from dgd.passes.sums.moments import columns

BLOCK_BYTES = 2**21
"""Of X in a block; it is multiplied by itself while it is in a cache."""
BLOCK_ROWS = 2
"""At least so many rows for each column: below that, adding n² products takes as long as making them."""
CONSTANT = 1e-12
"""Of a category's column: squared deviations below this part of its squares are rounding."""
FAR = 4.0
"""Columns whose mean is more spreads away from 0 are centred before they are multiplied: the others lose a digit."""


@dataclass(frozen=True)
class GramSum:
    """The Gram of a chunk. An offset is subtracted from the targets.

    precision: "double", or "single" for products in float32, which are added up in float64.
    """

    precision: str = "double"

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Gram:
        (found,) = self.of_parts(chunk, [slice(0, len(chunk.X))], buffers)
        return found

    def of_parts(
        self, chunk: Chunk, parts: Sequence[slice], buffers: Buffers, order: Integers | None = None
    ) -> tuple[Gram, ...]:
        """The Grams of some parts of a chunk, about one centre: that of all of its rows.

        order: of the rows that parts are slices of; None: as they are. X is gathered block by block.
        """
        dtype = np.dtype(np.float64 if self.precision == "double" else np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            about, (y, level), weight = sampled(chunk.X, FAR), encoded_targets(chunk), checked_weight(chunk, dtype)
            centre = None if about is None else Centre(about)
            if order is not None:
                y = gathered(y, order, buffers, "targets in order")
                weight = None if weight is None else weight[order]
            z = np.subtract(y, level, out=buffers.take("targets", y.shape, FLOAT64), casting="unsafe")
            root = buffers.take("roots", (len(z),), FLOAT64)
            if weight is None:
                root.fill(1)
            else:
                z *= np.sqrt(weight, out=root)[:, None]
            grams = tuple(
                _summed(
                    _Rows(chunk.X, p, order),
                    z[p],
                    root[p],
                    None if weight is None else weight[p],
                    level,
                    centre,
                    dtype,
                    buffers,
                )
                for p in parts
            )
        if not all(np.isfinite(np.diag(g.products)).all() and np.isfinite(g.squares).all() for g in grams):
            check_finite(chunk)
            check_targets(chunk, Squared())
        return grams


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows of a chunk."""

    cells: Cells
    part: slice
    order: Integers | None

    def stored(self) -> Csr | Mixed | None:
        """All of them, where they are not dense."""
        if isinstance(self.cells, np.ndarray):
            return None
        return self.cells[self.part if self.order is None else self.order[self.part]]

    def dense(self, start: int, stop: int, buffers: Buffers) -> Array:
        """Those of a block: a view, or gathered."""
        assert isinstance(self.cells, np.ndarray)
        some = slice(self.part.start + start, self.part.start + stop)
        return self.cells[some] if self.order is None else gathered(self.cells, self.order[some], buffers, "gathered")


def counted_rows(rows: int, weight: Array | None) -> tuple[int, float]:
    """The rows of a weight above 0, and Σ log w over them."""
    if weight is None:
        return rows, 0.0
    above = weight[weight > 0]
    return len(above), float(np.log(above, dtype=np.float64).sum())


def encoded_targets(chunk: Chunk) -> tuple[Array, Vector]:
    """The targets less the offset, in columns, and a level near their mean."""
    assert chunk.y is not None
    y = Squared().encode(chunk.y, FLOAT64) if chunk.y.dtype.kind not in "f" else chunk.y
    if chunk.offset is not None:
        y = np.subtract(y, chunk.offset, dtype=np.float64)
    y = columns(y)
    return y, sampled_level(y)


def _summed(
    X: _Rows,
    z: Array,
    root: Array,
    weight: Array | None,
    level: Vector,
    centre: Centre | None,
    dtype: np.dtype[Any],
    buffers: Buffers,
) -> Gram:
    """Block by block: the products of differences, which are then moved from the centre to the mean.

    z: the targets less their level, times the roots of the weights.
    """
    (rows, q), n = z.shape, X.cells.shape[1]
    squares, target_sums = np.einsum("ij,ij->j", z, z), np.dot(root, z)
    z, root = (each.astype(dtype, copy=False) for each in (z, root))
    stored = X.stored()
    totals: tuple[Array, ...] = ()
    for part in _parts(stored, rows, n, q, dtype, centre):
        if stored is not None:
            columns = columns_of(stored[part], dtype, buffers, centre)
            found = _stored_products(columns, z[part], root[part], None if weight is None else weight[part])
        else:
            block = as_block(X.dense(part.start, part.stop, buffers), dtype, buffers, centre)
            if weight is not None:
                block = np.multiply(block, root[part, None], out=buffers.take("weighted", block.shape, dtype))
            if is_narrow(n, dtype):
                product = narrow_gram(block, None, buffers)
            else:
                # The first product is the sum; others are made in memory that is used again.
                into = buffers.take("product", (n, n), dtype) if totals else np.empty((n, n), dtype)
                product = np.dot(block.T, block, out=into)
            found = product, np.dot(block.T, z[part]), np.dot(root[part], block)
        totals = added_up(totals, found)
    products, cross, sums = totals or (np.zeros((n, n)), np.zeros((n, q)), np.zeros(n))
    weight_sum = float(rows) if weight is None else float(weight.sum(dtype=np.float64))
    about = np.zeros(n) if centre is None or centre.columns is None else centre.columns
    if not weight_sum > 0:
        return Gram(rows, weight_sum, about, sums, products, level, target_sums, cross, squares, 0, 0.0)
    mean, target_mean = sums / weight_sum, target_sums / weight_sum
    centred = mean * np.sqrt(weight_sum)
    added(products, None, centred, -centred)
    added(cross, None, mean, -target_sums)
    if isinstance(X.cells, Mixed):
        # Of a level that all rows have rounding is left, for codes are not centred.
        constant = np.diag(products) <= CONSTANT * centred * centred
        products[constant], products[:, constant], cross[constant] = 0.0, 0.0, 0.0
    squares = np.maximum(squares - target_mean * target_sums, 0.0)
    counts = counted_rows(rows, weight)
    return Gram(rows, weight_sum, about, mean, products, level, target_mean, cross, squares, *counts)


def _stored_products(columns: Columns, z: Array, root: Array, weight: Array | None) -> tuple[Array, ...]:
    """Products of sparse columns with each other and with the targets, and their sums; z: times the weights' roots."""
    bordered = columns.gram(weight)
    cross = columns.transposed_times(z if weight is None else z * root[:, None]).T
    return bordered[1:, 1:].copy(), cross, bordered[0, 1:]


def added_up(totals: tuple[Array, ...], more: tuple[Array, ...]) -> tuple[Array, ...]:
    """Sums in float64, in the memory of the first."""
    if not totals:
        return tuple(each.astype(np.float64, copy=False) for each in more)
    for total, each in zip(totals, more, strict=True):
        total += each
    return totals


def _parts(
    stored: Csr | Mixed | None, rows: int, n: int, targets: int, dtype: np.dtype[Any], centre: Centre | None
) -> list[slice]:
    """The rows of each block."""
    if stored is not None:
        return stored_parts(stored, 4 * targets + cells_filled(stored, centre))
    step = min(max(rows, 1), gram_rows(n, dtype))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def gram_rows(n_features: int, dtype: np.dtype[Any]) -> int:
    """The rows of a block."""
    return max(16, BLOCK_BYTES // (dtype.itemsize * max(1, n_features)), BLOCK_ROWS * n_features)
