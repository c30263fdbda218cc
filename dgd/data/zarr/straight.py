"""Stored chunks whose bytes are those of their rows, read to where the rows go.

Such are uncompressed local files over all columns, perhaps with a checksum at the end, that are there, whole and as
they were. All others, and any of them that is not so, are read by `LocalSource.get`, and it is said what is wrong.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import LARGE, Buffers
from dgd.data.checksums import Checksums
from dgd.data.watch import Reading
from dgd.data.zarr.codecs import CHECKSUM_BYTES
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.links import check_inside
from dgd.data.zarr.open_chunk import OpenChunk, OpenFile
from dgd.data.zarr.read_ahead import hints_in, read_file
from dgd.data.zarr.sources import BEYOND, LocalSource, version_of
from dgd.data.zarr.stored_chunk import StoredChunk
from dgd.errors import ReadError

if TYPE_CHECKING:
    from dgd.data.zarr.zarr_rows import ZarrRows


def straight(rows: ZarrRows) -> Straight | None:
    """What reads the chunks of an array straight to their place; None where their bytes are not those of their rows."""
    layout, codecs = rows.format.chunk, rows.format.chunk.codecs
    plain = not codecs or (len(codecs) == 1 and codecs[0].is_checksum and codecs[0].at_end)
    by_rows = rows.format.by_rows and layout.shape[1:] == rows.format.shape[1:]
    whole = rows.format.shard is None and by_rows and layout.in_order
    if not (plain and whole and layout.dtype.kind != "b" and isinstance(rows.source, LocalSource)):
        return None
    return Straight(rows, rows.source)


class Straight:
    """Reads stored chunks of one array to where they are wanted, in any thread."""

    def __init__(self, rows: ZarrRows, source: LocalSource) -> None:
        self._rows = rows
        self._store = source.within or source.root
        self._mark_bytes = CHECKSUM_BYTES if rows.format.chunk.codecs else 0
        self.n_bytes = rows.format.chunk.n_bytes
        """Of the rows of a chunk."""
        self.shape, self._dtype = rows.format.chunk.shape, rows.format.chunk.dtype
        others = rows.format.separator.join("0" * (len(rows.format.grid) - 1))
        beside = rows.format.separator if others else ""
        before, self._after = (f"{others}{beside}", "") if rows.format.is_transposed else ("", f"{beside}{others}")
        self._before, self._folder = f"{rows.format.key_prefix}{before}", f"{source.label}/"

    def opened(self, start: int, stop: int) -> OpenChunk | None:
        """The chunk of these rows, of which parts are read; None where it is to be read whole, as others are."""
        index, rest = divmod(start, self.shape[0])
        if rest or stop - start != self.shape[0]:
            return None
        known, path = self._rows.checksums.version(index), f"{self._folder}{self._before}{index}{self._after}"
        try:
            file = OpenFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            status = os.fstat(file.number)
            if status.st_size != self.n_bytes + self._mark_bytes:
                return None
            if not (version := version_of(status)) or version != known:
                check_inside(file.number, path, self._store)
            mark = os.pread(file.number, self._mark_bytes, self.n_bytes)
        except (OSError, ReadError):
            return None
        piece = Piece(self._rows, index)
        is_known = version != 0 and version == known
        return OpenChunk(piece, file, self.shape, self._dtype, status, mark, version=version, is_known=is_known)

    def chunk(self, index: int, buffers: Buffers) -> tuple[Array, int] | None:
        """The rows of a chunk and its stored bytes; None where it is large, or is to be read as others are."""
        if self.n_bytes >= LARGE:
            return None
        found = buffers.take("encoded", self.shape, self._dtype)
        bytes_read = self.read(index, found.reshape(-1).view(np.uint8).data, buffers)
        return (found, bytes_read) if bytes_read else None

    def read(self, index: int, memory: memoryview, buffers: Buffers) -> int:
        """Read a chunk, and hold it to its checksum; its stored bytes, 0 where it is to be read as others are."""
        mark, watch, checksums = bytearray(self._mark_bytes), buffers.watch, self._rows.checksums
        known = checksums.version(index)
        began = time.monotonic()
        watch.reading = Reading(Piece(self._rows, index), self._rows.read_timeout, began)
        try:
            version = self._filled(f"{self._before}{index}{self._after}", memory, mark, known, buffers)
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
        elif not version or version != known:
            checksums.check(index, lambda: _crc32c(memory), version)
        return len(memory) + len(mark)

    def _filled(self, key: str, memory: memoryview, mark: bytearray, known: int, buffers: Buffers) -> int | None:
        """The version of the file that was read; None if it could not be read, or is not as long as it must be.

        known: the version of the file that was found to lie in the store.
        """
        path = self._folder + key
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            status = os.fstat(file)
            version = version_of(status)
            if not version or version != known:
                check_inside(file, path, self._store)
            wanted = len(memory) + len(mark)
            done = read_file(file, [memory, mark, BEYOND], wanted, key, hints_in(buffers))
            if not mark and version == known and os.fstat(file).st_mtime_ns != status.st_mtime_ns:
                return None  # it was written to meanwhile, and no checksum says so
            return version if done == wanted else None
        except (OSError, ReadError):
            return None
        finally:
            os.close(file)


def _crc32c(memory: memoryview) -> int:
    return crc32c(np.frombuffer(memory, np.uint8))


class Piece:
    """The stored chunk that is read, named only if it is spoken of."""

    __slots__ = ("_rows", "index")

    def __init__(self, rows: ZarrRows, index: int) -> None:
        self._rows, self.index = rows, index

    @property
    def checksums(self) -> Checksums:
        """What the array's chunks are held to."""
        return self._rows.checksums

    @property
    def timeout(self) -> float:
        """Seconds that reading it may take."""
        return self._rows.read_timeout

    def unreadable(self, error: ReadError) -> ReadError:
        """The error for it, where the store fails."""
        return self._chunk.unreadable(error)

    def __str__(self) -> str:
        return str(self._chunk)

    def unread(self, seconds: float) -> ReadError:
        """The error for it, after so many seconds without an answer."""
        return self._chunk.unread(seconds)

    @property
    def _chunk(self) -> StoredChunk:
        return self._rows.at((self.index, *(0 for _ in self._rows.shape[1:])))
