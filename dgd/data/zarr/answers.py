"""A store's answer to a request, waited for as long as it may take."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from dgd.data.watch import Watch
from dgd.data.zarr import event_loop

READ_TIMEOUT = 120.0
"""Seconds that reading a stored chunk or a document may take, where nothing else was asked for."""
ASK_AGAIN = 0.25
"""A request is made a second time after this part of its time."""
GRACE = 0.5
"""Seconds for the event loop to say that a request took too long; after that it is the loop that hangs."""


class Unanswered(Exception):
    """A store has not answered a request in time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"there was no answer within {seconds:.3g} s")


async def answer(fetch: Callable[[str], Coroutine[Any, Any, Any]], path: str, timeout: float) -> tuple[Any, float]:
    """The value or the error, and the seconds it took. Errors are returned: nobody awaits an abandoned request.

    After a part of its time a request is made once more beside the first, in case that the answer was lost. One that
    gives none is left alone, even where it does not end when it is cancelled.
    """
    began = time.perf_counter()
    requests: set[asyncio.Task[Any]] = set()
    try:
        for seconds in (ASK_AGAIN * timeout, (1 - ASK_AGAIN) * timeout):
            requests.add(asyncio.ensure_future(fetch(path)))
            done, _ = await asyncio.wait(requests, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if done:
                return _outcome(done.pop()), time.perf_counter() - began
        return Unanswered(timeout), timeout
    finally:
        for request in requests:
            request.cancel()


def _outcome(request: asyncio.Task[Any]) -> Any:
    if request.cancelled():
        return concurrent.futures.CancelledError("the store has cancelled its own request")
    return request.exception() or request.result()


def waited_for(future: Future[tuple[Any, float]], timeout: float, watch: Watch) -> tuple[Any, float]:
    """What `answer` returns, begun in the event loop. Another thread can call the wait off."""
    watch.answer = future
    try:
        if watch.called_off:
            future.cancel()
        return event_loop.result_of(future, timeout=timeout + GRACE)
    except event_loop.Stuck:
        return Unanswered(timeout), timeout
    finally:
        watch.answer = None


def value_of(found: Any) -> Any:
    """The value of an answer; an error is raised."""
    if isinstance(found, BaseException):
        raise found
    return found
