"""Runs an iterator in a thread of its own, a few items ahead of whoever uses them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Any, TypeVar, cast

T = TypeVar("T")

LOOK_SECONDS = 0.1
"""How often the thread looks whether anybody still waits for it."""


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """The items in their order, of which `count` may wait; an error comes where it would have come.

    Whoever stops early, also by an error, waits until the thread has ended.
    """
    waiting: Queue[tuple[str, Any]] = Queue(count)
    ended = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not ended.is_set():
            try:
                waiting.put((kind, value), timeout=LOOK_SECONDS)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        iterator = iter(items)
        try:
            for item in iterator:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=run, name="dgd-tables", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield cast(T, value)
    finally:
        ended.set()
        with_nothing(waiting)
        thread.join()


def with_nothing(waiting: Queue[Any]) -> None:
    """Take everything out of a queue."""
    try:
        while True:
            waiting.get_nowait()
    except Empty:
        return
