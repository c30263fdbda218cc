"""Rows that count what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.buffers import Buffers
from dgd.data.rows import ReadAtOnce, Rows


@dataclass(frozen=True, eq=False)
class MemoryChunks(MemoryRows):
    """The rows of an array in memory, in chunks of your choice.

    rows = MemoryChunks("X", np.ones((10, 2)), [0, 4, 8, 10])
    dgd.fit(dgd.Dataset(X=rows, y=MemoryChunks("y", np.ones(10), [0, 10])), max_iter=1)
    rows.reads                                    # [(0, 4), (4, 8), (8, 10)], in the order of reading
    """

    chunk_bounds: Sequence[int] | NDArray[np.int64] = ()
    reads: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "bounds", np.asarray(self.chunk_bounds, dtype=np.int64))

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view of the rows, counted."""
        self.reads.append((start, stop))
        return super().read(start, stop, buffers)


@dataclass(frozen=True, eq=False)
class CountingRows(ReadAtOnce):
    """Any rows, with the ranges that were read of them in `reads`.

    X = CountingRows(dataset.X)
    dgd.fit(dataclasses.replace(dataset, X=X), max_iter=3, resident=0)
    len(X.reads) == 3 * dataset.n_chunks
    """

    rows: Rows
    reads: list[tuple[int, int]] = field(default_factory=list, repr=False)

    def __getattr__(self, name: str) -> Any:
        if name in {"name", "shape", "dtype", "bounds", "footprint", "fingerprint"}:
            return getattr(self.rows, name)
        raise AttributeError(name)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, counted."""
        self.reads.append((start, stop))
        return self.rows.read(start, stop, buffers)
