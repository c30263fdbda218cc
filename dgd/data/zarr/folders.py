"""Folders that dgd writes: what may be replaced, and what is on disk for good."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from dgd.data.zarr.commit_marker import KEY
from dgd.errors import ConfigurationError

DRAFT = re.compile(r"(zarr|\d+)\.[0-9a-f]{32}\.partial|\.zarr\.json\.partial")
"""What zarr and dgd write before they rename it, left behind by a writer that was killed."""
CHUNKS = re.compile(r"c(/\d+)*")


def local_folder(path: str | os.PathLike[str]) -> Path:
    """The absolute path of a folder to write to; "~" and file:// as in opening. Raises ConfigurationError for a URL."""
    text = os.fspath(path).removeprefix("file://")
    if "://" in text:
        raise ConfigurationError(
            f"{text} is a URL, and dgd writes to local folders; write to one, then copy it with a tool of the store"
        )
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
        raise ConfigurationError(f"{path} exists; give another path, or overwrite=True (--overwrite) to replace it")
    if path.is_symlink() or not path.is_dir():
        raise ConfigurationError(
            f"{path} exists and is {'a link' if path.is_symlink() else 'not a folder'}, expected a dataset's folder; "
            f"remove it yourself, or give another path"
        )
    stranger = _stranger(path)
    if stranger is not None:
        holds = "" if stranger == path else f" and holds {stranger.relative_to(path)}, which"
        raise ConfigurationError(
            f"{path} exists{holds or ' and'} was not written by dgd; remove it yourself, or give another path"
        )
    _remove(path)


def _make_parents(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be created: {error.strerror}; give another path") from error


def _stranger(path: Path) -> Path | None:
    """The first thing in a folder that dgd did not write; the folder itself if it is nothing of dgd's."""
    inside = sorted(path.iterdir())
    if all(_is_draft(entry) for entry in inside):
        return None
    if not _is_ours(path):
        return path
    for entry in inside:
        if entry.name == "zarr.json" or _is_draft(entry):
            continue
        if entry.is_symlink() or not entry.is_dir():
            return entry
        found = _not_a_chunk(path, entry) if entry.name == "c" else _stranger(entry)
        if found is not None:
            return found
    return None


def _not_a_chunk(array: Path, chunks: Path) -> Path | None:
    """The first file or link among an array's chunks that is none."""
    for folder, folders, files in os.walk(chunks):
        for entry in (Path(folder, name) for name in sorted(files + folders)):
            is_chunk = CHUNKS.fullmatch(entry.relative_to(array).as_posix()) is not None and not entry.is_symlink()
            if not is_chunk and not _is_draft(entry):
                return entry
    return None


def _is_draft(entry: Path) -> bool:
    return DRAFT.fullmatch(entry.name) is not None and entry.is_file() and not entry.is_symlink()


def _is_ours(path: Path) -> bool:
    """Whether the zarr.json of a group or array bears the mark of dgd."""
    try:
        return KEY in (json.loads((path / "zarr.json").read_bytes()).get("attributes") or {})
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return False


def _remove(path: Path) -> None:
    """The folder with everything in it; its own zarr.json last, so that a removal cut short can be resumed."""
    for entry in path.iterdir():
        if entry.name == "c":
            shutil.rmtree(entry)
        elif entry.is_dir():
            _remove(entry)
        elif entry.name != "zarr.json":
            entry.unlink()
    (path / "zarr.json").unlink(missing_ok=True)
    path.rmdir()


def sync_tree(path: Path) -> None:
    """Bring every file and folder below a path to disk, and the path's own name."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            _fsync(os.path.join(folder, name))
        _fsync(folder)
    _fsync(str(path.parent))


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content at once: whoever looks sees the old or the new."""
    draft = path.with_name(f".{path.name}.partial")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _fsync(str(path.parent))


def _fsync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
