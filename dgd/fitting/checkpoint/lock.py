"""Who writes the checkpoints at a path: one fit at a time, by a lock on a file beside them.

The lock is the system's (flock) and goes with its process, however that ends. Where a file system has no locks, as some
that are mounted over a network, the id in the file is what is left: a fit that finds another one's writes no more.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dgd.data.folders import is_at
from dgd.data.zarr.owner import HELD
from dgd.errors import OutputInUseError

LONGEST = 1000
"""Bytes that are read of a lock's file."""


class CheckpointLock:
    """The lock on the checkpoints at a path, until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.with_name(f".{path.name}.lock")
        self._text = json.dumps({"id": uuid.uuid4().hex, "host": socket.gethostname(), "pid": os.getpid()})
        self._handle: int | None = None
        self._is_marked, self._has_lock = False, True
        self.check()

    def check(self) -> None:
        """Raise OutputInUseError where another fit writes at the path. A lock's file that was removed is made again.

        Where it cannot be made, nothing else can be written there either, and nothing is locked.
        """
        if self._handle is not None and not is_at(self._handle, self._file):
            if not self._has_lock:
                raise self._in_use(self._handle)
            self._close()
        while self._handle is None:
            try:
                handle = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
            except OSError:
                return
            self._take(handle)
        if self._is_marked and os.pread(self._handle, LONGEST, 0) != self._text.encode():
            raise self._in_use(self._handle)

    def _take(self, handle: int) -> None:
        """Lock the open file and mark it, unless its fit has ended and removed it meanwhile."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in HELD:
                refused = self._in_use(handle)
                os.close(handle)
                raise refused from None
            self._has_lock = False
        if not is_at(handle, self._file):
            os.close(handle)
            return
        self._handle, self._is_marked = handle, False
        with suppress(OSError):
            os.ftruncate(handle, 0)
            self._is_marked = os.pwrite(handle, self._text.encode(), 0) == len(self._text)

    def _in_use(self, handle: int) -> OutputInUseError:
        try:
            found = json.loads(os.pread(handle, LONGEST, 0))
            owner = f", process {int(found['pid'])} on {str(found['host'])!r},"
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            owner = ""
        return OutputInUseError(
            f"{self.path} is in use: another fit{owner} writes its checkpoints there; wait for it, or end it, or go on "
            f"from a copy of the file"
        )

    def release(self) -> None:
        """Let others write there."""
        if self._handle is not None and is_at(self._handle, self._file):
            with suppress(OSError, OutputInUseError):
                self.check()
                self._file.unlink()
        self._close()

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def checkpoint_lock(path: Path) -> Iterator[CheckpointLock]:
    """The lock, while a fit runs. Raises OutputInUseError where another one has it."""
    lock = CheckpointLock(path)
    try:
        yield lock
    finally:
        lock.release()
