"""What a pass over products needs beside reading, for the plan."""

from __future__ import annotations

import numpy as np

from dgd.passes.plan import Need
from dgd.passes.sums.block_rows import NARROW, NARROW_SCALED_BYTES
from dgd.passes.sums.gram_sum import gram_rows


def products_need(
    n_features: int,
    targets: int,
    chunk_rows: int,
    precision: str,
    *,
    passes: int = 1,
    parts: int = 1,
    apart: int = 0,
    factors: bool = False,
) -> Need:
    """What passes need of which the first sums centred products; parts: how many are kept apart in each sum.

    apart: further ones, each of which is in one sum alone, as those of a chunk; they are collected twice at most.
    factors: whether one of them sums R factors.
    """
    dtype = np.dtype(np.float64 if precision == "double" or factors else np.float32)
    rows = min(gram_rows(n_features, dtype), chunk_rows)
    products = 8 * (n_features + 1) * (n_features + 1 + targets)
    block = dtype.itemsize * rows * (n_features + targets)
    copied = NARROW_SCALED_BYTES if n_features <= NARROW else 0
    return Need(
        precision=precision,
        outputs=targets if passes > 1 else 1,
        hessian_bytes=parts * products,
        # A block, its copy times the weights' roots, and the products of a block before they are added; of a factor two
        # or a block and one, which LAPACK copies twice.
        block_bytes=3 * max(block + products, 2 * products) if factors else 2 * block + 2 * products + copied,
        # Targets as numbers, their differences, and the weights' roots.
        bytes_per_row=8 * targets + (8 if dtype.itemsize == 8 else 12) * (targets + 1),
        held_bytes=2 * apart * products,
        passes=passes,
    )
