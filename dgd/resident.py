"""Resident chunks: a fixed part of the data that stays decoded in memory from one pass to the next.

Which chunks they are depends on their number alone: spread evenly over the data, so that every node of the tree has its
part. They are read in the first pass and never put out again: a scan that comes round and round would find nothing of
what it needs in a cache of what was used last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

import numpy as np

from dgd.buffers import Buffers
from dgd.dataset import Chunk, Dataset
from dgd.rows import Array, MemoryRows, Rows
from dgd.selection import SelectedRows


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
    per_row = sum(rows.dtype.itemsize * int(np.prod(rows.shape[1:], dtype=np.int64)) for rows in stored)
    return per_row * dataset.chunk_rows


def _in_memory(rows: Rows) -> bool:
    """Whether they are an array of this process, or some rows of one; what merely counts its reads is as a store."""
    return isinstance(rows.rows if isinstance(rows, SelectedRows) else rows, MemoryRows)


def kept(chunk: Chunk, dataset: Dataset) -> Chunk:
    """A chunk with arrays of its own, as it is found from the next pass on: at the cost of no stored byte."""
    roles = (("X", dataset.X), ("y", dataset.y), ("weight", dataset.weight), ("offset", dataset.offset))

    def own(name: str, in_memory: bool) -> Array | None:
        values: Array | None = getattr(chunk, name)
        return values if values is None or in_memory else np.array(values, order="C")

    arrays = {name: own(name, isinstance(rows, MemoryRows)) for name, rows in roles}
    return replace(chunk, bytes_read=0, resident=True, **arrays)  # type: ignore[arg-type]


class PartlyResident:
    """A dataset of which some chunks stay in this process; any thread may read, one of them each chunk."""

    def __init__(self, dataset: Dataset, count: int, chunks: Iterable[Chunk] = ()) -> None:
        self.dataset = dataset
        self.count = count
        self._chunks = {chunk.index: chunk for chunk in chunks}
        self._lock = threading.Lock()

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
            ours = kept(chunk, self.dataset)
            with self._lock:
                self._chunks[index] = ours
        return chunk
