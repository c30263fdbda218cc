"""How a sweep over the data is carried out: one function of a chunk, summed over the fixed tree.

An executor knows neither losses nor stores. It is given a dataset that can be read by chunks and a `Summand`, and
returns the sum over all chunks. Whoever carries it out, the additions are those of `dgd.passes.tree`. What cannot be
summed, because each chunk needs what the one before has made, is a `Fold`: chunk by chunk, in an order that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import Chunks
from dgd.passes.blas import single_threaded_blas
from dgd.passes.tree import Addable, Node, cut_level, sum_node

LOOK_AHEAD = 16
"""Chunks that are looked at for something to ask for: most of them may be in memory."""

S = TypeVar("S", bound=Addable)
S_co = TypeVar("S_co", bound=Addable, covariant=True)


class Summand(Protocol[S_co]):
    """What is summed over the chunks: a function of one chunk, without side effects, that can be pickled."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> S_co: ...


@dataclass(frozen=True, slots=True)
class Swept(Generic[S]):
    """A sum over some chunks, and the stored bytes that were read for it."""

    value: S
    bytes_read: int
    resident: int = 0
    """Chunks that were in memory already."""

    def __add__(self, other: Self) -> Self:
        return type(self)(self.value + other.value, self.bytes_read + other.bytes_read, self.resident + other.resident)


V = TypeVar("V")


class Effect(Protocol):
    """What is done with each chunk, such as writing its predictions; can be pickled."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> None: ...


class Fold(Protocol[V]):
    """What is carried from chunk to chunk: a function of the value so far and one chunk, that can be pickled."""

    def __call__(self, value: V, chunk: Chunk, buffers: Buffers) -> V: ...


@dataclass(frozen=True, slots=True)
class Folded(Generic[V]):
    """The value after the last chunk, and the stored bytes that were read on the way."""

    value: V
    bytes_read: int
    resident: int = 0
    """Chunks that were in memory already."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What an executor runs on: the plan's side of the bargain."""

    kind: str
    processes: int
    threads: int
    """Threads of the process that has most."""
    tasks: int
    """Tasks that one pass takes."""
    base_bytes: int
    """What such a process holds before it reads anything."""
    memory_limit: int | None
    """What it may hold, None if nothing limits it."""
    shares_memory: bool = True
    """Whether passes run in this process, and can write to its arrays."""
    free_bytes: int | None = None
    """What nobody uses now of the machine's memory, None if that is not known."""


class Executor(Protocol):
    """Sums a function of a chunk over all chunks of a dataset."""

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk; each chunk is read once. Raises the error of the first chunk that fails."""
        ...

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks in that order, one after the other."""
        ...

    def keep(self, dataset: Dataset, count: int) -> None:
        """From the next sweep over this dataset on, let so many of its chunks stay in memory."""
        ...

    def resources(self, dataset: Dataset) -> Resources:
        """What a pass over a dataset would run on."""
        ...

    def close(self) -> None:
        """Give back threads and whatever else is held."""
        ...


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

    When a worker dies the effect may be called again for a chunk: the second call must leave things as the first did.
    """
    return executor.sweep(dataset, _Each(effect)).value.count


def sweep_node(
    dataset: Chunks,
    summand: Summand[S],
    node: Node,
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
) -> Swept[S]:
    """The sum over one node's chunks, read one after the other. `check` is called before each and may raise."""

    order = node.chunks(dataset.n_chunks)

    def leaf(index: int) -> Swept[S]:
        check()
        _ask_ahead(dataset, order, index - order.start, buffers)
        chunk = dataset.read(index, buffers)
        return Swept(summand(chunk, buffers), chunk.bytes_read, int(chunk.resident))

    try:
        return sum_node(node, dataset.n_chunks, leaf)
    finally:
        buffers.drop_ahead()


def fold_chunks(
    dataset: Chunks,
    fold: Fold[V],
    value: V,
    order: Sequence[int],
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
) -> Folded[V]:
    """The value carried through the chunks in that order. `check` is called before each and may raise."""
    bytes_read = resident = 0
    try:
        for position, index in enumerate(order):
            check()
            _ask_ahead(dataset, order, position, buffers)
            chunk = dataset.read(index, buffers)
            value = fold(value, chunk, buffers)
            bytes_read += chunk.bytes_read
            resident += chunk.resident
    finally:
        buffers.drop_ahead()
    return Folded(value, bytes_read, resident)


def _ask_ahead(dataset: Chunks, order: Sequence[int], position: int, buffers: Buffers) -> None:
    """Ask for the chunk that is read next, all its arrays at once, and for those after it as far as is worth it."""
    for index in order[position : position + LOOK_AHEAD]:
        if not dataset.ahead(index, buffers):
            return


@dataclass(frozen=True)
class InlineExecutor:
    """Everything in the calling thread: the oracle that every other executor must equal to the bit."""

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk."""
        root = Node(cut_level(dataset.n_chunks, 1), 0)
        with single_threaded_blas():
            return sweep_node(dataset, summand, root, Buffers())

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks."""
        with single_threaded_blas():
            return fold_chunks(dataset, fold, value, order, Buffers())

    def keep(self, dataset: Dataset, count: int) -> None:
        """Nothing stays: this is what the others are compared with."""

    def resources(self, dataset: Dataset) -> Resources:
        """One thread, one task."""
        return Resources(kind="inline", processes=1, threads=1, tasks=1, base_bytes=0, memory_limit=None)

    def close(self) -> None:
        """Nothing is held."""
