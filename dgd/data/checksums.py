"""What an array's stored chunks are held to: the crc32c of each, as its writer left it or as it was first read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

UNREAD = 0
"""Stands for a chunk that was not read yet; a crc32c of 0 counts as 1."""


@dataclass(frozen=True, slots=True)
class HeldChunks:
    """The stored chunks from `first` to `stop` of one array."""

    checksums: Checksums
    first: int
    stop: int

    @property
    def values(self) -> NDArray[np.uint32]:
        """What is known of them."""
        return self.checksums.values[self.first : self.stop]


class Checksums:
    """The crc32c of each stored chunk of one array: filled by the first read, compared by every later one.

    count: stored chunks. refuse: raises the error for a chunk, its crc32c, and the one expected. left: the list that
    the array's writer left, if it left one. Thread-safe; 4 bytes a chunk from the first read on, and 8 more where the
    chunks have no checksums of their own.
    """

    def __init__(
        self,
        count: int,
        refuse: Callable[[int, int, int], NoReturn],
        left: Callable[[], NDArray[np.uint32]] | None = None,
    ) -> None:
        self.count = count
        self.is_left = left is not None
        """Whether the array's writer left a list, so that the first read is held to it too."""
        self._refuse, self._left = refuse, left
        self._values: NDArray[np.uint32] | None = None
        self._versions = np.zeros(0, np.int64)
        """Of the file that each chunk was read from, 0 where it is not known."""
        self._lock = Lock()

    @property
    def values(self) -> NDArray[np.uint32]:
        """What is known of each chunk, `UNREAD` where nothing is."""
        if self._values is None:
            with self._lock:
                if self._values is None:
                    found = np.zeros(self.count, np.uint32) if self._left is None else self._left()
                    self._versions = np.zeros(self.count, np.int64)
                    self._values = np.where(found == UNREAD, np.uint32(1), found) if self.is_left else found
        return self._values

    def ask(self) -> None:
        """Raise DatasetChangedError where the list that the writer left is gone as well, or another one."""
        _ = self.values

    @property
    def digest(self) -> str | None:
        """The sha256 of the checksums; None while a chunk was not read."""
        if self._values is None or (self._values == UNREAD).any():
            return None
        return hashlib.sha256(self._values.astype("<u4").tobytes()).hexdigest()

    def check(self, index: int, crc32c: Callable[[], int], version: int) -> None:
        """Hold a chunk that was read to what is known of it; what is read first is known from then on.

        version: of its file, 0 if unknown. The same version is not hashed twice.
        """
        expected = int(self.values[index])
        if version and self._versions[index] == version:
            return
        crc = crc32c() or 1
        if expected == UNREAD:
            self.values[index] = crc
        elif crc != expected:
            self._refuse(index, crc, expected)
        if version:
            self._versions[index] = version

    def version(self, index: int) -> int:
        """Of the file that a chunk was read from and held to its checksum, 0 where it is not known."""
        return int(self._versions[index]) if self._values is not None else 0

    def note(self, index: int, version: int) -> None:
        """A chunk that was held to its checksum was read from a file of that version, 0 if unknown."""
        self._versions[index] = version

    def hold(self, first: int, values: NDArray[np.uint32]) -> None:
        """Hold the chunks from `first` on to what is known of them elsewhere; `UNREAD` says nothing."""
        known = self.values[first : first + len(values)]
        differing = np.flatnonzero((known != values) & (known != UNREAD) & (values != UNREAD))
        if len(differing):
            index = int(differing[0])
            self._refuse(first + index, int(known[index]), int(values[index]))
        np.copyto(known, values, where=known == UNREAD)
