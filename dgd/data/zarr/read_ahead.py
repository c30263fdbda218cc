"""Reading ahead: the next chunks are asked for while the current one is computed.

    Hints       for local files: the kernel fetches them into its page cache, which takes no memory of this process
    Requests    for other stores: run in an event loop; the answers wait in memory, as planned

A thread has one of these for each array, in the array's `Buffers`. It holds what was asked for and not read yet, and
measures how far ahead saves time.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.watch import Watch
from dgd.data.zarr import event_loop
from dgd.data.zarr.answers import answer, value_of, waited_for

AHEAD = 7
"""Most stored chunks of one array that a thread asks for beside the one it reads."""
AHEAD_BYTES = 64 * 2**20
"""At most so many bytes ahead: more do not make a busy connection faster."""
HINT_BYTES = 2**17
"""The kernel shortens longer hints to its own read-ahead window, which is seldom smaller."""
WARM_SECONDS, WARM_BYTES_PER_SECOND = 50e-6, 3e9
"""A read that takes longer did not come from the page cache."""
PATIENCE = 8
"""So many needless hints in a row end them."""
NEWEST = 0.3
"""Weight of the newest measurement in the running means."""


def limit_of(encoded_bound: int) -> int:
    """How many stored chunks of a size to ask for ahead at most."""
    return max(1, min(AHEAD, AHEAD_BYTES // max(1, encoded_bound)))


class Hints:
    """Hints about local files, given only while reads are slow.

    A slow read starts them; a hinted file that is still slow doubles the depth; files found in memory stop them.
    """

    def __init__(self) -> None:
        self.depth = 1
        self.are_given = False
        """Whether reads are slow."""
        self._left = 0
        self.given: set[str] = set()
        """Of files that were not read since."""

    def wanted(self, limit: int) -> int:
        """How many more hints to give now."""
        return 1 + min(self.depth, limit) - len(self.given) if self._left > 0 and limit > 0 else 0

    def give(self, key: str, fetch: Callable[[], bool]) -> int:
        """Hint at a key once; returns the number of hints given. `fetch` says whether there was anything to fetch."""
        if key in self.given:
            return 0
        self.given.add(key)
        self._left = PATIENCE if fetch() else self._left - 1
        self.are_given = self._left > 0
        return 1

    def ask(self, keys: Iterable[str], limit: int, fetch: Callable[[str], bool]) -> bool:
        """Hint at keys up to the limit; whether more may be given."""
        left = self.wanted(limit)
        if left <= 0:
            return False
        for key in keys:
            left -= self.give(key, partial(fetch, key))
            if left <= 0:
                return False
        return True

    def measured(self, key: str, n_bytes: int, seconds: float, was_in_memory: bool | None = None) -> None:
        """Learn from a read. was_in_memory: before it; None: only the clock tells, which another thread may hold up."""
        hinted = key in self.given
        self.given.discard(key)
        if not was_in_memory and seconds > WARM_SECONDS + n_bytes / WARM_BYTES_PER_SECOND:
            self.depth = min(2 * self.depth, AHEAD) if hinted else self.depth
            self._left, self.are_given = PATIENCE, True

    def drop(self) -> None:
        """Forget the hints."""
        self.given.clear()


def hints_in(buffers: Buffers) -> Hints:
    """The hints of one thread and array."""
    if not isinstance(buffers.ahead, Hints):
        buffers.ahead = Hints()
    return buffers.ahead


def prefetch_file(path: str, at_most: int) -> bool:
    """Ask the kernel to fetch a file; whether it was not in memory. Other kinds of files are left to the read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(file)
        return stat.S_ISREG(status.st_mode) and prefetch(file, 0, min(status.st_size, at_most))
    except OSError:
        return False
    finally:
        os.close(file)


def prefetch(file: int, start: int, n_bytes: int) -> bool:
    """Ask the kernel to fetch a part of an open file; whether it was not in memory, False if unknown."""
    if n_bytes == 0 or not hasattr(os, "posix_fadvise"):
        return False
    cached = in_memory(file, start + n_bytes - 1)
    if not cached:
        for offset in range(start, start + n_bytes, HINT_BYTES):
            os.posix_fadvise(file, offset, min(HINT_BYTES, start + n_bytes - offset), os.POSIX_FADV_WILLNEED)
    return cached is False


def in_memory(file: int, offset: int) -> bool | None:
    """Whether a byte of a file can be read without waiting; None if the system cannot tell."""
    done = _at_once(file, [bytearray(1)], offset)
    return None if done is None else done == 1


def read_file(file: int, parts: Sequence[Any], wanted: int, key: str, hints: Hints) -> int:
    """Read an open file from its beginning into `parts`, one behind the other; the bytes read. The hints learn from it.

    wanted: bytes that there are. One call reads what lies in memory, and tells whether it does. Where the file is read
    from next is not told: `os.lseek` says it.
    """
    done = _at_once(file, parts, 0)
    known = None if done is None else done >= wanted
    if done is not None and known and not hints.given:
        return done
    began = time.perf_counter()
    if done is None or not known:
        done = os.readv(file, parts)
    hints.measured(key, done, time.perf_counter() - began, known)
    return done


def _at_once(file: int, parts: Sequence[Any], offset: int) -> int | None:
    """The bytes that a read has without waiting for a disk; None if the system cannot tell."""
    flag = getattr(os, "RWF_NOWAIT", None)
    if flag is None:
        return None
    try:
        return os.preadv(file, parts, offset, flag)
    except BlockingIOError:
        return 0
    except OSError:
        return None


class Requests:
    """Requests of keys that will be read soon, at most 1 + depth at once, where

    depth = latency of a request / seconds between two reads in which this thread does not wait.
    """

    def __init__(self) -> None:
        self._pending: dict[str, Future[tuple[Any, float]]] = {}
        self._latency = self._busy = 0.0
        self._taken = 0.0

    def depth(self, limit: int) -> int:
        """How far ahead to ask; as far as allowed before anything was measured."""
        if self._busy == 0.0 or self._latency >= limit * self._busy:
            return limit
        return min(limit, 1 + int(self._latency / self._busy))

    def room(self, limit: int) -> int:
        """How many more requests may be made now."""
        return 1 + self.depth(limit) - len(self._pending) if limit > 0 else 0

    def ask(self, path: str, fetch: Callable[[str], Coroutine[Any, Any, Any]], timeout: float) -> int:
        """Begin the request of a path once; returns the number of requests begun."""
        if path in self._pending:
            return 0
        self._pending[path] = event_loop.submit(answer(fetch, path, timeout))
        return 1

    def holds(self, path: str) -> bool:
        """Whether a path was asked for and not taken yet."""
        return path in self._pending

    def take(self, path: str, timeout: float, watch: Watch) -> Any:
        """The answer to a request, once it is there; raises the request's error, Unanswered after its time."""
        future = self._pending.pop(path)
        began = time.perf_counter()
        found, seconds = waited_for(future, timeout, watch)
        if self._taken:
            self._busy = _mean(self._busy, began - self._taken)
        self._latency = _mean(self._latency, seconds)
        self._taken = time.perf_counter()
        return value_of(found)

    def drop(self) -> None:
        """Cancel all requests. Nothing is left to a later pass: the store may have changed by then."""
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()
        self._taken = 0.0


def requests_in(buffers: Buffers) -> Requests:
    """The requests of one thread and array."""
    if not isinstance(buffers.ahead, Requests):
        buffers.drop_ahead()
        buffers.ahead = Requests()
    return buffers.ahead


def _mean(mean: float, newest: float) -> float:
    return newest if mean == 0.0 else (1 - NEWEST) * mean + NEWEST * newest
