"""A large stored chunk whose rows are read in parts, by whichever thread sums them: each into memory of its own.

    file   │ part 0 │ part 1 │ … │ crc32c, perhaps │        crc32c of all bytes = those of the parts, joined

Only a chunk that lies there plainly, see `straight`, is opened so. What is not as it must be is found at the latest
when all parts were read; the chunk is then read as others are, which says what is wrong with it.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.watch import Reading
from dgd.data.zarr.crc32c import crc32c, joined
from dgd.errors import ReadError

if TYPE_CHECKING:
    from dgd.data.zarr.straight import Piece


class OpenFile:
    """The number of an open file, which is closed once nobody reads it: threads that were given up may still do."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class OpenChunk:
    """The rows of a chunk, in its open file; a slice of them is read by who needs it.

    status: of the file as it was opened, version: what that is; is_known: whether that is the one which was found to be
    as it must be; mark: the crc32c that it ends with, if it does.
    """

    def __init__(
        self,
        piece: Piece,
        file: OpenFile,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        status: os.stat_result,
        mark: bytes,
        *,
        version: int,
        is_known: bool,
    ) -> None:
        self._piece, self._file, self.shape, self.dtype = piece, file, shape, dtype
        self._status, self._version, self._is_known = _identity(status), version, is_known
        self._mark = mark
        self._found: dict[int, tuple[int, int]] = {}
        """Of each part that was read, by its first byte: the crc32c and the bytes."""

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """Of a row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Of the rows."""
        return len(self) * self.row_bytes

    @property
    def bytes_read(self) -> int:
        """Stored bytes, once all rows were read."""
        return self.nbytes + len(self._mark)

    def __getitem__(self, rows: slice) -> OpenRows:
        start, stop, _ = rows.indices(len(self))
        return OpenRows(self, start, stop)

    def read(self, start: int, stop: int, buffers: Buffers) -> Array:
        """The rows from start to stop. Raises ReadError where they cannot be read."""
        found = buffers.take("rows", (stop - start, *self.shape[1:]), self.dtype)
        memory, begin = found.reshape(-1).view(np.uint8).data, start * self.row_bytes
        piece, watch = self._piece, buffers.watch
        watch.reading = Reading(piece, piece.timeout, time.monotonic())
        try:
            done = os.preadv(self._file.number, [memory], begin)
            while 0 < done < len(memory) and (count := os.preadv(self._file.number, [memory[done:]], begin + done)):
                done += count
        except OSError as error:
            raise piece.unreadable(ReadError(str(error.strerror))) from error
        finally:
            watch.reading = None
        if done != len(memory):
            raise piece.unreadable(ReadError("it has become shorter"))
        if self._mark or not self._is_known:
            self._found[begin] = crc32c(np.frombuffer(memory, np.uint8)), done
        return found

    def was_whole(self) -> bool:
        """Whether all rows that were read are those of one chunk as it must be; it is then held to its checksum."""
        checksums, index = self._piece.checksums, self._piece.index
        if _identity(os.fstat(self._file.number)) != self._status:
            return False
        if self._is_known and not self._mark:
            return True
        crc = joined(found for _, found in sorted(self._found.items()))
        if not self._mark:
            checksums.check(index, lambda: crc, self._version)
            return True
        if crc != int.from_bytes(self._mark, "little"):
            return False
        checksums.check(index, lambda: crc, 0)
        checksums.note(index, self._version)
        return True


class OpenRows:
    """Some rows of an open chunk."""

    __slots__ = ("_chunk", "_start", "_stop")

    def __init__(self, chunk: OpenChunk, start: int, stop: int) -> None:
        self._chunk, self._start, self._stop = chunk, start, stop

    def read(self, buffers: Buffers) -> Array:
        """The rows, in these buffers."""
        return self._chunk.read(self._start, self._stop, buffers)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What changes with what a file holds."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
