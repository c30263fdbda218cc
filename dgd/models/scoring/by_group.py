"""A sum for each group of rows: what a part sums over all rows, once more for those of each label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd.errors import ConfigurationError
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part

MOST_GROUPS = 1_000


@dataclass(frozen=True, slots=True)
class Groups:
    """The sum of each group, by its label."""

    sums: dict[Any, Any]
    kept: int
    """Scores that all groups together may keep, where they are ranked."""

    def __add__(self, other: Self) -> Self:
        both = dict(self.sums)
        for label, found in other.sums.items():
            both[label] = both[label] + found if label in both else found
        if len(both) > MOST_GROUPS:
            raise ConfigurationError(
                f"`score(by=...)` has more than {MOST_GROUPS:,} groups, such as {list(both)[:3]}; name a column with "
                f"fewer values"
            )
        if sum(each.scores for each in both.values()) > self.kept:
            both = {label: each.within(max(2, self.kept // len(both))) for label, each in both.items()}
        return type(self)(both, self.kept)


@dataclass(frozen=True)
class OfGroups(Part):
    """A part of the rows of each group."""

    part: Part
    kept: int
    """Scores that all groups together may keep."""

    def __call__(self, block: Block, loss: Loss) -> Groups:
        assert block.groups is not None
        labels, of_row = np.unique(block.groups, return_inverse=True)
        order = np.argsort(of_row, kind="stable")
        bounds = np.searchsorted(of_row[order], np.arange(len(labels) + 1))
        each = zip(labels.tolist(), bounds[:-1], bounds[1:], strict=True)
        sums = {label: self.part(_rows_of(block, order[start:stop]), loss) for label, start, stop in each}
        return Groups(sums, self.kept)

    def finite(self, total: Groups) -> bool:
        """Whether all of them are."""
        return all(self.part.finite(each) for each in total.sums.values())


def _rows_of(block: Block, rows: Any) -> Block:
    """Some rows of a block, without its columns, which no score looks at."""
    y, weight, offset = (None if each is None else each[rows] for each in (block.y, block.weight, block.offset))
    return Block(block.rows, block.columns, block.raw[rows], y, weight, offset, block.buffers)
