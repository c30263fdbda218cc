"""The values of a chunk from its stored bytes; and chunks that are larger than planned, read one at a time."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

import numpy as np

from dgd._typing import Array, Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.around_shards import decode_around
from dgd.data.zarr.codecs import Damaged, decode_bytes
from dgd.data.zarr.layout import ArrayFormat, Layout
from dgd.data.zarr.sources import TooLong
from dgd.data.zarr.stored_chunk import StoredChunk

T = TypeVar("T")

_alone = Lock()
"""Of this process: whoever has it reads a chunk that is larger than planned."""


def chunk_values(layout: Layout, encoded: Bytes, buffers: Buffers, *, aligned: bool) -> Array:
    """A chunk in its shape, perhaps in `buffers`; aligned: whether values must not lie at odd addresses. Damaged."""
    flat = decode_bytes(layout.codecs, encoded, layout.n_bytes, buffers)
    if layout.dtype.kind == "b" and flat.max() > 1:
        raise Damaged("it holds bytes other than 0 and 1, expected booleans")
    values = flat.view(layout.dtype)
    if aligned and not values.flags.aligned:
        values = buffers.take("aligned", values.shape, layout.dtype)
        values.view(np.uint8)[:] = flat
    if layout.in_order:
        return values.reshape(layout.shape)
    stored = values.reshape([layout.shape[axis] for axis in layout.order])
    return stored.transpose(np.argsort(layout.order))


def shard_of(array: ArrayFormat, encoded: Bytes, buffers: Buffers) -> Bytes:
    """A shard without the codecs around it. Raises Damaged."""
    return decode_around(array.chunk.codecs, encoded, array.shard_bound, buffers.within("around"))


def read_planned(chunk: StoredChunk, planned: int, most: int, buffers: Buffers, read: Callable[[Buffers, int], T]) -> T:
    """What `read` makes of a stored chunk of at most `planned` bytes, in these buffers.

    One that has more, up to `most`, is read into memory of its own, by one thread of the process at a time, if that is
    within the room that the plan has left. Raises PlanError where it is not, CorruptChunkError above `most`.
    """
    try:
        return read(buffers, planned)
    except TooLong as error:
        found, room = error.found, buffers.watch.room
        if found <= most and room is not None and found > room:
            raise chunk.beyond_plan(found, planned, room) from error
        try:
            with _alone:
                return read(Buffers(buffers.watch), min(found, most))
        except TooLong as longer:
            raise chunk.damaged(str(longer)) from error
