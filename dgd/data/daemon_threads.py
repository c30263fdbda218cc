"""A pool of threads for calls that may never come back: the interpreter does not wait for them at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
Call = tuple["Future[Any]", Callable[[], Any]]


class DaemonThreads(ThreadPoolExecutor):
    """At most `count` threads, started as they are needed.

    A ThreadPoolExecutor by name only, because asyncio takes no other kind: those of the standard library are joined
    when the interpreter ends, and one that hangs in a read would hold it up for ever.
    """

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._most, self._name = count, name
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._started: list[threading.Thread] = []
        self._guard = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a call in a thread; the future of its result."""
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("these threads have been ended")
            self._calls.put((future, partial(fn, *args, **kwargs)))
            if not self._free.acquire(blocking=False) and len(self._started) < self._most:
                name = f"{self._name}_{len(self._started)}"
                thread = threading.Thread(target=_work, args=(self._calls, self._free), name=name, daemon=True)
                self._started.append(thread)
                thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after the calls they have; `wait` for them, which may take as long as a read that hangs."""
        with self._guard:
            self._closed = True
            while cancel_futures and not self._calls.empty():
                call = self._calls.get()
                if call is not None:
                    call[0].cancel()
            for _ in self._started:
                self._calls.put(None)
        for thread in self._started if wait else ():
            thread.join()


def _work(calls: SimpleQueue[Call | None], free: threading.Semaphore) -> None:
    while (call := calls.get()) is not None:
        future, run = call
        if future.set_running_or_notify_cancel():
            try:
                result = run()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
                del result
        del call, future, run
        free.release()
