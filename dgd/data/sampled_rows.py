"""A sample of the rows, copied aside while a pass reads them all: one of every so many, by their numbers alone.

    window k holds the rows ke, …, ke + e − 1        of each window the row ke + h(k) mod e is taken, h a fixed mixing

Spread over all rows, so that the order of the data is no matter, and not at even distances, so that rows that come in
periods are none either. Neither threads, workers nor resumed fits change which rows there are, or their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Integers
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.arrays.mixed_rows import MixedRows
from dgd.data.arrays.sparse_rows import SparseRows
from dgd.data.csr import Csr
from dgd.data.csr import stacked as stacked_csr
from dgd.data.dataset import Chunk, Dataset
from dgd.data.mixed import Cells, Mixed
from dgd.data.mixed import stacked as stacked_mixed
from dgd.data.rows import Rows


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which rows: one of each window of `every`; of the last window, which may be shorter, one or none."""

    every: int

    def count(self, rows: int) -> int:
        """The number of rows that are taken of so many."""
        whole = rows // self.every
        return whole + int(whole * self.every + int(_offsets(np.array([whole]), self.every)[0]) < rows)

    def of(self, chunk: Chunk) -> Chunk:
        """The rows of a chunk that are taken, copied, in the dtypes they have."""
        if chunk.numbers is not None:
            windows = chunk.numbers // self.every
            return chunk.take(np.flatnonzero(chunk.numbers == windows * self.every + _offsets(windows, self.every)))
        start, stop = chunk.rows
        windows = np.arange(start // self.every, -(-stop // self.every), dtype=np.int64)
        rows = windows * self.every + _offsets(windows, self.every)
        return chunk.take(rows[(start <= rows) & (rows < stop)] - start)


def _offsets(windows: Integers, every: int) -> Integers:
    """The place of the row that is taken in each window: Steele, Lea and Flood (2014), the mixing of SplitMix64."""
    z: NDArray[np.uint64] = windows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) % np.uint64(every)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class SampledRows:
    """The rows that were taken: as many chunks as there were, in their order. A sum: that of neighbours is both."""

    chunks: tuple[Chunk, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.chunks + other.chunks)

    def __len__(self) -> int:
        return sum(len(chunk.X) for chunk in self.chunks)

    @property
    def nbytes(self) -> int:
        """Of all arrays."""
        return sum(values.nbytes for chunk in self.chunks for values in chunk.arrays.values())

    def dataset(self, like: Dataset, chunk_rows: int = 0) -> Dataset:
        """The rows in memory, in one piece, with the names of the dataset that they were taken from.

        chunk_rows: of a dense one's chunks; 0: by its shape.
        """
        joined: dict[str, Any] = {}
        for role in ("X", "y", "weight", "offset"):
            parts = [getattr(chunk, role) for chunk in self.chunks if len(chunk.X)]
            if parts and parts[0] is not None:
                joined[role] = _rows(role, _joined(parts), chunk_rows)
        return Dataset(**joined, feature_names=like.feature_names, target_name=like.target_name, source=like.source)


def _joined(parts: Sequence[Any]) -> Cells:
    if isinstance(parts[0], Mixed):
        return stacked_mixed(parts)
    return stacked_csr(list(parts)) if isinstance(parts[0], Csr) else np.concatenate(parts)


def _rows(role: str, cells: Cells, chunk_rows: int) -> Rows:
    if isinstance(cells, Mixed):
        return MixedRows(role, [part.scipy() if isinstance(part, Csr) else part for part in cells.parts])
    return SparseRows(role, cells.scipy()) if isinstance(cells, Csr) else MemoryRows(role, cells, chunk_rows=chunk_rows)
