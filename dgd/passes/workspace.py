"""The memory that a thread takes to read chunks, and for the micro-blocks of a pass."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.kinds import Kinds
from dgd.data.rows import Footprint
from dgd.passes.sums.block_rows import block_cost, block_rows

BYTES_PER_NON_ZERO = 64
"""What a sparse micro-block takes at most for each of its values: converted, centred, squared, and row vectors."""
SPARSE_VECTORS = 10
"""As long as a row, beside gradients: moments, and how often each column is stored."""
OF_ROWS = 10
"""Numbers of each row beside its columns: products and deviations of a category, and what scipy needs to sum them."""
BLOCKS = 2
"""Micro-blocks alive at once: the converted one, and row vectors with the centred piece of the first pass."""


def workspace_bytes(
    dataset: Dataset, outputs: int, dtype: np.dtype[Any], *, hessian: bool, compiled: bool = False
) -> int:
    """Of a thread, for its micro-blocks; compiled: whether loops of compiled code may take them."""
    n, found = dataset.shape[1], dataset.non_zeros
    if dataset.kinds is not None:
        return _of_kinds(dataset, dataset.kinds, outputs, hessian=hessian)
    if found is None:
        most = block_rows(n, dtype, outputs=outputs, hessian=hessian)
        if compiled:
            most = max(most, block_rows(n, dtype, outputs=outputs, compiled=True))
        rows = min(most, dataset.chunk_rows)
        # A block's product before it is added: of X and residuals, or of X and itself, and the rows scaled for that.
        products = n * outputs + (3 * n * n + rows * n if hessian else 0)
        return BLOCKS * 8 * rows * (n + 4 * outputs) + 8 * products
    values = min(found.most, max(block_cost(n), n))
    # The products of sparse columns are sparse at first: a number and two indices where a dense one has a number.
    products = 4 * 8 * (n + 1) ** 2 if hessian else 0
    return BYTES_PER_NON_ZERO * values + 8 * (n + 1) * (SPARSE_VECTORS + 5 * outputs) + products


def _of_kinds(dataset: Dataset, kinds: Kinds, outputs: int, *, hessian: bool) -> int:
    """The same for columns of several kinds."""
    n, cost = dataset.shape[1], block_cost(dataset.shape[1])
    rows = min(dataset.chunk_rows, max(1, cost // (kinds.row_cost + 4 * outputs)))
    stored = min(sum(each.most for each in kinds.non_zeros), max(cost, n))
    # Of each category the places of its codes, and one number a row for all; numbers converted, centred and extended.
    cells = (2 + 2 * hessian) * kinds.row_cost + 4 * outputs + OF_ROWS
    products = 4 * 8 * (n + 1) ** 2 if hessian else 0
    return 8 * rows * cells + BYTES_PER_NON_ZERO * stored + 8 * (n + 1) * (SPARSE_VECTORS + 5 * outputs) + products


def row_index_bytes(dataset: Dataset) -> int:
    """What a process that reads a stored sparse X holds to know where each row begins."""
    return 0 if dataset.non_zeros is None or dataset.X.lies_in_memory else 8 * (dataset.shape[0] + 1)


def footprint_within(dataset: Dataset, room: int | None) -> Footprint:
    """What reading takes of a thread, with as many chunks requested ahead as its room allows."""
    footprint = dataset.footprint
    while room is not None and footprint.ahead > 0 and footprint.encoded + footprint.decoded > room:
        footprint = dataset.reading_ahead(footprint.ahead - 1).footprint
    return footprint
