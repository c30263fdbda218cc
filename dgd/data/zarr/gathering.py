"""Rows of several stored chunks, put together: each is read to where its rows go, if its bytes are those of the rows.

So read are uncompressed files over all columns, perhaps with a checksum at the end, that are there, whole and as they
were. All others, and any of them that is not so, are read as a chunk alone is, which says what is wrong.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.watch import Reading
from dgd.data.zarr.codecs import CHECKSUM_BYTES
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.links import check_inside
from dgd.data.zarr.read_ahead import hints_in, in_memory
from dgd.data.zarr.sources import BEYOND, LocalSource, version_of
from dgd.data.zarr.stored_chunk import StoredChunk
from dgd.errors import ReadError

if TYPE_CHECKING:
    from dgd.data.zarr.zarr_rows import ZarrRows


def gathered(rows: ZarrRows, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
    """The rows from start to stop, which lie in more than one chunk, and the stored bytes read for them."""
    found = buffers.within("gathered").take("rows", (stop - start, *rows.shape[1:]), rows.dtype)
    length, bytes_read = rows.chunk_rows, 0
    straight = _Straight(rows, buffers) if _lies_straight(rows) else None
    memory, row_bytes = found.reshape(-1).view(np.uint8).data, found.nbytes // len(found)
    for index in range(start // length, (stop - 1) // length + 1):
        base = index * length
        if straight is None or straight.hints.are_given:
            rows.ahead(max(base, start), _until(rows, start, stop, buffers), buffers)
        if straight is not None and start <= base and base + length <= stop:
            n_bytes = straight.read(index, memory[(base - start) * row_bytes : (base - start + length) * row_bytes])
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


def _lies_straight(rows: ZarrRows) -> bool:
    """Whether the bytes of a stored chunk are those of its rows, and can be read into their place."""
    layout, codecs = rows.format.chunk, rows.format.chunk.codecs
    plain = not codecs or (len(codecs) == 1 and codecs[0].is_checksum and codecs[0].at_end)
    whole = rows.format.shard is None and rows.format.by_rows and layout.in_order
    return plain and whole and layout.dtype.kind != "b" and isinstance(rows.source, LocalSource)


class _Straight:
    """Reads stored chunks of one array to where they are wanted."""

    def __init__(self, rows: ZarrRows, buffers: Buffers) -> None:
        assert isinstance(rows.source, LocalSource)
        self._rows, self._watch, self.hints = rows, buffers.watch, hints_in(buffers)
        self._store = rows.source.within or rows.source.root
        self._folder = f"{rows.source.label}/"
        self._mark = bytearray(CHECKSUM_BYTES if rows.format.chunk.codecs else 0)
        self._piece = _Piece(rows)
        others = rows.format.separator.join("0" * (len(rows.format.grid) - 1))
        beside = rows.format.separator if others else ""
        before, after = (f"{others}{beside}", "") if rows.format.is_transposed else ("", f"{beside}{others}")
        self._key = (rows.format.key_prefix + before, after)

    def read(self, index: int, memory: memoryview) -> int:
        """Read a chunk, and hold it to its checksum; its stored bytes, 0 where it is to be read as others are."""
        before, after = self._key
        mark, watch, checksums = self._mark, self._watch, self._rows.checksums
        self._piece.index = index
        began = time.monotonic()
        watch.reading = Reading(self._piece, self._rows.read_timeout, began)
        try:
            version = self._filled(f"{before}{index}{after}", memory, checksums.version(index))
        finally:
            watch.reading = None
            watch.read_seconds += time.monotonic() - began
        if version is None:
            return 0
        if mark:
            crc = _crc32c(memory)
            if crc != int.from_bytes(mark, "little"):
                return 0
            checksums.check(index, lambda: crc, 0)
            checksums.note(index, version)
        else:
            checksums.check(index, lambda: _crc32c(memory), version)
        return len(memory) + len(mark)

    def _filled(self, key: str, memory: memoryview, known: int) -> int | None:
        """The version of the file that was read; None if it could not be read, or is not as long as it must be.

        known: the version of the file that was found to lie in the store.
        """
        path = self._folder + key
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            version = version_of(os.fstat(file))
            if not version or version != known:
                check_inside(file, path, self._store)
            parts: list[Any] = [memory, self._mark, BEYOND]
            wanted = len(memory) + len(self._mark)
            was_in_memory, began = in_memory(file, wanted - 1), time.perf_counter()
            done = os.preadv(file, parts, 0)
            self.hints.measured(key, done, time.perf_counter() - began, was_in_memory)
            return version if done == wanted else None
        except (OSError, ReadError):
            return None
        finally:
            os.close(file)


def _crc32c(memory: memoryview) -> int:
    return crc32c(np.frombuffer(memory, np.uint8))


class _Piece:
    """The stored chunk that is read, named only if it is spoken of."""

    def __init__(self, rows: ZarrRows) -> None:
        self._rows, self.index = rows, 0

    def __str__(self) -> str:
        return str(self._chunk)

    def unread(self, seconds: float) -> ReadError:
        """The error for it, after so many seconds without an answer."""
        return self._chunk.unread(seconds)

    @property
    def _chunk(self) -> StoredChunk:
        return self._rows.at((self.index, *(0 for _ in self._rows.shape[1:])))
