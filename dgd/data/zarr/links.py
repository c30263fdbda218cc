"""Links that lead out of a store: what somebody else packed may name any file of this machine.

The links on the way to the store itself are the user's own, and are followed.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from dgd.errors import ReadError


def check_inside(file: int, path: str, store: Path) -> None:
    """Raise ReadError unless an open file, found at `path`, lies in the store's folder; one system call if it does."""
    try:
        real = os.readlink(f"/proc/self/fd/{file}")
    except OSError:  # a system without /proc
        real = os.path.realpath(path)
    if real.startswith(_folder(str(store))):
        return
    # Perhaps the store was moved meanwhile, or a link to it was.
    real = os.path.realpath(path)
    if real.startswith(os.path.join(os.path.realpath(store), "")):
        return
    raise ReadError(
        f"{path} is a link, or below one, that leads out of the store {store} to {real}; copy the store with what it "
        f"links to (`cp -rL`), or give an array by the path where it lies",
        chunk=os.path.relpath(path, store),
    )


@lru_cache(maxsize=64)
def _folder(store: str) -> str:
    """What the paths of all files in a store begin with; by a text, which is found faster than a path."""
    return os.path.join(os.path.realpath(store), "")
