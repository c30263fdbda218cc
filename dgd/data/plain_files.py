"""Files that may come from anybody: read whole, without waiting, and never more of them than expected."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

PIECE_BYTES = 2**16


def read_plain_file(path: Path, *, at_most: int) -> bytes:
    """The content of a file.

    Raises ValueError for a link, a folder, a pipe, a device, a longer file, or a name that no file can have; OSError
    for what the system refuses.
    """
    try:
        # Without O_NONBLOCK opening a pipe would wait for a writer.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError("it is a link, expected a file; put the file itself there") from error
        if error.errno == errno.ENXIO:
            raise ValueError("it is a socket or a device, expected a file") from error
        raise
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"it is {_kind(status.st_mode)}, expected a file")
        content = b"" if status.st_size > at_most else _up_to(file, at_most + 1)
        if max(len(content), status.st_size) > at_most:
            raise ValueError(f"it has {max(len(content), status.st_size):,} bytes, expected at most {at_most:,}")
        return content
    finally:
        os.close(file)


def _up_to(file: int, count: int) -> bytes:
    pieces = []
    while count > 0 and (piece := os.read(file, min(count, PIECE_BYTES))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device"
