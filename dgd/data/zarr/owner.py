"""Who writes an output: one process at a time, by a lock on the folder, and by an id in its root document.

The lock is the system's (flock) and goes with its process. Where a file system has no locks, as some that are mounted
over a network, the id is what is left: a writer that finds another one seals nothing.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import uuid
from pathlib import Path
from typing import Any, Self

from dgd.data.folders import is_at
from dgd.data.zarr.commit_marker import FORMAT, KEY, WRITING
from dgd.data.zarr.folders import make_room
from dgd.errors import OutputInUseError

HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class OutputLock:
    """The lock on a folder that is written, from its creation to `release`, or to the end of the process."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.id = uuid.uuid4().hex
        self._handle: int | None = handle

    @classmethod
    def create(cls, path: Path, *, overwrite: bool) -> Self:
        """A new, empty folder, locked; with `overwrite`, in place of what dgd wrote there.

        Raises OutputInUseError where another writer is at work, ConfigurationError where the path may not be replaced.
        """
        old = locked_folder(path) if overwrite and path.is_dir() and not path.is_symlink() else None
        try:
            make_room(path, overwrite=overwrite)
            try:
                path.mkdir()
            except FileExistsError:
                raise in_use(path) from None
        finally:
            if old is not None:
                os.close(old)
        return cls(path, locked_folder(path))

    @classmethod
    def take(cls, path: Path) -> Self:
        """The lock on a folder that another writer has left. Raises OutputInUseError where that is at work."""
        return cls(path, locked_folder(path))

    def release(self) -> None:
        """Let others write there."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.release()


def marker_of(owner: str) -> dict[str, Any]:
    """The marker of a root document that is being written by this process."""
    named = {"id": owner, "host": socket.gethostname(), "pid": os.getpid()}
    return {"format": FORMAT, "state": WRITING, "owner": named}


def check_owner(document: dict[str, Any], owner: str, path: Path | str) -> None:
    """Raise OutputInUseError unless a root document is that of this writer."""
    found = _owner(document)
    if found.get("id") != owner:
        raise OutputInUseError(
            f"{path} was taken over by another writer{_named(found)} since this one began, so its rows are not sealed; "
            f"write them again, each to a path of its own"
        )


def in_use(path: Path | str, root: bytes | None = None) -> OutputInUseError:
    """The error for a place where another writer is at work; root: its root document, if that is known."""
    try:
        found = _owner(json.loads(Path(path, "zarr.json").read_bytes() if root is None else root))
    except (OSError, ValueError, RecursionError):
        found = {}
    hint = "commit or close that writer first" if found.get("pid") == os.getpid() else "wait for it, or end it"
    return OutputInUseError(f"{path} is being written by another writer{_named(found)}; {hint}, or give another path")


def locked_folder(path: Path) -> int:
    """The open folder, locked. Raises OutputInUseError where another writer is at work."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise in_use(path) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            os.close(handle)
            raise in_use(path) from None
    if not is_at(handle, path):
        os.close(handle)
        raise in_use(path)
    return handle


def _owner(document: Any) -> dict[str, Any]:
    """The owner in a root document that anybody may have written."""
    for key in ("attributes", KEY, "owner"):
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def _named(owner: dict[str, Any]) -> str:
    pid, host = owner.get("pid"), owner.get("host")
    return f", process {pid} on {host!r}" if isinstance(pid, int) and isinstance(host, str) else ""
