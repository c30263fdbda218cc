"""The output function of splitmix64: 64 bits for each number, the same on any machine.

Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Integers

GAMMA = 0x9E3779B97F4A7C15
"""The odd number nearest to 2⁶⁴ divided by the golden ratio."""


def hashed(numbers: Integers | NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """64 bits for each number, by the seed."""
    z = numbers.astype(np.uint64) * np.uint64(GAMMA) + np.uint64((seed + 1) * GAMMA % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
