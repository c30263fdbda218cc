"""What an array's stored chunks are held to: the crc32c of each, as its writer left it or as it was first read."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

UNREAD = 0
"""Stands for a chunk that was not read yet; a crc32c of 0 counts as 1."""


class Checksums:
    """The crc32c of each stored chunk of one array: filled by the first read, compared by every later one.

    count: stored chunks. refuse: raises the error for a chunk, its crc32c, and the one expected. left: the list that
    the array's writer left, if it left one. Thread-safe; 4 bytes a chunk, from the first read on.
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
        self._lock = Lock()

    @property
    def values(self) -> NDArray[np.uint32]:
        """What is known of each chunk, `UNREAD` where nothing is."""
        if self._values is None:
            with self._lock:
                if self._values is None:
                    found = np.zeros(self.count, np.uint32) if self._left is None else self._left()
                    self._values = np.where(found == UNREAD, 1, found) if self.is_left else found
        return self._values

    def check(self, index: int, crc: int) -> None:
        """Hold a chunk that was read to what is known of it; what is read first is known from then on."""
        crc = crc or 1
        expected = int(self.values[index])
        if expected == UNREAD:
            self.values[index] = crc
        elif expected != crc:
            self._refuse(index, crc, expected)
