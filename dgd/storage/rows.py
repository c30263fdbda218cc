"""The rows of a stored array, read strictly: a chunk that is missing or damaged is an error, never a fill value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from dgd.buffers import Buffers
from dgd.dataset import Array, Footprint, regular_bounds
from dgd.errors import CorruptChunkError, MissingChunkError
from dgd.storage.codecs import Damaged, decode_bytes
from dgd.storage.metadata import ArrayFormat, Layout
from dgd.storage.source import Bytes, Source

ABSENT = 2**64 - 1
SAMPLED_CHUNKS = 64


@dataclass(frozen=True, eq=False)
class ZarrRows:
    """The rows of a zarr array of one or two dimensions; its row chunks are its chunks, or its shards.

    Columns may be chunked: a row panel is then read together. An array whose chunks do not begin where a read begins,
    such as a y chunked unlike X, keeps its last chunk for the next read of the same thread.
    """

    source: Source
    format: ArrayFormat
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, chunk_rows = (*self.format.shape, 0)[0], (*self.format.chunk.shape, 1)[0]
        object.__setattr__(self, "bounds", regular_bounds(rows, chunk_rows))

    @property
    def name(self) -> str:
        """The array's name."""
        return self.format.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.format.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype."""
        return self.format.chunk.dtype

    @property
    def fingerprint(self) -> str:
        """The metadata document's digest, with the name."""
        return f"{self.name}:{self.format.digest}"

    @property
    def footprint(self) -> Footprint:
        """A panel, what it is put together from, and for a misaligned array the chunk kept beside it."""
        chunk, shard = self.format.chunk, self.format.shard
        piece = chunk.n_bytes if shard is None else shard.inner.n_bytes
        decoded = piece * self.format.decoded_copies
        if self._in_pieces:
            decoded += self._panel_bytes
        if len(self.shape) == 1:
            decoded += 2 * chunk.n_bytes
        per_pass, exact = self._stored_bytes()
        return Footprint(self.format.encoded_bound * self.source.copies, decoded, per_pass, exact)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop."""
        chunk_rows = self.format.chunk.shape[0]
        first, last = start // chunk_rows, (stop - 1) // chunk_rows
        if first == last and start == first * chunk_rows and stop == self._stop(first):
            return self._panel(first, buffers)
        bytes_read = 0
        pieces = []
        for index in range(first, last + 1):
            panel, n_bytes = self._kept_panel(index, buffers)
            bytes_read += n_bytes
            base = index * chunk_rows
            pieces.append(panel[max(start - base, 0) : stop - base])
        return (pieces[0] if len(pieces) == 1 else np.concatenate(pieces)), bytes_read

    @property
    def _panel_bytes(self) -> int:
        columns = math.prod(self.shape[1:])
        return min(self.format.chunk.shape[0], self.shape[0]) * columns * self.dtype.itemsize

    @property
    def _in_pieces(self) -> bool:
        """Whether a panel is put together from several chunks."""
        return self.format.shard is not None or math.prod(self.format.grid[1:]) > 1

    def _stop(self, index: int) -> int:
        return min((index + 1) * self.format.chunk.shape[0], self.shape[0])

    def _kept_panel(self, index: int, buffers: Buffers) -> tuple[Array, int]:
        if buffers.kept is not None and buffers.kept[:2] == (self, index):
            return buffers.kept[2], 0
        panel, n_bytes = self._panel(index, buffers)
        panel = panel.copy()
        buffers.kept = (self, index, panel)
        return panel, n_bytes

    def _panel(self, index: int, buffers: Buffers) -> tuple[Array, int]:
        """All columns of one row of chunks, without the padding of ragged chunks."""
        rows = self._stop(index) - index * self.format.chunk.shape[0]
        if not self._in_pieces:
            place = (index, *(0 for _ in self.shape[1:]))
            chunk, n_bytes = self._chunk(place, buffers)
            return chunk[(slice(rows), *(slice(size) for size in self.shape[1:]))], n_bytes
        panel = buffers.take("panel", (rows, *self.shape[1:]), self.dtype)
        bytes_read = 0
        for column in product(*(range(count) for count in self.format.grid[1:])):
            bytes_read += self._fill(panel, (index, *column), buffers)
        return panel, bytes_read

    def _fill(self, panel: Array, place: tuple[int, ...], buffers: Buffers) -> int:
        """Decode one chunk or shard into its part of the panel."""
        corner = (0, *(i * c for i, c in zip(place[1:], self.format.chunk.shape[1:], strict=True)))
        if self.format.shard is None:
            chunk, n_bytes = self._chunk(place, buffers)
            _paste(panel, chunk, corner)
            return n_bytes
        encoded = self._stored(place, buffers)
        for offset, inner in self._inner_chunks(place, encoded, panel.shape, corner):
            chunk = self._decode(self.format.shard.inner, inner, place, buffers)
            _paste(panel, chunk, offset)
        return encoded.nbytes

    def _chunk(self, place: tuple[int, ...], buffers: Buffers) -> tuple[Array, int]:
        encoded = self._stored(place, buffers)
        return self._decode(self.format.chunk, encoded, place, buffers), encoded.nbytes

    def _stored(self, place: tuple[int, ...], buffers: Buffers) -> Bytes:
        key = self.format.key(place)
        try:
            encoded = self.source.get(key, buffers, at_most=self.format.encoded_bound)
        except CorruptChunkError as error:
            raise self._damaged(place, str(error)) from error
        if encoded is None:
            raise self._missing(place, "is not in the store")
        return encoded

    def _decode(self, layout: Layout, encoded: Bytes, place: tuple[int, ...], buffers: Buffers) -> Array:
        try:
            flat = decode_bytes(layout.codecs, encoded, layout.n_bytes, buffers)
        except Damaged as error:
            raise self._damaged(place, str(error)) from error
        if flat.ctypes.data % layout.dtype.itemsize:
            flat = flat.copy()
        stored = flat.view(layout.dtype).reshape([layout.shape[axis] for axis in layout.order])
        return stored.transpose(np.argsort(layout.order))

    def _inner_chunks(
        self, place: tuple[int, ...], encoded: Bytes, panel: tuple[int, ...], corner: tuple[int, ...]
    ) -> Iterator[tuple[tuple[int, ...], Bytes]]:
        """Where each inner chunk of a shard goes in the panel, and its bytes."""
        shard = self.format.shard
        assert shard is not None
        counts = shard.per_shard(self.format.chunk.shape)
        index = self._shard_index(place, encoded)
        for inner, (start, length) in zip(product(*(range(c) for c in counts)), index, strict=True):
            offset = tuple(o + i * c for o, i, c in zip(corner, inner, shard.inner.shape, strict=True))
            if any(o >= size for o, size in zip(offset, panel, strict=True)):
                continue
            if start == ABSENT and length == ABSENT:
                raise self._missing(place, f"lacks its inner chunk {inner}")
            if start + length > encoded.nbytes:
                raise self._damaged(place, f"inner chunk {inner} lies beyond the end of the shard")
            yield offset, encoded[start : start + length]

    def _shard_index(self, place: tuple[int, ...], encoded: Bytes) -> list[tuple[int, int]]:
        shard = self.format.shard
        assert shard is not None
        n_bytes = shard.index_bytes(self.format.chunk.shape)
        if encoded.nbytes < n_bytes:
            raise self._damaged(place, f"it has {encoded.nbytes:,} bytes, less than the {n_bytes:,} of its shard index")
        index = encoded[-n_bytes:] if shard.index_at_end else encoded[:n_bytes]
        if shard.index_checksum:
            stored = int.from_bytes(index[-4:].tobytes(), "little")
            if google_crc32c.value(np.ascontiguousarray(index[:-4])) != stored:
                raise self._damaged(place, "the crc32c of its shard index does not fit")
            index = index[:-4]
        pairs = np.frombuffer(index.tobytes(), dtype="<u8").reshape(-1, 2)
        return [(int(start), int(length)) for start, length in pairs]

    def _rows_of(self, place: tuple[int, ...]) -> tuple[int, int]:
        return place[0] * self.format.chunk.shape[0], self._stop(place[0])

    def _missing(self, place: tuple[int, ...], what: str) -> MissingChunkError:
        first, stop = self._rows_of(place)
        return MissingChunkError(
            f"array {self.name!r} of {self.source.label}: chunk {self.format.key(place)} (rows {first} to {stop - 1}) "
            f"{what}; restore it, or write the array again (with zarr's write_empty_chunks=True, if it was "
            f"left out because all its values equal the fill value)",
            array=self.name,
            chunk=self.format.key(place),
            rows=(first, stop),
        )

    def _damaged(self, place: tuple[int, ...], what: str) -> CorruptChunkError:
        first, stop = self._rows_of(place)
        return CorruptChunkError(
            f"array {self.name!r} of {self.source.label}: chunk {self.format.key(place)} (rows {first} to {stop - 1}) "
            f"is damaged: {what}; restore it from a copy, or write the dataset again",
            array=self.name,
            chunk=self.format.key(place),
            rows=(first, stop),
        )

    def _stored_bytes(self) -> tuple[int, bool]:
        """Stored bytes of the whole array: exact without compression, else from a sample of the chunks."""
        count = math.prod(self.format.grid)
        if not self.format.compressed and self.format.shard is None:
            return count * self.format.encoded_bound, True
        places = list(product(*(range(n) for n in self.format.grid))) if count <= SAMPLED_CHUNKS else self._sample()
        sizes = [self.source.size(self.format.key(place)) for place in places]
        known = [size for size in sizes if size is not None]
        if not known:
            return count * self.format.chunk.n_bytes, False
        return round(sum(known) / len(known) * count), len(known) == count

    def _sample(self) -> list[tuple[int, ...]]:
        """Places spread evenly over the chunk grid."""
        count = math.prod(self.format.grid)
        flat = np.linspace(0, count - 1, SAMPLED_CHUNKS).astype(np.int64)
        return [tuple(int(i) for i in np.unravel_index(k, self.format.grid)) for k in flat]


def _paste(panel: Array, chunk: Array, corner: tuple[int, ...]) -> None:
    """Copy a chunk to its corner of the panel, without what lies beyond the panel's edge."""
    sizes = [min(c, p - o) for c, p, o in zip(chunk.shape, panel.shape, corner, strict=True)]
    target = tuple(slice(o, o + size) for o, size in zip(corner, sizes, strict=True))
    panel[target] = chunk[tuple(slice(size) for size in sizes)]
