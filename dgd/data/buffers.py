"""Memory that a thread reuses for every chunk it reads."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dgd.data.watch import Watch

ALIGNMENT = 64
LARGE = 16 * 2**20
"""Bytes of a stored chunk from which memory is taken for what it has, not for the most it could have."""
MAPPED_BYTES = 2**20
HUGE_PAGE = 2 * 2**20


class Ahead(Protocol):
    """Requests for rows that will be read."""

    def drop(self) -> None:
        """Give up what was not read."""
        ...


class Buffers:
    """The reusable arrays of one thread, by name. Each grows to the largest size asked for.

    Fresh pages from the kernel for every chunk would cost more than decoding it. An array is valid until the same name
    is taken again.
    """

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch or Watch()
        """What the thread is doing, for others to see."""
        self._memory: dict[str, NDArray[np.uint8]] = {}
        self._last: dict[str, NDArray[Any]] = {}
        self._within: dict[str, Buffers] = {}
        self.kept: tuple[object, int, NDArray[Any]] | None = None
        """Last chunk read, as (reader, index, array). `take` clears it because the array may use this memory."""
        self.ahead: Ahead | None = None
        """Requests of a reader in this thread."""
        self.counts = True
        """Whether absent chunks that are read now are counted; another read counts them if not."""
        self.version = 0
        """Of the file that was read last, 0 if unknown: the same number, the same bytes."""

    def within(self, name: str) -> Buffers:
        """The buffers of one array: reading another array does not overwrite its chunk."""
        if name not in self._within:
            self._within[name] = Buffers(self.watch)
        return self._within[name]

    def drop(self, name: str) -> None:
        """Give back the memory of the buffers of one array."""
        self._within.pop(name, None)

    def drop_ahead(self) -> None:
        """Cancel requests that were not read, at the end of a pass and after an error."""
        if self.ahead is not None:
            self.ahead.drop()
        for buffers in self._within.values():
            buffers.drop_ahead()

    def take(self, name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An uninitialised C-order array of that shape, aligned to a cache line."""
        self.kept = None
        last = self._last.get(name)
        if last is not None and last.shape == shape and last.dtype == dtype:
            return last
        wanted = np.dtype(dtype)
        n_bytes = math.prod(shape) * wanted.itemsize
        memory = self._memory.get(name)
        if memory is None or memory.nbytes < n_bytes:
            self._last.pop(name, None)
            self._memory.pop(name, None)
            del memory, last
            memory = aligned(n_bytes)
            self._memory[name] = memory
        self._last[name] = memory[:n_bytes].view(wanted).reshape(shape)
        return self._last[name]


def space_for(n_bytes: int, at_most: int) -> int:
    """The memory to take for a value of so many bytes: as much as it can have, or if that is much, what it has."""
    return at_most if at_most < LARGE else min(at_most, max(1, n_bytes))


def aligned(n_bytes: int) -> NDArray[np.uint8]:
    """Uninitialised memory that begins with a cache line; from HUGE_PAGE bytes on in huge pages, if it can.

    From MAPPED_BYTES on it is mapped, so that the system gets it back when it is freed; a heap would keep it. What is
    read into small pages, and out of them, takes a fifth longer.
    """
    if n_bytes < MAPPED_BYTES or not hasattr(mmap, "MAP_PRIVATE"):
        raw = np.empty(n_bytes + ALIGNMENT, dtype=np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + n_bytes]
    # Addresses only: what lies before the first huge page and after the last byte is never touched.
    spare = HUGE_PAGE if n_bytes >= HUGE_PAGE else 0
    try:
        memory = mmap.mmap(-1, n_bytes + spare, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{n_bytes:,} bytes cannot be allocated") from error
    mapped = np.frombuffer(memory, dtype=np.uint8)
    if not spare:
        return mapped
    start = -mapped.ctypes.data % HUGE_PAGE
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE, start, n_bytes // HUGE_PAGE * HUGE_PAGE)
    return mapped[start : start + n_bytes]
