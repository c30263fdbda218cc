"""How a pass over the data is made: a function of a chunk, summed over a fixed tree.

An executor knows neither losses nor stores. It gets a dataset that can be read by chunks and a `ChunkSum`, and returns
the sum over all chunks. Every executor adds in the order of `dgd.passes.tree`. Where each chunk needs the result of the
one before, the pass is a `Fold`: chunk by chunk, in a given order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import Chunks
from dgd.data.seen import Seen
from dgd.data.times import NO_TIMES, Times
from dgd.data.transforms.missing import LeftOut, add
from dgd.passes.blas import single_threaded_blas
from dgd.passes.parts import Share, opens_parts, sum_in_parts, sum_opened
from dgd.passes.tree import Addable, Node, absorbed, cut_level, sum_node

LOOK_AHEAD = 16
"""Chunks after the current one that may be asked for: most of them may be in memory already."""

V = TypeVar("V")
S = TypeVar("S", bound=Addable)
S_co = TypeVar("S_co", bound=Addable, covariant=True)


class ChunkSum(Protocol[S_co]):
    """A function of one chunk whose values are summed over all chunks. No side effects; can be pickled."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> S_co: ...


@dataclass(frozen=True, slots=True)
class PassResult(Generic[V]):
    """What a pass over some chunks found, and what it read."""

    value: V
    bytes_read: int
    """Stored bytes."""
    resident: int = 0
    """Chunks that were in memory already."""
    seen: tuple[Seen, ...] = ()
    """What other processes have read."""
    filled: int = 0
    """Stored chunks that are not there and were taken as their fill value."""
    left_out: LeftOut | None = None
    """Rows with a missing cell."""
    seconds: float = 0.0
    """What it took on a cluster, in seconds of one thread; 0 elsewhere."""
    times: Times = NO_TIMES
    """Where the threads spent theirs."""

    def __add__(self, other: Self) -> Self:
        return self._with(other, self.value + other.value)  # type: ignore[operator]

    def absorb(self, other: Self) -> Self:
        """The same sum; the values are not used again."""
        return self._with(other, absorbed(self.value, other.value))  # type: ignore[type-var]

    def _with(self, other: Self, value: V) -> Self:
        return type(self)(
            value,
            self.bytes_read + other.bytes_read,
            self.resident + other.resident,
            self.seen + other.seen,
            self.filled + other.filled,
            add(self.left_out, other.left_out),
            self.seconds + other.seconds,
            self.times + other.times,
        )

    def within(self, threads: int, seconds: float) -> Self:
        """With what so many threads waited in so many seconds."""
        return replace(self, times=self.times.within(threads, seconds))


class _Read:
    """What a thread has read of its part of a pass."""

    __slots__ = ("_bytes", "_filled", "_left_out", "_resident")

    def __init__(self) -> None:
        self._bytes = self._resident = self._filled = 0
        self._left_out: LeftOut | None = None

    def add(self, chunk: Chunk) -> None:
        """One chunk more."""
        self._bytes += chunk.bytes_read
        self._resident += chunk.resident
        self._filled += chunk.filled
        if chunk.left_out is not None:
            self._left_out = add(self._left_out, chunk.left_out)

    def result(self, value: V, times: Times) -> PassResult[V]:
        """With what was found."""
        return PassResult(value, self._bytes, self._resident, filled=self._filled, left_out=self._left_out, times=times)


class Fold(Protocol[V]):
    """A function of the value so far and the next chunk; can be pickled."""

    def __call__(self, value: V, chunk: Chunk, buffers: Buffers) -> V: ...


@dataclass(frozen=True, slots=True)
class Resources:
    """What an executor runs on, for the plan."""

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
    """Free memory of the machine now, None if unknown."""
    waiting_sums: int | None = None
    """Sums of nodes that wait to be added, at most, beside those of threads at work; None: those of all tasks."""


class Executor(Protocol):
    """Sums a function of a chunk over all chunks of a dataset."""

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """The sum over all chunks, each read once. Raises the error of the first chunk that fails."""
        ...

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The value after the last chunk, taken through the chunks in that order."""
        ...

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """Keep so many chunks of this dataset decoded in memory, from the next pass over it on."""
        ...

    def resources(self, dataset: Dataset) -> Resources:
        """What a pass over a dataset would run on."""
        ...

    def unlike(self) -> str:
        """Why a pass may have other bits than one in this process; empty if it has the same."""
        ...

    def close(self) -> None:
        """Give back threads and whatever else is held."""
        ...


def sweep_node(
    dataset: Chunks,
    chunk_sum: ChunkSum[S],
    node: Node,
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
    share: Share | None = None,
) -> PassResult[S]:
    """The sum over one node's chunks, read one after the other. `check` is called around each read and may raise.

    share: runs the parts of a large chunk; None: this thread does.
    """
    order, before = node.chunks(dataset.n_chunks), buffers.watch.spent
    opens, read = opens_parts(dataset, chunk_sum), _Read()

    def leaf(index: int) -> S:
        check()
        buffers.watch.goes_on = index + 1 < order.stop
        opened = sum_opened(dataset, index, chunk_sum, buffers, share, check) if opens else None
        if opened is None:
            chunk = _read(dataset, order, index - order.start, buffers)
            check()
            found: S = sum_in_parts(chunk, chunk_sum, buffers, share, check)
        else:
            chunk, found = opened
        buffers.watch.chunks += 1
        read.add(chunk)
        return found

    try:
        found = sum_node(node, dataset.n_chunks, leaf)
    finally:
        buffers.drop_ahead()
    return read.result(found, buffers.watch.spent - before)


def fold_chunks(
    dataset: Chunks,
    fold: Fold[V],
    value: V,
    order: Sequence[int],
    buffers: Buffers,
    check: Callable[[], None] = lambda: None,
) -> PassResult[V]:
    """The value after the last chunk. `check` is called around each read and may raise."""
    read, before = _Read(), buffers.watch.spent
    buffers.watch.goes_on = False
    try:
        for position in range(len(order)):
            check()
            chunk = _read(dataset, order, position, buffers)
            check()
            began = time.perf_counter()
            value = fold(value, chunk, buffers)
            buffers.watch.compute_seconds += time.perf_counter() - began
            buffers.watch.chunks += 1
            read.add(chunk)
    finally:
        buffers.drop_ahead()
    return read.result(value, buffers.watch.spent - before)


def _read(dataset: Chunks, order: Sequence[int], position: int, buffers: Buffers) -> Chunk:
    """A chunk, after those that follow were asked for; what is no wait for stored bytes is decoding."""
    watch = buffers.watch
    before, began = watch.read_seconds, time.perf_counter()
    _ask_ahead(dataset, order, position, buffers)
    chunk = dataset.read(order[position], buffers)
    watch.decode_seconds += time.perf_counter() - began - (watch.read_seconds - before)
    return chunk


def _ask_ahead(dataset: Chunks, order: Sequence[int], position: int, buffers: Buffers) -> None:
    """Ask for the chunk that is read next, and for later ones as long as that saves time."""
    for index in order[position : position + LOOK_AHEAD]:
        if not dataset.ahead(index, buffers):
            return


@dataclass(frozen=True)
class InlineExecutor:
    """Everything in the calling thread. Every other executor must give the same bits."""

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """The sum over every chunk."""
        root, began = Node(cut_level(dataset.n_chunks, 1), 0), time.perf_counter()
        with single_threaded_blas():
            return sweep_node(dataset, chunk_sum, root, Buffers()).within(1, time.perf_counter() - began)

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The value after the last chunk."""
        began = time.perf_counter()
        with single_threaded_blas():
            return fold_chunks(dataset, fold, value, order, Buffers()).within(1, time.perf_counter() - began)

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """Nothing is kept."""

    def resources(self, dataset: Dataset) -> Resources:
        """One thread, one task."""
        return Resources(kind="inline", processes=1, threads=1, tasks=1, base_bytes=0, memory_limit=None)

    def unlike(self) -> str:
        """It is this process."""
        return ""

    def close(self) -> None:
        """Nothing is held."""
