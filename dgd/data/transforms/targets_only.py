"""A dataset without its columns: targets, weights and offsets are read, and X is not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.rows import Footprint, ReadAtOnce, Rows, as_made, regular_bounds
from dgd.data.transforms.together import TOGETHER_BYTES, TogetherRows, chunks_together


def targets_only(dataset: Dataset, *, numbers: int = 0) -> Dataset:
    """The same rows in the same chunks, with one column of zeros for X.

    numbers: how many are made of each row, by who asks neither for a chunk's number nor where it begins: several chunks
    are then one. 0: they stay apart.
    """
    X = dataset.X.rows if isinstance(dataset.X, TogetherRows) else dataset.X
    zeros = _Zeros(X.name, *_cut(X))
    count = dataset.X.count if isinstance(dataset.X, TogetherRows) else _chunks_together(dataset, numbers)
    return replace(dataset, X=zeros if count == 1 else TogetherRows(zeros, count), feature_names=None)


def _chunks_together(dataset: Dataset, numbers: int) -> int:
    """So many that what is made of them takes no more than a chunk of X.

    Not of several arrays, which are asked for at the same time only where their chunks go one by one.
    """
    y = dataset.y
    if (
        y is None
        or numbers == 0
        or dataset.only is not None
        or dataset.weight is not None
        or dataset.offset is not None
    ):
        return 1
    n_bytes = dataset.chunk_rows * math.prod(y.shape[1:]) * max(8 * numbers, y.dtype.itemsize)
    return chunks_together(dataset.n_chunks, n_bytes, min(TOGETHER_BYTES, dataset.decoded_bytes("X")))


def _cut(X: Rows) -> tuple[int, int, NDArray[np.int64] | None]:
    """Rows, rows of a chunk, and the bounds themselves only where chunks are not equal."""
    rows, chunk_rows = X.shape[0], int(X.bounds[1])
    equal = np.array_equal(regular_bounds(rows, chunk_rows), X.bounds) if chunk_rows else False
    return rows, chunk_rows, None if equal else X.bounds


@dataclass(frozen=True)
class _Zeros(ReadAtOnce):
    """A column of zeros that takes no memory."""

    name: str
    rows: int
    chunk_rows: int
    unequal: NDArray[np.int64] | None = None
    shape: tuple[int, int] = field(init=False)
    bounds: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    dtype = np.dtype(np.float64)
    footprint = Footprint(0, 0, 0, exact=True)
    fingerprint = "zeros"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", (self.rows, 1))
        bounds = regular_bounds(self.rows, self.chunk_rows) if self.unequal is None else self.unequal
        object.__setattr__(self, "bounds", bounds)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """Zeros, of which nothing is stored."""
        return np.broadcast_to(np.zeros(1), (stop - start, 1)), 0
