"""Passes on a pool of threads in this process: no cluster, no ports, about a millisecond of overhead a pass.

NumPy and the codecs release the interpreter's lock while they compute. Each thread takes nodes of the tree and has
buffers of its own. The nodes' sums are added in the order of the tree, not of arrival.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.resident_chunks import Chunks, PartlyResident
from dgd.errors import ConfigurationError
from dgd.passes.blas import single_threaded_blas
from dgd.passes.events import Tell, tell_nobody
from dgd.passes.executor import ChunkSum, Fold, PassResult, Resources, S, V, fold_chunks, sweep_node
from dgd.passes.memory import available_processors, free_bytes, memory_limit, resident_bytes
from dgd.passes.parts import OPENED_PART_BYTES, PART_BYTES, Sharing, has_parts
from dgd.passes.tree import Gathered, Node, cut_level, nodes_at
from dgd.passes.watched_threads import Call, WatchedThreads

NODES_PER_THREAD = 4
LEAST_NODE_BYTES = 2**19
"""Bytes of X in the smallest node: with less, threads wait for the interpreter's lock longer than they compute."""
MOST_NODES_PER_THREAD = 16
LARGE_NODE_BYTES = 2**23
"""Of larger nodes there may be more for each thread: 5 nodes leave one of two threads idle for a sixth of the time."""
THREAD_BYTES = 4 * 2**20
"""Stack, allocator and BLAS memory of one more thread, as measured."""

HELPER_BYTES = THREAD_BYTES + OPENED_PART_BYTES + 2 * PART_BYTES
"""The same of one that only helps with the parts of large chunks, the part that it reads, and its micro-blocks."""


class ThreadExecutor:
    """Runs the tree's nodes on `threads` threads, by default one for each processor this process may use.

    tell: is told how a pass gets on, and may end it.
    """

    def __init__(
        self, threads: int | None = None, *, memory_limit: int | None = None, tell: Tell = tell_nobody
    ) -> None:
        if threads is not None and threads < 1:
            raise ConfigurationError(f"`threads` must be 1 or more, got {threads}")
        self.threads = threads or available_processors()
        self._memory_limit = memory_limit
        self._threads = WatchedThreads(self.threads, tell)
        self._resident: PartlyResident | None = None

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """The sum over all chunks. After a failure no further chunk is read, and the first node's error is raised."""
        began, chunks = time.perf_counter(), self._chunks(dataset)
        nodes = self._nodes(dataset)
        gathered: Gathered[PassResult[S]] = Gathered(len(nodes))

        sharing = Sharing(len(nodes))

        def call(node: Node, buffers: Buffers, check: Callable[[], None]) -> None:
            try:
                gathered.add(node.place, sweep_node(chunks, chunk_sum, node, buffers, check, sharing.share))
            finally:
                sharing.node_ended()

        calls: list[Call[None]] = [partial(call, node) for node in nodes]
        calls += [sharing.help] * self._helping(dataset)
        with single_threaded_blas():
            self._threads.run(calls, of=dataset.n_chunks)
        return gathered.total.within(self.threads, time.perf_counter() - began)

    def _helping(self, dataset: Dataset) -> int:
        """Threads that help another one with its chunk once there is no node left to begin."""
        return self.threads - 1 if has_parts(dataset) else 0

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """Keep chunks in this process, for all its threads."""
        self._resident = PartlyResident(dataset, count) if count else None

    def _chunks(self, dataset: Dataset) -> Chunks:
        """The dataset, with its resident chunks if it has any."""
        resident = self._resident
        return dataset if resident is None or resident.dataset is not dataset else resident

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The value after the last chunk, in one thread."""
        began = time.perf_counter()
        with single_threaded_blas():
            (result,) = self._threads.run(
                [partial(fold_chunks, self._chunks(dataset), fold, value, order)], of=len(order)
            )
        return result.within(self.threads, time.perf_counter() - began)

    def resources(self, dataset: Dataset) -> Resources:
        """Threads and memory of this process."""
        tasks = len(self._nodes(dataset))
        threads = min(self.threads, tasks)
        # Beside those that read chunks of their own.
        helping = max(0, self.threads - threads) if has_parts(dataset) else 0
        return Resources(
            kind="threads",
            processes=1,
            threads=threads,
            tasks=tasks,
            waiting_sums=tasks.bit_length(),
            base_bytes=resident_bytes() + threads * THREAD_BYTES + helping * HELPER_BYTES,
            memory_limit=memory_limit() if self._memory_limit is None else self._memory_limit,
            free_bytes=free_bytes(),
        )

    def unlike(self) -> str:
        """It is this process."""
        return ""

    def close(self) -> None:
        """End the threads, and free the resident chunks."""
        self._resident = None
        self._threads.close()

    def _nodes(self, dataset: Dataset) -> list[Node]:
        """A few nodes for each thread, none too small to be worth a thread."""
        rows, n_features = dataset.shape
        n_bytes = rows * n_features * dataset.dtype.itemsize
        few = min(NODES_PER_THREAD * self.threads, n_bytes // LEAST_NODE_BYTES)
        many = min(MOST_NODES_PER_THREAD * self.threads, n_bytes // LARGE_NODE_BYTES)
        level = cut_level(dataset.n_chunks, max(1, few, many))
        return nodes_at(level, dataset.n_chunks)
