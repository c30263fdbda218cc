"""Memory that one thread uses again for every chunk it reads."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64
MAPPED_BYTES = 2**20


class Ahead(Protocol):
    """What a reader has asked for before it is read."""

    def drop(self) -> None:
        """Give up what was not read."""
        ...


class Buffers:
    """The reusable arrays of one thread, by name; each grows to the largest size asked for and stays.

    Fresh pages from the kernel for every chunk cost more than decoding it, so what a thread reads, decodes and
    multiplies lives here. An array handed out is valid until the same name is asked for again.
    """

    def __init__(self) -> None:
        self._memory: dict[str, NDArray[np.uint8]] = {}
        self._last: dict[str, NDArray[Any]] = {}
        self._within: dict[str, Buffers] = {}
        self.kept: tuple[object, int, NDArray[Any]] | None = None
        """What a reader keeps for its next call in this thread: itself, a chunk's index, and that chunk, which may lie
        here: taking memory drops it."""
        self.ahead: Ahead | None = None
        """What a reader has asked for in this thread, and will read soon."""

    def within(self, name: str) -> Buffers:
        """The buffers of one array, so that reading the next array leaves this one's chunk alone."""
        if name not in self._within:
            self._within[name] = Buffers()
        return self._within[name]

    def drop_ahead(self) -> None:
        """Give up what was asked for and not read: whoever ends a sweep, in whatever way, leaves nothing behind."""
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


def aligned(n_bytes: int, *, huge: bool = False) -> NDArray[np.uint8]:
    """Uninitialised memory that begins with a cache line; `huge`: in huge pages, where the system has them.

    From MAPPED_BYTES on it is mapped, and thus given back when it is let go of: a heap keeps what was freed.
    """
    if n_bytes < MAPPED_BYTES or not hasattr(mmap, "MAP_PRIVATE"):
        raw = np.empty(n_bytes + ALIGNMENT, dtype=np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + n_bytes]
    try:
        memory = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError as error:
        raise MemoryError(f"{n_bytes:,} bytes cannot be allocated") from error
    if huge and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype=np.uint8)
