"""Submitting the graph of a pass, and waiting for its answer: the first one, where late workers' part is done twice."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, cast

import dask
from distributed import Client, Future, wait
from distributed.client import ClosedClientError

from dgd.errors import ClusterLostError, DataError
from dgd.passes.cluster.graph import Graph
from dgd.passes.cluster.pass_clock import PassClock
from dgd.passes.cluster.stragglers import Stragglers
from dgd.passes.cluster.tasks import Unasked
from dgd.passes.cluster.workers import CANCELLED, POLL_SECONDS, Workers

ANSWER_SECONDS = 0.2
"""Between two looks at the clock during a pass."""
SOONEST_SECONDS = 0.005
STATES_SECONDS = 1.0
"""For the states of a pass's tasks, which are for people alone."""
ENDED = ("memory", "released", "forgotten", None)
"""States of a task that has been done."""
GATHER_SECONDS = 10.0
"""For a vector from a worker."""


def _span() -> AbstractContextManager[Any]:
    """One of Dask's spans for all passes, unless the caller has opened one.

    Otherwise each pass is in one of its own, and scheduler and workers keep what they measure of it for ever.
    """
    if "span" in dask.get_annotations():
        return nullcontext()
    return cast(AbstractContextManager[Any], dask.annotate(span={"name": ("dgd",), "ids": ("dgd",)}))


class Stranded(Exception):
    """The workers of a pass are others than it was submitted for, and it has to be submitted again."""


class Waiting:
    """For the answers of a client's cluster."""

    def __init__(self, client: Client, workers: Workers, stragglers: Stragglers, clock: PassClock) -> None:
        self._client, self._workers, self._stragglers, self._clock = client, workers, stragglers, clock

    def submit(self, graph: Graph) -> tuple[Future, list[Future]]:
        """Submit a graph in one message; the future of its root, and those of what is kept on the workers."""
        try:
            with _span():
                root, *kept = self._client.get(
                    graph.tasks,
                    [graph.root, *graph.kept],
                    workers=graph.workers,
                    allow_other_workers=graph.workers is not None and not graph.strict,
                    sync=False,
                )
        except ClosedClientError as error:
            raise ClusterLostError(self._workers.closed()) from error
        return root, kept

    def answer(self, graph: Graph, root: Future) -> tuple[Any, list[str]]:
        """The root's value, and the late workers that are left out from now on.

        Waits as long as there are workers, and at most `worker_timeout` without any. Raises Stranded once there are
        workers, but none of the named ones; where it failed, and a worker that came since turns out to be unfit; and
        where a worker could not read what another may be able to, from the error of the first.
        """
        looked = time.monotonic()
        left_out = len(self._workers.handshake.unfit)
        second: Future | None = None
        self._stragglers.begin()
        try:
            while True:
                found = self._ended(root, second)
                try:
                    if found is not None:
                        value = self._gathered(found)
                        return value, [] if found is root else self._stragglers.leave_out(graph)
                except CANCELLED:
                    if found is not second or second is None:
                        raise
                    # What it was to use was released meanwhile: the first graph goes on.
                    second = None
                except Exception as error:
                    if self._workers.left_out_since(left_out):
                        raise Stranded(f"a worker that is not fit for it had a part in the pass: {error!r}") from error
                    if isinstance(error, Unasked):
                        raise Stranded(str(error)) from None  # Now it has been asked.
                    if isinstance(error, DataError) and self._may_work_elsewhere(error):
                        self._clock.say("failed read", f"{error}; another worker tries")
                        raise Stranded(str(error)) from error
                    raise
                self._clock.say("running")
                if second is None and self._stragglers.until_look == 0:
                    second = self._elsewhere(graph)
                if time.monotonic() - looked >= POLL_SECONDS:
                    looked = time.monotonic()
                    workers = self._workers.wait()
                    self._clock.chunks = max(self._clock.chunks, self._chunks_done(graph))
                    if graph.workers is not None and workers.keys().isdisjoint(graph.workers):
                        raise Stranded("none of the workers it was submitted for is left")
        finally:
            if second is not None:
                second.release()

    def _chunks_done(self, graph: Graph) -> int:
        """The chunks of tasks that have ended, by the scheduler's own states; 0 where it does not say soon.

        What has been added to other sums is forgotten: unknown to it, and done, as long as it knows the root.
        """
        try:
            states: dict[str, str | None] = self._client.sync(
                self._client.scheduler.get_task_status,
                keys=[graph.root, *graph.chunks],
                callback_timeout=STATES_SECONDS,
            )
        except (OSError, TimeoutError, UnboundLocalError, AttributeError, *CANCELLED):
            return 0
        if states.get(graph.root) is None:
            return 0
        return sum(count for key, count in graph.chunks.items() if states.get(key) in ENDED)

    def _may_work_elsewhere(self, error: DataError) -> bool:
        """Whether there is another worker for what one could not read; that one is then left out for a while."""
        if not error.elsewhere or error.worker is None:
            return False
        return self._stragglers.leave_out_failed(error.worker, self._workers.now() or ())

    def _ended(self, root: Future, second: Future | None) -> Future | None:
        """The future that has ended, after at most a while of waiting; None while there is none.

        Only what has ended is gathered: a request that is cut off costs Dask the result.
        """
        pause = min(ANSWER_SECONDS, max(self._stragglers.until_look, SOONEST_SECONDS))
        # An error of the first may be of its worker alone: the other one goes on.
        futures = [root] if second is None else [second] if root.status == "error" else [root, second]
        # Where one is cancelled, Client.sync has no result, and none bound.
        with suppress(TimeoutError, UnboundLocalError, *CANCELLED), self._client.as_current():
            wait(futures, timeout=pause, return_when="FIRST_COMPLETED")
        return next((future for future in futures if future.done()), None)

    def _gathered(self, future: Future) -> Any:
        """The result of a future that has ended. Raises Stranded where its holder does not send it."""
        try:
            return future.result(timeout=GATHER_SECONDS)
        except TimeoutError as error:
            if future.status == "error":
                raise  # the task's own
            self._stragglers.leave_out_holders(future.key)
            raise Stranded(f"the worker that has the result did not send it for {GATHER_SECONDS:g} s") from error
        except UnboundLocalError:
            raise CancelledError(future.key) from None

    def _elsewhere(self, graph: Graph) -> Future | None:
        """Submit what late workers have once more, if there are any."""
        second = self._stragglers.elsewhere(graph)
        if second is None:
            return None
        late = self._stragglers.suspects
        more = f" and {len(late) - 1} more" if len(late) > 1 else ""
        self._clock.say("late worker", f"worker {late[0]}{more} late, its part is computed elsewhere as well")
        return self.submit(second)[0]
