"""What is said while a pass runs, and how one is ended in the middle."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["running", "slow read", "compiling", "failed read", "no worker", "worker lost", "late worker"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens while a pass runs. Callbacks of a fit that have a method `on_event` are told.

    kind: "running" some times a second in a pass that lasts; "slow read" when a chunk has not been read for 5 s, and
        "compiling" while machine code is made, on threads; on a cluster "no worker" when one is waited for, and then
        some times a second without a message, "worker lost", "late worker" and "failed read" when another worker takes
        over.
    message: a line for whoever waits, as the command line prints it; empty for a sign of life.
    stuck: the seconds for which the slowest thread has been at its chunk, or a cluster is later than usual.
    chunks, of: how many chunks of this pass are done, and how many there are; `of` is 0 where that is not known.
    seconds: since the pass began.
    """

    kind: Kind
    message: str = ""
    stuck: float = 0.0
    chunks: int = 0
    of: int = 0
    seconds: float = 0.0


Tell = Callable[[Event], object]
"""Is told what happens while a pass runs; anything true ends the pass, and is the reason in `PassStopped`."""


class Parts:
    """Tells of passes over some of the chunks at a time as of one pass over all of them."""

    def __init__(self, tell: Callable[[Event], object] | None, of: int) -> None:
        self._tell, self._of = tell, of
        self._before, self._began = 0, time.monotonic()

    def __call__(self, event: Event) -> None:
        """Something happens in one of them."""
        if self._tell is not None:
            of, seconds = (self._of, time.monotonic() - self._began) if event.of else (0, event.seconds)
            self._tell(replace(event, chunks=self._before + event.chunks, of=of, seconds=seconds))

    def ended(self, chunks: int) -> None:
        """One of so many chunks is over."""
        self._before += chunks


class PassStopped(Exception):
    """A pass was ended in the middle, on request."""

    def __init__(self, reason: object) -> None:
        super().__init__(str(reason))
        self.reason = reason


def tell_nobody(event: Event) -> object:
    """Goes on whatever happens."""
    del event
    return None
