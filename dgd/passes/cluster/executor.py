"""Passes on a Dask cluster: a few tasks a pass, sums on the workers, one vector back to the driver.

    resident chunks ─▶ sweep_node(node 0) ─┐
                       sweep_node(node 1) ─┼─▶ sum of 8 neighbours ─▶ … ─▶ one sum ─▶ driver
                       …                   ┘

A pass is one graph, submitted in one message. The dataset (paths and metadata) and the chunk sum (it holds θ) are part
of each task where they are small; otherwise they are results of tasks on which the others depend, so that Dask makes
them again when a worker dies (scattered data would be lost). Keys carry a run id, the pass and the attempt, because
Dask returns the old value for a key that was used before. No task is bound to a worker. Results are released with the
next submission, except large datasets and resident chunks.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from dask.task_spec import TaskRef
from distributed import Client, Future, KilledWorker
from distributed.protocol import pickle

from dgd.data.dataset import Dataset
from dgd.data.seen import hold, seen
from dgd.errors import ClusterLostError, ConfigurationError, DataError
from dgd.passes.cluster import tasks
from dgd.passes.cluster.client import checked_client, freed_thread
from dgd.passes.cluster.cut import Cut
from dgd.passes.cluster.graph import Graph, tasks_over
from dgd.passes.cluster.pass_clock import PassClock
from dgd.passes.cluster.recipes import FoldTask, Sent, SweepTask
from dgd.passes.cluster.resources import resources_of
from dgd.passes.cluster.software import software
from dgd.passes.cluster.stragglers import Stragglers
from dgd.passes.cluster.waiting import Stranded, Waiting
from dgd.passes.cluster.workers import CANCELLED, Workers
from dgd.passes.events import Tell, tell_nobody
from dgd.passes.executor import ChunkSum, Fold, PassResult, Resources, S, V
from dgd.passes.tree import Node

LIGHT_BYTES = 2**16
"""A dataset or chunk sum of at most so many bytes is part of each task: fetching it elsewhere takes longer."""
ATTEMPTS = 5
"""Submissions of one pass before the cluster is called lost; Dask repeats tasks of dead workers within each."""
LARGEST_DATASET = 64 * 2**20
"""Bytes of arrays in this process's memory that are sent along; a stored dataset is paths and metadata."""
LOOK_AGAIN_SECONDS = 5.0

T = TypeVar("T")


class ClusterExecutor:
    """Runs the tree's nodes as tasks of a `distributed.Client`.

    `worker_timeout`: seconds to wait while there is no worker at all, before ClusterLostError. `same_bits`: use only
    workers that compute with the NumPy and the BLAS kernel of this process. `tell`: is told how a pass gets on, and
    may end it.
    """

    def __init__(
        self,
        client: Client,
        *,
        worker_timeout: float = 300.0,
        memory_limit: int | None = None,
        same_bits: bool = False,
        tell: Tell = tell_nobody,
    ) -> None:
        self.client = checked_client(client)
        self._freed_thread = freed_thread()
        self._clock = PassClock(tell)
        self._workers = Workers(client, worker_timeout, self._clock, same_bits=same_bits)
        self._stragglers = Stragglers(client, self._clock)
        self._waiting = Waiting(client, self._workers, self._stragglers, self._clock)
        self._memory_limit = memory_limit
        self._run = uuid.uuid4().hex[:12]
        self._passes = 0
        self._datasets: list[tuple[Dataset, bytes | TaskRef]] = []
        """The datasets to fit and to validate on, in the form that tasks get."""
        self._wanted: tuple[Dataset, int] | None = None
        """The dataset of which chunks are to be resident, and how many."""
        self._resident: dict[Node, TaskRef] = {}
        """The resident chunks of each node: results of tasks, so that Dask reads them again after a worker's death."""
        self._futures: dict[str, Future] = {}
        """Futures that keep results on the workers, by key."""
        self._last: Future | None = None
        """Result of the last pass. Released together with the next submission; a separate message would delay it by
        the client's 10 ms batching interval."""
        self._cut = Cut()
        self._known_threads = 0
        self._addresses: list[str] = []
        self._looked = -float("inf")

    def sweep(self, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        """The sum over all chunks; workers may die meanwhile."""
        kind = (id(dataset), type(chunk_sum), *(type(part) for part in getattr(chunk_sum, "parts", ())))
        found = self._persist(lambda graph: self._summed(graph, dataset, chunk_sum), kind)
        return found.within(self._known_threads, self._clock.seconds)

    def fold(self, dataset: Dataset, fold: Fold[V], value: V, order: Sequence[int]) -> PassResult[V]:
        """The value after the last chunk, in one task."""

        def folded(graph: Graph) -> PassResult[V]:
            source, chunks = self._dataset(graph, dataset), range(dataset.n_chunks)
            self._name_workers(graph, named=True)
            known = tasks.packed(seen(dataset, chunks))
            task = FoldTask(self._sent(dataset, source), fold, value, order, chunks, known)
            found: PassResult[V] = self._result(graph, graph.again(task))
            hold(dataset, found.seen)
            return found

        found = self._persist(folded, (id(dataset), type(fold)))
        return found.within(self._known_threads, self._clock.seconds)

    def _persist(self, run: Callable[[Graph], T], kind: Hashable) -> T:
        """Run one pass; submit it again, under a new attempt, if the cluster failed."""
        self._passes += 1
        self._clock.begin(kind)
        self._stragglers.failed.clear()
        lost: BaseException
        for attempt in range(ATTEMPTS):
            try:
                result = run(Graph(f"{self._run}-{self._passes}-{attempt}", self._expected))
                self._clock.end()
                return result
            except (KilledWorker, Stranded) as error:
                self._forget()
                lost = error
            except CANCELLED as error:
                # The scheduler went away. The client reconnects, and has forgotten what it had submitted.
                self._forget()
                lost = error
        if isinstance(lost.__cause__, DataError):
            raise lost.__cause__
        raise ClusterLostError(
            f"pass {self._passes} was submitted {ATTEMPTS} times and lost its workers each time ({lost}); look into "
            f"the workers' logs: too little memory is the usual cause, see `dgd plan`"
        )

    def resources(self, dataset: Dataset) -> Resources:
        """Threads, memory and limits of the workers."""
        self._workers.handshake.must_see(dataset)
        workers = self._workers.wait()
        threads = sum(worker["nthreads"] for worker in workers.values())
        nodes = len(self._cut.nodes(dataset, threads, guess=True))
        return resources_of(workers, tasks_over(nodes) + (8 * dataset.shape[1] > LIGHT_BYTES), self._memory_limit)

    def unlike(self) -> str:
        """Why the workers' sums may differ in their bits."""
        return self._workers.handshake.unlike

    @property
    def _expected(self) -> tuple[str, ...]:
        """What workers compute with; one that came lately, and computes with something else, refuses its task."""
        return software()["digest"], *self._workers.handshake.kernels

    def make_resident(self, dataset: Dataset, count: int) -> None:
        """Keep chunks on the workers."""
        self._release_resident()
        self._wanted = (dataset, count) if count else None

    def close(self) -> None:
        """Release the datasets on the workers. The client stays open: it is the caller's."""
        for future in self._futures.values():
            future.release()
        self._release_last()
        self._forget()
        self._freed_thread.close()

    def _release_last(self) -> None:
        if self._last is not None:
            self._last.release()
            self._last = None

    def _forget(self) -> None:
        self._last = None
        self._datasets.clear()
        self._resident.clear()
        self._futures.clear()
        self._looked = -float("inf")

    def _summed(self, graph: Graph, dataset: Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        source = self._dataset(graph, dataset)
        self._name_workers(graph, named=isinstance(source, bytes))
        resident = self._wanted is not None and self._wanted[0] is dataset
        nodes = self._cut.nodes(dataset, self._known_threads, guess=resident)
        known = {node: tasks.packed(seen(dataset, node.chunks(dataset.n_chunks))) for node in nodes}
        held, fresh = self._resident_chunks(graph, dataset, known, source)
        sent, theta = self._sent(dataset, source), pickle.dumps(chunk_sum)
        light = len(theta) <= LIGHT_BYTES
        level = [graph.again(SweepTask(sent, theta, light, node, known[node], held.get(node), fresh)) for node in nodes]
        graph.chunks = {ref.key: len(node.chunks(dataset.n_chunks)) for ref, node in zip(level, nodes, strict=True)}
        self._clock.of = dataset.n_chunks
        root = graph.sum_of(level)
        result: PassResult[S] = self._result(graph, root)
        hold(dataset, result.seen)
        self._cut.took(dataset, result.seconds)
        return result

    def _resident_chunks(
        self, graph: Graph, dataset: Dataset, known: dict[Node, bytes], source: bytes | TaskRef
    ) -> tuple[dict[Node, TaskRef], bool]:
        """The resident chunks of each node, and whether this pass reads them: a tree cut anew has other nodes."""
        if self._wanted is None or self._wanted[0] is not dataset:
            return {}, False
        fresh = self._resident.keys() != known.keys()
        if fresh:
            self._release_resident()
            count = int(self._wanted[1] * self._clock.present)
            self._resident = {
                node: graph.keep("resident", tasks.load, source, (*node,), count, held) for node, held in known.items()
            }
        return self._resident, fresh

    def _release_resident(self) -> None:
        for ref in self._resident.values():
            self._futures.pop(ref.key).release()
        self._resident = {}

    def _name_workers(self, graph: Graph, *, named: bool) -> None:
        """Look now and then which workers there are. Their threads decide how finely a pass is cut, not its bits.

        named: name them all, though any other may help unless some must not.
        """
        now = time.monotonic()
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            found = self._workers.wait()
            workers = self._stragglers.present(found)
            self._clock.present = len(workers) / len(found)
            self._known_threads = sum(worker["nthreads"] for worker in workers.values())
            self._addresses = list(workers)
            self._looked = time.monotonic()
            graph.expected = self._expected
        graph.strict = self._workers.restricted or self._clock.present < 1
        if named or graph.strict:
            graph.workers = self._addresses

    def _dataset(self, graph: Graph, dataset: Dataset) -> bytes | TaskRef:
        """The dataset as part of every task; a large one as the result of a task, which Dask can repeat."""
        for known, sent in self._datasets:
            if known is dataset:
                return sent
        if self._workers.handshake.must_see(dataset):
            self._looked = -float("inf")
        n_bytes = dataset.memory_bytes
        if n_bytes > LARGEST_DATASET:
            raise ConfigurationError(
                f"the data are {n_bytes:,} bytes in this process's memory, and at most {LARGEST_DATASET:,} are sent to "
                f"workers; write them to a zarr dataset that the workers can read (`dgd.DatasetWriter`), or fit with "
                f"`threads=`"
            )
        pickled = self._pickled(dataset)
        light = len(pickled) <= LIGHT_BYTES
        self._datasets.append((dataset, pickled if light else graph.keep("dataset", tasks.opened, pickled)))
        return self._datasets[-1][1]

    def _pickled(self, dataset: Dataset) -> bytes:
        # With the run's name: a worker caches what it has opened, and the files may change before the next fit.
        pickled: bytes = pickle.dumps((self._run, dataset))
        return pickled

    def _sent(self, dataset: Dataset, source: bytes | TaskRef) -> Sent:
        return Sent(source, lambda: self._pickled(dataset))

    def _result(self, graph: Graph, root: TaskRef) -> Any:
        """Submit a graph; the result of its root. Kept results stay on the workers."""
        graph.root = root.key
        found, kept = self._waiting.submit(graph)
        self._futures.update(zip(graph.kept, kept, strict=True))
        self._release_last()
        self._last = found
        value, late = self._waiting.answer(graph, found)
        if late:
            self._release_last()
            self._move_from_late()
        return value

    def _move_from_late(self) -> None:
        """What late workers hold is made again by the others with the next pass."""
        for future in self._futures.values():
            future.release()
        self._forget()
