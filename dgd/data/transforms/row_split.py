"""Rows of each chunk that are held out, drawn by a seed: one read of a chunk serves both parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dgd._typing import Integers
from dgd.data.dataset import Chunk


@dataclass(frozen=True)
class RowSplit:
    """Which rows of each chunk are held out: a fraction of them, the same in every pass.

    A chunk that begins at row a and ends before row b holds out ⌊fb + u⌋ − ⌊fa + u⌋ rows, with u from [0, 1) drawn by
    the seed: in all a fraction f of the rows, however small the chunks.
    """

    fraction: float
    seed: int

    @cached_property
    def _phase(self) -> float:
        return float(np.random.Philox(np.random.SeedSequence((self.seed, 0))).random_raw() / 2.0**64)

    def count(self, start: int, stop: int) -> int:
        """The number of rows from start to stop that are held out."""
        return self._below(stop) - self._below(start)

    def _below(self, row: int) -> int:
        return math.floor(self.fraction * row + self._phase)

    def split(self, chunk: Chunk) -> tuple[Chunk, Chunk]:
        """The rows to fit and the rows held out, in their order."""
        start, stop = chunk.start, chunk.start + chunk.rows_read
        raw = np.random.Philox(np.random.SeedSequence((self.seed, 1 + start))).random_raw(stop - start)
        order = np.argsort(np.asarray(raw), kind="stable").astype(np.int64)
        count = self.count(start, stop)
        if chunk.numbers is not None:
            held = np.isin(chunk.numbers - start, order[:count])
            return chunk.take(np.flatnonzero(~held)), chunk.take(np.flatnonzero(held))
        return chunk.take(_ascending(order[count:])), chunk.take(_ascending(order[:count]))


def _ascending(rows: Integers) -> Integers:
    rows.sort()
    return rows
