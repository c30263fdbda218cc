"""Small stored chunks, several of which are read and summed at a time: what is done once for each costs more than it.

Which ones go together depends on the number of the chunks and on what they hold, so that a sum over them has the same
bits wherever it is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.csr import is_sparse
from dgd.data.dataset import Dataset
from dgd.data.rows import Footprint, RowsOfRows, as_made

TOGETHER_BYTES = 2**22
"""At most so many of X: about a micro-block, so that what is done once for each chunk is done once for that."""
LEAST_LEFT = 32
"""So many chunks are left at least: all threads and workers have some."""


@dataclass(frozen=True, eq=False)
class TogetherRows(RowsOfRows):
    """The same rows, of which `count` chunks are one."""

    count: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Without bounds, which grow with the number of chunks."""
        return as_made(self)

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Each of so many of the array's, and the last one."""
        return np.append(self.rows.bounds[: -1 : self.count], self.rows.bounds[-1])

    def cuts(self, index: int) -> tuple[int, Integers]:
        """The number of the first of the array's chunks in one of these, and their bounds."""
        first = index * self.count
        return first, self.rows.bounds[first : first + self.count + 1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's."""
        return self.rows.dtype

    @property
    def footprint(self) -> Footprint:
        """The array's, and the rows that are put together."""
        whole = self.rows.footprint
        joined = self.longest * math.prod(self.shape[1:]) * self.dtype.itemsize
        return replace(whole, decoded=whole.decoded + joined)

    @property
    def fingerprint(self) -> str:
        """The array's."""
        return self.rows.fingerprint

    def inside(self, buffers: Buffers) -> Buffers:
        """The same: nothing else is read there."""
        return buffers

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop."""
        found: tuple[Array, int] = self.rows.read(start, stop, buffers)
        return found


def small_together(dataset: Dataset) -> Dataset:
    """The same rows, small stored chunks of a dense X taken together; itself where they are large, or few."""
    X = dataset.X
    if not X.asks_ahead or is_sparse(X) or dataset.kinds is not None or dataset.only is not None:
        return dataset
    count = chunks_together(dataset.n_chunks, dataset.decoded_bytes("X"))
    return dataset if count == 1 else replace(dataset, X=TogetherRows(X, count))


def chunks_together(chunks: int, n_bytes: int, at_most: int = TOGETHER_BYTES) -> int:
    """How many chunks of so many bytes are one: a power of 2."""
    most = min(at_most // max(1, n_bytes), chunks // LEAST_LEFT)
    return 1 << max(0, most.bit_length() - 1)
