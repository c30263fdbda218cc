"""Large chunks in parts: summed by a tree of their own, by whoever of the pass's threads has nothing else to do.

    chunk of 200 MB   →   parts of 8 MiB   →   their sums, added as the tree over so many chunks adds them

Which parts a chunk has depends on its rows and on whether a Hessian is summed, so that their sum has the same bits on
any number of threads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.passes.tree import Addable, Gathered

S = TypeVar("S", bound=Addable)
Call = Callable[[Buffers], None]
Share = Callable[[Sequence[Call], Buffers, Callable[[], None]], None]
"""Runs all calls, each with the buffers of the thread that runs it."""

LARGE_BYTES, PART_BYTES = 2**25, 2**23
"""Of X in a chunk that has parts, and in a part: many enough for every thread, and each more than a micro-block."""
ROWS_TOGETHER = 64
"""A part has a multiple of them, as rows are multiplied in such groups."""
ROWS_PER_COLUMN = 2
"""Of a part over which a Hessian is summed: of fewer rows, adding n² numbers takes as long as making them."""
POLL_SECONDS = 0.05


def has_parts(dataset: Dataset) -> bool:
    """Whether the largest chunks of a dense X have parts."""
    return dataset.kinds is None and dataset.non_zeros is None and dataset.decoded_bytes("X") > LARGE_BYTES


def parts_of(chunk: Chunk, *, hessian: bool = False) -> list[Chunk]:
    """The parts of a chunk, as chunks; itself where it is not large.

    hessian: whether one is summed over them, so that the last one may be longer than the others and not shorter.
    """
    X = chunk.X
    if not isinstance(X, np.ndarray) or X.nbytes <= LARGE_BYTES:
        return [chunk]
    least = ROWS_PER_COLUMN * (X.shape[1] + 1) if hessian else 1
    step = max(1, -(-least // ROWS_TOGETHER), PART_BYTES // X[:1].nbytes // ROWS_TOGETHER) * ROWS_TOGETHER
    starts = [0, *range(step, len(X) - step + 1 if hessian else len(X), step)]
    return [_rows(chunk, *some) for some in pairwise([*starts, len(X)])]


def sum_in_parts(
    chunk: Chunk, chunk_sum: Any, buffers: Buffers, share: Share | None = None, check: Callable[[], None] = lambda: None
) -> Any:
    """The sum of a chunk; in parts where it is large and a sum over rows, which says so by `over_rows`."""
    parts = [chunk]
    if getattr(chunk_sum, "over_rows", False):
        parts = parts_of(chunk, hessian=getattr(chunk_sum, "hessian", False))
    if len(parts) == 1:
        began = time.perf_counter()
        found = chunk_sum(chunk, buffers)
        buffers.watch.compute_seconds += time.perf_counter() - began
        return found
    gathered: Gathered[Any] = Gathered(len(parts))
    seconds = [0.0] * len(parts)

    def add(place: int, own: Buffers) -> None:
        began = time.perf_counter()
        gathered.add(place, chunk_sum(parts[place], own))
        seconds[place] = time.perf_counter() - began

    calls = [partial(add, place) for place in range(len(parts))]
    if share is not None:
        share(calls, buffers, check)
    else:
        for call in calls:
            call(buffers)
            check()
    # Whoever helped, it counts where the chunk was read: one thread writes there.
    buffers.watch.compute_seconds += sum(seconds)
    return gathered.total


class Sharing:
    """Calls that the threads of a pass run together, until all its nodes have ended."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._calls: deque[Call] = deque()
        self._changed = threading.Condition()

    def help(self, buffers: Buffers, check: Callable[[], None]) -> None:
        """Run what others share. `check` is called now and then, and may raise."""
        while self._nodes:
            check()
            if (call := self._next(POLL_SECONDS)) is not None:
                call(buffers)

    def node_ended(self) -> None:
        """Called once for each node, also after an error."""
        with self._changed:
            self._nodes -= 1
            self._changed.notify_all()

    def share(self, calls: Sequence[Call], buffers: Buffers, check: Callable[[], None]) -> None:
        """Run all calls, with those who help. Raises the first one's error."""
        errors: dict[int, BaseException] = {}
        left = set(range(len(calls)))

        def run(place: int, own: Buffers) -> None:
            try:
                calls[place](own)
            except BaseException as error:
                errors[place] = error
            with self._changed:
                left.discard(place)
                self._changed.notify_all()

        with self._changed:
            self._calls.extend(partial(run, place) for place in range(len(calls)))
            self._changed.notify_all()
        while left:
            check()
            if (call := self._next(POLL_SECONDS)) is not None:
                call(buffers)
        if errors:
            raise errors[min(errors)]

    def _next(self, seconds: float) -> Call | None:
        """A call that nobody runs yet; waits a while for one, or for anything to end."""
        with self._changed:
            if not self._calls:
                self._changed.wait(seconds)
            return self._calls.popleft() if self._calls else None


def _rows(chunk: Chunk, start: int, stop: int) -> Chunk:
    """Some of the rows, one behind the other, as they lie in the chunk."""
    some: dict[str, Any] = {name: values[start:stop] for name, values in chunk.arrays.items()}
    numbers = None if chunk.numbers is None else chunk.numbers[start:stop]
    return replace(chunk, start=chunk.start + start, numbers=numbers, **some)
