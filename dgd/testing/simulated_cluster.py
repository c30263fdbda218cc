"""A Dask cluster that is simulated in one thread, from a seed: the same seed gives the same faults at the same times.

`with SimulatedCluster(seed=7) as cluster:` its `executor()` is the one that dgd uses on Dask; a pass of it has the bits
of a healthy pass, or ends in an error of dgd's.

Workers crash, hang and come back, answer late and twice, in any order; others join; the scheduler freezes, is lost,
comes back or does not. Time is simulated too: seconds of waiting take none. Not a model of Dask's speed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from distributed import KilledWorker
from distributed.client import FutureCancelledError

from dgd.passes.cluster.executor import ClusterExecutor
from dgd.testing.simulated_client import AllFit, SimulatedClient, wait

ALLOWED_DEATHS = 3
RECONNECT_SECONDS = 30.0
MOST_SECONDS = 3600.0
FAULTS = ("crash", "crash", "crash all", "poison", "hang", "hang", "join", "join", "freeze", "lose", "close")


class Endless(AssertionError):
    """Whoever waits, waits for ever."""


@dataclass
class _Worker:
    address: str
    name: str
    threads: int
    hung_at: float | None = None
    busy: int = 0
    late: list[Callable[[], None]] = field(default_factory=list)
    """What it does when it goes on."""


@dataclass
class _Task:
    spec: Any
    allowed: list[str] | None
    strict: bool
    value: Any = None
    error: BaseException | None = None
    held_by: set[str] = field(default_factory=set)
    runs_on: set[str] = field(default_factory=set)
    deaths: int = 0


class SimulatedCluster:
    """A scheduler and workers; `faults` of them go wrong, drawn by the seed as everything else."""

    def __init__(
        self, *, seed: int, workers: int | None = None, faults: int | None = None, horizon: float = 20.0
    ) -> None:
        self._random = random.Random(seed)
        self._names, self._events = count(), list[tuple[float, int, Callable[[], None]]]()
        self.now = 0.0
        self.log: list[str] = []
        """What went wrong, in order."""
        self.workers: dict[str, _Worker] = {}
        self.tasks: dict[str, _Task] = {}
        self.wanted: set[str] = set()
        self.frozen = self.lost = False
        self._buffered: list[Callable[[], None]] = []
        self.client = SimulatedClient(self)
        for _ in range(self._random.choice((1, 3, 7)) if workers is None else workers):
            self._join()
        for _ in range(self._random.randrange(6) if faults is None else faults):
            what = self._random.choice(FAULTS)
            self._later(self._random.uniform(0, horizon), partial(self._fault, what))
        self._patches: list[Any] = []

    def executor(self, *, worker_timeout: float = 60.0) -> ClusterExecutor:
        """Dgd's executor on this cluster."""
        return ClusterExecutor(self.client, worker_timeout=worker_timeout)

    def __enter__(self) -> Self:
        package = "dgd.passes.cluster"
        timed = ("executor", "workers", "waiting", "stragglers", "pass_clock", "tasks")
        clocks = [patch(f"{package}.{name}.time", self) for name in timed]
        self._patches = [
            *clocks,
            patch(f"{package}.tasks.get_worker", lambda: _Worker("simulated", "", 1)),
            patch(f"{package}.workers.Handshake", AllFit),
            patch(f"{package}.waiting.wait", wait),
            patch(f"{package}.cut.TASK_SECONDS", 10 ** self._random.uniform(-9, -3)),
        ]
        for each in self._patches:
            each.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in self._patches:
            each.stop()

    # Time, in place of the module.

    def monotonic(self) -> float:
        """Simulated seconds."""
        return self.now

    def perf_counter(self) -> float:
        """The same, gone on a little: a task takes some time, and passes are cut by it."""
        self.now += self._random.expovariate(100)
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let things happen for so long."""
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            at, _, happens = heapq.heappop(self._events)
            self.now = max(self.now, at)
            happens()
            self._schedule()
        self.now = max(self.now, end)
        if self.now > MOST_SECONDS:
            raise Endless(f"after {self.now:.0f} s, {self.log}")

    def _later(self, seconds: float, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._names), happens))

    # Faults.

    def _fault(self, what: str) -> None:
        names = list(self.workers)
        self.log.append(f"{what} at {self.now:.1f} s")
        if what == "join":
            self._join()
        elif what == "crash all":
            for name in names:
                self._leave(name)
            if self._random.random() < 0.7:
                self._later(self._random.uniform(0, 80), self._join)
        elif what == "poison":
            for seconds in range(1, 7):
                self._later(0.2 * seconds, self._crash_the_busy)
        elif what in {"crash", "hang"} and names:
            getattr(self, "_leave" if what == "crash" else "_hang")(self._random.choice(names))
        elif what == "freeze":
            self.frozen = True
            self._later(self._random.uniform(0, 90), self._thaw)
        elif what == "lose":
            self._lose()
        elif what == "close" and self._random.random() < 0.3:
            self.client.status = "closed"

    def _join(self) -> None:
        name = f"tcp://worker-{next(self._names)}"
        self.workers[name] = _Worker(name, name, self._random.choice((1, 1, 2)))

    def _crash_the_busy(self) -> None:
        """The worker of a task that has cost some already."""
        running = [task for task in self.tasks.values() if task.runs_on]
        if running:
            self._leave(min(max(running, key=lambda task: task.deaths).runs_on))

    def _leave(self, name: str) -> None:
        """A worker's results are gone, and what it was doing is to be done again."""
        self.workers.pop(name, None)
        for task in self.tasks.values():
            task.held_by.discard(name)
            if name in task.runs_on:
                task.runs_on.discard(name)
                task.deaths += 1
                if task.deaths > ALLOWED_DEATHS:
                    task.error = KilledWorker("task", _Worker(name, name, 1), ALLOWED_DEATHS)

    def _hang(self, name: str) -> None:
        """It goes on later, or is taken for dead; then it may come back, with answers nobody waits for."""
        worker = self.workers[name]
        worker.hung_at = self.now
        if self._random.random() < 0.5:
            self._later(self._random.uniform(0, 40), lambda: self._go_on(worker))
        else:
            self._later(self._random.uniform(20, 60), lambda: self._leave(name))
            self._later(self._random.uniform(60, 90), lambda: self._go_on(worker))

    def _go_on(self, worker: _Worker) -> None:
        worker.hung_at = None
        for answer in worker.late:
            answer()
        worker.late.clear()

    def _thaw(self) -> None:
        self.frozen = False

    def _lose(self) -> None:
        """A scheduler that comes back knows nothing; workers join it anew, if it does."""
        self.lost, self.client.status = True, "connecting"
        self.client.forget()
        self.tasks.clear()
        self.workers.clear()
        self._later(RECONNECT_SECONDS, self._give_up)
        if self._random.random() < 0.7:
            self._later(self._random.uniform(0, 25), self._come_back)

    def _give_up(self) -> None:
        if self.lost:
            self.client.status = "closed"

    def _come_back(self) -> None:
        self.lost = False
        if self.client.status == "connecting":
            self.client.status = "running"
            self._join()
            for message in self._buffered:
                message()
        self._buffered.clear()

    # The scheduler.

    def submit(self, graph: dict[str, Any], wanted: Collection[str], allowed: list[str] | None, strict: bool) -> None:
        """A client's message: some tasks, and whose results it wants. It waits where the scheduler is away."""

        def arrives() -> None:
            self.tasks |= {key: _Task(spec, allowed, strict) for key, spec in graph.items()}
            self.wanted |= set(wanted)
            self._schedule()

        if self.lost:
            self._buffered.append(arrives)
        else:
            self._later(0.01, arrives)

    def _schedule(self) -> None:
        """Give tasks that are needed and can run to workers with a free thread, in any order."""
        if self.frozen or self.lost:
            return
        needed = self._needed()
        self._random.shuffle(needed)
        for key in needed:
            task = self.tasks[key]
            twice = bool(task.runs_on) and self._random.random() < 0.02
            if (not task.runs_on or twice) and all(self.tasks[k].held_by for k in task.spec.dependencies):
                # Others may help those that were named. But Dask keeps what nobody was there for from those that come.
                task.strict |= not self.workers
                free = [w for w in self.workers.values() if w.busy < w.threads and w.address not in task.runs_on]
                named = [w for w in free if task.allowed is None or w.address in task.allowed]
                gone = task.allowed is not None and self.workers.keys().isdisjoint(task.allowed)
                chosen = named if task.strict or (not gone and self._random.random() < 0.9) else free
                if chosen:
                    self._run(key, task, self._random.choice(chosen))

    def _needed(self) -> list[str]:
        """What has to be run for what is wanted, lost results included."""
        found: dict[str, None] = {}
        stack = [key for key in sorted(self.wanted) if key in self.tasks]
        while stack:
            key = stack.pop()
            task = self.tasks[key]
            if key in found or task.held_by or task.error is not None:
                continue
            if any(other not in self.tasks for other in task.spec.dependencies):
                task.error = FutureCancelledError(key, "lost dependencies")
                continue
            found[key] = None
            stack.extend(sorted(task.spec.dependencies))
        for key in found:
            errors = [self.tasks[k].error for k in self.tasks[key].spec.dependencies if self.tasks[k].error]
            self.tasks[key].error = errors[0] if errors else None
        return [key for key in found if self.tasks[key].error is None]

    def _run(self, key: str, task: _Task, worker: _Worker) -> None:
        task.runs_on.add(worker.address)
        worker.busy += 1
        values = {other: self.tasks[other].value for other in task.spec.dependencies}

        def answer() -> None:
            if worker.hung_at is not None:
                worker.late.append(answer)
                return
            worker.busy -= 1
            task.runs_on.discard(worker.address)
            if self.workers.get(worker.address) is not worker or self.tasks.get(key) is not task:
                return  # It has left, or nobody knows the task any more.
            try:
                task.value = task.spec(values)
            except Exception as error:
                task.error = error
            else:
                task.held_by.add(worker.address)

        self._later(self._random.expovariate(2), answer)
