"""The rows of y as they are read and summed, by its chunks alone: the same for every panel.

group    the rows of one stored chunk, or of some small ones together: what is multiplied by the basis
leaf     consecutive groups that are added up in place; leaves are added by the fixed tree
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 32
"""Of a group, as far as there are as many: with fewer, adding the products takes as long as making them."""
LEAF_ROWS = 4096


@dataclass(frozen=True)
class RowGroups:
    """The bounds of groups and leaves."""

    chunks: tuple[tuple[tuple[int, int], ...], ...]
    """Of each group, first row and end of each stored chunk."""
    leaves: tuple[range, ...]
    """Of each leaf, its groups."""

    @classmethod
    def of(cls, bounds: NDArray[np.int64]) -> RowGroups:
        """Those of an array with these row chunks."""
        chunks = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        groups = [tuple(chunks[k] for k in each) for each in _together([b - a for a, b in chunks], LEAST_ROWS)]
        lengths = [group[-1][1] - group[0][0] for group in groups]
        return cls(tuple(groups), tuple(_together(lengths, LEAF_ROWS)))

    def rows(self, group: int) -> tuple[int, int]:
        """First row and end of a group."""
        return self.chunks[group][0][0], self.chunks[group][-1][1]

    @property
    def gathered(self) -> int:
        """The most rows of a group that is put together from several chunks; 0 if none is."""
        return max((group[-1][1] - group[0][0] for group in self.chunks if len(group) > 1), default=0)

    @property
    def standing(self) -> int:
        """Sums of leaves that stand at a time, at most."""
        return (len(self.leaves) - 1).bit_length() + 1


def _together(lengths: Sequence[int], least: int) -> list[range]:
    """Consecutive ones, until they have so many rows."""
    found, first, rows = [], 0, 0
    for k, length in enumerate(lengths):
        rows += length
        if rows >= least:
            found.append(range(first, k + 1))
            first, rows = k + 1, 0
    if first < len(lengths):
        found.append(range(first, len(lengths)))
    return found
