"""The rows of a stored array, read strictly: a chunk that is missing or damaged is an error, never a fill value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Bytes
from dgd.data.buffers import Buffers
from dgd.data.checksums import Checksums, HeldChunks
from dgd.data.rows import Footprint, regular_bounds
from dgd.data.watch import Reading
from dgd.data.zarr.answers import READ_TIMEOUT
from dgd.data.zarr.chunk_values import chunk_values, read_planned, shard_of
from dgd.data.zarr.codecs import Damaged
from dgd.data.zarr.fill_values import ABSENT, fill_value
from dgd.data.zarr.gathering import gathered
from dgd.data.zarr.layout import ArrayFormat, Layout
from dgd.data.zarr.manifest import read_manifest
from dgd.data.zarr.metadata import is_there
from dgd.data.zarr.read_ahead import AHEAD, Hints, limit_of
from dgd.data.zarr.retries import fetch
from dgd.data.zarr.shards import inner_chunks, lying_in_order, paste
from dgd.data.zarr.sources import Source
from dgd.data.zarr.stored_bytes import StoredSizes, footprint_of, identity_of, sizes_of
from dgd.data.zarr.stored_chunk import StoredChunk
from dgd.data.zarr.straight import Straight, straight
from dgd.errors import CorruptChunkError, ReadError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class ZarrRows:
    """The rows of a zarr array of one or two dimensions; its row chunks are its chunks, or its shards.

    Columns may be chunked: a row panel is then read together. Where chunks do not begin where a read begins, the last
    one is kept for the next read of the same thread.
    """

    is_stored = True
    source: Source
    format: ArrayFormat
    content: str | None = None
    """A digest of all chunks, if the writer left one."""
    listed: bool = False
    """Whether that is the digest of a list of checksums, which lies beside the chunks."""
    ahead_at_most: int = AHEAD
    """Stored chunks that may be asked for beside the one that is read."""
    read_timeout: float = READ_TIMEOUT
    """Seconds that reading a stored chunk may take, with all its retries."""
    fill: Array | None = None
    """What absent chunks are taken as, an array of one element; None: they are an error."""
    planned: int | None = None
    """Bytes that a stored chunk is expected to have at most; None: what it can have."""
    held: Checksums | None = field(default=None, repr=False)
    """What the chunks are held to, as `checksums`; the same for the same array with other read-ahead."""

    lies_in_memory = False
    asks_ahead = True
    checksums: Checksums = field(init=False, repr=False)
    straight: Straight | None = field(init=False, repr=False)
    _most: int = field(init=False, repr=False)
    _limit: int = field(init=False, repr=False)
    _in_pieces: bool = field(init=False, repr=False)
    """Whether rows are joined from several chunks."""
    chunk_rows: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "chunk_rows", (*self.format.chunk.shape, 1)[0])
        object.__setattr__(self, "_most", self.format.encoded_bound)
        count = math.prod(self.format.grid)
        object.__setattr__(self, "_in_pieces", self.format.shard is not None or not self.format.by_rows)
        object.__setattr__(self, "_limit", max(0, min(self.ahead_at_most, limit_of(self._most), count - 1)))
        left = partial(read_manifest, self.source, count, self.content, self.name) if self.listed else None
        object.__setattr__(self, "checksums", self.held or Checksums(count, self._refuse, left))
        object.__setattr__(self, "held", self.checksums)
        object.__setattr__(self, "straight", straight(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as they were made, see `Dataset`, and without what was read."""
        how = self.ahead_at_most, self.read_timeout, self.fill, self.planned
        return type(self), (self.source, self.format, self.content, self.listed, *how)

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """The row chunks; computed when they are asked for: a dataset compares shapes before."""
        return regular_bounds((*self.format.shape, 0)[0], self.chunk_rows)

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks that these rows lie in."""
        columns = math.prod(self.format.grid[1:])
        first, last = start // self.chunk_rows, -(-stop // self.chunk_rows)
        return (HeldChunks(self.checksums, first * columns, last * columns),)

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
        """The metadata document's digest and, if there is one, the content's."""
        read = ":transposed" if self.format.is_transposed else ""
        return f"{self.name}:{self.format.digest}:{self.content or ''}{read}"

    def filling(self) -> ZarrRows:
        """The same rows, with the fill value for chunks that are not there; not where the writer left a list of all."""
        return self if self.content is not None else replace(self, fill=fill_value(self.format))

    @property
    def footprint(self) -> Footprint:
        """The stored chunks, what decoding one takes, and the panel in which pieces are joined."""
        panel, filled = self._panel_bytes if self._in_pieces else 0, self.fill is not None
        return footprint_of(self.source, self.format, self._sizes, panel=panel, filled=filled, limit=self._limit)

    @cached_property
    def _sizes(self) -> StoredSizes:
        return sizes_of(self.source, self.format)

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the chunks of these rows before they are read; whether more should be asked for."""
        if self.straight is not None and isinstance(buffers.ahead, Hints) and not buffers.ahead.are_given:
            return False
        keys, timeout = self._keys(start, stop, buffers), self.read_timeout
        return self.source.ahead(keys, buffers, at_most=self._most, limit=self._limit, timeout=timeout)

    def reading_ahead(self, chunks: int) -> ZarrRows:
        """The same rows, requesting at most so many chunks, planned as large as the stored ones; hints are free."""
        planned = self._sizes.largest if self.planned is None else self.planned
        most = min(chunks, self.ahead_at_most) if self.source.read_ahead == "requests" else self.ahead_at_most
        changed = replace(self, ahead_at_most=most, planned=planned)
        changed.__dict__["_sizes"] = self._sizes
        return changed

    def waiting_at_most(self, seconds: float) -> ZarrRows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return replace(self, read_timeout=seconds)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop."""
        chunk_rows = self.chunk_rows
        first, last = start // chunk_rows, (stop - 1) // chunk_rows
        if first != last:
            return gathered(self, start, stop, buffers)
        if stop - start == chunk_rows and self.straight is not None:
            found = self.straight.chunk(first, buffers)
            if found is not None:
                return found
        panel, bytes_read = self.panel_until(start, stop, first, buffers)
        start, stop = start - first * chunk_rows, stop - first * chunk_rows
        return panel if len(panel) == stop - start else panel[start:stop], bytes_read

    def _keys(self, start: int, stop: int, buffers: Buffers) -> Iterator[str]:
        """The keys that a read of these rows asks for, in that order."""
        for index in range(start // self.chunk_rows, (stop - 1) // self.chunk_rows + 1):
            if buffers.kept is None or buffers.kept[:2] != (self, index):
                yield from (self.format.key((index, *column)) for column in self._columns())

    def _columns(self) -> Iterator[tuple[int, ...]]:
        return product(*map(range, self.format.grid[1:]))

    @property
    def _panel_bytes(self) -> int:
        return min(self.chunk_rows, self.shape[0]) * math.prod(self.shape[1:]) * self.dtype.itemsize

    def _stop(self, index: int) -> int:
        return min((index + 1) * self.chunk_rows, self.format.shape[0])

    def panel_until(self, start: int, stop: int, index: int, buffers: Buffers) -> tuple[Array, int]:
        """A row of chunks; kept for the next read if this one, up to `stop`, ends within it."""
        if buffers.kept is not None and buffers.kept[:2] == (self, index):
            panel, n_bytes = buffers.kept[2], 0
        else:
            buffers.kept = None
            # Each absent chunk counts in the one read of a pass that holds its first row.
            buffers.counts = start <= index * self.chunk_rows
            try:
                panel, n_bytes = self._panel(index, buffers)
            except MemoryError as error:
                footprint, place = self.footprint, (index, *(0 for _ in self.shape[1:]))
                raise self.at(place).too_large(footprint.encoded + footprint.decoded) from error
        buffers.kept = (self, index, panel) if stop < self._stop(index) else None
        return panel, n_bytes

    def _panel(self, index: int, buffers: Buffers) -> tuple[Array, int]:
        """All columns of one row of chunks, without the padding of ragged chunks."""
        shape = (self._stop(index) - index * self.chunk_rows, *self.shape[1:])
        if not self._in_pieces:
            decode = partial(self._decode, self.format.chunk)
            chunk, n_bytes = self._decoded((index, *next(self._columns())), buffers, decode)
            return chunk if chunk.shape == shape else chunk[tuple(map(slice, shape))], n_bytes
        if self.format.shard is not None and self.format.by_rows:
            return self._decoded((index, *next(self._columns())), buffers, partial(self._of_shard, shape))
        panel = buffers.take("panel", shape, self.dtype)
        fill = partial(self._fill, panel)
        return panel, sum(self._decoded((index, *each), buffers, fill)[1] for each in self._columns())

    def _decoded(self, place: tuple[int, ...], buffers: Buffers, decode: Callable[..., T]) -> tuple[T, int]:
        """What `decode` makes of a stored chunk, held to its checksum; read once more if it came damaged."""

        def read(memory: Buffers, at_most: int) -> tuple[T, int]:
            encoded = self._stored(chunk, memory, at_most)
            if encoded is None:
                self.checksums.check(index, lambda: ABSENT, 0)
                return decode(None, place, buffers), 0
            try:
                decoded = decode(encoded, place, buffers)
            except CorruptChunkError:
                encoded = self._stored(chunk, memory, at_most)
                if encoded is None:
                    raise
                decoded = decode(encoded, place, buffers)
            found = encoded
            version = 0 if self.format.ends_with_checksum else memory.version
            self.checksums.check(index, lambda: identity_of(found, self.format), version)
            return decoded, found.nbytes

        index = place[0] if self.format.by_rows else int(np.ravel_multi_index(place, self.format.grid))
        chunk = self.at(place)
        return read_planned(chunk, self.planned or self._most, self._most, buffers, read)

    def _of_shard(self, shape: tuple[int, ...], encoded: Bytes | None, place: Any, buffers: Buffers) -> Array:
        """The rows of a shard over all columns, as they lie there where they can be used so."""
        lying = None if encoded is None else lying_in_order(self.format, shape, encoded)
        if lying is not None:
            return lying
        panel = buffers.take("panel", shape, self.dtype)
        self._fill(panel, encoded, place, buffers)
        return panel

    def _fill(self, panel: Array, encoded: Bytes | None, place: tuple[int, ...], buffers: Buffers) -> None:
        """Decode one chunk or shard into its part of the panel."""
        first, sizes = next(self._columns()), self.format.chunk.shape[1:]
        corner = (0, *((i - k) * c for i, k, c in zip(place[1:], first, sizes, strict=True)))
        if self.format.shard is None or encoded is None:
            paste(panel, self._decode(self.format.chunk, encoded, place, buffers), corner)
            return
        try:
            stored = shard_of(self.format, encoded, buffers)
            for offset, inner, which in inner_chunks(self.format, stored, panel.shape, corner):
                if inner is None and self.fill is None:
                    raise self.at(place).missing(f"lacks its inner chunk {which}")
                paste(panel, self._decode(self.format.piece, inner, place, buffers), offset)
        except Damaged as error:
            raise self.at(place).damaged(str(error)) from error

    def _stored(self, chunk: StoredChunk, buffers: Buffers, at_most: int) -> Bytes | None:
        """A chunk's bytes; None if it is not there and that is no error. Raises TooLong."""
        buffers.watch.reading = Reading(chunk, self.read_timeout, time.monotonic())
        try:
            buffers.version = 0
            encoded = fetch(self.source, chunk.key, buffers, at_most=at_most, timeout=self.read_timeout)
        except ReadError as error:
            raise chunk.unreadable(error) from error
        finally:
            buffers.watch.reading = None
        if encoded is None and self.fill is None:
            if not is_there(self.source, self.format.zarr_format):
                raise chunk.unseen()
            self.checksums.ask()
            raise chunk.missing("is not in the store")
        return encoded

    def _decode(self, layout: Layout, encoded: Bytes | None, place: tuple[int, ...], buffers: Buffers) -> Array:
        if encoded is None:
            assert self.fill is not None
            buffers.watch.filled += buffers.counts
            np.copyto(filled := buffers.take("filled", layout.shape, layout.dtype), self.fill)
            return filled
        try:
            return chunk_values(layout, encoded, buffers, aligned=not self._in_pieces)
        except Damaged as error:
            raise self.at(place).damaged(str(error)) from error

    def at(self, place: tuple[int, ...]) -> StoredChunk:
        first, key = place[0], self.format.key(place)
        return StoredChunk(self.name, self.source.label, key, (first * self.chunk_rows, self._stop(first)))

    def _refuse(self, index: int, crc: int, expected: int) -> NoReturn:
        chunk = self.at(tuple(int(i) for i in np.unravel_index(index, self.format.grid)))
        raise chunk.changed(crc, expected, since="was written" if self.listed else "was read before")
