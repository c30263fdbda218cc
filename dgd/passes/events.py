"""What is said while a pass runs, and how one is ended in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["running", "slow read", "failed read", "no worker", "worker lost", "late worker"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens while a pass runs. Callbacks of a fit that have a method `on_event` are told.

    kind: "running" some times a second in a pass that lasts; "slow read" when a chunk has not been read for 5 s, on
        threads; on a cluster "no worker" when one is waited for, "worker lost", "late worker" and "failed read" when
        another worker takes over.
    message: a line for whoever waits, as the command line prints it; empty for "running".
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


class PassStopped(Exception):
    """A pass was ended in the middle, on request."""

    def __init__(self, reason: object) -> None:
        super().__init__(str(reason))
        self.reason = reason


def tell_nobody(event: Event) -> object:
    """Goes on whatever happens."""
    del event
    return None
