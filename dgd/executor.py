"""How a sweep over the data is carried out: one function of a chunk, summed over the fixed tree.

An executor knows neither losses nor stores. It is given a dataset that can be read by chunks and a `Summand`, and
returns the sum over all chunks. Whoever carries it out, the additions are those of `dgd.tree`. What cannot be summed,
because each chunk needs what the one before has made, is a `Fold`: chunk by chunk, in an order that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from dgd.blas import single_threaded_blas
from dgd.buffers import Buffers
from dgd.dataset import Chunk, Dataset
from dgd.tree import Addable, Node, cut_level, sum_node

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

    def __add__(self, other: Self) -> Self:
        return type(self)(self.value + other.value, self.bytes_read + other.bytes_read)


V = TypeVar("V")


class Fold(Protocol[V]):
    """What is carried from chunk to chunk: a function of the value so far and one chunk, that can be pickled."""

    def __call__(self, value: V, chunk: Chunk, buffers: Buffers) -> V: ...


@dataclass(frozen=True, slots=True)
class Folded(Generic[V]):
    """The value after the last chunk, and the stored bytes that were read on the way."""

    value: V
    bytes_read: int


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


class Executor(Protocol):
    """Sums a function of a chunk over all chunks of a dataset."""

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk; each chunk is read once. Raises the error of the first chunk that fails."""
        ...

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks in that order, one after the other."""
        ...

    def resources(self, dataset: Dataset) -> Resources:
        """What a pass over a dataset would run on."""
        ...

    def close(self) -> None:
        """Give back threads and whatever else is held."""
        ...


def sweep_node(
    dataset: Dataset,
    summand: Summand[S],
    node: Node,
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
) -> Swept[S]:
    """The sum over one node's chunks, read one after the other. `check` is called before each and may raise."""

    def leaf(index: int) -> Swept[S]:
        check()
        chunk = dataset.read(index, buffers)
        return Swept(summand(chunk, buffers), chunk.bytes_read)

    return sum_node(node, dataset.n_chunks, leaf)


def fold_chunks(
    dataset: Dataset,
    fold: Fold[V],
    value: V,
    order: Sequence[int],
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
) -> Folded[V]:
    """The value carried through the chunks in that order. `check` is called before each and may raise."""
    bytes_read = 0
    for index in order:
        check()
        chunk = dataset.read(index, buffers)
        value = fold(value, chunk, buffers)
        bytes_read += chunk.bytes_read
    return Folded(value, bytes_read)


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

    def resources(self, dataset: Dataset) -> Resources:
        """One thread, one task."""
        return Resources(kind="inline", processes=1, threads=1, tasks=1, base_bytes=0, memory_limit=None)

    def close(self) -> None:
        """Nothing is held."""
