"""A sweep on a Dask cluster: O(threads) tasks a pass, sums on the workers, one vector back to the driver.

    dataset ──┐
    summand ──┼─▶ sweep_node(node 0) ─┐
              ├─▶ sweep_node(node 1) ─┼─▶ sum of 8 neighbours ─▶ … ─▶ one partial ─▶ driver
              └─▶ …                   ┘

The summand (it holds θ) goes out as one task on which the nodes depend: were it scattered, the death of its holder
would be the death of the fit. Keys carry a run id, the pass and the attempt, because a key used before returns the old
value. No task is bound to a worker. All is released after the pass, except the datasets, a few kilobytes of paths.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError, FutureCancelledError

from dgd.blas import single_threaded_blas
from dgd.buffers import Buffers
from dgd.dataset import Dataset
from dgd.errors import ClusterLostError, ConfigurationError
from dgd.executor import Fold, Folded, Resources, S, Summand, Swept, V, fold_chunks, sweep_node
from dgd.tree import Addable, Node, cut_level, nodes_at, sum_siblings

NODES_PER_THREAD = 4
FAN_IN = 8
ATTEMPTS = 5
"""Submissions of one pass before the cluster is called lost; each survives several deaths by itself."""
LARGEST_DATASET = 64 * 2**20
"""Bytes of arrays in this process's memory that are sent along; a stored dataset is paths and metadata."""
POLL_SECONDS = 1.0
ANSWER_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 5.0
USABLE = 0.8
"""Dask pauses a worker that holds this part of its memory limit, and a paused worker may wait for ever."""
WORKER_BYTES = 48 * 2**20
"""What reading zarr adds to a worker that has done nothing yet, as measured."""
IDLE_BYTES = 80 * 2**20
"""What a worker holds that has not told yet."""

CANCELLED = (concurrent.futures.CancelledError, asyncio.CancelledError, FutureCancelledError)
"""What a future or a request raises when the scheduler goes away, by where it is noticed."""

A = TypeVar("A", bound=Addable)
T = TypeVar("T")
_thread = threading.local()


class ClusterExecutor:
    """The tree's nodes as tasks of a `distributed.Client`.

    `worker_timeout`: seconds to wait while there is no worker at all, before ClusterLostError.
    """

    def __init__(self, client: Client, *, worker_timeout: float = 300.0, memory_limit: int | None = None) -> None:
        if not isinstance(client, Client) or client.asynchronous:
            raise ConfigurationError(
                f"`client=` must be a synchronous `distributed.Client`, got a {type(client).__name__}; "
                f"make one with `Client(address)`"
            )
        self.client = client
        self.worker_timeout = worker_timeout
        self._memory_limit = memory_limit
        self._run = uuid.uuid4().hex[:12]
        self._passes = 0
        self._datasets: list[tuple[Dataset, Future]] = []
        """Those to fit and to validate on."""
        self._known_threads = 0
        self._looked = -float("inf")

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk; workers may die in the middle of it."""
        return self._persist(lambda attempt: self._attempt(dataset, summand, attempt))

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks, in one task: each chunk needs what the one before has made."""

        def attempt_fold(attempt: int) -> Folded[V]:
            name = f"dgd-{self._run}-{self._passes}-{attempt}"
            source = self._dataset_future(dataset, attempt)
            held = [self._submit(f"{name}-theta", _identity, (fold, value, order))]
            try:
                held.append(self._submit(f"{name}-fold", _fold, source, held[0]))
                folded: Folded[V] = self._result(held[1])
                return folded
            finally:
                for future in held:
                    future.release()

        return self._persist(attempt_fold)

    def _persist(self, make: Callable[[int], T]) -> T:
        """One pass, submitted again under a new attempt as long as it is the cluster that fails."""
        self._passes += 1
        for attempt in range(ATTEMPTS):
            try:
                return make(attempt)
            except KilledWorker as error:
                self._datasets.clear()
                lost = error
            except CANCELLED as error:
                # The scheduler went away; the client is trying to reach it again, and forgets all it had submitted.
                self._datasets.clear()
                lost = error
        raise ClusterLostError(
            f"pass {self._passes} was submitted {ATTEMPTS} times and lost its workers each time ({lost}); look into "
            f"the workers' logs: too little memory is the usual cause, see `dgd plan`"
        )

    def resources(self, dataset: Dataset) -> Resources:
        """The workers there are: `scheduler_info` tells their threads, memory and limits."""
        workers = self._wait_for_workers()
        threads = [worker["nthreads"] for worker in workers.values()]
        limits = [int(USABLE * worker["memory_limit"]) for worker in workers.values() if worker["memory_limit"]]
        limits += [self._memory_limit] if self._memory_limit is not None else []
        held = [worker.get("metrics", {}).get("memory", 0) for worker in workers.values()]
        nodes = len(nodes_at(cut_level(dataset.n_chunks, NODES_PER_THREAD * sum(threads)), dataset.n_chunks))
        return Resources(
            kind="cluster",
            processes=len(workers),
            threads=max(threads),
            tasks=1 + _tasks_over(nodes),
            base_bytes=max(*held, IDLE_BYTES) + WORKER_BYTES,
            memory_limit=min(limits, default=None),
        )

    def close(self) -> None:
        """Release the datasets; the client stays open, it is the caller's."""
        for _, future in self._datasets:
            future.release()
        self._datasets.clear()

    def _attempt(self, dataset: Dataset, summand: Summand[S], attempt: int) -> Swept[S]:
        nodes = nodes_at(cut_level(dataset.n_chunks, NODES_PER_THREAD * self._threads(attempt)), dataset.n_chunks)
        name = f"dgd-{self._run}-{self._passes}-{attempt}"
        held = [self._submit(f"{name}-theta", _identity, summand)]
        source = self._dataset_future(dataset, attempt)
        try:
            level = [self._submit(f"{name}-{node.level}-{node.place}", _sweep, source, held[0], node) for node in nodes]
            held += level
            depth = 0
            while len(level) > 1:
                depth += 1
                level = [
                    self._submit(f"{name}-sum-{depth}-{i}", _sum, level[i : i + FAN_IN])
                    for i in range(0, len(level), FAN_IN)
                ]
                held += level
            swept: Swept[S] = self._result(level[0])
            return swept
        finally:
            for future in held:
                future.release()

    def _threads(self, attempt: int) -> int:
        """The threads of all workers, asked for again now and then; they decide how finely a pass is cut, no bits."""
        now = time.monotonic()
        if attempt or now - self._looked >= LOOK_AGAIN_SECONDS:
            self._known_threads = sum(worker["nthreads"] for worker in self._wait_for_workers().values())
            self._looked = time.monotonic()
        return self._known_threads

    def _dataset_future(self, dataset: Dataset, attempt: int) -> Future:
        """The dataset as a task's result, so that it is made again if its holder dies."""
        for known, future in self._datasets:
            if known is dataset:
                return future
        n_bytes = dataset.memory_bytes
        if n_bytes > LARGEST_DATASET:
            raise ConfigurationError(
                f"the data are {n_bytes:,} bytes in this process's memory, and at most {LARGEST_DATASET:,} are sent to "
                f"workers; write them to a zarr dataset that the workers can read (`dgd.DatasetWriter`), or fit with "
                f"`threads=`"
            )
        future = self._submit(f"dgd-{self._run}-{self._passes}-{attempt}-dataset", _identity, dataset)
        self._datasets.append((dataset, future))
        return future

    def _submit(self, key: str, function: Any, *arguments: Any) -> Future:
        try:
            return self.client.submit(function, *arguments, key=key, pure=False)
        except ClosedClientError as error:
            raise ClusterLostError("the client was closed during the pass; open another and fit again") from error

    def _result(self, future: Future) -> Any:
        """Wait for a future; as long as there are workers, or not longer than `worker_timeout` without any."""
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if future.status == "error":
                    raise  # the task's own
                if not future.done():
                    self._wait_for_workers()

    def _wait_for_workers(self) -> dict[str, Any]:
        """The workers, once there is at least one. Raises ClusterLostError after `worker_timeout` without."""
        began = time.monotonic()
        while not (workers := self._workers()):
            if self.client.status not in {"running", "connecting"}:
                raise ClusterLostError(f"the scheduler at {self._address()} is gone; start it and fit again")
            if time.monotonic() - began >= self.worker_timeout:
                raise ClusterLostError(self._nobody())
            time.sleep(min(POLL_SECONDS, self.worker_timeout / 10))
        return workers

    def _nobody(self) -> str:
        if self.client.status != "running":
            return (
                f"the scheduler at {self._address()} did not answer for {self.worker_timeout:g} s; start it and fit "
                f"again, or raise `worker_timeout`"
            )
        return (
            f"no worker was connected to {self._address()} for {self.worker_timeout:g} s; start some with "
            f"`dask worker {self._address()}`, or raise `worker_timeout`"
        )

    def _workers(self) -> dict[str, Any]:
        """The workers the scheduler has now, none if it does not answer soon."""
        if self.client.status != "running":
            return {}
        try:
            # Client.scheduler_info would wait for a lost scheduler as long as the client tries to reconnect.
            identity = self.client.sync(self.client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS)
        except (OSError, TimeoutError, *CANCELLED):
            return {}
        workers: dict[str, Any] = identity["workers"]
        return {name: worker for name, worker in workers.items() if worker.get("status", "running") == "running"}

    def _address(self) -> str:
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "the scheduler"


def _tasks_over(nodes: int) -> int:
    """The tasks that sum `nodes` nodes: themselves, and the sums above them."""
    total = nodes
    while nodes > 1:
        nodes = -(-nodes // FAN_IN)
        total += nodes
    return total


def _identity(value: V) -> V:
    return value


def _sum(sums: list[A]) -> A:
    return sum_siblings(sums)


def _sweep(dataset: Dataset, summand: Summand[S], node: Node) -> Swept[S]:
    """A worker's task: one node, with the buffers of the thread it runs on."""
    with single_threaded_blas():
        return sweep_node(dataset, summand, node, _buffers())


def _fold(dataset: Dataset, task: tuple[Fold[V], V, Sequence[int]]) -> Folded[V]:
    """A worker's task: all chunks, one after the other."""
    fold, value, order = task
    with single_threaded_blas():
        return fold_chunks(dataset, fold, value, order, _buffers())


def _buffers() -> Buffers:
    """The buffers of the thread that a task runs on."""
    if not hasattr(_thread, "buffers"):
        _thread.buffers = Buffers()
    buffers: Buffers = _thread.buffers
    return buffers
