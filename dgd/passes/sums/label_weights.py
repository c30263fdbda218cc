"""Which labels a target has, and the sum of the weights of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.distinct import check_few
from dgd.passes.sums.bad_rows import checked_weight


@dataclass(frozen=True, slots=True)
class LabelWeights:
    """The labels of an array by its name, ascending, and Σw of the rows of each, (K,)."""

    name: str
    labels: Array
    weights: Vector

    def __add__(self, other: Self) -> Self:
        labels = np.union1d(self.labels, other.labels)
        check_few(self.name, labels)
        weights = np.zeros(len(labels))
        for each in (self, other):
            weights[np.searchsorted(labels, each.labels)] += each.weights
        return type(self)(self.name, labels, weights)


@dataclass(frozen=True)
class LabelWeightSum:
    """The labels and weights of a chunk; of the target of that name."""

    name: str

    def __call__(self, chunk: Chunk, buffers: Buffers) -> LabelWeights:
        """Raises DataError where there are too many to be classes, ValueRangeError for a negative weight."""
        assert chunk.y is not None
        labels, index = np.unique(chunk.y, return_inverse=True)
        check_few(self.name, labels)
        weights = np.bincount(index, checked_weight(chunk, np.dtype(np.float64)), len(labels))
        return LabelWeights(self.name, labels, weights.astype(np.float64))
