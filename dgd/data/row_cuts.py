"""How the rows of a sparse matrix are cut into chunks: by the values that are stored of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.csr import NonZeros
from dgd.data.rows import regular_bounds

CHUNK_NON_ZEROS = 2**19
"""Of a chunk, at least: 4 to 6 MiB."""
MOST_NON_ZEROS = 2**23
ROW_COST = 4
"""What a row counts for besides its non-zeros: the numbers that are held of each row."""
PER_COLUMN = 4
"""Non-zeros of a chunk for each column: a gradient as long as the chunk itself would take longer than its products."""


def chunk_cost(columns: int) -> int:
    """The non-zeros of a chunk, `ROW_COST` for each row included."""
    return min(max(CHUNK_NON_ZEROS, PER_COLUMN * columns), MOST_NON_ZEROS)


def cut(indptr: Array, most: int, row_cost: int = ROW_COST) -> Integers:
    """Bounds of ranges of rows that cost at most so much, each as long as it can be, and never without a row."""
    cost = indptr.astype(np.int64) + row_cost * np.arange(len(indptr))
    bounds, rows = [0], len(indptr) - 1
    while bounds[-1] < rows:
        start = bounds[-1]
        stop = int(np.searchsorted(cost, cost[start] + most, side="right")) - 1
        bounds.append(min(max(stop, start + 1), rows))
    return np.array(bounds, dtype=np.int64)


def cut_evenly(indptr: Array, most: int) -> Integers:
    """The same with equally many rows in each, but for the last one."""
    rows = len(indptr) - 1
    cost = indptr.astype(np.int64) + ROW_COST * np.arange(len(indptr))
    step = max(1, min(rows, int(most * rows // max(1, int(cost[-1])))))
    while step > 1 and int(np.diff(cost[regular_bounds(rows, step)]).max()) > 2 * most:
        step //= 2
    return regular_bounds(rows, step)


def non_zeros(indptr: Array, bounds: NDArray[np.int64], index_bytes: int) -> NonZeros:
    """What is stored, from where each row begins."""
    most = int(np.diff(indptr[bounds]).max(initial=0))
    return NonZeros(int(indptr[-1] - indptr[0]), most, index_bytes)
