"""A sweep over a pool of threads in this process: no cluster, no ports, about a millisecond a pass.

NumPy and the codecs release the interpreter's lock while they compute. Each thread takes nodes of the tree and keeps
its own buffers; sums are put together by slot, never by arrival.
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
from dgd.passes.executor import Fold, Folded, Resources, S, Summand, Swept, V, fold_chunks, sweep_node
from dgd.passes.memory import available_processors, free_bytes, memory_limit, resident_bytes
from dgd.passes.tree import Node, cut_level, nodes_at, sum_siblings

NODES_PER_THREAD = 4
LEAST_NODE_BYTES = 2**19
"""X of a node, at the least: below it threads wait for the interpreter's lock longer than they compute."""
THREAD_BYTES = 4 * 2**20
"""Stack, allocator and BLAS memory of one more thread, as measured."""


class Cancelled(Exception):
    """Another node has failed, or the user has given up: the rest of the sweep is not wanted."""


class ThreadExecutor:
    """The tree's nodes over `threads` threads; by default one for each processor this process may use."""

    def __init__(self, threads: int | None = None, *, memory_limit: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ConfigurationError(f"`threads` must be 1 or more, got {threads}")
        self.threads = threads or available_processors()
        self._memory_limit = memory_limit
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="dgd")
        self._local = threading.local()
        self._resident: PartlyResident | None = None

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk. After a failure no further chunk is read; the first failing node is raised."""
        stop = threading.Event()
        chunks = self._chunks(dataset)

        def run(node: Node) -> Swept[S]:
            try:
                return sweep_node(chunks, summand, node, self._buffers(), _checking(stop))
            except BaseException:
                stop.set()
                raise

        futures = self._run([partial(run, node) for node in self._nodes(dataset)], stop)
        return sum_siblings([future.result() for future in futures])

    def keep(self, dataset: Dataset, count: int) -> None:
        """Let chunks stay in this process, for all its threads."""
        self._resident = PartlyResident(dataset, count) if count else None

    def _chunks(self, dataset: Dataset) -> Chunks:
        """The dataset, with what stays of it."""
        ours = self._resident
        return dataset if ours is None or ours.dataset is not dataset else ours

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks, in one thread: each needs what the one before has made."""
        stop = threading.Event()
        (future,) = self._run(
            [lambda: fold_chunks(self._chunks(dataset), fold, value, order, self._buffers(), _checking(stop))], stop
        )
        folded: Folded[V] = future.result()
        return folded

    def _run(self, calls: Sequence[Callable[[], Any]], stop: threading.Event) -> list[Future[Any]]:
        """Run all of them in the pool; raise the error of the first one that failed by itself."""
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
        """This process: its threads, and what it holds now."""
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
        """End the threads, and let go of what stays."""
        self._resident = None
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _nodes(self, dataset: Dataset) -> list[Node]:
        """A few nodes a thread, and none that is not worth handing over."""
        rows, n_features = dataset.shape
        worth = max(1, rows * n_features * dataset.dtype.itemsize // LEAST_NODE_BYTES)
        level = cut_level(dataset.n_chunks, min(NODES_PER_THREAD * self.threads, worth))
        return nodes_at(level, dataset.n_chunks)

    def _buffers(self) -> Buffers:
        if not hasattr(self._local, "buffers"):
            self._local.buffers = Buffers()
        buffers: Buffers = self._local.buffers
        return buffers


def _checking(stop: threading.Event) -> Callable[[], None]:
    """What raises Cancelled once `stop` is set."""

    def check() -> None:
        if stop.is_set():
            raise Cancelled

    return check
