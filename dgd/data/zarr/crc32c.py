"""crc32c of a chunk, with the interpreter's lock released, so that threads check chunks side by side.

A crc is a polynomial over GF(2) modulo P, written with the coefficient of 1 in the highest bit:

    crc(A B) = crc(A) x^(8|B|) + crc(B)        mod P

so that those of parts give that of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import crc32c as library
import numpy as np
from numpy.typing import NDArray

P, ONE, X = 0x82F63B78, 1 << 31, 1 << 30


def crc32c(values: NDArray[np.uint8]) -> int:
    """The crc32c of some bytes."""
    return int(library.crc32c(np.ascontiguousarray(values).data))


def joined(parts: Iterable[tuple[int, int]]) -> int:
    """The crc32c of parts one behind the other, from that of each and its number of bytes."""
    crc = 0
    for of_part, n_bytes in parts:
        crc = _product(_power(8 * n_bytes), crc) ^ of_part
    return crc


@lru_cache(maxsize=64)
def _power(exponent: int) -> int:
    """x to a power, mod P."""
    power, square = ONE, X
    while exponent:
        if exponent & 1:
            power = _product(square, power)
        square, exponent = _product(square, square), exponent >> 1
    return power


def _product(a: int, b: int) -> int:
    """The product of two polynomials, mod P."""
    product = 0
    while a:
        if a & ONE:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (P if b & 1 else 0)
    return product
