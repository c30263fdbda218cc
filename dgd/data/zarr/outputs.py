"""Where dgd writes: a local folder, or a store behind a URL. Keys and their bytes, and a root document that seals them.

A local folder is locked while it is written. A store behind a URL has no locks: two writers at one place are noticed at
the end, by the owner's id in the root document, and the first of them seals nothing. There a value is replaced as a
whole, as object stores do it; nothing is brought to disk by dgd.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Protocol

from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype

from dgd.data.dataset import Dataset
from dgd.data.folders import replace_file, sync_tree
from dgd.data.reading import is_url
from dgd.data.zarr import event_loop
from dgd.data.zarr.commit_marker import KEY, WRITING
from dgd.data.zarr.folders import local_folder, put_file
from dgd.data.zarr.listing import entries
from dgd.data.zarr.locations import remote_store
from dgd.data.zarr.owner import OutputLock, check_owner, marker_of
from dgd.data.zarr.secrets import secrets_in, without
from dgd.data.zarr.sources import StoreSource
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError, WriteError
from dgd.errors.words import without_secrets
from dgd.errors.writing import writing

ROOT = "zarr.json"
EMPTY_GROUP: Mapping[str, Any] = {"zarr_format": 3, "node_type": "group", "attributes": {}}


class Output(Protocol):
    """A place that one writer has taken; pickled, any process may write there."""

    owner: str
    """The id in the root document."""

    @property
    def label(self) -> str:
        """What errors call it."""
        ...

    def get(self, key: str) -> bytes | None:
        """The bytes under a key."""
        ...

    def set(self, key: str, *parts: bytes | memoryview) -> None:
        """Put bytes, of one or several parts, under a key, whole or not at all. Raises WriteError."""
        ...

    def set_once(self, key: str, *parts: bytes | memoryview) -> None:
        """Put bytes under a key, which are the same whoever puts them there, perhaps several at a time."""
        ...

    def seal(self, document: bytes) -> None:
        """Replace the root document, when all else is where it stays."""
        ...

    def release(self) -> None:
        """Let others write there."""
        ...


def open_output(out: str | os.PathLike[str], options: Mapping[str, Any] | None, *, overwrite: bool) -> Output:
    """A new, empty place; with `overwrite`, in place of what dgd wrote there.

    Raises ConfigurationError for what may not be replaced, OutputInUseError where another writer is at work.
    """
    if is_url(out):
        return UrlOutput.create(os.fspath(out), options or {}, overwrite=overwrite)
    if options:
        raise ConfigurationError("storage_options go with a URL, and a local folder needs none")
    return LocalOutput.create(local_folder(out), overwrite=overwrite)


def left_output(out: str | os.PathLike[str], options: Mapping[str, Any] | None, identity: str) -> Output | None:
    """The place of a writer that was interrupted, to go on with; None where there is none of this identity.

    Raises OutputInUseError where that writer is at work.
    """
    if is_url(out):
        url = UrlOutput(os.fspath(out), options or {}, uuid.uuid4().hex)
        return url if _goes_on(url.get(ROOT), identity) else None
    path = local_folder(out)
    if path.is_symlink() or not path.is_dir() or not _goes_on(LocalOutput(path, "").get(ROOT), identity):
        return None
    with writing(path):
        lock = OutputLock.take(path)
    return LocalOutput(path, lock.id, lock)


def is_unfinished(path: Path) -> bool:
    """Whether a writer that can be gone on with has left a folder there."""
    return path.is_dir() and _goes_on(LocalOutput(path, "").get(ROOT), None)


def _goes_on(root: bytes | None, identity: str | None) -> bool:
    """Whether a root document is that of a writer of this identity, or any, that has not ended."""
    try:
        marker = json.loads(root or b"")["attributes"][KEY]
        found = marker["identity"]
        return bool(marker["state"] == WRITING and "seal" not in marker and identity in (found, None))
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def begin(output: Output, document: Mapping[str, Any], redo: str | None = None, **more: Any) -> None:
    """Write the root document, marked as being written.

    more: identity, of what, where that can be gone on with; beside, the names of arrays that bear no mark themselves.
    """
    marker = {**marker_of(output.owner), "redo": redo, **more}
    attributes = {**document.get("attributes", {}), KEY: marker}
    output.set(ROOT, json.dumps({**document, "attributes": attributes}, indent=2).encode())


def root_of(output: Output) -> dict[str, Any]:
    """The root document. Raises OutputInUseError unless it is still this writer's."""
    document: dict[str, Any] = json.loads(output.get(ROOT) or b"{}")
    check_owner(document, output.owner, output.label)
    return document


class LocalOutput:
    """A folder of this machine, locked by the process that made it."""

    def __init__(self, path: Path, owner: str, lock: OutputLock | None = None) -> None:
        self.path, self.owner, self._lock = path, owner, lock

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.owner)

    @classmethod
    def create(cls, path: Path, *, overwrite: bool) -> LocalOutput:
        """A new folder."""
        with writing(path):
            lock = OutputLock.create(path, overwrite=overwrite)
        return cls(path, lock.id, lock)

    @property
    def label(self) -> str:
        """The folder's path."""
        return str(self.path)

    def get(self, key: str) -> bytes | None:
        """The file's bytes."""
        with writing(self.path):
            try:
                return (self.path / key).read_bytes()
            except FileNotFoundError:
                return None

    def set(self, key: str, *parts: bytes | memoryview) -> None:
        """Write a file under another name, and rename it."""
        with writing(self.path):
            put_file(self.path / key, parts)

    def set_once(self, key: str, *parts: bytes | memoryview) -> None:
        """A file that is there was put there by another worker, and perhaps brought to disk: it stays."""
        if not (self.path / key).exists():
            self.set(key, *parts)

    def seal(self, document: bytes) -> None:
        """Bring everything to disk first."""
        with writing(self.path):
            sync_tree(self.path)
            replace_file(self.path / ROOT, document)

    def release(self) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock.release()


class UrlOutput:
    """A store behind a URL, opened by fsspec with its options, which nobody is told."""

    def __init__(self, url: str, options: Mapping[str, Any], owner: str) -> None:
        self._url, self._options, self.owner = url, options, owner

    @classmethod
    def create(cls, url: str, options: Mapping[str, Any], *, overwrite: bool) -> UrlOutput:
        """An empty place behind the URL."""
        made = cls(url, options, uuid.uuid4().hex)
        made._make_room(overwrite=overwrite)
        return made

    @property
    def label(self) -> str:
        """The URL without its secrets."""
        return without_secrets(self._url)

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        found = self._run(key, self._store().get(key, prototype=default_buffer_prototype()))
        return None if found is None else bytes(found.to_bytes())

    def set(self, key: str, *parts: bytes | memoryview) -> None:
        """One request."""
        value = default_buffer_prototype().buffer.from_bytes(b"".join(parts))
        self._run(key, self._store().set(key, value))

    def set_once(self, key: str, *parts: bytes | memoryview) -> None:
        """One request, which replaces the value by the same."""
        self.set(key, *parts)

    def seal(self, document: bytes) -> None:
        """The last request."""
        self.set(ROOT, document)

    def release(self) -> None:
        """Nothing: there is no lock."""

    def _make_room(self, *, overwrite: bool) -> None:
        found = self.get(ROOT)
        if found is None and not entries(StoreSource(self._store())):
            return
        if not overwrite:
            raise ConfigurationError(f"{self.label} exists; give another URL, or overwrite=True to replace it")
        if found is None or not _is_ours(found):
            raise ConfigurationError(
                f"{self.label} exists and was not written by dgd; remove it yourself, or give another URL"
            )
        self._run(ROOT, self._store().delete_dir(""))

    def _store(self) -> Store:
        return remote_store(self._url, self._options, read_only=False)

    def _run(self, key: str, request: Coroutine[Any, Any, Any]) -> Any:
        try:
            return event_loop.run(request)
        except Exception as error:
            reason = without(secrets_in(self._options), without_secrets(str(error)))
            raise WriteError(
                f"{self.label}: key {key!r} cannot be written ({type(error).__name__}: {reason}); check the URL, the "
                f"storage options and the permissions, then write it again",
                path=self.label,
            ) from error


def refuse_own_input(call: str, dataset: Dataset, out: str | os.PathLike[str]) -> None:
    """The output must not replace the input, nor lie in it, nor around it."""
    inputs = {rows.source.label for rows in dataset.arrays if isinstance(rows, ZarrRows)}
    # Rows may be decoded, selected or from several stores, which the source names one after the other.
    inputs |= {dataset.source, *dataset.source.split(", ")} - {"memory"}
    if is_url(out):
        target, places = _place(without_secrets(os.fspath(out))), {_place(source): source for source in inputs}
        again = "give another URL"
    else:
        target = str(local_folder(out).resolve())
        places = {str(Path(source).resolve()): source for source in inputs if "://" not in source}
        again = "give another path"
    for place, source in sorted(places.items()):
        if place and (f"{place}/".startswith(f"{target}/") or f"{target}/".startswith(f"{place}/")):
            raise ConfigurationError(f"`{call}` would write into its own input {source}; {again}")


def _place(url: str) -> str:
    """What follows the protocol."""
    return url.partition("://")[2].strip("/")


def _is_ours(document: bytes) -> bool:
    """Whether a root document bears the mark of dgd."""
    try:
        return KEY in (json.loads(document).get("attributes") or {})
    except (ValueError, AttributeError, TypeError, RecursionError):
        return False
