"""float16 to float32 as `conversion` has it, a tile at a time: numba knows no float16."""

from __future__ import annotations

import numpy as np

from dgd.passes.sums.compiled.machine_code import called_from_python

TILE = 1024
"""Numbers that stay in a core's first cache."""
SHIFT, KEPT, SCALE = np.int32(13), np.int32(np.uint32(0x8FFFFFFF).view(np.int32)), np.float32(2.0**112)
MAGNITUDE, BEYOND = np.int32(0x7FFFFFFF), np.float32(2.0**16)
"""The bits without the sign; what an infinity becomes, and NaN more than that."""
BITS_BEYOND = BEYOND.view(np.int32)


@called_from_python
def to_single(halves, bits, singles):  # type: ignore[no-untyped-def]
    """halves: the bits of float16 as int16; bits: the memory of `singles` as int32."""
    for start in range(0, len(halves), TILE):
        half, moved, single = halves[start : start + TILE], bits[start : start + TILE], singles[start : start + TILE]
        for i in range(len(half)):
            moved[i] = (np.int32(half[i]) << SHIFT) & KEPT
        for i in range(len(half)):
            single[i] *= SCALE
        largest = np.int32(0)
        for i in range(len(half)):
            largest = max(largest, moved[i] & MAGNITUDE)
        if largest >= BITS_BEYOND:
            for i in range(len(half)):
                if abs(single[i]) >= BEYOND:
                    single[i] *= np.float32(np.inf) if abs(single[i]) == BEYOND else np.float32(np.nan)
