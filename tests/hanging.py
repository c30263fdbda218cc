"""Files that hang or are slow to read: `os.readv` is replaced, in this process or in a worker that preloads this file.

In a worker the environment says how: SLOW_SECONDS for every chunk, HANG_KEY for the end of a path that never comes
while a file HANG_WHILE exists, and FAIL_WHILE for a file that makes every chunk fail with EIO while it exists.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from typing import Any

_readv = os.readv


def reading(before: Callable[[str], None]) -> Callable[..., int]:
    """An `os.readv` that calls a function with the path first."""

    def readv(file: int, buffers: Any) -> int:
        before(os.readlink(f"/proc/self/fd/{file}"))
        return _readv(file, buffers)

    return readv


def slow_reads(patch: Any, before: Callable[[str], None]) -> None:
    """Each file is read by such an `os.readv`, as if it did not lie in memory."""
    patch.setattr(os, "readv", reading(before))
    patch.delattr(os, "RWF_NOWAIT", raising=False)


def always(before: Callable[[str], None]) -> None:
    """The same for the rest of this process."""
    os.readv = reading(before)
    vars(os).pop("RWF_NOWAIT", None)


def hang(key: str, exists: str = "/") -> Callable[[str], None]:
    """Never comes back from a path that ends so, while something exists."""

    def before(path: str) -> None:
        while path.endswith(key) and os.path.exists(exists):
            time.sleep(0.05)

    return before


def dask_setup(worker: Any) -> None:
    """Dask calls this in a worker that preloads this file."""
    key, exists = os.environ.get("HANG_KEY", "no such key"), os.environ.get("HANG_WHILE", "/no such file")
    hanging, seconds = hang(key, exists), float(os.environ.get("SLOW_SECONDS", "0"))
    fails = os.environ.get("FAIL_WHILE", "/no such file")

    def before(path: str) -> None:
        hanging(path)
        if "/c/" in path and os.path.exists(fails):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        time.sleep(seconds if "/c/" in path else 0)

    always(before)
