"""Executors around another one, that count or fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from dgd.data.dataset import Dataset
from dgd.passes.executor import ChunkSum, Executor, Fold, InlineExecutor, PassResult, Resources, S, V
from dgd.testing.rows import CountingRows


class _AroundExecutor:
    """An executor that leaves the work to another one; a fold counts as a sweep."""

    def __init__(self, executor: Executor | None) -> None:
        self.executor = executor or InlineExecutor()
        self.sweeps = 0

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        return self.executor.sweep(self._next(dataset), chunk_sum)

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        return self.executor.fold(self._next(dataset), fold, value, order)

    def make_resident(self, dataset: Dataset, count: int) -> None:
        self.executor.make_resident(self._seen(dataset), count)

    def _next(self, dataset: Dataset) -> Dataset:
        self.sweeps += 1
        return self._seen(dataset)

    def _seen(self, dataset: Dataset) -> Dataset:
        """What the other executor gets in its place, always the same for the same dataset."""
        return dataset

    def resources(self, dataset: Dataset) -> Resources:
        return self.executor.resources(dataset)

    def unlike(self) -> str:
        return self.executor.unlike()

    def close(self) -> None:
        self.executor.close()


class CountingExecutor(_AroundExecutor):
    """An executor that counts: `sweeps`, and in `reads` how often each chunk of X was read, by its first row.

    executor = CountingExecutor(ThreadExecutor(2))
    Objective(dataset, Squared(), executor).evaluate(theta)
    executor.sweeps, set(executor.reads.values())             # 1, {1}
    """

    def __init__(self, executor: Executor | None = None) -> None:
        super().__init__(executor)
        self._counted: dict[int, tuple[Dataset, Dataset, CountingRows]] = {}

    @property
    def reads(self) -> Counter[int]:
        """Chunk reads by the chunk's first row, over all sweeps."""
        return Counter(start for _, _, rows in self._counted.values() for start, _ in rows.reads)

    def _seen(self, dataset: Dataset) -> Dataset:
        if id(dataset) not in self._counted:
            rows = CountingRows(dataset.X)
            self._counted[id(dataset)] = (dataset, replace(dataset, X=rows), rows)
        return self._counted[id(dataset)][1]


class FlakyExecutor(_AroundExecutor):
    """An executor whose sweeps of certain numbers, counted from 1, raise an error.

    FlakyExecutor(fail_at={3}, error=ClusterLostError("gone"))
    """

    def __init__(self, executor: Executor | None = None, *, fail_at: Collection[int], error: BaseException) -> None:
        super().__init__(executor)
        self.fail_at, self.error = frozenset(fail_at), error

    def _next(self, dataset: Dataset) -> Dataset:
        self.sweeps += 1
        if self.sweeps in self.fail_at:
            raise self.error
        return dataset
