"""An array's format as data: shape, dtype, chunk grid, codecs, keys; checked when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from dgd.data.zarr.codecs import Codec, decoding_bytes, encoded_bound


@dataclass(frozen=True)
class Layout:
    """The byte layout of a chunk, or of an inner chunk of a shard."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...]
    """The axes from the slowest to the fastest varying one."""
    codecs: tuple[Codec, ...]

    @cached_property
    def n_bytes(self) -> int:
        """Decoded bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @cached_property
    def in_order(self) -> bool:
        """Whether the axes are in NumPy's default order."""
        return self.order == tuple(range(len(self.shape)))

    @property
    def is_misaligned(self) -> bool:
        """Whether values that are used as they are stored lie at odd addresses: after a checksum of four bytes."""
        uncompressed = all(codec.is_checksum for codec in self.codecs)
        return uncompressed and self.dtype.itemsize > 4 and any(not codec.at_end for codec in self.codecs)

    @property
    def transposed(self) -> Layout:
        """The same bytes with the axes the other way round."""
        last = len(self.shape) - 1
        return replace(self, shape=self.shape[::-1], order=tuple(last - axis for axis in self.order))

    @property
    def encoded_bound(self) -> int:
        """The most bytes it can take in a store."""
        return encoded_bound(self.codecs, self.n_bytes)

    @property
    def decoding_bytes(self) -> int:
        """Memory that decoding takes besides the stored form."""
        return decoding_bytes(self.codecs, self.n_bytes)


@dataclass(frozen=True, slots=True)
class Shard:
    """The inner chunks of a sharded array."""

    inner: Layout
    index_at_end: bool
    index_checksum: bool
    transposed: bool = False
    """Whether its axes are read the other way round than its index has them."""
    nested: Shard | None = None
    """The inner chunks of each of its inner chunks, where those are shards themselves."""

    @property
    def piece(self) -> Layout:
        """The innermost chunk."""
        return self.inner if self.nested is None else self.nested.piece

    def encoded_bound(self, shape: tuple[int, ...]) -> int:
        """The most bytes that a shard of this shape can take."""
        inner = self.inner.encoded_bound if self.nested is None else self.nested.encoded_bound(self.inner.shape)
        return math.prod(self.per_shard(shape)) * inner + self.index_bytes(shape)

    def the_other_way_round(self) -> Shard:
        """The same bytes with the axes the other way round."""
        nested = self.nested and self.nested.the_other_way_round()
        return replace(self, inner=self.inner.transposed, transposed=not self.transposed, nested=nested)

    def per_shard(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The inner chunks of a shard along each axis."""
        return tuple(s // c for s, c in zip(shape, self.inner.shape, strict=True))

    def index_bytes(self, shape: tuple[int, ...]) -> int:
        """The length of the index: offset and length of every inner chunk, and a checksum."""
        return 16 * math.prod(self.per_shard(shape)) + 4 * self.index_checksum


@dataclass(frozen=True)
class ArrayFormat:
    """One array's metadata, checked."""

    name: str
    zarr_format: int
    shape: tuple[int, ...]
    chunk: Layout
    """The stored object: a chunk, or a shard."""
    shard: Shard | None
    key_prefix: str
    separator: str
    attributes: dict[str, Any] = field(repr=False)
    dimension_names: tuple[str | None, ...] | None
    digest: str
    """sha256 of the document, byte for byte."""
    fill_value: Any = None
    """What the document calls so."""
    is_transposed: bool = False
    """Whether the axes are read the other way round than they are stored."""

    @cached_property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        return tuple(-(-s // c) for s, c in zip(self.shape, self.chunk.shape, strict=True))

    @cached_property
    def by_rows(self) -> bool:
        """Whether each chunk has all columns."""
        return math.prod(self.grid[1:]) == 1

    @property
    def piece(self) -> Layout:
        """The unit of decoding: a chunk, or an inner chunk of a shard."""
        return self.chunk if self.shard is None else self.shard.piece

    def key(self, place: tuple[int, ...]) -> str:
        """The store's key of a chunk."""
        stored = place[::-1] if self.is_transposed else place
        return self.key_prefix + self.separator.join(map(str, stored))

    @property
    def transposed(self) -> ArrayFormat:
        """The same array with its axes the other way round."""
        shard, names = self.shard, self.dimension_names
        return replace(
            self,
            shape=self.shape[::-1],
            chunk=self.chunk.transposed,
            shard=shard and shard.the_other_way_round(),
            dimension_names=names and names[::-1],
            is_transposed=not self.is_transposed,
        )

    @property
    def encoded_bound(self) -> int:
        """The most bytes a stored object can have."""
        return self.chunk.encoded_bound if self.shard is None else encoded_bound(self.chunk.codecs, self.shard_bound)

    @property
    def shard_bound(self) -> int:
        """The most bytes a shard can have before the codecs around it; 0 where there are no shards."""
        return 0 if self.shard is None else self.shard.encoded_bound(self.chunk.shape)

    @property
    def around_bytes(self) -> int:
        """Memory that undoing a compressor around the shards takes."""
        compressed = self.shard is not None and any(not codec.checks for codec in self.chunk.codecs)
        return decoding_bytes(self.chunk.codecs, self.shard_bound) if compressed else 0

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The codecs of every stored value, in the order in which they were applied."""
        around = () if self.shard is None else self.chunk.codecs
        return tuple(codec.name for codec in (*self.piece.codecs, *around))

    @property
    def checksummed(self) -> bool:
        """Whether every stored value has a checksum."""
        return any(codec.checks for codec in (*self.piece.codecs, *self.chunk.codecs))

    @property
    def decoded_by_zarr(self) -> bool:
        """Whether a filter is undone by zarr's numcodecs."""
        return any(codec.is_filter for codec in self.piece.codecs)

    @property
    def ends_with_checksum(self) -> bool:
        """Whether a checksum of all its bytes is part of every stored object."""
        return self.shard is None and bool(self.chunk.codecs) and self.chunk.codecs[-1].is_checksum

    @property
    def fixed_size(self) -> bool:
        """Whether every stored object has the same size: nothing is compressed, nothing left out."""
        return self.shard is None and all(codec.is_checksum for codec in self.chunk.codecs)
