"""A sweep on a Dask cluster: O(threads) tasks a pass, sums on the workers, one vector back to the driver.

    chunks that stay ─▶ sweep_node(node 0) ─┐
                        sweep_node(node 1) ─┼─▶ sum of 8 neighbours ─▶ … ─▶ one partial ─▶ driver
                        …                   ┘

A pass is one graph, submitted at once. The dataset (paths and metadata) and the summand (it holds θ) are part of each
task where they are small, and else tasks on which the others depend: were they scattered, the death of their holder
would be the death of the fit. Keys carry a run id, the pass and the attempt, because a key used before returns the old
value. No task is bound to a worker. All is released as the next pass is submitted, except large datasets and the chunks
that stay.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dask.task_spec import TaskRef
from distributed import Client, Future, KilledWorker
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.protocol import pickle

from dgd.data.dataset import Dataset
from dgd.errors import ClusterLostError, ConfigurationError
from dgd.passes.cluster import tasks
from dgd.passes.cluster.graph import Graph, tasks_over
from dgd.passes.executor import Fold, Folded, Resources, S, Summand, Swept, V
from dgd.passes.tree import Node, cut_level, nodes_at

NODES_PER_THREAD = 4
ATTEMPTS = 5
"""Submissions of one pass before the cluster is called lost; each survives several deaths by itself."""
LIGHT_BYTES = 2**16
"""A dataset or summand of at most so many bytes goes out with each of its tasks: fetching it from its holder takes
longer."""
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

T = TypeVar("T")


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
        self._datasets: list[tuple[Dataset, bytes | TaskRef]] = []
        """Those to fit and to validate on, as tasks get them."""
        self._keeping: tuple[Dataset, int] | None = None
        self._kept: dict[Node, TaskRef] = {}
        """The chunks that stay, node by node: results of tasks, so that Dask reads again what dies with a worker."""
        self._held: dict[str, Future] = {}
        """What keeps those results alive, by key."""
        self._last: Future | None = None
        """The result of the last pass, until the next one is submitted: a client sends nothing for 10 ms after a
        message, and would hold the next pass back for having released this."""
        self._known_threads = 0
        self._addresses: list[str] = []
        self._looked = -float("inf")

    def sweep(self, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        """The sum over every chunk; workers may die in the middle of it."""
        return self._persist(lambda graph: self._swept(graph, dataset, summand))

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> Folded[V]:
        """The value carried through the chunks, in one task: each chunk needs what the one before has made."""

        def folded(graph: Graph) -> Folded[V]:
            source = self._dataset(graph, dataset)
            found: Folded[V] = self._result(graph, graph.add("fold", tasks.fold, source, fold, value, order))
            return found

        return self._persist(folded)

    def _persist(self, run: Callable[[Graph], T]) -> T:
        """One pass, submitted again under a new attempt as long as it is the cluster that fails."""
        self._passes += 1
        for attempt in range(ATTEMPTS):
            try:
                return run(Graph(f"{self._run}-{self._passes}-{attempt}"))
            except (KilledWorker, Stranded) as error:
                self._forget()
                lost = error
            except CANCELLED as error:
                # The scheduler went away; the client is trying to reach it again, and forgets all it had submitted.
                self._forget()
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
            shares_memory=False,
            processes=len(workers),
            threads=max(threads),
            tasks=tasks_over(nodes) + (8 * dataset.shape[1] > LIGHT_BYTES),
            base_bytes=max(*held, IDLE_BYTES) + WORKER_BYTES,
            memory_limit=min(limits, default=None),
        )

    def keep(self, dataset: Dataset, count: int) -> None:
        """Let chunks stay in the workers."""
        self._release_kept()
        self._keeping = (dataset, count) if count else None

    def close(self) -> None:
        """Release what the workers hold of the datasets; the client stays open, it is the caller's."""
        for future in self._held.values():
            future.release()
        self._release_last()
        self._forget()

    def _release_last(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None

    def _forget(self) -> None:
        self._last = None
        self._datasets.clear()
        self._kept.clear()
        self._held.clear()
        self._looked = -float("inf")

    def _swept(self, graph: Graph, dataset: Dataset, summand: Summand[S]) -> Swept[S]:
        nodes = nodes_at(cut_level(dataset.n_chunks, NODES_PER_THREAD * self._threads()), dataset.n_chunks)
        source = self._dataset(graph, dataset)
        kept, fresh = self._kept_chunks(graph, dataset, nodes, source)
        if isinstance(source, bytes):
            graph.workers = self._addresses
        pickled = pickle.dumps(summand)
        # Bytes, for Dask would look into anything else, task by task.
        theta = pickled if len(pickled) <= LIGHT_BYTES else graph.add("theta", pickle.loads, pickled)
        level = [graph.add("sweep", tasks.sweep, source, theta, node, kept.get(node), fresh) for node in nodes]
        swept: Swept[S] = self._result(graph, graph.sum_of(level))
        return swept

    def _kept_chunks(
        self, graph: Graph, dataset: Dataset, nodes: list[Node], source: bytes | TaskRef
    ) -> tuple[dict[Node, TaskRef], bool]:
        """What stays of each node, and whether it is read in this very pass; a tree cut anew has other nodes."""
        if self._keeping is None or self._keeping[0] is not dataset:
            return {}, False
        fresh = self._kept.keys() != set(nodes)
        if fresh:
            self._release_kept()
            count = self._keeping[1]
            self._kept = {node: graph.hold("keep", tasks.load, source, node, count) for node in nodes}
        return self._kept, fresh

    def _release_kept(self) -> None:
        for ref in self._kept.values():
            self._held.pop(ref.key).release()
        self._kept = {}

    def _threads(self) -> int:
        """The threads of all workers, asked for again now and then; they decide how finely a pass is cut, no bits."""
        now = time.monotonic()
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            workers = self._wait_for_workers()
            self._known_threads = sum(worker["nthreads"] for worker in workers.values())
            self._addresses = list(workers)
            self._looked = time.monotonic()
        return self._known_threads

    def _dataset(self, graph: Graph, dataset: Dataset) -> bytes | TaskRef:
        """The dataset as part of every task; a large one as a task's result, made again if its holder dies."""
        for known, sent in self._datasets:
            if known is dataset:
                return sent
        n_bytes = dataset.memory_bytes
        if n_bytes > LARGEST_DATASET:
            raise ConfigurationError(
                f"the data are {n_bytes:,} bytes in this process's memory, and at most {LARGEST_DATASET:,} are sent to "
                f"workers; write them to a zarr dataset that the workers can read (`dgd.DatasetWriter`), or fit with "
                f"`threads=`"
            )
        # With the run's name: a worker keeps what it has opened, and the next fit may find other files there.
        pickled = pickle.dumps((self._run, dataset)) if n_bytes <= LIGHT_BYTES else b""
        light = 0 < len(pickled) <= LIGHT_BYTES
        self._datasets.append((dataset, pickled if light else graph.hold("dataset", tasks.identity, dataset)))
        return self._datasets[-1][1]

    def _result(self, graph: Graph, last: TaskRef) -> Any:
        """The result of a graph's last task, submitted in one message; what is to be held stays with the workers."""
        try:
            found, *held = self.client.get(
                graph.tasks,
                [last.key, *graph.held],
                workers=graph.workers,
                allow_other_workers=graph.workers is not None,
                sync=False,
            )
        except ClosedClientError as error:
            raise ClusterLostError("the client was closed during the pass; open another and fit again") from error
        self._held.update(zip(graph.held, held, strict=True))
        self._release_last()
        self._last = found
        return self._wait_for(found, graph.workers)

    def _wait_for(self, future: Future, named: list[str] | None) -> Any:
        """Wait for a future; as long as there are workers, or not longer than `worker_timeout` without any.

        Raises Stranded once there are workers, and none of those that were named.
        """
        while True:
            try:
                return future.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if future.status == "error":
                    raise  # the task's own
                if not future.done():
                    workers = self._wait_for_workers()
                    if named is not None and workers.keys().isdisjoint(named):
                        raise Stranded("none of the workers it was submitted for is left") from None

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


class Stranded(Exception):
    """No worker that a pass was submitted for runs any more: Dask keeps its tasks from those that came since."""
