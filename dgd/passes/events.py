"""What is said while a pass runs, and how one is ended in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens while a pass runs. Callbacks that have a method `on_event` are told.

    kind: "running" about ten times a second in a pass that lasts, "slow read" when a chunk has not been read for 5 s,
        "no worker", "worker lost", "late worker" on a cluster.
    message: a line for whoever waits; empty for "running".
    stuck: the seconds for which the slowest thread has been at its chunk, or a cluster is later than usual.
    """

    kind: str
    message: str = ""
    stuck: float = 0.0


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
