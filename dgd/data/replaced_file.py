"""A file that is written a piece at a time under another name, and takes its own in one step when it is whole."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dgd.data.folders import beside, left, sync


@contextmanager
def replaced_file(target: Path) -> Iterator[BinaryIO]:
    """A new file to write into, which takes the place of `target` when the block ends and all is on disk.

    Whoever looks sees the older file or the new one, whole. After an error the older one stays, and the new one is
    removed; what killed writers left is removed by the next one.
    """
    target = Path(os.path.realpath(target))  # A link stays one.
    _remove_left(target)
    draft = target.with_name(beside(target, "partial"))
    try:
        with draft.open("xb") as file:
            with suppress(OSError):  # Some network file systems have no locks.
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
            draft.replace(target)
        sync(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def _remove_left(target: Path) -> None:
    """Remove what writers to this file left that no longer live: nobody holds the lock."""
    for path in left(target, "partial"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
