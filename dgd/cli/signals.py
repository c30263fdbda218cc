"""Ctrl-C: once asks a fit to stop after this pass, twice ends the process at once. SIGTERM is the same.

A pass that does not get on, such as one whose store hangs, is ended in the middle.
A terminal that closes (SIGHUP) and a warning of a batch system (SIGUSR1) ask only; the latter also before there is a
fit: `dgd.__main__` remembers it.

Other commands stop at the first signal; the second does not wait for threads either.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from dgd.passes.events import Event

STOPPING = "stopping after this pass; Ctrl-C again stops at once"
STOPPED = "stopped at once"

STUCK_SECONDS = 5.0
"""A pass that has not got on for so long is not waited for, once a signal has come."""

AT_ONCE = (signal.SIGINT, signal.SIGTERM)
"""The second one of these ends the process."""

Handler = Callable[[int, FrameType | None], None]


class StopRequest:
    """A callback of a fit that stops it once a signal has come."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._terminals = [number for number in (1, 2) if os.isatty(number)]

    def __call__(self, record: object) -> bool:
        return self.signal is not None

    def on_event(self, event: Event) -> bool:
        """Whether the pass is to end now: somebody waits, and one chunk takes longer than a pass should."""
        return self.signal is not None and event.stuck >= STUCK_SECONDS

    def receive(self, number: int, frame: FrameType | None) -> None:
        """The first signal is a request; another one is none where it only announces the end."""
        if number == signal.SIGHUP:
            self._leave_terminal()
        elif self.signal in AT_ONCE and number in AT_ONCE:
            _end(number)
        self.signal = number
        _say(STOPPING)
        from dgd.cli.progress.log import logged

        logged(f"{signal.Signals(number).name}: {STOPPING}")

    def _leave_terminal(self) -> None:
        """Write to nowhere what was for a terminal that has gone: it would be an error."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in self._terminals:
            os.dup2(nowhere, number)
        os.close(nowhere)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Within it, SIGINT, SIGTERM, SIGUSR1 and, unless it is ignored (`nohup`), SIGHUP ask a fit to stop."""
    request = StopRequest()
    early = _remembered()
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    with _handled(request.receive, *AT_ONCE, signal.SIGUSR1, *hangup):
        if early is not None:
            request.receive(early, None)
        yield request


def forget_early() -> None:
    """Of a command that cannot stop with a checkpoint: SIGUSR1 ends it, also one that came before."""
    early = _remembered()
    if early is not None or hasattr(signal.getsignal(signal.SIGUSR1), "remembered"):
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    if early is not None:
        signal.raise_signal(early)


def _remembered() -> int | None:
    """The signal that came before anybody could act on it."""
    found: int | None = getattr(signal.getsignal(signal.SIGUSR1), "remembered", None)
    return found


@contextmanager
def interrupt_on_signal() -> Iterator[None]:
    """Within it, the first SIGINT is a KeyboardInterrupt and the second the end."""
    interrupted = False

    def receive(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted:
            _end(number)
        interrupted = True
        raise KeyboardInterrupt

    with _handled(receive, signal.SIGINT):
        yield


@contextmanager
def raised_signals() -> Iterator[list[int]]:
    """Within it, the first SIGINT or SIGTERM is a KeyboardInterrupt, and in the list; the second is the end."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        if received:
            _end(number)
        received.append(number)
        raise KeyboardInterrupt

    with _handled(receive, *AT_ONCE):
        yield received


@contextmanager
def clean_up_on_signal() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM are raised once, and what cleans up after them is not disturbed by more."""

    def receive(number: int, frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        _say("stopping, and cleaning up")
        raise SystemExit(128 + number)

    with _handled(receive, signal.SIGINT, signal.SIGTERM):
        yield


@contextmanager
def _handled(handler: Handler, *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _end(number: int) -> NoReturn:
    """End the process at once, whatever its threads are doing."""
    _say(STOPPED)
    os._exit(128 + number)


def _say(text: str) -> None:
    """Write without Python's buffers, which the signal may have interrupted."""
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())
