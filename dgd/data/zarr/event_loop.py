"""One event loop, in a thread of its own, for stores that answer asynchronously.

zarr's own loop can only be reached by names that zarr may change. What belongs to a loop, such as the connections of an
fsspec file system, is opened in this one: see `locations.source_of`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from dgd.data.daemon_threads import DaemonThreads

T = TypeVar("T")

ANSWER_SECONDS = 0.5
"""A loop that takes longer to run a call is blocked."""
THREADS = 32
"""For stores that read in threads, as many as asyncio has."""

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_begun = 0


class Stuck(Exception):
    """A coroutine has not ended in its time."""


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin a coroutine; the future of its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, running_loop())


def run(coroutine: Coroutine[Any, Any, T], *, timeout: float | None = None) -> T:
    """The result of a coroutine, or its error; see `result_of`."""
    return result_of(submit(coroutine), timeout=timeout)


def result_of(future: Future[T], *, timeout: float | None) -> T:
    """The result of a coroutine that was begun, which is given up if it is not there in time.

    Raises Stuck then. Where even the loop does not answer, the next coroutine gets another one.
    """
    try:
        return future.result(timeout)
    except TimeoutError:
        if future.done():
            raise
        _leave_if_it_hangs()
        raise Stuck from None
    finally:
        future.cancel()


def _leave_if_it_hangs() -> None:
    global _loop
    loop, answered = running_loop(), threading.Event()
    loop.call_soon_threadsafe(answered.set)
    if not answered.wait(ANSWER_SECONDS):
        with _lock:
            _loop = None if _loop is loop else _loop


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop, started when it is first asked for."""
    global _loop, _begun
    with _lock:
        if _loop is None:
            _begun += 1
            _loop = asyncio.new_event_loop()
            _loop.set_default_executor(DaemonThreads(THREADS, "dgd stores"))
            threading.Thread(target=_loop.run_forever, name="dgd stores", daemon=True).start()
        return _loop


def number() -> int:
    """Which loop this is, counted from 1: the connections of those before cannot be used in it."""
    running_loop()
    return _begun


def _forget() -> None:
    """A forked process has no such thread."""
    global _loop, _lock
    _lock, _loop = threading.Lock(), None


def _stop() -> None:
    if _loop is not None:
        _loop.call_soon_threadsafe(_loop.stop)


atexit.register(_stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
