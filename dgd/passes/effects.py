"""What is done with each chunk of a dataset, by any executor: a pass whose sum is the number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.passes.executor import Executor


class Effect(Protocol):
    """What is done with each chunk, such as writing its predictions; can be pickled."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None: ...


@dataclass(frozen=True, slots=True)
class _Rows:
    """A number of rows."""

    count: int

    def __add__(self, other: Self) -> Self:
        return type(self)(self.count + other.count)


@dataclass(frozen=True)
class _Each:
    """The chunk sum that calls an effect and counts the rows."""

    effect: Effect

    def __call__(self, chunk: Chunk, buffers: Buffers) -> _Rows:
        self.effect(chunk, buffers)
        return _Rows(chunk.X.shape[0])


def for_each(executor: Executor, dataset: Dataset, effect: Effect) -> int:
    """Call an effect for each chunk, in any order and in several processes; returns the number of rows.

    Where a worker dies or is late the effect is called again for its chunks, perhaps while the first call runs, and the
    first call may end after this has returned: one, two or overlapping calls must leave the same.
    """
    return executor.sweep(dataset, _Each(effect)).value.count
