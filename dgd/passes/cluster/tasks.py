"""What a worker is told to do: the functions that a pass is submitted as."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from distributed.protocol import pickle

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import Chunks, PartlyResident, Room, is_resident
from dgd.passes.blas import single_threaded_blas
from dgd.passes.executor import Fold, Folded, S, Summand, Swept, V, fold_chunks, sweep_node
from dgd.passes.tree import Addable, Node, sum_siblings

A = TypeVar("A", bound=Addable)
T = TypeVar("T")
_thread = threading.local()


def identity(value: T) -> T:
    return value


def sum_of(sums: list[A]) -> A:
    return sum_siblings(sums)


@dataclass(frozen=True)
class Kept:
    """The chunks of one node that stay, and what reading them took."""

    chunks: tuple[Chunk, ...]
    bytes_read: int

    def __sizeof__(self) -> int:
        """What Dask should think that it holds."""
        arrays = (a for c in self.chunks for a in (c.X, c.y, c.weight, c.offset) if a is not None)
        return sum(array.nbytes for array in arrays)


@lru_cache(maxsize=8)
def _opened(pickled: bytes) -> Dataset:
    """A dataset of a run, opened once in a process."""
    _run, dataset = pickle.loads(pickled)
    assert isinstance(dataset, Dataset)
    return dataset


def _dataset(sent: Dataset | bytes) -> Dataset:
    return _opened(sent) if isinstance(sent, bytes) else sent


def load(sent: Dataset | bytes, node: Node, count: int) -> Kept:
    """A worker's task: the chunks of one node that are to stay."""
    dataset = _dataset(sent)
    total = dataset.n_chunks
    staying = [index for index in node.chunks(total) if is_resident(index, total, count)]
    room = Room(dataset, len(staying))
    chunks: list[Chunk] = []
    bytes_read = 0
    for slot, index in enumerate(staying):
        chunk = dataset.read(index, _buffers())
        bytes_read += chunk.bytes_read
        chunks.append(room.keep(chunk, slot))
    return Kept(tuple(chunks), bytes_read)


def sweep(sent: Dataset | bytes, theta: Summand[S] | bytes, node: Node, keeping: Kept | None, fresh: bool) -> Swept[S]:
    """A worker's task: one node, with the buffers of the thread it runs on; dataset and summand may come pickled."""
    dataset = _dataset(sent)
    summand: Summand[S] = pickle.loads(theta) if isinstance(theta, bytes) else theta
    chunks: Chunks = dataset if keeping is None else PartlyResident(dataset, 0, keeping.chunks)
    with single_threaded_blas():
        swept = sweep_node(chunks, summand, node, _buffers())
    if keeping is None or not fresh:
        return swept
    return Swept(swept.value, swept.bytes_read + keeping.bytes_read)


def fold(sent: Dataset | bytes, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
    """A worker's task: all chunks, one after the other."""
    with single_threaded_blas():
        return fold_chunks(_dataset(sent), fold, value, order, _buffers())


def _buffers() -> Buffers:
    """The buffers of the thread that a task runs on."""
    if not hasattr(_thread, "buffers"):
        _thread.buffers = Buffers()
    buffers: Buffers = _thread.buffers
    return buffers
