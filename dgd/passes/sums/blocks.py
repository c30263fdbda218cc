"""The one loop over the rows of a chunk: micro-blocks with raw predictions, encoded targets and weights.

    η = Xb + b₀ + offset

A block has at most 5 MiB, so that X, read from memory for Xb, is still in the cache for Xᵀr; more where products of
matrices are summed, or compiled code takes its rows in tiles, see `block_rows`. Blocks are of the arithmetic's dtype,
dense ones C-ordered: rows stored as such are used as they are, others are converted within the cache. The rows of a
dense block depend on those of the chunk, on dtypes, on the numbers of columns and outputs, on whether a Hessian is
summed and on what sums the rows, those of a sparse one also on how many values of each row are stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from dgd._typing import Array, FloatArray, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.csr import Csr
from dgd.data.dataset import Chunk
from dgd.data.mixed import Cells, Coded, Mixed, by_part
from dgd.data.row_cuts import cut
from dgd.passes.sums.bad_rows import checked_groups, checked_weight
from dgd.passes.sums.block_rows import block_cost, block_rows, equal_parts
from dgd.passes.sums.coded_columns import CodedColumns, OneEach
from dgd.passes.sums.columns import Columns
from dgd.passes.sums.conversion import convert
from dgd.passes.sums.dense_columns import DenseColumns
from dgd.passes.sums.mixed_columns import MixedColumns
from dgd.passes.sums.padded_columns import PaddedColumns, pays
from dgd.passes.sums.sparse_columns import SparseColumns

FLOAT64 = np.dtype(np.float64)
Encode = Callable[[Array, np.dtype[Any]], FloatArray]


@dataclass(frozen=True, slots=True)
class Summed:
    """Sums of a block's rows that were made with its raw prediction, in float64."""

    loss: float
    """Σ w·value."""
    gradient: Vector | None = None
    """Σr and Xᵀr, (n + 1,) or (n + 1, K)."""
    gram: Vector | None = None
    """[1 X]ᵀ diag(w·second) [1 X], (n + 1, n + 1)."""
    moments: Vector | None = None
    """Σ wx and Σ wx², (2, n)."""
    targets: Vector | None = None
    """Σ wy, Σ wy² and Σ r²."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of a chunk. Columns and raw prediction lie in buffers, and are valid until the next block."""

    rows: slice
    """Of the chunk."""
    columns: Columns
    raw: Array
    """(rows,), or (rows, q) with q outputs."""
    y: Any
    """Encoded targets; None where none were asked for."""
    weight: Array | None
    offset: Array | None
    buffers: Buffers
    groups: Array | None = None
    second: bool = False
    """Whether a part takes the loss's second derivatives: who makes the first ones makes both."""
    made: dict[str, tuple[object, Any]] = field(default_factory=dict)
    """What was made of a loss and left to the parts that come, by name."""

    @property
    def X(self) -> Array:
        """All cells."""
        return self.columns.array()

    def leave(self, name: str, loss: object, made: Any) -> None:
        """Leave to other parts what was made of a loss: an array that nobody changes, or the `Summed`."""
        self.made[name] = loss, made

    def taken(self, name: str, loss: object) -> Any:
        """What was left of that loss; None where nothing was."""
        of, values = self.made.get(name, (None, None))
        return values if of is loss else None

    def summed(self, loss: object) -> Summed | None:
        """The sums that were made of that loss with the raw prediction; None where none were."""
        return self.taken("sums", loss) if self.made else None

    def part(self, rows: slice) -> Block:
        """Some of its rows, counted from its first."""
        y, weight, offset = (None if each is None else each[rows] for each in (self.y, self.weight, self.offset))
        return Block(rows, self.columns.rows(rows), self.raw[rows], y, weight, offset, self.buffers)


class Blocks:
    """The rows of a chunk, block by block; what can be done once for the chunk is done once.

    coef: (n,) or (n, q); intercept: a number or (q,); encode: makes the targets what the arithmetic needs, None for
    rows without targets; dtype: of the arithmetic; centre: what is subtracted from columns and targets, whose coef
    and intercept are then given; hessian: whether one is summed; second: whether second derivatives are taken. Raises
    ValueRangeError for a negative weight.
    """

    def __init__(
        self,
        chunk: Chunk,
        coef: Vector,
        intercept: float | Vector,
        buffers: Buffers,
        *,
        encode: Encode | None = None,
        dtype: np.dtype[Any] = FLOAT64,
        centre: Centre | None = None,
        hessian: bool = False,
        second: bool = False,
    ) -> None:
        self.hessian, self._second = hessian, second
        self.X, self.buffers, self.dtype = chunk.X, buffers, dtype
        self.centre = None if centre is None or centre.columns is None else centre
        self.coef = np.ascontiguousarray(coef, dtype=dtype)
        self.intercept = np.asarray(intercept, dtype=dtype)
        self.y = None if encode is None or chunk.y is None else encoded_targets(chunk.y, encode, dtype, centre)
        self.weight = checked_weight(chunk, dtype)
        self._groups = checked_groups(chunk)
        self.offset = None if chunk.offset is None else chunk.offset.astype(dtype, copy=False)

    @property
    def weight_sum(self) -> float:
        """Σw; the number of rows where there are no weights."""
        return float(len(self.X)) if self.weight is None else float(self.weight.sum(dtype=np.float64))

    def __iter__(self) -> Iterator[Block]:
        outputs = self.coef.shape[1:]
        parts = self.parts()
        longest = max(part.stop - part.start for part in parts)
        memory = self.buffers.take("raw prediction", (longest, *outputs), self.dtype)
        for part in parts:
            columns = self.columns(part)
            raw = memory[: part.stop - part.start]
            columns.times(self.coef, raw)
            raw += self.intercept
            if self.offset is not None:
                raw += self.offset[part]
            yield self.block(part, columns, raw)

    def block(self, part: slice, columns: Columns, raw: Array) -> Block:
        """Those of its rows."""
        y = None if self.y is None else self.y[part]
        weight = None if self.weight is None else self.weight[part]
        offset = None if self.offset is None else self.offset[part]
        groups = None if self._groups is None else self._groups[part]
        return Block(part, columns, raw, y, weight, offset, self.buffers, groups, self._second)

    def columns(self, part: slice) -> Columns:
        """Rows of X; for their products with themselves beside a column of ones, where that is quicker."""
        X = self.X[part]
        if self.hessian and isinstance(X, np.ndarray) and pays(X.shape[1]):
            return PaddedColumns.of(X, self.dtype, self.buffers, self.centre)
        return columns_of(X, self.dtype, self.buffers, self.centre)

    def parts(self, *, compiled: bool = False) -> list[slice]:
        """The rows of each block. Without rows there is one empty block, so that every sum has its zero.

        compiled: whether a loop of compiled code takes them.
        """
        (rows, n), outputs = self.X.shape, math.prod(self.coef.shape[1:])
        if not isinstance(self.X, np.ndarray):
            return stored_parts(self.X, 4 * outputs + cells_filled(self.X, self.centre)) or [slice(0, 0)]
        most = block_rows(n, self.dtype, outputs=outputs, hessian=self.hessian, compiled=compiled)
        return equal_parts(rows, most)


def stored_parts(X: Csr | Mixed, row_cost: int) -> list[slice]:
    """The rows of each micro-block of a sparse matrix, or of columns of several kinds.

    row_cost: what a row counts for besides the numbers, codes and stored values of X.
    """
    most = block_cost(X.shape[1])
    if isinstance(X, Csr):
        return [slice(*pair) for pair in pairwise(cut(X.indptr, most, row_cost).tolist())]
    row_cost += sum(1 if isinstance(part, Coded) else part.shape[1] for part in X.parts if not isinstance(part, Csr))
    stored = [part.indptr.astype(np.int64) for part in X.parts if isinstance(part, Csr)]
    if stored:
        return [slice(*pair) for pair in pairwise(cut(np.sum(stored, axis=0), most, row_cost).tolist())]
    step = max(1, most // row_cost)
    return [slice(start, min(start + step, len(X))) for start in range(0, len(X), step)]


def cells_filled(X: Csr | Mixed, centre: Centre | None) -> int:
    """Cells of each row that a centre makes stored ones."""
    if centre is None or centre.columns is None:
        return 0
    parts = by_part(X) if isinstance(X, Mixed) else [(slice(None), X)]
    return sum(int(np.count_nonzero(centre.columns[some])) for some, part in parts if isinstance(part, Csr))


def columns_of(X: Cells, dtype: np.dtype[Any], buffers: Buffers, centre: Centre | None) -> Columns:
    """Rows of X, less their centre, in the arithmetic's dtype."""
    if isinstance(X, Mixed):
        one_each = OneEach(len(X), buffers)
        parts: list[Columns] = []
        for some, part in by_part(X):
            within = buffers.within(f"part {len(parts)}")
            about = None if centre is None else centre.of_columns(some)
            if isinstance(part, Coded):
                assert about is None, "a category has no centre"
                parts.append(CodedColumns(part, dtype, one_each, within))
            else:
                parts.append(columns_of(part, dtype, within, about))
        return MixedColumns(parts, buffers)
    if not isinstance(X, Csr):
        return DenseColumns(as_block(X, dtype, buffers, centre), buffers)
    if centre is not None:
        return SparseColumns(centre.subtract_stored(X, dtype))
    if X.dtype == dtype:
        return SparseColumns(X)
    values = buffers.take("values", X.data.shape, dtype)
    np.copyto(values, X.data, casting="unsafe")
    return SparseColumns(Csr(values, X.indices, X.indptr, X.columns))


def as_block(X: Array, dtype: np.dtype[Any], buffers: Buffers, centre: Centre | None = None) -> Array:
    """Rows of X, less their centre, in C order and in the arithmetic's dtype; a view where they already are."""
    if centre is not None:
        block = buffers.take("block", X.shape, dtype)
        centre.subtract(X, block)
        return block
    if X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned:
        return X
    block = buffers.take("block", X.shape, dtype)
    convert(X, block)
    return block


def encoded_targets(y: Array, encode: Encode, dtype: np.dtype[Any], centre: Centre | None) -> FloatArray:
    """The targets as the arithmetic needs them, less their level."""
    if centre is None or not np.any(centre.level):
        return encode(y, dtype)
    return centre.targets(encode(y, FLOAT64), dtype)
