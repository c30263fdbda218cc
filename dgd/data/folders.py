"""Files and folders that are replaced as a whole, and brought to disk."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """A new folder to write into, which replaces `target` at the end, when all its files are on disk.

    An older folder stays in place until then, and after an error.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, old = (target.with_name(f".{target.name}.{uuid.uuid4().hex}.{kind}") for kind in ("partial", "old"))
    draft.mkdir()
    try:
        yield draft
        sync_tree(draft)
        replaces = target.exists()
        if replaces:
            target.rename(old)
        try:
            draft.rename(target)
        except BaseException:
            if replaces:
                old.rename(target)
            raise
        sync(target.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content at once: whoever looks sees the old or the new."""
    draft = path.with_name(f".{path.name}.partial")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync_tree(path: Path) -> None:
    """Bring every file and folder below a path to disk, and the path's own name."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
