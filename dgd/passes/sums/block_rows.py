"""How many rows a micro-block has: few enough for a cache, and enough for what is summed of them.

A block's products are added to the sums so far. Of the products that two rows more make, adding takes as long as
making them for some thirty rows, whatever their number, once the sums do not stay in a cache: so with many outputs a
block has 1,024 rows, and with a Hessian, of which half the arithmetic makes as many numbers, 2,048. Such products are
limited by arithmetic, so that X need not be in a core's own cache.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from dgd.data.row_cuts import PER_COLUMN

MICRO_BLOCK_BYTES = 5 * 2**20
"""A chunk of 4 MiB and its row vectors fit. Smaller blocks make threads wait for the interpreter's lock more often, and
calls cost more than is saved by a block in a core's own cache, also where it is converted."""
MICRO_BLOCK_NON_ZEROS = 2**19
"""6 MiB with their column numbers. Smaller blocks make more gradients, which are as long as a row of all columns."""

NARROW_VECTOR_BYTES = 2**18
"""Of a number of each of a block's narrow rows: the vectors that a loss makes of them, a dozen, stay in a cache, and
the calls cost less than their work."""

CACHED_SUM_BYTES = 2**18
"""Sums up to here stay in a core's cache, where adding to them costs next to nothing."""
OUTPUTS = 16
"""So many make a product of two matrices limited by arithmetic, not by reading X."""
PRODUCT_ROWS = 1024
HESSIAN_ROWS = 2048
LARGEST_BLOCK_BYTES = 2**26
COMPILED_BLOCK_BYTES, COMPILED_ROWS = 12 * 2**20, 2**17
"""Of a block, and its rows at most, where one loop of compiled code takes rows in tiles of its own: a chunk of 4 MiB
that has 15 columns of float32, and its row vectors, in float64. Calls take longer than what is saved by fewer rows."""
SCALED_BYTES = 2**21
"""Rows times a number each, which are then multiplied by themselves."""
NARROW, SMALL_PRODUCT, NARROW_SCALED_BYTES = 32, 10**6, 2**19
"""Columns up to which rows times scaled rows are quicker than rows times themselves; the multiplications up to which
OpenBLAS makes such a product without copying what is multiplied; and the bytes of scaled rows, in a cache."""
NARROWEST_SINGLE, SINGLE_ROWS = 8, 1024
"""In float32, columns up to which they are no quicker, and the rows at most: they are added one after the other."""
MULTIPLE, MANY = 8, 64
"""Of rows, in blocks of equal length: BLAS multiplies so many together; of those of `MANY`² rows and more a multiple of
`MANY`, which a sum of logarithms takes together."""


@lru_cache(maxsize=256)
def block_rows(
    n_features: int, dtype: np.dtype[Any], *, outputs: int = 1, hessian: bool = False, compiled: bool = False
) -> int:
    """The rows of a micro-block: as many as its bytes hold of X and of its row vectors, and never less than 16.

    Fewer of narrow rows, more where the sums are large. hessian: whether one is summed; compiled: whether a loop of
    compiled code takes the rows.
    """
    row_bytes = dtype.itemsize * (n_features + 4 * outputs)
    if compiled:
        return max(16, min(COMPILED_BLOCK_BYTES // row_bytes, COMPILED_ROWS))
    wanted = min(_wanted_rows(n_features, dtype, outputs, hessian=hessian), LARGEST_BLOCK_BYTES // row_bytes)
    return max(16, min(MICRO_BLOCK_BYTES // row_bytes, NARROW_VECTOR_BYTES // dtype.itemsize), wanted)


def _wanted_rows(n_features: int, dtype: np.dtype[Any], outputs: int, *, hessian: bool) -> int:
    """For sums that do not stay in a cache; 0 where they do."""
    if hessian and dtype.itemsize * n_features**2 > CACHED_SUM_BYTES:
        return HESSIAN_ROWS
    large = outputs >= OUTPUTS and dtype.itemsize * n_features * outputs > CACHED_SUM_BYTES
    return PRODUCT_ROWS if large else 0


def scaled_rows(n_features: int, dtype: np.dtype[Any]) -> int:
    """The rows that are multiplied by themselves at a time."""
    in_cache = SCALED_BYTES // (dtype.itemsize * max(1, n_features))
    return max(MULTIPLE, in_cache, min(_wanted_rows(n_features, dtype, 1, hessian=True), HESSIAN_ROWS))


def is_narrow(n_features: int, dtype: np.dtype[Any]) -> bool:
    """Whether rows are multiplied by scaled ones."""
    return n_features <= NARROW and (dtype.itemsize == 8 or n_features > NARROWEST_SINGLE)


def narrow_rows(n_features: int, dtype: np.dtype[Any]) -> int:
    """The rows that are multiplied by scaled ones at a time."""
    n = max(1, n_features)
    rows = min(NARROW_SCALED_BYTES // (dtype.itemsize * n), SMALL_PRODUCT // n**2)
    return max(MULTIPLE, rows if dtype.itemsize == 8 else min(rows, SINGLE_ROWS))


def equal_parts(rows: int, most: int) -> list[slice]:
    """Rows in as few parts of at most `most` as there can be, of equal length but for the last."""
    count = -(-rows // max(1, most))
    if count <= 1:
        return [slice(0, rows)]
    multiple = MANY if most >= MANY**2 else MULTIPLE
    step = min(most, -(-rows // (count * multiple)) * multiple)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def block_cost(n_features: int) -> int:
    """The stored values of a sparse or mixed micro-block, and a few more for each of its rows."""
    return max(MICRO_BLOCK_NON_ZEROS, PER_COLUMN * n_features)
