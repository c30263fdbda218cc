"""Reads every chunk of a store once and says which are not what they should be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.rows import Footprint, RowsOfRows
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.info import readable_arrays
from dgd.data.zarr.stored_ids import StoredTexts, text_ids
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import DataError
from dgd.errors.words import counted, size, visible
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import Session, session

SHOWN = 100
"""So many damaged chunks are named; the others are counted."""


@dataclass(frozen=True)
class DamagedChunk:
    """A chunk that is not what it should be."""

    array: str
    chunk: str | None
    """The store's key; None where the whole array is concerned."""
    rows: tuple[int, int] | None
    """Half-open."""
    error: str
    """The kind of error that a fit would end with."""
    text: str


@dataclass(frozen=True)
class VerifiedArray:
    """What was read of one array."""

    name: str
    row_chunks: int
    bytes_read: int
    held_to: str
    """What its chunks were held to."""
    damaged: int
    """Row chunks that could not be read, or are not what was written."""


@dataclass(frozen=True)
class Verification:
    """What `dgd verify` has found."""

    location: str
    committed: bool
    """Whether dgd wrote the store and completed it, so that a commit marker vouches for every byte."""
    arrays: tuple[VerifiedArray, ...]
    unreadable: dict[str, str]
    """Arrays that dgd does not decode, each with the reason."""
    damaged: tuple[DamagedChunk, ...]
    """The first ones."""

    @property
    def whole(self) -> bool:
        """Whether all that was read is what it should be."""
        return not any(array.damaged for array in self.arrays)

    def as_json(self) -> dict[str, Any]:
        """Everything, in the types JSON has."""
        plain = asdict(self)
        plain["damaged"] = [{**each, "rows": each["rows"] and list(each["rows"])} for each in plain["damaged"]]
        return {"whole": self.whole, **plain, "arrays": list(plain["arrays"])}

    def table(self) -> str:
        """Everything, as a person reads it."""
        lines = [self.location, ""]
        for array in self.arrays:
            found = f"{array.damaged:,} damaged" if array.damaged else "whole"
            chunks = counted(array.row_chunks, "chunk")
            lines.append(visible(f"{array.name}: {chunks}, {size(array.bytes_read)}: {found}; {array.held_to}"))
        lines += [visible(f"{name}: not readable, {reason}") for name, reason in self.unreadable.items()]
        lines += [""] if self.damaged else []
        lines += [visible(f"{each.error}: {each.text}") for each in self.damaged]
        return "\n".join(lines)


def verify(
    location: Any,
    *,
    storage_options: Mapping[str, Any] | None = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
) -> Verification:
    """Read every chunk of a store once, on threads or a cluster, and hold it to all that is known of it.

    Each chunk must be there and decode to its shape; its checksum, where it has one, must be right; and of a dataset
    that dgd wrote it must be the one that was written. The arrays are those of `dgd.info`.
    location, storage_options: see `dgd.info`; client, threads, execution: where it runs, as for `fit`.

    Raises what `dgd.info` raises. Damaged chunks are no errors: see `Verification.whole` and `Verification.damaged`.
    """
    group, found, unreadable = readable_arrays(location, storage_options)
    arrays: list[VerifiedArray] = []
    damaged: list[DamagedChunk] = []
    with session(execution_of(execution, client, threads)) as running:
        arrays_read: list[ZarrRows | StoredTexts] = [*found.values(), *text_ids(group).values()]
        for rows in arrays_read:
            if math.prod(rows.shape) == 0 or not rows.shape:
                continue
            read = _read(running, rows)
            arrays.append(VerifiedArray(rows.name, len(rows.bounds) - 1, read.bytes_read, _held_to(rows), read.damaged))
            damaged += read.first
    unique = tuple(dict.fromkeys(damaged))
    marked = group.is_array and any(KEY in rows.format.attributes for rows in found.values())
    committed = group.marker is not None or marked
    return Verification(group.source.label, committed, tuple(arrays), unreadable, unique[:SHOWN])


def _held_to(rows: ZarrRows | StoredTexts) -> str:
    if rows.listed:
        return "every chunk held to what was written"
    if isinstance(rows, ZarrRows) and rows.format.checksummed:
        return "every chunk held to the checksum within it"
    return "no checksums: every chunk is there and can be decoded, and more cannot be known"


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of some chunks."""

    bytes_read: int
    damaged: int
    first: tuple[DamagedChunk, ...]

    def __add__(self, other: Self) -> Self:
        first = (self.first + other.first)[:SHOWN]
        return type(self)(self.bytes_read + other.bytes_read, self.damaged + other.damaged, first)


@dataclass(frozen=True, eq=False)
class _Touched(RowsOfRows):
    """The rows of an array, read and not looked at: whatever their dtype and rank, they are a matrix of zeros."""

    dtype = np.dtype(np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's rows, and all their values as columns."""
        return self.rows.shape[0], math.prod(self.rows.shape[1:])

    @property
    def footprint(self) -> Footprint:
        """What the array takes."""
        return self.rows.footprint

    @property
    def fingerprint(self) -> str:
        """The array's."""
        return self.rows.fingerprint

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """Zeros, once the rows were read."""
        _, bytes_read = self.rows.read(start, stop, self.inside(buffers))
        return _zeros(stop - start, self.shape[1]), bytes_read


@dataclass(frozen=True)
class _Unread(Chunk):
    """A chunk that could not be read."""

    found: DamagedChunk | None = None


@dataclass(frozen=True)
class _Tolerant(Dataset):
    """A dataset in which a damaged chunk is a finding, and reading goes on."""

    def read(self, index: int, buffers: Buffers | None = None) -> Chunk:
        """The chunk, or what is wrong with it."""
        try:
            return super().read(index, buffers)
        except DataError as error:
            chunk = None if error.chunk is None else str(error.chunk)
            found = DamagedChunk(error.array or self.X.name, chunk, error.rows, type(error).__name__, str(error))
            start, stop = int(self.bounds[index]), int(self.bounds[index + 1])
            return _Unread(index, start, _zeros(stop - start, self.shape[1]), None, None, 0, found=found)


def _zeros(rows: int, columns: int) -> Array:
    """A matrix of zeros that takes no memory."""
    return np.broadcast_to(np.zeros(1), (rows, columns))


def _look(chunk: Chunk, buffers: Buffers) -> _Read:
    """The chunk sum: what became of one chunk."""
    found = chunk.found if isinstance(chunk, _Unread) else None
    return _Read(chunk.bytes_read, int(found is not None), () if found is None else (found,))


def _read(running: Session, rows: ZarrRows | StoredTexts) -> _Read:
    """One pass over an array."""
    dataset = running.open(_Tolerant(X=_Touched(rows)), Need(passes=1))
    return running.executor.sweep(dataset, _look).value
