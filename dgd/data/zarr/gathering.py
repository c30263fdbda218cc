"""Rows of several stored chunks, put together: read to where they go, if a chunk's bytes are those of its rows."""

from __future__ import annotations

import os
import time
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.zarr.read_ahead import hints_in

if TYPE_CHECKING:
    from dgd.data.zarr.zarr_rows import ZarrRows


SMALL_BYTES = 2**18
"""Of files that threads read in turns, where they lie in memory: reading one takes less than handing over the
interpreter's lock, which each of four system calls does where another thread waits for it."""
TURN_SECONDS = 0.01
"""A thread that has waited so long for its turn reads without: who has it may hang."""
_turn = Lock()


def _begin_anew() -> None:
    """In a child that was forked while another thread had its turn, nobody would give that back."""
    global _turn
    _turn = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def gathered(rows: ZarrRows, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
    """The rows from start to stop, which lie in more than one chunk, and the stored bytes read for them."""
    if rows.straight is None or rows.straight.n_bytes > SMALL_BYTES or hints_in(buffers).are_given:
        return _gathered(rows, start, stop, buffers)
    began, turn = time.monotonic(), _turn
    has_turn = turn.acquire(timeout=TURN_SECONDS)
    try:
        buffers.watch.read_seconds += time.monotonic() - began
        return _gathered(rows, start, stop, buffers)
    finally:
        if has_turn:
            turn.release()


def _gathered(rows: ZarrRows, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
    found = buffers.within("gathered").take("rows", (stop - start, *rows.shape[1:]), rows.dtype)
    length, bytes_read = rows.chunk_rows, 0
    straight = rows.straight
    hints = None if straight is None else hints_in(buffers)
    memory, row_bytes = found.reshape(-1).view(np.uint8).data, found.nbytes // len(found)
    for index in range(start // length, (stop - 1) // length + 1):
        base = index * length
        if hints is None or hints.are_given:
            rows.ahead(max(base, start), _until(rows, start, stop, buffers), buffers)
        if straight is not None and start <= base and base + length <= stop:
            begin = (base - start) * row_bytes
            n_bytes = straight.read(index, memory[begin : begin + straight.n_bytes], buffers)
            if n_bytes:
                bytes_read += n_bytes
                continue
        panel, n_bytes = rows.panel_until(start, stop, index, buffers)
        bytes_read += n_bytes
        part = panel[max(start - base, 0) : stop - base]
        found[max(base - start, 0) :][: len(part)] = part
    return found, bytes_read


def _until(rows: ZarrRows, start: int, stop: int, buffers: Buffers) -> int:
    """Up to which row chunks are asked for: those of the next read too, if it goes on where this one ends."""
    return min(2 * stop - start, rows.shape[0]) if buffers.watch.goes_on else stop
