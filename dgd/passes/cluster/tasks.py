"""The functions that workers run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeVar

from distributed import get_worker
from distributed.protocol import pickle

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import Chunks, PartlyResident, ResidentMemory, is_resident
from dgd.errors import DatasetChangedError
from dgd.passes.blas import single_threaded_blas
from dgd.passes.executor import ChunkSum, Fold, PassResult, S, V, fold_chunks, sweep_node
from dgd.passes.tree import Addable, Node, sum_siblings
from dgd.passes.watched_threads import Call, Check, WatchedThreads

A = TypeVar("A", bound=Addable)
T = TypeVar("T")
_thread = threading.local()


def identity(value: T) -> T:
    return value


def sum_of(sums: list[A]) -> A:
    return sum_siblings(sums)


@dataclass(frozen=True)
class ResidentNode:
    """The resident chunks of one node, and the bytes that reading them took."""

    chunks: tuple[Chunk, ...]
    bytes_read: int

    def __sizeof__(self) -> int:
        """The size that Dask accounts for."""
        return sum(array.nbytes for chunk in self.chunks for array in chunk.arrays.values())


@lru_cache(maxsize=8)
def _opened(pickled: bytes) -> Dataset:
    """The dataset of a run, unpickled once in each process."""
    _run, dataset = pickle.loads(pickled)
    assert isinstance(dataset, Dataset)
    return dataset


def _dataset(sent: Dataset | bytes) -> Dataset:
    return _opened(sent) if isinstance(sent, bytes) else sent


def load(sent: Dataset | bytes, node: Node, count: int) -> ResidentNode:
    """A worker's task: read the resident chunks of one node."""
    dataset = _dataset(sent)
    total = dataset.n_chunks
    wanted = [index for index in node.chunks(total) if is_resident(index, total, count)]
    memory = ResidentMemory(dataset, len(wanted))

    def read(buffers: Buffers, check: Check) -> ResidentNode:
        chunks: list[Chunk] = []
        bytes_read = 0
        for slot, index in enumerate(wanted):
            check()
            chunk = dataset.read(index, buffers)
            bytes_read += chunk.bytes_read
            chunks.append(memory.copy(chunk, slot))
        return ResidentNode(tuple(chunks), bytes_read)

    return _watched(dataset, read)


def sweep(
    sent: Dataset | bytes, theta: ChunkSum[S] | bytes, node: Node, resident: ResidentNode | None, fresh: bool
) -> PassResult[S]:
    """A worker's task: the sum over one node. The dataset and the chunk sum may come pickled."""
    dataset = _dataset(sent)
    chunk_sum: ChunkSum[S] = pickle.loads(theta) if isinstance(theta, bytes) else theta
    chunks: Chunks = dataset if resident is None else PartlyResident(dataset, 0, resident.chunks)
    with single_threaded_blas():
        result = _watched(dataset, partial(sweep_node, chunks, chunk_sum, node))
    if resident is None or not fresh:
        return result
    return PassResult(result.value, result.bytes_read + resident.bytes_read)


def fold(sent: Dataset | bytes, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
    """A worker's task: a fold over all chunks."""
    dataset = _dataset(sent)
    with single_threaded_blas():
        return _watched(dataset, partial(fold_chunks, dataset, fold, value, order))


@contextmanager
def _naming_worker() -> Iterator[None]:
    """Say which worker sees other data: it may have a copy of its own at the dataset's path."""
    try:
        yield
    except DatasetChangedError as error:
        raise error.on(get_worker().address) from error


def _watched(dataset: Dataset, call: Call[T]) -> T:
    """The call's result; what reads a store runs in a thread beside this one, which is left behind if it hangs.

    Blocks of a Dask array are computed in this one: Dask knows its own threads only.
    """
    if not hasattr(_thread, "buffers"):
        _thread.buffers, _thread.beside = Buffers(), WatchedThreads(1)
    with _naming_worker():
        if not all(rows.asks_ahead or rows.lies_in_memory for rows in dataset.arrays):
            return call(_thread.buffers, _thread.buffers.watch.begin_chunk)
        beside: WatchedThreads = _thread.beside
        (result,) = beside.run([call])
        return result
