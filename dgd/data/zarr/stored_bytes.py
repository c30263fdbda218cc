"""The stored chunks of an array as bytes: what tells one from another, and how many bytes they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np

from dgd._typing import Bytes
from dgd.data.rows import Footprint
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.layout import ArrayFormat
from dgd.data.zarr.sources import Source

SAMPLED_CHUNKS = 256
MARGIN = 1.25
"""Where some chunks were looked at, how much larger others may be before that is more than was planned."""
LEAST = 4096
"""So small a difference is none."""


def identity_of(encoded: Bytes, layout: ArrayFormat) -> int:
    """The crc32c that a stored chunk ends with, which decoding verifies; that of all its bytes where it has none."""
    if not layout.ends_with_checksum:
        return crc32c(encoded)
    mark = encoded[-4:] if layout.chunk.codecs[-1].at_end else encoded[:4]
    return int.from_bytes(mark.tobytes(), "little")


@dataclass(frozen=True)
class StoredSizes:
    """The stored bytes of an array."""

    total: int
    exact: bool
    """Whether the total is known, or estimated."""
    largest: int
    """What a chunk is planned with: the largest one where all were looked at, a margin more where some were."""


def sizes_of(source: Source, layout: ArrayFormat) -> StoredSizes:
    """Exact without compression, else from a sample of the chunks; the most they can have where a store cannot tell."""
    count, most = math.prod(layout.grid), layout.encoded_bound
    if layout.fixed_size:
        return StoredSizes(count * most, True, most)
    places = list(product(*(range(n) for n in layout.grid))) if count <= SAMPLED_CHUNKS else _sample(layout)
    sizes = [source.size(layout.key(place)) for place in places]
    known = [size for size in sizes if size is not None]
    if not known:
        return StoredSizes(count * layout.chunk.n_bytes, False, most)
    margin = 1.0 if len(places) == count else MARGIN
    total = round(sum(known) / len(known) * count)
    return StoredSizes(total, len(known) == count, min(most, int(margin * max(known)) + LEAST))


def footprint_of(
    source: Source, array: ArrayFormat, sizes: StoredSizes, *, panel: int, filled: bool, limit: int
) -> Footprint:
    """The stored chunks, what decoding one takes, and the panel in which pieces are joined, 0 where they are not.

    filled: whether absent chunks are taken as their fill value; limit: chunks that may be asked for ahead.
    """
    decoded = panel + array.piece.decoding_bytes + array.around_bytes
    if not panel and array.chunk.is_misaligned:
        decoded += array.chunk.n_bytes
    if filled:
        decoded += array.chunk.n_bytes
    ahead = limit if source.read_ahead == "requests" else 0
    encoded, most = (1 + ahead) * sizes.largest * source.copies, array.encoded_bound
    larger = most if sizes.largest < most else 0
    return Footprint(encoded, decoded, sizes.total, sizes.exact, path=source.read_path, ahead=ahead, larger=larger)


def _sample(layout: ArrayFormat) -> list[tuple[int, ...]]:
    """Indices spread evenly over the chunk grid."""
    flat = np.linspace(0, math.prod(layout.grid) - 1, SAMPLED_CHUNKS).astype(np.int64)
    return [tuple(int(i) for i in np.unravel_index(k, layout.grid)) for k in flat]
