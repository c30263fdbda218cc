"""Where stored bytes come from: a local folder, or any zarr store.

Few methods, because reading a chunk needs nothing else: the bytes under a key, or None where there are none.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from zarr.abc.store import Store
from zarr.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, MemoryStore

from dgd._typing import Bytes
from dgd.data.buffers import Buffers, space_for
from dgd.data.zarr import connections, event_loop
from dgd.data.zarr.answers import READ_TIMEOUT, Unanswered, answer, value_of, waited_for
from dgd.data.zarr.links import check_inside
from dgd.data.zarr.read_ahead import Requests, hints_in, prefetch_file, read_file, requests_in
from dgd.data.zarr.secrets import secrets_of, without
from dgd.errors import ReadError
from dgd.errors.words import without_secrets

ReadAhead = Literal["requests", "page cache hints", "none"]
"""How the next chunks are fetched during computing; only requests take memory of this process."""
BEYOND = bytearray(1)
"""Spare byte after the buffer: if `readv` fills it, the file is too long."""


JUST_NOW = 2 * 10**9
"""Nanoseconds: the clock of some file systems is as coarse as that."""


class TooLong(ValueError):
    """A value has more bytes than it can have; the caller says what that means."""

    def __init__(self, found: int, at_most: int) -> None:
        super().__init__(f"it has {found:,} bytes, expected at most {at_most:,}")
        self.found = found


class Source(Protocol):
    """Keys to bytes."""

    @property
    def label(self) -> str:
        """What errors call it: a path or a URL."""
        ...

    @property
    def copies(self) -> int:
        """Copies of a value in memory while it is fetched."""
        ...

    @property
    def read_path(self) -> str:
        """Where the bytes come from, in a few words."""
        ...

    @property
    def read_ahead(self) -> ReadAhead: ...

    def get(self, key: str, buffers: Buffers, *, at_most: int, timeout: float = READ_TIMEOUT) -> Bytes | None:
        """The bytes under a key, perhaps lying in `buffers`; None if there is no such key.

        Raises TooLong if there are more than `at_most`, before reading them where the store can tell, and ReadError,
        also after `timeout` seconds if the source can give a read up. `retries.fetch` asks again where that may help.
        """
        ...

    def ahead(
        self, keys: Iterable[str], buffers: Buffers, *, at_most: int, limit: int, timeout: float = READ_TIMEOUT
    ) -> bool:
        """Ask for keys that will be read soon with the same buffers, so that `get` waits less.

        limit: keys to ask for beyond the next one. False if no more should be asked for.
        """
        ...

    def size(self, key: str) -> int | None:
        """The number of bytes under a key, None if unknown or missing."""
        ...

    def child(self, name: str) -> Source:
        """The source of the keys below `name/`."""
        ...

    def parent(self) -> tuple[Source, str] | None:
        """The source one level up and this one's name in it; None where there is no way up."""
        ...


@dataclass(frozen=True)
class LocalSource:
    """A local folder, read with plain system calls into reused memory."""

    root: Path
    within: Path | None = None
    """The store's folder, where this one is part of it."""

    @cached_property
    def label(self) -> str:
        """The folder's path."""
        return str(self.root)

    @property
    def copies(self) -> int:
        """1: a file is read into its buffer."""
        return 1

    @property
    def read_path(self) -> str:
        """Read directly."""
        return "files, read directly"

    @property
    def read_ahead(self) -> ReadAhead:
        """Hints to the kernel, if it takes them."""
        return "page cache hints" if hasattr(os, "posix_fadvise") else "none"

    def ahead(
        self, keys: Iterable[str], buffers: Buffers, *, at_most: int, limit: int, timeout: float = READ_TIMEOUT
    ) -> bool:
        """Hint at files, while reading is slow."""
        return hints_in(buffers).ask(keys, limit, lambda key: prefetch_file(f"{self.label}/{key}", at_most))

    def get(self, key: str, buffers: Buffers, *, at_most: int, timeout: float = READ_TIMEOUT) -> Bytes | None:
        """The file's bytes; None for a folder, pipe or device. A system call cannot be given up."""
        path = f"{self.label}/{key}"
        try:
            # Without O_NONBLOCK opening a pipe would block.
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise unreadable(self.label, key, error) from error
        try:
            status = os.fstat(file)
            encoded: Bytes = buffers.take("encoded", (space_for(status.st_size, at_most),), np.uint8)
            check_inside(file, path, self.within or self.root)
            buffers.version = version_of(status)
            done = read_file(file, [encoded.data, BEYOND], status.st_size, key, hints_in(buffers))
            if done != len(encoded):
                status = os.fstat(file)
                if not stat.S_ISREG(status.st_mode):
                    return None
                if status.st_size > len(encoded):
                    raise TooLong(status.st_size, len(encoded))
                done = _read_on(file, encoded[: status.st_size], done)
            return encoded[:done]
        except IsADirectoryError:
            return None
        except OSError as error:
            raise unreadable(self.label, key, error) from error
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
        return LocalSource(self.root / name, self.within or self.root)

    def parent(self) -> tuple[LocalSource, str] | None:
        """The folder around this one."""
        return None if self.root == self.root.parent else (LocalSource(self.root.parent), self.root.name)


@dataclass(frozen=True, repr=False)
class StoreSource:
    """Any zarr store, asked through an event loop."""

    store: Store
    prefix: str = ""

    def __repr__(self) -> str:
        return f"StoreSource({self.label})"

    @cached_property
    def label(self) -> str:
        """The store's URL, without user, password and query; else the store as zarr prints it."""
        store = str(self.store)
        if isinstance(self.store, FsspecStore):
            store = str(self.store.fs.unstrip_protocol(self.store.path))
        return f"{without_secrets(store).rstrip('/')}/{self.prefix}".rstrip("/")

    @property
    def copies(self) -> int:
        """2: most stores join a value from pieces. 0 for a store in memory."""
        return 0 if type(self.store) is MemoryStore else 2

    @property
    def read_path(self) -> str:
        """Zarr's store fetches the values, and decodes nothing."""
        return "values of the store, asked for through zarr"

    @property
    def read_ahead(self) -> ReadAhead:
        """By requests, unless the store lies in memory."""
        return "none" if type(self.store) is MemoryStore else "requests"

    def ahead(
        self, keys: Iterable[str], buffers: Buffers, *, at_most: int, limit: int, timeout: float = READ_TIMEOUT
    ) -> bool:
        """Begin requests in the event loop, where they run while this thread computes."""
        if limit == 0 or self.read_ahead == "none":
            return False
        requests = requests_in(buffers)
        # A chunk kept for the next read takes the place of the one that would be read next.
        left = requests.room(limit) - (buffers.kept is not None)
        for key in keys:
            if left <= 0:
                return False
            left -= requests.ask(self._path(key), self._get, timeout)
        return left > 0

    def get(self, key: str, buffers: Buffers, *, at_most: int, timeout: float = READ_TIMEOUT) -> Bytes | None:
        """The value of a key."""
        path, ahead = self._path(key), buffers.ahead
        try:
            if isinstance(ahead, Requests) and ahead.holds(path):
                value = ahead.take(path, timeout, buffers.watch)
            else:
                future = event_loop.submit(answer(self._get, path, timeout))
                value = value_of(waited_for(future, timeout, buffers.watch)[0])
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except Exception as error:
            raise unreadable(self.label, key, error, secrets_of(self.store)) from error
        if value is None:
            return None
        encoded: Bytes = np.frombuffer(value.as_numpy_array(), dtype=np.uint8)
        if encoded.nbytes > at_most:
            raise TooLong(encoded.nbytes, at_most)
        return encoded

    def size(self, key: str) -> int | None:
        """Unknown: it would take a request for each chunk."""
        return None

    def child(self, name: str) -> StoreSource:
        """The keys below a prefix."""
        return StoreSource(self.store, f"{self.prefix}/{name}".lstrip("/"))

    def parent(self) -> tuple[StoreSource, str] | None:
        """The prefix around this one, or the URL around the store's."""
        if self.prefix:
            above, _, name = self.prefix.rpartition("/")
            return StoreSource(self.store, above), name
        if not isinstance(self.store, FsspecStore):
            return None
        path, _, name = self.store.path.rstrip("/").rpartition("/")
        return (StoreSource(FsspecStore(self.store.fs, read_only=True, path=path)), name) if name else None

    def _path(self, key: str) -> str:
        return f"{self.prefix}/{key}".lstrip("/")

    async def _get(self, path: str) -> Any:
        return await connections.usable(self.store).get(path, prototype=default_buffer_prototype())


def version_of(status: os.stat_result) -> int:
    """A number that changes with the file's content; 0 where it was changed just now, and may be again unnoticed."""
    if time.time_ns() - status.st_ctime_ns < JUST_NOW:
        return 0
    return hash((status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns))


def unreadable(label: str, key: str, error: Exception, secrets: tuple[str, ...] = ()) -> ReadError:
    """The error for a store that fails while it is asked for a key; `secrets` are left out."""
    if isinstance(error, Unanswered):
        return ReadError(f"{label}: key {key!r}: {error}; check the store, or raise `read_timeout`", chunk=key)
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    what = f"{type(error).__name__}: {without(secrets, without_secrets(reason))}"
    return ReadError(f"{label}: key {key!r} cannot be read ({what}); check the store, then try again", chunk=key)


def _read_on(file: int, memory: Bytes, done: int) -> int:
    """Read until the memory is full or the file ends; returns all bytes read so far."""
    count = os.lseek(file, done, os.SEEK_SET)
    while count > 0 and done < memory.nbytes:
        count = os.readv(file, [memory.data[done:]])
        done += count
    return done
