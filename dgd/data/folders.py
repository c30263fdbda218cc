"""Files and folders that are replaced as a whole, and brought to disk."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from dgd.errors import DgdError
from dgd.errors.writing import writing

T = TypeVar("T")

CURRENT_FOLDER, RENAME_EXCHANGE = -100, 2
"""AT_FDCWD and the flag, of Linux's renameat2."""
BEGIN_WRITING = 2
"""The flag SYNC_FILE_RANGE_WRITE, of Linux's sync_file_range."""
REPLACING_SECONDS = 2.0
"""How long nothing may be at a path while a folder there is replaced on a system that cannot exchange two."""
TRIES = 3
SYNCING_THREADS, FEW_FILES = 4, 16
"""More threads are no quicker; fewer files are brought to disk one after the other."""


@contextmanager
def replaced_folder(target: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `target` in one step, when all its files are on disk.

    Whoever looks sees the older folder or the new one, whole, also after a crash. What killed writers left is removed.
    After an error the older folder stays.
    """
    target = Path(os.path.realpath(target))  # A link stays one.
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_left(target, "partial")
    draft, lock = _locked_draft(target)
    try:
        yield draft
        sync_tree(draft)
        _put(draft, target, overwrite=overwrite)
        sync(target.parent)
    finally:
        os.close(lock)
        # After an exchange this is the older folder.
        shutil.rmtree(draft, ignore_errors=True)
    remove_left(target, "old")


def try_room(target: Path, size: int) -> None:
    """Write so many bytes beside `target`, and remove them. Raises WriteError where that fails."""
    target = Path(os.path.realpath(target))
    folder = next(parent for parent in target.parents if parent.exists())
    with writing(target):
        draft, lock = _locked_draft(folder / target.name)
        try:
            with (draft / "trial").open("wb") as file:
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.close(lock)
            shutil.rmtree(draft, ignore_errors=True)


def read_steady(folder: Path, read: Callable[[], T]) -> T:
    """What `read` makes of a folder; again from the start if it fails and the folder was replaced meanwhile."""
    deadline, unopened = time.monotonic() + REPLACING_SECONDS, 0
    while True:
        # An open folder keeps its inode's number from being given to the next one.
        handle = _opened(folder)
        try:
            return read()
        except DgdError:
            if handle is not None and is_at(handle, folder):
                raise
            if handle is None:
                replacing = not os.path.lexists(folder) and left(Path(os.path.realpath(folder)), "old")
                unopened = 0 if replacing else unopened + 1
                if unopened == TRIES or time.monotonic() > deadline:
                    raise
                time.sleep(0.001)
        finally:
            if handle is not None:
                os.close(handle)


def replace_file(path: Path, content: bytes, *, keep: Path | None = None) -> None:
    """Replace a file's content at once: whoever looks sees the old or the new. `keep`: where the old one stays."""
    draft = path.with_name(f".{path.name}.partial")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if keep is not None and path.exists():
            keep.unlink(missing_ok=True)
            _link(path, keep)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync(path.parent)


def _link(path: Path, other: Path) -> None:
    """A second name for a file; a copy where the file system has none."""
    try:
        os.link(path, other)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        shutil.copyfile(path, other)


def sync_tree(path: Path) -> None:
    """Bring every file and folder below a path to disk, and the path's own name.

    Several at a time where there are many: a file system that keeps a journal then writes it once for all of them.
    """
    walked = list(os.walk(path, topdown=False))
    files = [Path(folder, name) for folder, _, names in walked for name in names]
    _sync_all([*files, *(Path(folder) for folder, _, _ in walked)])
    sync(path.parent)


def _sync_all(paths: list[Path]) -> None:
    """Each of them, but for a late worker's draft that was renamed meanwhile."""

    def sync_one(each: Path) -> None:
        with suppress(FileNotFoundError):
            sync(each)

    if len(paths) < FEW_FILES:
        for each in paths:
            sync_one(each)
        return
    with ThreadPoolExecutor(SYNCING_THREADS, "dgd sync") as pool:
        for _ in pool.map(sync_one, paths):
            pass


def begin_sync(handle: int) -> None:
    """Have the system begin to bring an open file to disk, where it can, so that `sync` waits less."""
    if (begin := _sync_file_range()) is not None:
        begin(handle, ctypes.c_int64(0), ctypes.c_int64(0), BEGIN_WRITING)


@cache
def _sync_file_range() -> Any:
    """The system's call, None where it has none."""
    return getattr(ctypes.CDLL(None), "sync_file_range", None)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _put(draft: Path, target: Path, *, overwrite: bool) -> None:
    """Give the draft the target's name; the older folder, if there is one, has then the draft's."""
    try:
        os.rename(draft, target)
    except OSError as error:
        if not overwrite or error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if not _exchange(draft, target):
            _put_in_two_steps(draft, target)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(CURRENT_FOLDER, os.fsencode(one), CURRENT_FOLDER, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(other))


def _put_in_two_steps(draft: Path, target: Path) -> None:
    """Where two folders cannot be exchanged: for a moment nothing is at the target."""
    old = target.with_name(beside(target, "old"))
    os.rename(target, old)
    try:
        os.rename(draft, target)
    except BaseException:
        os.rename(old, target)
        raise
    os.rename(old, draft)


def _locked_draft(target: Path) -> tuple[Path, int]:
    """A new folder beside the target; its lock says that its writer lives."""
    while True:
        draft = target.with_name(beside(target, "partial"))
        draft.mkdir()
        handle = os.open(draft, os.O_RDONLY)
        with suppress(OSError):  # Some network file systems have no locks.
            fcntl.flock(handle, fcntl.LOCK_EX)
        if is_at(handle, draft):
            return draft, handle
        os.close(handle)  # Another writer took it for one that was left.


def remove_left(target: Path, kind: str) -> None:
    """Remove what writers to this target left that are no longer there."""
    for path in left(target, kind):
        handle = _opened(path)
        if handle is None:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        except OSError:
            continue
        finally:
            os.close(handle)


def left(target: Path, kind: str) -> list[Path]:
    pattern = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{32}}\.{kind}")
    names = os.listdir(target.parent) if target.parent.is_dir() else []
    return [target.with_name(name) for name in names if pattern.fullmatch(name)]


def beside(target: Path, kind: str) -> str:
    return f".{target.name}.{uuid.uuid4().hex}.{kind}"


def _opened(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None


def is_at(handle: int, path: Path) -> bool:
    """Whether the open folder is the one at that path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False
