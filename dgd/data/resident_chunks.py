"""Resident chunks: a fixed part of the data that stays decoded in memory from one pass to the next.

Which chunks they are depends on their number alone: spread evenly over the data, so that every node of the tree has its
part. They are read in the first pass and never put out again: a scan that comes round and round would find nothing of
what it needs in a cache of what was used last.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import ALIGNMENT, Buffers, aligned
from dgd.data.dataset import Chunk, Dataset
from dgd.data.rows import MemoryRows, Rows
from dgd.data.selected_rows import SelectedRows


class Chunks(Protocol):
    """What a sweep reads: a dataset, or one that is partly resident."""

    @property
    def n_chunks(self) -> int:
        """The leaves of the tree."""
        ...

    def ahead(self, index: int, buffers: Buffers) -> bool:
        """Ask for a chunk before it is read with the same buffers; whether it is worth asking for more."""
        ...

    def read(self, index: int, buffers: Buffers) -> Chunk:
        """One chunk; its arrays may lie in `buffers`."""
        ...


def is_resident(index: int, n_chunks: int, count: int) -> bool:
    """Whether a chunk is one of the `count` that stay: they are as far apart as they can be."""
    return (index + 1) * count // n_chunks > index * count // n_chunks


def chunk_bytes(dataset: Dataset) -> int:
    """What the largest chunk takes while it stays; arrays that lie in memory anyhow take nothing more."""
    if all(_in_memory(rows) for rows in dataset.arrays):
        return 0
    stored = [rows for rows in dataset.arrays if not isinstance(rows, MemoryRows)]
    return sum(_in_lines(dataset.chunk_rows * math.prod(rows.shape[1:]) * rows.dtype.itemsize) for rows in stored)


def _in_memory(rows: Rows) -> bool:
    """Whether they are an array of this process, or some rows of one; what merely counts its reads is as a store."""
    return isinstance(rows.rows if isinstance(rows, SelectedRows) else rows, MemoryRows)


def _in_lines(n_bytes: int) -> int:
    """Bytes in whole cache lines."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


class Room:
    """Memory for chunks that stay: one piece, which the system gives as it is filled, in huge pages where it has them.

    A pass over as many pieces as chunks, which lie in small pages, takes a tenth longer.
    """

    def __init__(self, dataset: Dataset, count: int) -> None:
        self.dataset = dataset
        self._slot_bytes = chunk_bytes(dataset)
        self._memory = aligned(count * self._slot_bytes, huge=True)

    def keep(self, chunk: Chunk, slot: int) -> Chunk:
        """A chunk with arrays of its own, as it is found from the next pass on: at the cost of no stored byte."""
        data, place = self.dataset, slot * self._slot_bytes
        free = self._memory[place : place + self._slot_bytes]
        arrays: dict[str, Any] = {}
        for name, rows in (("X", data.X), ("y", data.y), ("weight", data.weight), ("offset", data.offset)):
            values: Array | None = getattr(chunk, name)
            if values is not None and not isinstance(rows, MemoryRows):
                arrays[name] = _copied(values, free)
                free = free[_in_lines(values.nbytes) :]
        return replace(chunk, bytes_read=0, resident=True, **arrays)


def _copied(values: Array, memory: NDArray[np.uint8]) -> Array:
    """A copy at the beginning of some memory; in memory of its own if what was read is larger than was declared."""
    if values.nbytes > len(memory):
        return np.array(values, order="C")
    copy: Array = memory[: values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class PartlyResident:
    """A dataset of which some chunks stay in this process; any thread may read, one of them each chunk."""

    def __init__(self, dataset: Dataset, count: int, chunks: Iterable[Chunk] = ()) -> None:
        self.dataset = dataset
        self.count = count
        self._room = Room(dataset, count)
        self._chunks = {chunk.index: chunk for chunk in chunks}

    @property
    def n_chunks(self) -> int:
        """The dataset's."""
        return self.dataset.n_chunks

    def ahead(self, index: int, buffers: Buffers) -> bool:
        """Ask for a chunk that has to be read; one that stays costs nothing."""
        return index in self._chunks or self.dataset.ahead(index, buffers)

    def read(self, index: int, buffers: Buffers) -> Chunk:
        """The chunk that stays, or that is read, and stays from now on if it is one that should."""
        found = self._chunks.get(index)
        if found is not None:
            return found
        chunk = self.dataset.read(index, buffers)
        if is_resident(index, self.n_chunks, self.count):
            self._chunks[index] = self._room.keep(chunk, slot=index * self.count // self.n_chunks)
        return chunk
