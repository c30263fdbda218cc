"""Threads that are watched while they read: one that never comes back is left behind, and costs its pass only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from dgd.data.buffers import Buffers
from dgd.data.daemon_threads import DaemonThreads
from dgd.data.watch import Reading, Watch
from dgd.passes.events import Event, PassStopped, Tell, tell_nobody
from dgd.passes.sums.compiled.compiler import made_since

T = TypeVar("T")
Check = Callable[[], None]
Call = Callable[[Buffers, Check], T]
"""A part of a pass, with its thread's buffers; calls the second argument before and after each read."""

POLL_SECONDS = 0.1
SLOW_SECONDS, MAKING_SECONDS = 5.0, 1.0
"""A read that takes longer is spoken of, and so is making machine code."""
MAKING = "machine code is made for these sums, once for fits of this kind on this machine; it takes some seconds"
GRACE = 0.5
"""Seconds that a source has to give a read up by itself, before its thread is left behind."""
PROMPT, PATIENCE = 0.2, 2.0
"""Seconds for threads to end after a failure: before what they wait for is called off, and before they are left."""


class Cancelled(Exception):
    """Another part has failed, or the pass is ended: this part is given up."""


class WatchedThreads:
    """At most `count` threads with buffers of their own, for the parts of a pass."""

    def __init__(self, count: int, tell: Tell = tell_nobody) -> None:
        self._count, self._tell = count, tell
        self._begin_anew()

    def run(self, calls: Sequence[Call[T]], of: int = 0) -> list[T]:
        """The results of all calls; after a failure no further chunk is read, and the first call's error is raised.

        of: the chunks that they do together, for whoever is told how the pass gets on.

        Raises the ReadError of a read that takes longer than it may, and PassStopped where `tell` says so.
        """
        stop = threading.Event()
        futures: list[Future[T]] = []
        self._of, self._done, self._started = of, self._chunks(), time.monotonic()
        self._tell_all(Event("running", of=of))
        try:
            futures.extend(self._pool.submit(self._call, call, stop) for call in calls)
            self._wait(futures, stop)
        except BaseException:
            stop.set()
            self._give_up(futures)
            raise
        ended = [future for future in futures if future.done() and not future.cancelled()]
        errors = [error for future in ended if (error := future.exception()) is not None]
        for error in sorted(errors, key=lambda error: isinstance(error, Cancelled)):
            raise error
        return [future.result() for future in futures]

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _begin_anew(self) -> None:
        self._pool = DaemonThreads(self._count, "dgd")
        self._own = threading.local()
        self._watches: list[Watch] = []
        self._said: Reading | None = None
        self._said_making: float | None = None

    def _call(self, call: Call[T], stop: threading.Event) -> T:
        buffers = self._buffers()
        watch = buffers.watch
        watch.called_off = False

        def check() -> None:
            if stop.is_set():
                raise Cancelled
            watch.begin_chunk()

        try:
            return call(buffers, check)
        except BaseException as error:
            stop.set()
            if watch.called_off:
                raise Cancelled from error
            raise
        finally:
            watch.end()

    def _buffers(self) -> Buffers:
        if not hasattr(self._own, "buffers"):
            self._own.buffers = Buffers()
            self._watches.append(self._own.buffers.watch)
        buffers: Buffers = self._own.buffers
        return buffers

    def _wait(self, futures: Sequence[Future[T]], stop: threading.Event) -> None:
        """Until all calls have ended, or one has failed."""
        while wait(futures, timeout=POLL_SECONDS).not_done:
            if stop.is_set():
                self._give_up(futures)
                return
            now = time.monotonic()
            for reading in (watch.reading for watch in self._watches):
                if reading is not None and now - reading.began > reading.seconds + GRACE:
                    raise reading.chunk.unread(reading.seconds)
            self._tell_all(self._event(now))

    def _tell_all(self, event: Event) -> None:
        reason = self._tell(event)
        if reason:
            raise PassStopped(reason)

    def _event(self, now: float) -> Event:
        """How the threads are getting on."""
        began = [began for watch in self._watches if (began := watch.chunk_began) is not None]
        stuck = now - min(began, default=now)
        making = made_since()
        if making is not None and making != self._said_making and now - making > MAKING_SECONDS:
            self._said_making = making
            return Event("compiling", MAKING, stuck)
        readings = [reading for watch in self._watches if (reading := watch.reading) is not None]
        slowest = min(readings, key=lambda reading: reading.began, default=None)
        if slowest is None or slowest is self._said or now - slowest.began < SLOW_SECONDS:
            done = self._chunks() - self._done
            return Event("running", stuck=stuck, chunks=done, of=self._of, seconds=now - self._started)
        self._said = slowest
        text = f"{slowest.chunk} has not been read for {now - slowest.began:.0f} s; waiting up to {slowest.seconds:g} s"
        return Event("slow read", text, stuck)

    def _chunks(self) -> int:
        """Those that all threads have done, in all passes."""
        return sum(watch.chunks for watch in self._watches)

    def _give_up(self, futures: Sequence[Future[T]]) -> None:
        """Let the calls end; those that do not in time keep their threads, and others take their place."""
        if not wait(futures, timeout=PROMPT).not_done:
            return
        for watch in self._watches:
            watch.call_off()
        if wait(futures, timeout=PATIENCE).not_done:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._begin_anew()
