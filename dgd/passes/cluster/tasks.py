"""The functions that workers run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

from distributed import get_worker
from distributed.protocol import pickle

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.resident_chunks import Chunks, PartlyResident, ResidentMemory, is_resident
from dgd.data.seen import Seen, hold, seen
from dgd.data.times import NO_TIMES, Times
from dgd.errors import DataError
from dgd.passes.blas import single_threaded_blas
from dgd.passes.cluster.software import kernel, software
from dgd.passes.executor import ChunkSum, Fold, PassResult, S, V, fold_chunks, sweep_node
from dgd.passes.tree import Addable, Node, sum_siblings
from dgd.passes.watched_threads import Call, Check, WatchedThreads

A = TypeVar("A", bound=Addable)
T = TypeVar("T")
_thread = threading.local()


class Unasked(Exception):
    """A worker came to a task before it was asked what it computes with, and that is not what was expected."""


def run_as(expected: Sequence[str], function: Callable[..., T], *arguments: Any) -> T:
    """A worker's task, if it computes with what is expected: a source of dgd, and one of the kernels.

    Workers are asked before they get work, but one that joins may take a task from another before that.
    """
    own = software()
    digest, *kernels = expected
    if own["digest"] != digest or kernel(own) not in kernels:
        raise Unasked(
            f"worker {get_worker().address} has dgd of source {own['digest']} and {kernel(own)}, expected {digest} and "
            f"{' or '.join(kernels)}"
        )
    return function(*arguments)


def identity(value: T) -> T:
    return value


def sum_of(sums: list[A]) -> A:
    return sum_siblings(sums)


@dataclass(frozen=True)
class ResidentNode:
    """The resident chunks of one node, and the bytes that reading them took."""

    chunks: tuple[Chunk, ...]
    bytes_read: int
    seen: tuple[Seen, ...] = ()
    times: Times = NO_TIMES

    def __sizeof__(self) -> int:
        """The size that Dask accounts for."""
        return sum(array.nbytes for chunk in self.chunks for array in chunk.arrays.values())


def opened(pickled: bytes) -> Dataset:
    """A worker's task: the dataset of a run."""
    _run, dataset = pickle.loads(pickled)
    assert isinstance(dataset, Dataset)
    return dataset


_opened_once = lru_cache(maxsize=8)(opened)


def _dataset(sent: Dataset | bytes) -> Dataset:
    return _opened_once(sent) if isinstance(sent, bytes) else sent


def load(sent: Dataset | bytes, place: tuple[int, int], count: int, known: bytes) -> ResidentNode:
    """A worker's task: read the resident chunks of one node. known: what the driver knows of its chunks, pickled."""
    dataset, node = _dataset(sent), Node(*place)
    total = dataset.n_chunks
    wanted = [index for index in node.chunks(total) if is_resident(index, total, count)]
    memory = ResidentMemory(dataset, len(wanted))

    def read(buffers: Buffers, check: Check) -> ResidentNode:
        chunks: list[Chunk] = []
        bytes_read, before, began = 0, buffers.watch.read_seconds, time.perf_counter()
        for slot, index in enumerate(wanted):
            check()
            chunk = dataset.read(index, buffers)
            bytes_read += chunk.bytes_read
            chunks.append(memory.copy(chunk, slot))
        read = buffers.watch.read_seconds - before
        times = Times(read, time.perf_counter() - began - read)
        return ResidentNode(tuple(chunks), bytes_read, times=times)

    with _held(dataset, known) as tried:
        found = _watched(dataset, read)
    return replace(found, seen=tried + _news(dataset, node.chunks(total), b""))


def sweep(
    sent: Dataset | bytes,
    theta: ChunkSum[S] | bytes,
    place: tuple[int, int],
    resident: ResidentNode | None,
    fresh: bool,
    known: bytes,
) -> PassResult[S]:
    """A worker's task: the sum over one node. The dataset and the chunk sum may come pickled."""
    began = time.perf_counter()
    dataset, node = _dataset(sent), Node(*place)
    chunk_sum: ChunkSum[S] = pickle.loads(theta) if isinstance(theta, bytes) else theta
    chunks: Chunks = dataset if resident is None else PartlyResident(dataset, 0, resident.chunks)
    with single_threaded_blas(), _held(dataset, known) as tried:
        if resident is not None:
            hold(dataset, resident.seen)
        result = _watched(dataset, partial(sweep_node, chunks, chunk_sum, node))
    news = tried + _news(dataset, node.chunks(dataset.n_chunks), known)
    if resident is not None and fresh:
        news += resident.seen
        bytes_read, times = result.bytes_read + resident.bytes_read, result.times + resident.times
        result = replace(result, bytes_read=bytes_read, resident=0, times=times)
    return replace(result, seen=news, seconds=time.perf_counter() - began)


def fold(
    sent: Dataset | bytes, fold: Fold[V], value: V, order: Sequence[int], chunks: range, known: bytes
) -> PassResult[V]:
    """A worker's task: a fold over some chunks, in an order."""
    dataset = _dataset(sent)
    with single_threaded_blas(), _held(dataset, known) as tried:
        result = _watched(dataset, partial(fold_chunks, dataset, fold, value, order))
    return replace(result, seen=tried + _news(dataset, chunks, known))


def packed(found: tuple[Seen, ...]) -> bytes:
    """What is known of some chunks, for a task: as bytes, in which Dask does not look for other tasks."""
    known = tuple(each for each in found if each.values.any())
    return pickle.dumps(known) if known else b""


def _unpacked(known: bytes) -> tuple[Seen, ...]:
    found: tuple[Seen, ...] = pickle.loads(known) if known else ()
    return found


@contextmanager
def _held(dataset: Dataset, known: bytes) -> Iterator[tuple[Seen, ...]]:
    """Hold reads to what the driver knows; say which worker cannot read, or sees other data than the driver."""
    try:
        tried = _last_chunk(dataset)
        hold(dataset, tried + _unpacked(known))
        yield tried
    except DataError as error:
        if error.worker is not None:
            raise
        raise error.on(get_worker().address) from error


def _last_chunk(dataset: Dataset) -> tuple[Seen, ...]:
    """The checksums of the last chunk, which each worker reads first: one that sees another copy is noticed at once.

    Nothing where the writer left a list of checksums, which tells copies apart, or where the worker knows the chunk.
    """
    last = range(dataset.n_chunks - 1, dataset.n_chunks)
    if all(each.is_complete for each in seen(dataset, last)):
        return ()
    _watched(dataset, lambda buffers, check: dataset.read(last.start, buffers))
    return seen(dataset, last, worker=get_worker().address)


def _news(dataset: Dataset, chunks: range, known: bytes) -> tuple[Seen, ...]:
    """What this worker has read of some chunks and the driver does not know."""
    complete = {(each.role, each.part) for each in _unpacked(known) if each.is_complete}
    found = seen(dataset, chunks, worker=get_worker().address)
    return tuple(each for each in found if (each.role, each.part) not in complete)


def _watched(dataset: Dataset, call: Call[T]) -> T:
    """The call's result; what reads a store runs in a thread beside this one, which is left behind if it hangs.

    Blocks of a Dask array are computed in this one: Dask knows its own threads only.
    """
    if not hasattr(_thread, "buffers"):
        _thread.buffers, _thread.beside = Buffers(), WatchedThreads(1)
    if not all(rows.asks_ahead or rows.lies_in_memory for rows in dataset.arrays):
        return call(_thread.buffers, _thread.buffers.watch.begin_chunk)
    beside: WatchedThreads = _thread.beside
    (result,) = beside.run([call])
    return result
