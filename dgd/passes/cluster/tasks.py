"""The functions that workers run."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
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
    chunks: list[Chunk] = []
    bytes_read = 0
    with _naming_worker():
        for slot, index in enumerate(wanted):
            chunk = dataset.read(index, _buffers())
            bytes_read += chunk.bytes_read
            chunks.append(memory.copy(chunk, slot))
    return ResidentNode(tuple(chunks), bytes_read)


def sweep(
    sent: Dataset | bytes, theta: ChunkSum[S] | bytes, node: Node, resident: ResidentNode | None, fresh: bool
) -> PassResult[S]:
    """A worker's task: the sum over one node. The dataset and the chunk sum may come pickled."""
    dataset = _dataset(sent)
    chunk_sum: ChunkSum[S] = pickle.loads(theta) if isinstance(theta, bytes) else theta
    chunks: Chunks = dataset if resident is None else PartlyResident(dataset, 0, resident.chunks)
    with single_threaded_blas(), _naming_worker():
        result = sweep_node(chunks, chunk_sum, node, _buffers())
    if resident is None or not fresh:
        return result
    return PassResult(result.value, result.bytes_read + resident.bytes_read)


def fold(sent: Dataset | bytes, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
    """A worker's task: a fold over all chunks."""
    with single_threaded_blas(), _naming_worker():
        return fold_chunks(_dataset(sent), fold, value, order, _buffers())


@contextmanager
def _naming_worker() -> Iterator[None]:
    """Say which worker sees other data: it may have a copy of its own at the dataset's path."""
    try:
        yield
    except DatasetChangedError as error:
        raise error.on(get_worker().address) from error


def _buffers() -> Buffers:
    """The buffers of this thread."""
    if not hasattr(_thread, "buffers"):
        _thread.buffers = Buffers()
    buffers: Buffers = _thread.buffers
    return buffers
