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

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Begin a coroutine; the future of its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, running_loop())


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, or its error."""
    future = submit(coroutine)
    try:
        return future.result()
    finally:
        future.cancel()


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop, started when it is first asked for."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="dgd stores", daemon=True).start()
        return _loop


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
