"""How long passes on a cluster take, and what is said while one runs."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Hashable

from dgd.passes.events import Event, Kind, PassStopped, Tell, tell_nobody

PASSES = 9
"""The last so many passes say what one takes."""
LATE = 3.0
"""A pass is stuck after so many times the median."""
UNKNOWN_SECONDS = 10.0
"""What a pass is taken to need before one has ended."""


class PassClock:
    """The seconds of the pass that runs, beside those of the passes of its kind before."""

    def __init__(self, tell: Tell = tell_nobody) -> None:
        self._tell = tell
        self._began = time.monotonic()
        self.present = 1.0
        """The part of the workers that has a part in passes; with half of them a pass takes twice as long."""
        self.chunks, self.of = 0, 0
        """Chunks of this pass that are done, and how many there are; 0 where that is not known."""
        self._of_kind: dict[Hashable, deque[float]] = {}
        self._seconds: deque[float] = deque(maxlen=PASSES)

    def begin(self, kind: Hashable) -> None:
        """A pass begins. Those of one kind read the same and sum the same."""
        self._seconds = self._of_kind.setdefault(kind, deque(maxlen=PASSES))
        self._began = time.monotonic()
        self.chunks, self.of = 0, 0
        self.say("running")

    def end(self) -> None:
        """It has ended."""
        self._seconds.append(self.seconds * self.present)

    @property
    def seconds(self) -> float:
        """Those of the pass that runs."""
        return time.monotonic() - self._began

    @property
    def median(self) -> float | None:
        """Of the last passes of this kind; None before the first has ended."""
        return statistics.median(self._seconds) / self.present if self._seconds else None

    def say(self, kind: Kind, message: str = "") -> None:
        """Tell who listens. Raises PassStopped where the pass is to end."""
        stuck = max(0.0, self.seconds - LATE * (self.median or UNKNOWN_SECONDS))
        reason = self._tell(Event(kind, message, stuck, self.chunks, self.of, self.seconds))
        if reason:
            raise PassStopped(reason)
