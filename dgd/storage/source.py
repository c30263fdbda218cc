"""Where stored bytes come from: a local folder, or any zarr store.

One method, because reading a chunk needs nothing else: the bytes under a key, or None where there are none.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from zarr.abc.store import Store
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import FsspecStore, LocalStore, StorePath, ZipStore

from dgd.buffers import Buffers
from dgd.errors import ConfigurationError, CorruptChunkError, DatasetNotFoundError, ReadError

Bytes = NDArray[np.uint8]


class Source(Protocol):
    """Keys to bytes."""

    @property
    def label(self) -> str:
        """What errors call it: a path or a URL."""
        ...

    @property
    def copies(self) -> int:
        """How often a value's bytes stand in memory while they are fetched."""
        ...

    def get(self, key: str, buffers: Buffers, *, at_most: int) -> Bytes | None:
        """The bytes under a key, perhaps lying in `buffers`; None if there is no such key.

        Raises CorruptChunkError if there are more than `at_most`, before reading them where the store can tell.
        """
        ...

    def size(self, key: str) -> int | None:
        """The number of bytes under a key, None if unknown or missing."""
        ...

    def child(self, name: str) -> Source:
        """The source of the keys below `name/`."""
        ...


@dataclass(frozen=True)
class LocalSource:
    """A local folder, read with plain system calls into reused memory."""

    root: Path

    @property
    def label(self) -> str:
        """The folder's path."""
        return str(self.root)

    @property
    def copies(self) -> int:
        """Once: a file is read into its buffer."""
        return 1

    def get(self, key: str, buffers: Buffers, *, at_most: int) -> Bytes | None:
        """The file's bytes; a folder in its place is no such key."""
        path = self.root / key
        try:
            file = os.open(path, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise ReadError(f"{path} cannot be opened: {error.strerror}", chunk=key) from error
        try:
            status = os.fstat(file)
            if stat.S_ISDIR(status.st_mode):
                return None
            _check_size(self.label, key, status.st_size, at_most)
            encoded: Bytes = buffers.take("encoded", (status.st_size,), np.uint8)
            return encoded[: _read_into(file, encoded)]
        except OSError as error:
            raise ReadError(f"{path} cannot be read: {error.strerror}", chunk=key) from error
        finally:
            os.close(file)

    def size(self, key: str) -> int | None:
        """The file's size."""
        try:
            return (self.root / key).stat().st_size
        except OSError:
            return None

    def child(self, name: str) -> LocalSource:
        """A folder below this one."""
        return LocalSource(self.root / name)


@dataclass(frozen=True)
class StoreSource:
    """Any zarr store, asked through zarr's event loop."""

    store: Store
    prefix: str = ""

    @property
    def label(self) -> str:
        """The store as zarr prints it."""
        return f"{self.store}/{self.prefix}".rstrip("/")

    @property
    def copies(self) -> int:
        """Twice: most stores put a value together from pieces."""
        return 2

    def get(self, key: str, buffers: Buffers, *, at_most: int) -> Bytes | None:
        """The value of a key."""
        path = f"{self.prefix}/{key}".lstrip("/")
        try:
            value = sync(self._get(path))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except Exception as error:
            raise ReadError(
                f"{self.label}: key {key!r} cannot be read: {type(error).__name__}: {error}", chunk=key
            ) from error
        if value is None:
            return None
        encoded: Bytes = np.frombuffer(value.as_numpy_array(), dtype=np.uint8)
        _check_size(self.label, key, encoded.nbytes, at_most)
        return encoded

    def size(self, key: str) -> int | None:
        """Unknown: asking would be a request a chunk."""
        return None

    def child(self, name: str) -> StoreSource:
        """The keys below a prefix."""
        return StoreSource(self.store, f"{self.prefix}/{name}".lstrip("/"))

    async def _get(self, path: str) -> Any:
        if not self.store._is_open:
            await self.store._open()
        return await self.store.get(path, prototype=default_buffer_prototype())


def open_source(location: Any) -> Source:
    """The source behind a path, a URL (with fsspec), a zarr store or a store path."""
    if isinstance(location, StorePath):
        return _of_store(location.store, location.path)
    if isinstance(location, Store):
        return _of_store(location, "")
    text = os.fspath(location)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    if "://" in text or "::" in text:
        return StoreSource(_remote_store(text))
    path = Path(text).expanduser()
    if path.is_file() and path.suffix == ".zip":
        return StoreSource(ZipStore(path, read_only=True))
    if not path.exists():
        raise DatasetNotFoundError(f"nothing is at {path}; check the path")
    return LocalSource(path.absolute())


def _of_store(store: Store, path: str) -> Source:
    if isinstance(store, LocalStore):
        return LocalSource(Path(store.root).absolute() / path)
    return StoreSource(store, path)


def _remote_store(url: str) -> Store:
    try:
        return FsspecStore.from_url(url, read_only=True)
    except ImportError as error:
        raise ConfigurationError(
            f"{url} needs fsspec and the package of its protocol: {error}; install them, or pass a zarr store"
        ) from error
    except ValueError as error:
        raise ConfigurationError(f"{url} cannot be opened: {error}") from error


def _check_size(label: str, key: str, found: int, at_most: int) -> None:
    if found > at_most:
        raise CorruptChunkError(
            f"{label}: key {key!r} has {found:,} bytes, expected at most {at_most:,}; the chunk is not what was "
            f"written, restore it from a copy",
            chunk=key,
        )


def _read_into(file: int, memory: Bytes) -> int:
    """Read until the memory is full or the file ends; the bytes that were read."""
    view, done = memoryview(memory), 0
    while done < len(view):
        count = os.readv(file, [view[done:]])
        if count == 0:
            break
        done += count
    return done
