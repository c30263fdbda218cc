"""Large chunks in parts: summed by a tree of their own, by whoever of the pass's threads has nothing else to do.

    chunk of 200 MB   →   parts of 4 MiB   →   their sums, added as the tree over so many chunks adds them

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
from dgd.data.resident_chunks import Chunks
from dgd.data.zarr.open_chunk import OpenChunk, OpenRows
from dgd.errors import DataError
from dgd.passes.tree import Addable, Gathered

S = TypeVar("S", bound=Addable)
Call = Callable[[Buffers], None]
Share = Callable[[Sequence[Call], Buffers, Callable[[], None]], None]
"""Runs all calls, each with the buffers of the thread that runs it."""

LARGE_BYTES, PART_BYTES = 2**25, 2**22
"""Of X in a chunk that has parts, and in a part: many enough for every thread, and each a micro-block."""
OPENED_PART_BYTES = 2 * PART_BYTES
"""Parts that have more, of very wide rows, are not read by who sums them: each thread would need so much memory."""
ROWS_TOGETHER = 64
"""A part has a multiple of them, as rows are multiplied in such groups."""
ROWS_PER_COLUMN = 2
"""Of a part over which a Hessian is summed: of fewer rows, adding n² numbers takes as long as making them."""
POLL_SECONDS = 0.05
PART = "part"
"""The buffers of a part that is read by who sums it."""


def has_parts(dataset: Dataset) -> bool:
    """Whether the largest chunks of a dense X have parts."""
    return dataset.kinds is None and dataset.non_zeros is None and dataset.decoded_bytes("X") > LARGE_BYTES


def is_large(X: Any) -> bool:
    """Whether the rows of a chunk have parts."""
    return isinstance(X, (np.ndarray, OpenChunk)) and X.nbytes > LARGE_BYTES


def parts_of(chunk: Chunk, *, hessian: bool = False) -> list[Chunk]:
    """The parts of a chunk, as chunks; itself where it is not large.

    hessian: whether one is summed over them, so that the last one may be longer than the others and not shorter.
    """
    X: Any = chunk.X
    if not is_large(X):
        return [chunk]
    return [_rows(chunk, *some) for some in pairwise(_cuts(X.shape, X.nbytes, hessian=hessian))]


def _cuts(shape: tuple[int, ...], n_bytes: int, *, hessian: bool) -> list[int]:
    """The rows where parts begin, and where the last one ends."""
    rows, columns = shape
    least = ROWS_PER_COLUMN * (columns + 1) if hessian else 1
    step = max(1, -(-least // ROWS_TOGETHER), PART_BYTES // (n_bytes // rows) // ROWS_TOGETHER) * ROWS_TOGETHER
    return [0, *range(step, rows - step + 1 if hessian else rows, step), rows]


def sum_in_parts(
    chunk: Chunk, chunk_sum: Any, buffers: Buffers, share: Share | None = None, check: Callable[[], None] = lambda: None
) -> Any:
    """The sum of a chunk; in parts where it is large and a sum over rows, which says so by `over_rows`."""
    parts = [chunk]
    if is_large(chunk.X) and _is_over_rows(chunk_sum):
        parts = parts_of(chunk, hessian=_has_hessian(chunk_sum))
    if len(parts) == 1:
        began = time.perf_counter()
        found = chunk_sum(chunk, buffers)
        buffers.watch.compute_seconds += time.perf_counter() - began
        return found
    gathered: Gathered[Any] = Gathered(len(parts))
    seconds, reading = [0.0] * len(parts), [0.0] * len(parts)

    def add(place: int, own: Buffers) -> None:
        began, part = time.perf_counter(), parts[place]
        if isinstance(part.X, OpenRows):
            part = replace(part, X=part.X.read(own.within(PART)))
            reading[place] = time.perf_counter() - began
        gathered.add(place, chunk_sum(part, own))
        seconds[place] = time.perf_counter() - began - reading[place]

    calls = [partial(add, place) for place in range(len(parts))]
    if share is not None:
        share(calls, buffers, check)
    else:
        for call in calls:
            call(buffers)
            check()
    # Whoever helped, it counts where the chunk was read: one thread writes there.
    buffers.watch.compute_seconds += sum(seconds)
    buffers.watch.read_seconds += sum(reading)
    return gathered.total


def opens_parts(dataset: Chunks, chunk_sum: Any) -> bool:
    """Whether large chunks of a dataset are read in parts, by who sums them."""
    opening = dataset.opening
    if opening is None or opening.n_bytes <= LARGE_BYTES or not _is_over_rows(chunk_sum):
        return False
    cuts = _cuts(opening.shape, opening.n_bytes, hessian=_has_hessian(chunk_sum))
    return int(np.diff(cuts).max()) * (opening.n_bytes // opening.shape[0]) <= OPENED_PART_BYTES


def sum_opened(
    dataset: Chunks, index: int, chunk_sum: Any, buffers: Buffers, share: Share | None, check: Callable[[], None]
) -> tuple[Chunk, Any] | None:
    """A large chunk and its sum, for which each part is read by who sums it; None where it is to be read whole.

    That is also where anything was found amiss: reading it as others are read says what.
    """
    began, before = time.perf_counter(), buffers.watch.read_seconds
    chunk = dataset.opened(index, buffers)
    if chunk is None:
        return None
    buffers.watch.decode_seconds += time.perf_counter() - began - (buffers.watch.read_seconds - before)
    X: Any = chunk.X
    try:
        found = sum_in_parts(chunk, chunk_sum, buffers, share, check)
    except DataError:
        found = None
    if found is not None and X.was_whole():
        return chunk, found
    buffers.drop(PART)
    return None


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


def _is_over_rows(chunk_sum: Any) -> bool:
    return bool(getattr(chunk_sum, "over_rows", False))


def _has_hessian(chunk_sum: Any) -> bool:
    return bool(getattr(chunk_sum, "hessian", False))


def _rows(chunk: Chunk, start: int, stop: int) -> Chunk:
    """Some of the rows, one behind the other, as they lie in the chunk."""
    some: dict[str, Any] = {name: values[start:stop] for name, values in chunk.arrays.items()}
    numbers = None if chunk.numbers is None else chunk.numbers[start:stop]
    return replace(chunk, start=chunk.start + start, numbers=numbers, **some)
