"""Stores whose bytes are not what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from dgd.data.buffers import Buffers

if TYPE_CHECKING:
    from dgd._typing import Bytes
    from dgd.data.zarr.sources import ReadAhead, Source

Fault = Callable[[bytes], bytes | None]
"""What happens to a stored value; None: it is gone."""


def dropped(content: bytes) -> None:
    """A fault: the value is gone."""
    del content


def truncated(n_bytes: int) -> Fault:
    """A fault: only the first bytes are there."""
    return lambda content: content[:n_bytes]


def flipped(bit: int) -> Fault:
    """A fault: one bit, counted from the first byte's lowest, is the other way round."""

    def flip(content: bytes) -> bytes:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        return bytes(damaged)

    return flip


@dataclass(frozen=True, eq=False)
class FaultySource:
    """A store's source with faults by key; `requests` lists every key that was asked for.

    source = FaultySource(source_of("train.zarr"), {"X/c/3/0": flipped(17), "y/c/0": dropped})
    dataset = open_group(Group(source))           # both from dgd.data.zarr
    dgd.fit(dataset)                              # raises CorruptChunkError or MissingChunkError
    """

    source: Source
    faults: Mapping[str, Fault] = field(default_factory=dict)
    prefix: str = ""
    requests: list[str] = field(default_factory=list, repr=False)

    @property
    def label(self) -> str:
        return self.source.label

    @property
    def copies(self) -> int:
        return self.source.copies

    def get(self, key: str, buffers: Buffers, *, at_most: int, timeout: float = 120.0) -> Bytes | None:
        """The bytes under a key, with its fault."""
        from dgd.data.zarr.sources import TooLong

        path = self.prefix + key
        self.requests.append(path)
        content = self.source.get(key, buffers, at_most=at_most, timeout=timeout)
        if content is None or path not in self.faults:
            return content
        faulty = self.faults[path](content.tobytes())
        if faulty is None:
            return None
        if len(faulty) > at_most:
            raise TooLong(len(faulty), at_most)
        return np.frombuffer(faulty, dtype=np.uint8)

    @property
    def read_path(self) -> str:
        return self.source.read_path

    @property
    def read_ahead(self) -> ReadAhead:
        return self.source.read_ahead

    def ahead(self, keys: Iterable[str], buffers: Buffers, *, at_most: int, limit: int, timeout: float = 120.0) -> bool:
        """Left to the source: what is asked for ahead is counted, and its fault comes to light, when it is read."""
        return self.source.ahead(keys, buffers, at_most=at_most, limit=limit, timeout=timeout)

    def size(self, key: str) -> int | None:
        return self.source.size(key)

    def child(self, name: str) -> FaultySource:
        """The source of the keys below `name/`, with the same faults and the same list of requests."""
        return replace(self, source=self.source.child(name), prefix=f"{self.prefix}{name}/")

    def parent(self) -> tuple[FaultySource, str] | None:
        """The source one level up, with the same faults."""
        above = self.source.parent() if self.prefix else None
        if above is None:
            return None
        return replace(self, source=above[0], prefix=self.prefix.removesuffix(f"{above[1]}/")), above[1]
