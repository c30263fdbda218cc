"""What ends a fit in the middle of a pass, and who is told of what happens there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dgd.fitting.verdict.stopping import Callback
from dgd.passes.events import Event
from dgd.solvers.base import Status


@contextmanager
def interrupts_with_result() -> Iterator[None]:
    """A KeyboardInterrupt out of it has a `result`, None unless it brings one."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.result = getattr(error, "result", None)  # type: ignore[attr-defined]
        raise


class Interruption:
    """Hands the events of a pass on to the callbacks; says why the fit is to end there, or None.

    It ends when `max_seconds` are over, counted from when this was made, or when a callback's `on_event` returns True.
    """

    def __init__(self, max_seconds: float | None, callbacks: Sequence[Callback]) -> None:
        self.began = time.monotonic()
        self._max_seconds = max_seconds
        self._listening: list[Callable[[Event], Any]] = [
            callback.on_event for callback in callbacks if hasattr(callback, "on_event")
        ]
        self.status: Status | None = None
        """Why it ends."""

    def __call__(self, event: Event) -> Status | None:
        if [listening for listening in self._listening if listening(event) is True]:
            self.status = Status.INTERRUPTED
        if self._max_seconds is not None and self.seconds >= self._max_seconds:
            self.status = self.status or Status.TIME_LIMIT
        return self.status

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.began
