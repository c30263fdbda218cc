"""Resident chunks: a fixed part of the data that stays decoded in memory from one pass to the next.

Which chunks they are depends on their number alone: they are spread evenly, so that every node of the tree has some.
They are read in the first pass and never replaced: a cache of what was used last would have dropped each chunk before
the next pass comes to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import ALIGNMENT, Buffers, aligned
from dgd.data.csr import Csr, is_sparse
from dgd.data.dataset import Chunk, Dataset
from dgd.data.rows import Rows


class Chunks(Protocol):
    """What a pass reads: a dataset, or a partly resident one."""

    @property
    def n_chunks(self) -> int:
        """The leaves of the tree."""
        ...

    def ahead(self, index: int, buffers: Buffers) -> bool:
        """Ask for a chunk before it is read with the same buffers; whether more should be asked for."""
        ...

    def read(self, index: int, buffers: Buffers) -> Chunk:
        """One chunk; its arrays may lie in `buffers`."""
        ...


def is_resident(index: int, n_chunks: int, count: int) -> bool:
    """Whether a chunk is one of the `count` resident ones, which are spread evenly."""
    return (index + 1) * count // n_chunks > index * count // n_chunks


def chunk_bytes(dataset: Dataset) -> int:
    """The memory of the largest chunk while it is resident; arrays of this process need none."""
    copied = [role for role, rows in dataset.by_role.items() if not rows.lies_in_memory]
    return sum(_in_lines(dataset.decoded_bytes(role) + _between(dataset.by_role[role])) for role in copied)


def _between(rows: Rows) -> int:
    """Bytes that are left free between the three arrays of sparse rows."""
    return 2 * ALIGNMENT * is_sparse(rows)


def _in_lines(n_bytes: int) -> int:
    """Bytes in whole cache lines."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


class ResidentMemory:
    """One piece of memory for all resident chunks, in huge pages where the system has them.

    A pass over as many pieces as chunks, in small pages, takes a tenth longer. The system gives memory as it is filled.
    """

    def __init__(self, dataset: Dataset, count: int) -> None:
        self.dataset = dataset
        self._slot_bytes = chunk_bytes(dataset)
        self._memory = aligned(count * self._slot_bytes, huge=True)

    def copy(self, chunk: Chunk, slot: int) -> Chunk:
        """The chunk with arrays of its own, which costs no stored byte from the next pass on."""
        begin = slot * self._slot_bytes
        free = self._memory[begin : begin + self._slot_bytes]
        copies: dict[str, Any] = {}
        for name, values in chunk.arrays.items():
            if not self.dataset.by_role[name].lies_in_memory:
                copies[name] = _copied_stored(values, free) if isinstance(values, Csr) else _copied(values, free)
                free = free[_in_lines(values.nbytes + _between(self.dataset.by_role[name])) :]
        return replace(chunk, bytes_read=0, resident=True, **copies)


def _copied_stored(values: Csr, memory: NDArray[np.uint8]) -> Csr:
    first, second = (_in_lines(part.nbytes) for part in (values.data, values.indices))
    data, indices = _copied(values.data, memory), _copied(values.indices, memory[first:])
    return Csr(data, indices, _copied(values.indptr, memory[first + second :]), values.columns)


def _copied(values: Array, memory: NDArray[np.uint8]) -> Array:
    """A copy at the beginning of some memory; newly allocated if the values are larger than declared."""
    if values.nbytes > len(memory):
        return np.array(values, order="C")
    copy: Array = memory[: values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy


class PartlyResident:
    """A dataset of which some chunks are resident. Thread-safe as long as each chunk is read by one thread."""

    def __init__(self, dataset: Dataset, count: int, chunks: Iterable[Chunk] = ()) -> None:
        self.dataset = dataset
        self.count = count
        self._memory = ResidentMemory(dataset, count)
        self._chunks = {chunk.index: chunk for chunk in chunks}

    @property
    def n_chunks(self) -> int:
        """The dataset's."""
        return self.dataset.n_chunks

    def ahead(self, index: int, buffers: Buffers) -> bool:
        """Ask for a chunk, unless it is resident."""
        return index in self._chunks or self.dataset.ahead(index, buffers)

    def read(self, index: int, buffers: Buffers) -> Chunk:
        """The resident chunk; or the chunk as read, which becomes resident if it is one that should be."""
        found = self._chunks.get(index)
        if found is not None:
            return found
        chunk = self.dataset.read(index, buffers)
        if is_resident(index, self.n_chunks, self.count):
            self._chunks[index] = self._memory.copy(chunk, slot=index * self.count // self.n_chunks)
        return chunk
