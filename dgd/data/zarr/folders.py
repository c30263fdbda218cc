"""Folders that dgd writes: what may be replaced."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dgd.data.folders import begin_sync
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.manifest import MANIFEST
from dgd.errors import ConfigurationError
from dgd.errors.checks import is_file_name

DRAFT = re.compile(r"(zarr|\d+)\.[0-9a-f]{32}\.partial|\.zarr\.json\.partial")
"""Files that zarr and dgd rename when they are whole; a killed writer leaves them behind."""
REACHED = "dgd.reached"
"""The list of files that an ingest under way has read to their end."""
CHUNKS = re.compile(r"c(/\d+)*")


def local_folder(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a folder to write to; "~" and file:// as in opening."""
    text = os.fspath(path).removeprefix("file://")
    if not is_file_name(text):
        raise ConfigurationError(f"no file can have the name {text!r}; give another path")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # "~name/…", and there is no such person
        raise ConfigurationError(f"{text} is no path: {error}; give another") from error


def make_room(path: Path, *, overwrite: bool) -> None:
    """Refuse an existing path; with `overwrite`, remove what dgd wrote there and nothing else.

    Raises ConfigurationError, before anything is removed, if there is a single file that dgd did not write.
    """
    if not os.path.lexists(path):
        _make_parents(path)
        return
    if not overwrite:
        raise ConfigurationError(f"{path} exists; give another path, or overwrite=True to replace it")
    if path.is_symlink() or not path.is_dir():
        raise ConfigurationError(
            f"{path} exists and is {'a link' if path.is_symlink() else 'not a folder'}, expected a dataset's folder; "
            f"remove it yourself, or give another path"
        )
    foreign = _foreign(path)
    if foreign is not None:
        holds = "" if foreign == path else f" and holds {foreign.relative_to(path)}, which"
        raise ConfigurationError(
            f"{path} exists{holds or ' and'} was not written by dgd; remove it yourself, or give another path"
        )
    _remove(path)


def put_file(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """Write a file of several parts under another name, and rename it; the disk begins at once to take it in."""
    draft = path.with_name(f"zarr.{uuid.uuid4().hex}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        handle = os.open(draft, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(draft, flags, 0o666)
    try:
        try:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(handle, rest) :]
            begin_sync(handle)
        finally:
            os.close(handle)
        os.rename(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _make_parents(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (NotADirectoryError, FileExistsError) as error:
        raise ConfigurationError(f"{path} cannot be created: {error.strerror}; give another path") from error


def _foreign(path: Path, *, listed: bool = False) -> Path | None:
    """The first entry of a folder that dgd did not write; the folder itself if it is not one of dgd's.

    listed: whether the group around it says that it is: coordinates of others bear no mark of their own.
    """
    inside = sorted(path.iterdir())
    if all(_is_draft(entry) for entry in inside):
        return None
    marker = _marker(path)
    if marker is None and not listed:
        return path
    parts = _parts(marker)
    for entry in inside:
        if entry.name == "zarr.json" or _is_draft(entry):
            continue
        if entry.is_symlink() or not entry.is_dir():
            return entry
        found = _not_a_chunk(path, entry) if entry.name == "c" else _foreign(entry, listed=entry.name in parts)
        if found is not None:
            return found
    return None


def _not_a_chunk(array: Path, chunks: Path) -> Path | None:
    """The first entry below an array's `c` that is not a chunk."""
    for folder, folders, files in os.walk(chunks):
        for entry in (Path(folder, name) for name in sorted(files + folders)):
            is_chunk = CHUNKS.fullmatch(entry.relative_to(array).as_posix()) is not None and not entry.is_symlink()
            if not is_chunk and not _is_draft(entry):
                return entry
    return None


def _is_draft(entry: Path) -> bool:
    ours = DRAFT.fullmatch(entry.name) is not None or entry.name in (MANIFEST, REACHED)
    return ours and entry.is_file() and not entry.is_symlink()


def _marker(path: Path) -> Any:
    """The mark of dgd in the zarr.json of a group or array; None where there is none."""
    try:
        return (json.loads((path / "zarr.json").read_bytes()).get("attributes") or {}).get(KEY)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return None


def _parts(marker: Any) -> set[str]:
    """The arrays that a group's mark names as written with it."""
    named = [marker.get(key) for key in ("arrays", "beside")] if isinstance(marker, dict) else []
    return {name for each in named if isinstance(each, dict | list) for name in each if isinstance(name, str)}


def _remove(path: Path) -> None:
    """Remove a folder, its zarr.json last, so that an interrupted removal can be repeated."""
    for entry in path.iterdir():
        if entry.name == "c":
            shutil.rmtree(entry)
        elif entry.is_dir():
            _remove(entry)
        elif entry.name != "zarr.json":
            entry.unlink()
    (path / "zarr.json").unlink(missing_ok=True)
    path.rmdir()
