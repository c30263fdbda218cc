"""Numbers in the dtype of the arithmetic, as they are stored.

NumPy converts float16 to float32 number by number. Its bits are those of a float32 with another bias of the exponent:
moved to their places they are the number times 2⁻¹¹², subnormal ones and zeros too, and the product with 2¹¹² is exact.

    s eeeee mmmmmmmmmm        →        s 000eeeee mmmmmmmmmm0000000000000

Only infinities and NaN, with an exponent of 31, would become finite: where a piece has one, NumPy converts it.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Array, FloatArray

PIECE = 2**16
"""Numbers at a time: in float32 they stay within a core's cache, and the calls cost little beside their work."""

_SHIFT = np.int32(13)
_KEPT = np.array(0x8FFFFFFF, np.uint32).view(np.int32)[()]
"""Without the copies of the sign that widening makes, of which one is the float32's."""
_SCALE = np.float32(2.0**112)
_INFINITE, _MINUS_INFINITE = 0x7C00, 0xFC00


def convert(X: Array, out: FloatArray) -> None:
    """X, each number rounded once, to the dtype of `out`."""
    if X.dtype == np.float16 and out.dtype == np.float32 and X.flags.c_contiguous and out.flags.c_contiguous:
        _convert_half(X.reshape(-1), out.reshape(-1))
    else:
        np.copyto(out, X, casting="unsafe")


def _convert_half(half: Array, single: FloatArray) -> None:
    for start in range(0, len(half), PIECE):
        piece, found = half[start : start + PIECE], single[start : start + PIECE]
        bits = piece.view(np.int16)
        if np.maximum.reduce(piece.view(np.uint16)) >= _MINUS_INFINITE or np.maximum.reduce(bits) >= _INFINITE:
            np.copyto(found, piece)
            continue
        moved = found.view(np.int32)
        np.copyto(moved, bits)
        np.left_shift(moved, _SHIFT, out=moved)
        np.bitwise_and(moved, _KEPT, out=moved)
        np.multiply(found, _SCALE, out=found)
