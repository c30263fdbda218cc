"""How well scores rank rows of two kinds: the area under the ROC curve, from one pass and in bounded memory.

    AUC = 1/(PN) Σ_s pos(s) · (neg(below s) + neg(s)/2)        P = Σ pos, N = Σ neg, weights of rows

which is the probability that a positive row scores above a negative one, a tie counting one half. The different scores
are kept with the weights at each: exact. Where there are more of them than may be kept, the last bits of all scores are
dropped, and scores that become equal are one; a pair within one of these bins may be ranked wrongly, so that

    |AUC − AUC of all bits| ≤ 1/(2PN) Σ_bins pos · neg

A score's key is its bits as an integer, in the order of the numbers. Which bits are dropped follows from the sums that
are added, hence from the tree: the same on any executor.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Vector

EXACT = 2**20
"""Rows whose scores are all kept."""
KEPT = 2**16
"""Scores that are kept of more rows."""
BYTES = 24
"""What a score takes, with the weights of the rows that have it."""
BITS = 64

R = TypeVar("R", bound="Ranking")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The weights of positive and negative rows at each score: ascending keys, without the last `dropped` bits."""

    keys: NDArray[np.int64]
    positive: Vector
    negative: Vector
    kept: int
    """How many there may be."""
    dropped: int = 0

    @classmethod
    def of(cls, scores: Vector, positive: Vector, negative: Vector, kept: int, *, whole: bool = False) -> Self:
        """Of some rows, with the weights as positive and as negative ones; whole: whether those are whole numbers."""
        # Sums of whole numbers have no rounding, so that equal keys may come in any order, which is found faster.
        found = cls(_keys(scores), positive, negative, kept)
        return _merged(found, np.argsort(found.keys)) if whole else _merged(found)

    def __add__(self, other: Self) -> Self:
        dropped = max(self.dropped, other.dropped)
        ours, theirs = self.keys >> (dropped - self.dropped), other.keys >> (dropped - other.dropped)
        return _merged(
            type(self)(
                np.concatenate((ours, theirs)),
                np.concatenate((self.positive, other.positive)),
                np.concatenate((self.negative, other.negative)),
                self.kept,
                dropped,
            )
        )

    def within(self, kept: int) -> Self:
        """The same with at most so many scores."""
        found = replace(self, kept=min(kept, self.kept))
        return found if len(self.keys) <= kept else _merged(found)

    def area(self) -> tuple[float, float]:
        """The AUC, and how far at most it is from that of all bits; NaN where one kind has no rows."""
        all_positive, all_negative = float(self.positive.sum()), float(self.negative.sum())
        if not (all_positive > 0 and all_negative > 0):
            return float("nan"), float("nan")
        below = np.cumsum(self.negative) - self.negative
        pairs = all_positive * all_negative
        area = float(np.sum(self.positive * (below + 0.5 * self.negative))) / pairs
        within = float(np.sum(self.positive * self.negative)) / (2 * pairs)
        return area, within if self.dropped else 0.0


def kept_of(rows: int, rankings: int) -> int:
    """How many scores each of several rankings of so many rows may keep."""
    return EXACT if rows * rankings <= EXACT else max(2, KEPT // rankings)


def _keys(scores: Vector) -> NDArray[np.int64]:
    """Integers in the order of the numbers; −0 is 0."""
    bits = (np.asarray(scores, dtype=np.float64) + 0.0).view(np.int64)
    return bits ^ ((bits >> (BITS - 1)) & np.int64(2**63 - 1))


def _merged(found: R, order: NDArray[np.int64] | None = None) -> R:
    """Equal keys as one, in ascending order, and no more than may be kept."""
    if not len(found.keys):
        return found
    order = np.argsort(found.keys, kind="stable") if order is None else order
    keys = found.keys[order]
    drop = 0 if _different(keys, 0) <= found.kept else _bits_to_drop(keys, found.kept // 2)
    keys = keys >> drop
    starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return type(found)(
        keys[starts],
        np.add.reduceat(found.positive[order], starts),
        np.add.reduceat(found.negative[order], starts),
        found.kept,
        found.dropped + drop,
    )


def _different(keys: NDArray[np.int64], drop: int) -> int:
    """How many different keys there are without so many more bits."""
    short = keys >> drop
    return int(np.count_nonzero(short[1:] != short[:-1])) + min(1, len(keys))


def _bits_to_drop(keys: NDArray[np.int64], most: int) -> int:
    """The fewest bits without which at most so many keys are different."""
    low, high = 0, BITS - 1
    while low < high:
        middle = (low + high) // 2
        if _different(keys, middle) <= most:
            high = middle
        else:
            low = middle + 1
    return low
