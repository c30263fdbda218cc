"""A store in one zip file; members are read into reused memory."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from dgd._typing import Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.answers import READ_TIMEOUT
from dgd.data.zarr.read_ahead import hints_in, prefetch
from dgd.data.zarr.sources import ReadAhead, TooLong, unreadable
from dgd.errors import DataError, MetadataError

PIECE_BYTES = 2**14
"""zipfile always allocates its output, so members are decompressed in pieces of this size."""


@dataclass(frozen=True)
class ZipSource:
    """The members of a zip file below a prefix. Thread-safe."""

    path: Path
    prefix: str = ""

    @property
    def label(self) -> str:
        """The file's path, and the prefix within."""
        return f"{self.path}/{self.prefix}".rstrip("/")

    @property
    def copies(self) -> int:
        """1: a member is read into its buffer."""
        return 1

    @property
    def read_path(self) -> str:
        """Read by the standard library."""
        return "members of the zip file, read directly"

    @property
    def read_ahead(self) -> ReadAhead:
        """Hints to the kernel, if it takes them."""
        return "page cache hints" if hasattr(os, "posix_fadvise") else "none"

    def ahead(
        self, keys: Iterable[str], buffers: Buffers, *, at_most: int, limit: int, timeout: float = READ_TIMEOUT
    ) -> bool:
        """Hint at the members' parts of the file, while reading is slow."""
        return hints_in(buffers).ask(keys, limit, lambda key: self._prefetch(key, at_most))

    def _prefetch(self, key: str, at_most: int) -> bool:
        member = self._archive.NameToInfo.get(f"{self.prefix}/{key}".lstrip("/"))
        file = self._archive.fp
        if member is None or file is None:
            return False
        try:
            return prefetch(file.fileno(), member.header_offset, min(member.compress_size, at_most))
        except OSError:
            return False

    def get(self, key: str, buffers: Buffers, *, at_most: int, timeout: float = READ_TIMEOUT) -> Bytes | None:
        """The member's bytes."""
        try:
            member = self._member(key)
            if member is None:
                return None
            if member.file_size > at_most:
                raise TooLong(member.file_size, at_most)
            encoded: Bytes = buffers.take("encoded", (member.file_size,), "u1")
            with self._archive.open(member) as file:
                done, began = 0, time.perf_counter()
                while piece := file.read(PIECE_BYTES):
                    encoded.data[done : done + len(piece)] = piece
                    done += len(piece)
            hints_in(buffers).measured(key, done, time.perf_counter() - began)
            return encoded[:done]
        except (TooLong, DataError, MemoryError):
            raise
        except Exception as error:  # zipfile raises various errors for a damaged file
            raise unreadable(self.label, key, error) from error

    def size(self, key: str) -> int | None:
        """The member's size."""
        member = self._archive.NameToInfo.get(f"{self.prefix}/{key}".lstrip("/"))
        return None if member is None else member.file_size

    def child(self, name: str) -> ZipSource:
        """The members below a prefix, of the same open file."""
        below = ZipSource(self.path, f"{self.prefix}/{name}".lstrip("/"))
        below.__dict__.update(_archive=self._archive, _ambiguous=self._ambiguous)
        return below

    def parent(self) -> tuple[ZipSource, str] | None:
        """The prefix around this one."""
        if not self.prefix:
            return None
        above, _, name = self.prefix.rpartition("/")
        around = ZipSource(self.path, above)
        around.__dict__.update(_archive=self._archive, _ambiguous=self._ambiguous)
        return around, name

    def names(self) -> set[str]:
        """The names directly below the prefix."""
        start = f"{self.prefix}/".lstrip("/")
        inside = (name[len(start) :] for name in self._archive.NameToInfo if name.startswith(start))
        return {name.partition("/")[0] for name in inside} - {""}

    def __getstate__(self) -> dict[str, Any]:
        """Without the open file: another process opens its own."""
        return {"path": self.path, "prefix": self.prefix}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    @cached_property
    def _archive(self) -> ZipFile:
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except OSError as error:
            raise unreadable(str(self.path), "", error) from error
        try:
            archive = ZipFile(file)
        except Exception as error:
            file.close()
            raise unreadable(str(self.path), "", error) from error
        # In a circle of garbage the file could come before the archive that would close it.
        weakref.finalize(archive, file.close)
        return archive

    @cached_property
    def _ambiguous(self) -> set[str]:
        """Names that several members of different content have."""
        known = self._archive.NameToInfo
        return {
            member.filename
            for member in self._archive.infolist()
            if (member.CRC, member.file_size) != (known[member.filename].CRC, known[member.filename].file_size)
        }

    def _member(self, key: str) -> ZipInfo | None:
        """The member of a key. Raises MetadataError where it is not known which one is meant."""
        name = f"{self.prefix}/{key}".lstrip("/")
        member = self._archive.NameToInfo.get(name)
        if member is not None and (name in self._ambiguous or "\0" in member.orig_filename):
            raise MetadataError(
                f"{self.path} has several members {name!r} with different content, or one with a NUL in its name, and "
                f"which one is meant is not known; unzip it and open the folder, or zip it again"
            )
        return member
