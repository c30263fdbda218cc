"""An executor whose passes are taken from a journal, or made and kept there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.fitting.checkpoint.journal import Journal
from dgd.passes.executor import ChunkSum, Executor, Fold, PassResult, Resources, S, V


@dataclass(frozen=True)
class JournalledExecutor:
    """Another executor, with a journal of what its passes find."""

    executor: Executor
    journal: Journal

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """From the journal, or made by the executor."""
        return self.journal.pass_of(asked(chunk_sum), lambda: self.executor.sweep(dataset, chunk_sum))

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The executor's; fits in lock-step take none."""
        return self.executor.fold(dataset, fold, value, order)

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """The executor's."""
        self.executor.make_resident(dataset, count)

    def resources(self, dataset: Dataset) -> Resources:
        """The executor's."""
        return self.executor.resources(dataset)

    def unlike(self) -> str:
        """The executor's."""
        return self.executor.unlike()

    def close(self) -> None:
        """The executor's."""
        self.executor.close()


def asked(chunk_sum: Any) -> str:
    """A digest of a pass's question: its points, its sums, and what is subtracted from the columns."""
    centre = getattr(chunk_sum, "centre", None)
    arrays = [getattr(chunk_sum, name, None) for name in ("intercept", "coef")]
    arrays += [None, None] if centre is None else [centre.columns, centre.level]
    digest = hashlib.sha256(type(chunk_sum).__name__.encode())
    for part in getattr(chunk_sum, "parts", ()):
        column, sums = part if isinstance(part, tuple) else (0, part)
        digest.update(f"{column} {type(sums).__name__} {getattr(sums, 'constant', None)!r}".encode())
    for array in arrays:
        digest.update(b"-" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
