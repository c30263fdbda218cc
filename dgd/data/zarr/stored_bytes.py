"""The stored chunks of an array as bytes: what tells one from another, and how many bytes they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from dgd._typing import Bytes
from dgd.data.buffers import LARGE
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.layout import ArrayFormat
from dgd.data.zarr.sources import Source

SAMPLED_CHUNKS = 64


def identity_of(encoded: Bytes, layout: ArrayFormat) -> int:
    """The crc32c that a stored chunk ends with, which decoding verifies; that of all its bytes where it has none."""
    if not layout.ends_with_checksum:
        return crc32c(encoded)
    mark = encoded[-4:] if layout.chunk.codecs[-1].at_end else encoded[:4]
    return int.from_bytes(mark.tobytes(), "little")


@dataclass(frozen=True)
class StoredSize:
    """Bytes of an array as it is stored."""

    total: int
    exact: bool
    largest: int
    """Of a chunk: of large ones that were all asked for the largest there is, else the largest there could be."""


def size_of(source: Source, layout: ArrayFormat) -> StoredSize:
    """Stored bytes of the whole array: exact without compression, else from a sample of the chunks."""
    count, bound = math.prod(layout.grid), layout.encoded_bound
    if layout.fixed_size:
        return StoredSize(count * bound, True, bound)
    places = list(product(*(range(n) for n in layout.grid))) if count <= SAMPLED_CHUNKS else _sample(layout)
    sizes = [source.size(layout.key(place)) for place in places]
    known = [size for size in sizes if size is not None]
    if not known:
        return StoredSize(count * layout.chunk.n_bytes, False, bound)
    exact = len(known) == count
    largest = max(known) if exact and bound >= LARGE else bound
    return StoredSize(round(sum(known) / len(known) * count), exact, min(largest, bound))


def _sample(layout: ArrayFormat) -> list[tuple[int, ...]]:
    """Indices spread evenly over the chunk grid."""
    flat = np.linspace(0, math.prod(layout.grid) - 1, SAMPLED_CHUNKS).astype(np.int64)
    return [tuple(int(i) for i in np.unravel_index(k, layout.grid)) for k in flat]
