"""Passes on a pool of threads in this process: no cluster, no ports, about a millisecond of overhead a pass.

NumPy and the codecs release the interpreter's lock while they compute. Each thread takes nodes of the tree and has
buffers of its own. The nodes' sums are added in the order of the tree, not of arrival.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.resident_chunks import Chunks, PartlyResident
from dgd.errors import ConfigurationError
from dgd.passes.blas import single_threaded_blas
from dgd.passes.executor import ChunkSum, Fold, PassResult, Resources, S, V, fold_chunks, sweep_node
from dgd.passes.memory import available_processors, free_bytes, memory_limit, resident_bytes
from dgd.passes.tree import Node, cut_level, nodes_at, sum_siblings

NODES_PER_THREAD = 4
LEAST_NODE_BYTES = 2**19
"""Bytes of X in the smallest node: with less, threads wait for the interpreter's lock longer than they compute."""
THREAD_BYTES = 4 * 2**20
"""Stack, allocator and BLAS memory of one more thread, as measured."""


class Cancelled(Exception):
    """Another node has failed, or the user has interrupted: the pass is given up."""


class ThreadExecutor:
    """Runs the tree's nodes on `threads` threads, by default one for each processor this process may use."""

    def __init__(self, threads: int | None = None, *, memory_limit: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ConfigurationError(f"`threads` must be 1 or more, got {threads}")
        self.threads = threads or available_processors()
        self._memory_limit = memory_limit
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="dgd")
        self._local = threading.local()
        self._resident: PartlyResident | None = None

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """The sum over all chunks. After a failure no further chunk is read, and the first node's error is raised."""
        stop = threading.Event()
        chunks = self._chunks(dataset)

        def run(node: Node) -> PassResult[S]:
            try:
                return sweep_node(chunks, chunk_sum, node, self._buffers(), _checking(stop))
            except BaseException:
                stop.set()
                raise

        futures = self._run([partial(run, node) for node in self._nodes(dataset)], stop)
        return sum_siblings([future.result() for future in futures])

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """Keep chunks in this process, for all its threads."""
        self._resident = PartlyResident(dataset, count) if count else None

    def _chunks(self, dataset: Dataset) -> Chunks:
        """The dataset, with its resident chunks if it has any."""
        resident = self._resident
        return dataset if resident is None or resident.dataset is not dataset else resident

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The value after the last chunk, in one thread."""
        stop = threading.Event()
        (future,) = self._run(
            [lambda: fold_chunks(self._chunks(dataset), fold, value, order, self._buffers(), _checking(stop))], stop
        )
        result: PassResult[V] = future.result()
        return result

    def _run(self, calls: Sequence[Callable[[], Any]], stop: threading.Event) -> list[Future[Any]]:
        """Run all calls in the pool; raise the error of the first one that was not cancelled."""
        with single_threaded_blas():
            futures: list[Future[Any]] = []
            try:
                futures.extend(self._pool.submit(call) for call in calls)
                wait(futures)
            except BaseException:
                stop.set()
                wait(futures)
                raise
        errors = [error for future in futures if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error
        return futures

    def resources(self, dataset: Dataset) -> Resources:
        """Threads and memory of this process."""
        tasks = len(self._nodes(dataset))
        threads = min(self.threads, tasks)
        return Resources(
            kind="threads",
            processes=1,
            threads=threads,
            tasks=tasks,
            base_bytes=resident_bytes() + threads * THREAD_BYTES,
            memory_limit=memory_limit() if self._memory_limit is None else self._memory_limit,
            free_bytes=free_bytes(),
        )

    def close(self) -> None:
        """End the threads, and free the resident chunks."""
        self._resident = None
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _nodes(self, dataset: Dataset) -> list[Node]:
        """A few nodes for each thread, none too small to be worth a thread."""
        rows, n_features = dataset.shape
        most = max(1, rows * n_features * dataset.dtype.itemsize // LEAST_NODE_BYTES)
        level = cut_level(dataset.n_chunks, min(NODES_PER_THREAD * self.threads, most))
        return nodes_at(level, dataset.n_chunks)

    def _buffers(self) -> Buffers:
        if not hasattr(self._local, "buffers"):
            self._local.buffers = Buffers()
        buffers: Buffers = self._local.buffers
        return buffers


def _checking(stop: threading.Event) -> Callable[[], None]:
    """A function that raises Cancelled once `stop` is set."""

    def check() -> None:
        if stop.is_set():
            raise Cancelled

    return check
