"""Writes one zarr array in whole chunks, each with a crc32c; chunks of zeros are written too."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarr.storage import MemoryStore

from dgd._typing import Array
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.manifest import MANIFEST
from dgd.data.zarr.outputs import ROOT, Output
from dgd.errors import ConfigurationError, ValueRangeError

COMPRESSIONS = ("none", "zstd", "blosc", "gzip")
CHUNK_BYTES = 4 * 2**20
"""Default size of a chunk of X: it fits in a processor's cache."""
PIECE_BYTES = 2**20
"""Blocks are checked in pieces of about this size, so that a check needs little memory."""


class Column:
    """One array of a dataset being written: buffers rows, and writes a chunk when it is full."""

    def __init__(
        self,
        output: Output,
        name: str,
        *,
        width: int | None,
        dtype: np.dtype[Any],
        chunk_rows: int,
        compression: str,
        dimension_names: tuple[str, ...] | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self._attributes = {**(attributes or {}), KEY: {"part_of": "dataset"}}
        self.width = width
        self.dtype = dtype
        self._tail = tail = () if width is None else (width,)
        self._buffer = np.empty((chunk_rows, *tail), dtype=dtype)
        self._nothing: Any = "" if dtype.kind == "O" else 0
        """What is beyond the last row; texts are objects."""
        self._filled = 0
        self._chunks = 0
        self._checksums = bytearray()
        self._output = output
        self.parts = {name: self}
        """The arrays it is made of, by their paths in the dataset."""
        self._compression = compression
        self._dimensions = dimension_names or ("row", "feature" if name == "X" else "output")[: 1 + len(tail)]
        self._draft = self._draft_of(chunk_rows)
        self.document = self._draft.document
        """The metadata document as this process has written it."""
        output.set(f"{name}/{ROOT}", self.document)

    def _draft_of(self, chunk_rows: int) -> ArrayDraft:
        return ArrayDraft(
            shape=(chunk_rows, *self._tail),
            chunks=(chunk_rows, *self._tail),
            dtype=self.dtype,
            dimension_names=self._dimensions,
            compression=self._compression,
            attributes=self._attributes,
        )

    @property
    def content(self) -> str:
        """The sha256 of the list of checksums."""
        return hashlib.sha256(self._checksums).hexdigest()

    def append(self, block: Array) -> None:
        """Add the rows of a block that was checked."""
        done, length = 0, self._buffer.shape[0]
        while done < block.shape[0]:
            if not self._filled and block.shape[0] - done >= length:
                self._write(block[done : done + length].astype(self.dtype, copy=False))
                done += length
                continue
            count = min(block.shape[0] - done, length - self._filled)
            self._buffer[self._filled : self._filled + count] = block[done : done + count]
            self._filled += count
            done += count
            if self._filled == length:
                self._flush()

    def finish(self) -> None:
        """Write the last, ragged chunk and the list of checksums, and set the true length.

        A single chunk is as long as its rows are many, and not padded.
        """
        rows = self._chunks * self._buffer.shape[0] + self._filled
        if self._filled and not self._chunks:
            self._buffer, self._draft = self._buffer[: self._filled], self._draft_of(self._filled)
        if self._filled:
            self._buffer[self._filled :] = self._nothing
            self._flush()
        self.document = self._draft.resized(rows)
        self._output.set(f"{self.name}/{ROOT}", self.document)
        self._output.set(f"{self.name}/{MANIFEST}", bytes(self._checksums))

    def _flush(self) -> None:
        self._write(self._buffer)
        self._filled = 0

    def keep(self) -> None:
        """Write the rows that wait for their chunk to be full, as that chunk; it is written again when it is."""
        if self._filled:
            self._buffer[self._filled :] = self._nothing
            self._put(self._buffer)

    def _write(self, values: Array) -> None:
        """Write a whole chunk."""
        self._checksums += self._put(values)
        self._chunks += 1

    def _put(self, values: Array) -> bytes:
        """Write the next chunk; its crc32c."""
        chunk, crc = self._draft.encoded(values)
        place = (self._chunks, *(0 for _ in self._buffer.shape[1:]))
        self._output.set(f"{self.name}/c/{'/'.join(map(str, place))}", chunk, crc)
        return crc


class ArrayDraft:
    """A zarr 3 array of one chunk in memory, for its metadata and the bytes that zarr's codecs make of a chunk.

    Each chunk has a crc32c at its end, whatever zarr's configuration says. Arguments: those of `zarr.create_array`.
    """

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        chunks: tuple[int, ...],
        dtype: np.dtype[Any],
        dimension_names: tuple[str, ...],
        compression: str,
        attributes: dict[str, Any],
    ) -> None:
        self._kept: dict[str, Any] = {}
        self._as_it_is = compression == "none" and dtype.kind != "O"
        """Whether a stored chunk is its values in memory, and their crc32c."""
        compressors = {
            "none": (),
            "zstd": (ZstdCodec(level=1),),
            "blosc": (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),),
            "gzip": (GzipCodec(level=5),),
        }[compression]
        texts = dtype.kind == "O"
        self._array = zarr.create_array(
            MemoryStore(self._kept),
            zarr_format=3,
            shape=shape,
            chunks=chunks,
            dtype="string" if texts else dtype,
            # Texts of any length are decoded by dgd, which knows them as they are.
            compressors=(*(() if texts else compressors), Crc32cCodec()),
            filters=(),
            fill_value="" if texts else dtype.type(0),
            dimension_names=dimension_names,
            attributes=attributes,
            config={"write_empty_chunks": True, "order": "C"},
        )

    @property
    def document(self) -> bytes:
        """The metadata document."""
        found: bytes = self._kept[ROOT].to_bytes()
        return found

    def resized(self, rows: int) -> bytes:
        """The metadata document of an array of so many rows."""
        self._array.resize((rows, *self._array.shape[1:]))
        return self.document

    def encoded(self, chunk: Array) -> tuple[bytes | memoryview, bytes]:
        """The stored form of a whole chunk, perhaps where the chunk lies, and the crc32c at its end."""
        if self._as_it_is:
            values = np.ascontiguousarray(chunk, chunk.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
            return values.data, crc32c(values).to_bytes(4, "little")
        self._array[tuple(map(slice, chunk.shape))] = chunk
        (key,) = self._kept.keys() - {ROOT}
        encoded: bytes = self._kept.pop(key).to_bytes()
        return encoded[:-4], encoded[-4:]


def check_values(name: str, block: Array, dtype: np.dtype[Any], first_row: int, *, missing: bool = False) -> None:
    """Raise ValueRangeError at the first value that is not finite, or that `dtype` cannot hold.

    missing: whether NaN will do.

    A float may be rounded to a shorter one; a number that would wrap around, be cut off or become infinite is refused.
    """
    bad = first_bad(block, dtype, missing=missing)
    if bad is not None:
        refuse_value(name, block[bad], dtype, first_row + bad[0], bad[1] if len(bad) > 1 else None)


def first_bad(block: Array, dtype: np.dtype[Any], *, missing: bool) -> tuple[int, ...] | None:
    """Where the first value is that is not finite, or that `dtype` cannot hold; None if there is none."""
    step = max(1, PIECE_BYTES // max(1, block[:1].nbytes))
    for start in range(0, block.shape[0], step):
        piece = block[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            stored = piece.astype(dtype, copy=False)
        if dtype.kind == "f":
            bad = np.isinf(stored) if missing else ~np.isfinite(stored)
        elif dtype == block.dtype:
            return None
        else:
            bad = ~_equal(stored, piece)
        if bad.any():
            row, *column = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            return start + row, *column
    return None


def _equal(stored: Array, given: Array) -> Array:
    """Where a cast to integers or booleans kept the value, sign included."""
    with np.errstate(over="ignore", invalid="ignore"):
        back = stored.astype(given.dtype) == given
    same: Array = back & ((stored < 0) == (given < 0)) if stored.dtype.kind != "b" else back
    return same


def refuse_value(name: str, value: Any, dtype: np.dtype[Any], row: int, column: int | None) -> None:
    """Raise ValueRangeError for a value that cannot be written."""
    where = f"row {row}" + ("" if column is None else f", column {column}")
    expected = f"a finite number that {dtype} can hold" if np.isfinite(value) else "a finite number"
    raise ValueRangeError(
        f"array {name!r}: {where} is {value}, expected {expected}; "
        + ("give the first block a wider dtype" if np.isfinite(value) else "drop or fill such rows before writing"),
        array=name,
        row=row,
        column=column,
    )


def refuse_negative(name: str, block: Array, first_row: int) -> None:
    """Raise ValueRangeError for a number below 0."""
    if (block < 0).any():
        row = int((block < 0).argmax())
        raise ValueRangeError(
            f"array {name!r}: row {first_row + row} is {block[row]}, expected 0 or more; correct the weights, or drop "
            f"the row",
            array=name,
            row=first_row + row,
        )


def usual_chunk_rows(features: int, dtype: np.dtype[Any]) -> int:
    """The rows of a chunk of X, where they are not given."""
    return max(1, CHUNK_BYTES // (features * dtype.itemsize))


def checked_compression(compression: str | None) -> str:
    """The compression's name, "none" for None."""
    if (compression or "none") not in COMPRESSIONS:
        raise ConfigurationError(f"`compression` must be one of {', '.join(COMPRESSIONS)}, got {compression!r}")
    return compression or "none"
