"""A split of rows into a part to fit and a part to test, known by whoever reads them: `train:0.8:1`, `test:0.8:1:key`.

    h(i)  the output of splitmix64 for i and the seed:  z = i·γ + (seed + 1)·γ  mod 2⁶⁴, γ = 9E3779B97F4A7C15 (hex),
          z ← (z ⊕ z≫30)·BF58476D1CE4E5B9,  z ← (z ⊕ z≫27)·94D049BB133111EB,  h = z ⊕ z≫31
    train h < ⌊fraction · 2⁶⁴⌋        test: all others

i is the number of the row in the data, from 0; or of a key, so that rows with the same key are in the same part:

    a whole number     itself, mod 2⁶⁴: 7, 7.0 and the column of another file that holds 7 are one key
    another number     the bits of its float64
    a text             FNV-1a over its code points: a ← CBF29CE484222325; for each, a ← (a ⊕ c)·100000001B3 mod 2⁶⁴

So a row's part depends on its number or key, the fraction and the seed alone: the same on any machine, in any chunks,
and for keys in any file and order. A larger fraction keeps all rows of a smaller one.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.hashing import hashed
from dgd.errors import ConfigurationError
from dgd.errors.words import shown

PARTS = ("train", "test")
FNV_START, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
EXAMPLE = "write it as train:0.8:1, the part, its fraction and a seed, with :key for rows that belong together"


@dataclass(frozen=True)
class Split:
    """One part of the rows."""

    part: str
    fraction: str
    """Of the rows that are in "train", as it was written."""
    seed: int = 0
    by: str | None = None
    """The column or array whose value is the key; None: the row's number."""

    @classmethod
    def of(cls, text: object) -> Split:
        """From its text. Raises ConfigurationError for what is no such text."""
        if text in PARTS:
            raise ConfigurationError(
                f"split {text!r} goes with a model that was fitted on a part of its data; {EXAMPLE}"
            )
        pieces = text.split(":", 3) if isinstance(text, str) else []
        if not 2 <= len(pieces) <= 4 or pieces[0] not in PARTS:
            raise ConfigurationError(f"split {shown(text)} is none; {EXAMPLE}")
        part, fraction, *rest = pieces
        try:
            inside = 0 < Fraction(fraction) < 1
        except (ValueError, ZeroDivisionError):
            inside = False
        if not inside:
            raise ConfigurationError(f"split {shown(text)}: the fraction must be above 0 and below 1; {EXAMPLE}")
        if rest and not (rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 19):
            raise ConfigurationError(f"split {shown(text)}: the seed must be a whole number of 0 or more; {EXAMPLE}")
        return cls(part, fraction, int(rest[0]) if rest else 0, rest[1] if len(rest) == 2 else None)

    def __str__(self) -> str:
        by = "" if self.by is None else f":{self.by}"
        return f"{self.part}:{self.fraction}:{self.seed}{by}"

    def holds(self, numbers: Integers | NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which numbers, of rows or keys, are in this part."""
        below = np.uint64(int(Fraction(self.fraction) * 2**64))
        in_train: NDArray[np.bool_] = hashed(numbers.astype(np.uint64), self.seed) < below
        return in_train if self.part == "train" else ~in_train


def key_numbers(keys: Array) -> NDArray[np.uint64]:
    """The number of each key. Raises ConfigurationError for keys that are neither numbers nor texts."""
    if keys.dtype.kind in "bui":
        return keys.astype(np.uint64)
    if keys.dtype.kind == "f":
        wide = keys.astype(np.float64) + 0.0
        with np.errstate(invalid="ignore"):
            whole = (np.floor(wide) == wide) & (np.abs(wide) < 2.0**63)
            integers = np.where(whole, wide, 0).astype(np.int64)
        return np.where(whole, integers.view(np.uint64), wide.view(np.uint64))
    return _of_texts(np.char.decode(keys, "utf-8") if keys.dtype.kind == "S" else np.asarray(keys, dtype=str))


def _of_texts(texts: Array) -> NDArray[np.uint64]:
    """FNV-1a over the code points, all texts at a time; a text ends where NumPy fills it up with zeros."""
    found = np.full(len(texts), FNV_START, np.uint64)
    width = texts.dtype.itemsize // 4
    points = np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), width) if width else None
    with np.errstate(over="ignore"):
        for k in range(width):
            assert points is not None
            point = points[:, k]
            found = np.where(point > 0, (found ^ point.astype(np.uint64)) * np.uint64(FNV_PRIME), found)
    return found
