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
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.arrays.sparse_rows import SparseRows
from dgd.data.buffers import ALIGNMENT, Buffers, aligned
from dgd.data.csr import Csr, is_sparse
from dgd.data.dataset import Chunk, Dataset
from dgd.data.mixed import Coded, Mixed
from dgd.data.opened import Opening
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

    @property
    def opening(self) -> Opening | None:
        """What opens chunks of X; None where they are all to be read."""
        ...

    def opened(self, index: int, buffers: Buffers) -> Chunk | None:
        """One chunk with an X that still lies in its file; None where it is to be read."""
        ...


def is_resident(index: int, n_chunks: int, count: int) -> bool:
    """Whether a chunk is one of the `count` resident ones, which are spread evenly."""
    return (index + 1) * count // n_chunks > index * count // n_chunks


def copied_roles(dataset: Dataset) -> list[str]:
    """The arrays of which a resident chunk has a copy; none where all lie in this process's memory.

    A read of an array in memory is a view of it, which stays as it is. Anything else may lie in buffers, which the next
    read overwrites: rows that were selected, joined or decoded, and those left when rows with a missing cell are not.
    """
    if all(rows.lies_in_memory for rows in dataset.arrays):
        return []
    views = (MemoryRows, SparseRows) if dataset.missing == "error" else ()
    return [role for role, rows in dataset.by_role.items() if not isinstance(rows, views)]


def chunk_bytes(dataset: Dataset) -> int:
    """The memory of the largest chunk while it is resident."""
    copied = copied_roles(dataset)
    return sum(_in_lines(dataset.decoded_bytes(role) + _between(dataset.by_role[role])) for role in copied)


def _between(rows: Rows) -> int:
    """Bytes that are left free between the arrays of sparse rows, three at most, or of each part of mixed ones."""
    kinds = rows.footprint.kinds
    return 2 * ALIGNMENT * is_sparse(rows) if kinds is None else 3 * ALIGNMENT * len(kinds.parts)


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
        self._copied = set(copied_roles(dataset))
        self._memory = aligned(count * self._slot_bytes)

    def copy(self, chunk: Chunk, slot: int) -> Chunk:
        """The chunk with arrays of its own, which costs no stored byte from the next pass on."""
        begin = slot * self._slot_bytes
        slot_memory = _Slot(self._memory[begin : begin + self._slot_bytes])
        copies: dict[str, Any] = {
            name: _copied(values, slot_memory) for name, values in chunk.arrays.items() if name in self._copied
        }
        return replace(chunk, bytes_read=0, resident=True, **copies)


class _Slot:
    """The memory of a chunk, of which arrays take one piece after the other."""

    def __init__(self, memory: NDArray[np.uint8]) -> None:
        self._free = memory

    def copy(self, values: Array) -> Array:
        """A copy of an array; newly allocated if there is more than was declared."""
        if values.nbytes > len(self._free):
            return np.array(values, order="C")
        copy: Array = self._free[: values.nbytes].view(values.dtype).reshape(values.shape)
        copy[...] = values
        self._free = self._free[_in_lines(values.nbytes) :]
        return copy


def _copied(values: Any, memory: _Slot) -> Any:
    """The same rows in the memory of a chunk."""
    if isinstance(values, Mixed):
        return Mixed(tuple(_copied(part, memory) for part in values.parts))
    if isinstance(values, Coded):
        beside = None if values.values is None else memory.copy(values.values)
        return Coded(memory.copy(values.codes), values.columns, beside)
    if isinstance(values, Csr):
        data, indices, indptr = map(memory.copy, (values.data, values.indices, values.indptr))
        return Csr(data, indices, indptr, values.columns)
    return memory.copy(values)


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

    @property
    def opening(self) -> Opening | None:
        """The dataset's."""
        return self.dataset.opening

    def opened(self, index: int, buffers: Buffers) -> Chunk | None:
        """The opened chunk, unless it is resident or becomes so."""
        stays = index in self._chunks or is_resident(index, self.n_chunks, self.count)
        return None if stays else self.dataset.opened(index, buffers)

    def read(self, index: int, buffers: Buffers) -> Chunk:
        """The resident chunk; or the chunk as read, which becomes resident if it is one that should be."""
        found = self._chunks.get(index)
        if found is not None:
            return found
        chunk = self.dataset.read(index, buffers)
        if is_resident(index, self.n_chunks, self.count):
            self._chunks[index] = self._memory.copy(chunk, slot=index * self.count // self.n_chunks)
        return chunk
