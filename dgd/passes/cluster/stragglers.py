"""Workers that are far behind the others: what they have of a pass is computed elsewhere as well.

A pass is late when it takes longer than the last ones and some workers have nothing left to do. All that the late ones
have not finished, or hold, is then submitted once more to those; the first answer counts, and the bits are the same.
A worker that is still at it when the second answer comes gets no part of the passes after, for a while that doubles.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from dask.task_spec import TaskRef
from distributed import Client

from dgd.passes.cluster.graph import Graph
from dgd.passes.cluster.pass_clock import PassClock
from dgd.passes.cluster.workers import CANCELLED

ANSWER_SECONDS = 2.0
LATE = 1.25
"""A pass is looked at after so many times the median of the last ones."""
MARGIN_SECONDS = 0.05
FAR = 1.8
"""Late after so many times the median is late enough to be left out, otherwise only twice in a row."""
FIRST_LOOK_SECONDS = 0.5
"""The same where no such pass has ended yet."""
AGAIN = 0.25
"""The next look comes after this part of the time until the first one."""
LEAST_AWAY_SECONDS, MOST_AWAY_SECONDS = 5.0, 300.0
AWAY_PASSES = 20
"""A late worker is left out for so many passes' time, the first time."""


class Stragglers:
    """The late workers of a client's cluster."""

    def __init__(self, client: Client, clock: PassClock) -> None:
        self._client, self._clock = client, clock
        self._away: dict[str, tuple[float, float]] = {}
        """Until when each is left out, and for how long that is."""
        self._suspects: set[str] = set()
        self._late: set[str] = set()
        """Those that were late the last time."""
        self.failed: set[str] = set()
        """Those that could not read a part of the pass that others may be able to read."""
        self._next_look = 0.0
        self._idle_since: float | None = None

    def begin(self) -> None:
        """A pass is submitted."""
        median = self._clock.median
        self._idle_since = None
        self._suspects = set()
        self._next_look = FIRST_LOOK_SECONDS if median is None else LATE * median + MARGIN_SECONDS

    @property
    def until_look(self) -> float:
        """The seconds until the pass is to be looked at."""
        return max(0.0, self._next_look - self._clock.seconds)

    def present(self, workers: dict[str, Any]) -> dict[str, Any]:
        """The workers that are not left out; all, if that are none."""
        now = time.monotonic()
        found = {each: worker for each, worker in workers.items() if self._away.get(each, (now, 0.0))[0] <= now}
        return found or workers

    @property
    def suspects(self) -> list[str]:
        """The workers that the last second graph is for."""
        return sorted(self._suspects)

    def elsewhere(self, first: Graph) -> Graph | None:
        """A second graph for what late workers have of the first one; None while the pass is not late."""
        if first.root not in first.recipes:
            self._next_look = math.inf
            return None
        self._next_look = self._clock.seconds + max(AGAIN * self._next_look, MARGIN_SECONDS)
        processing = self._ask("processing")
        idle = [each for each, keys in processing.items() if not keys and self._is_named(each, first)]
        busy = {each for each, keys in processing.items() if any(key in first.tasks for key in keys)}
        if not idle or not self._waited_long():
            return None
        holders = self._ask("who_has", keys=list(first.tasks))
        if not busy:
            # All is computed, and who holds the result does not send it.
            busy = set(holders.get(first.root, ()))
            idle = [each for each in idle if each not in busy]
        if not busy or not idle:
            return None
        self._suspects = busy
        second = Graph(f"{first.name}-again", first.expected)
        second.is_second, second.workers, second.strict = True, idle, True
        made: dict[str, TaskRef] = {}

        def make(key: str) -> TaskRef:
            if key not in made:
                at_hand = busy.isdisjoint(holders.get(key, ())) and holders.get(key)
                made[key] = TaskRef(key) if at_hand else first.recipes[key](second, make)
            return made[key]

        second.root = make(first.root).key
        return second if second.tasks else None

    def leave_out(self, first: Graph) -> list[str]:
        """The second answer has come: the workers still at the first are left out for a while."""
        processing = self._ask("processing")
        late = [each for each in self._suspects if any(key in first.tasks for key in processing.get(each, ()))]
        median, before_late, self._late = self._clock.median, self._late, set(late)
        if median is not None and self._clock.seconds < FAR * median:
            late = [each for each in late if each in before_late]
        self._send_away(late)
        return late

    def leave_out_holders(self, key: str) -> None:
        """The workers that have a result do not send it."""
        self._send_away(self._ask("who_has", keys=[key]).get(key, ()))

    def leave_out_failed(self, worker: str, present: Iterable[str]) -> bool:
        """A worker could not read its part: it is left out for a while, if there is one that has not failed too."""
        self.failed.add(worker)
        if self.failed.issuperset(present):
            return False
        self._send_away([worker])
        return True

    def _send_away(self, late: Iterable[str]) -> None:
        for each in late:
            before = self._away.get(each, (0.0, 0.0))[1]
            least = max(LEAST_AWAY_SECONDS, AWAY_PASSES * (self._clock.median or 0.0))
            seconds = min(max(least, 2 * before), MOST_AWAY_SECONDS)
            self._away[each] = time.monotonic() + seconds, seconds

    def _waited_long(self) -> bool:
        """Where nobody knows how long such a pass takes, some must have waited as long as they have worked."""
        if self._clock.median is not None:
            return True
        if self._idle_since is None:
            self._idle_since = self._clock.seconds
        return self._clock.seconds >= 2 * self._idle_since

    def _is_named(self, address: str, graph: Graph) -> bool:
        return graph.workers is None or address in graph.workers

    def _ask(self, what: str, **options: Any) -> dict[str, Any]:
        """What the scheduler says; nothing if it does not answer soon."""
        try:
            ask = getattr(self._client.scheduler, what)
            found: dict[str, Any] = self._client.sync(ask, callback_timeout=ANSWER_SECONDS, **options)
        except (OSError, TimeoutError, UnboundLocalError, AttributeError, *CANCELLED):
            # As in `Workers.now`.
            return {}
        return found
