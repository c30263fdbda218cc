"""The inner chunks of a shard, found by its index: offset and length of each, in the order of the grid."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Bytes
from dgd.data.zarr.codecs import Damaged, check_crc32c
from dgd.data.zarr.layout import ArrayFormat, Shard

ABSENT = 2**64 - 1
"""Offset and length that the index has for an inner chunk that was never written."""


def inner_chunks(
    array: ArrayFormat, encoded: Bytes, panel: tuple[int, ...], corner: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Bytes | None, tuple[int, ...]]]:
    """The place of each innermost chunk in the panel, its bytes, and which one it is of its shard.

    corner: where the shard goes in the panel; chunks beyond the panel's edge are left out. None: the chunk was never
    written. Raises Damaged.
    """
    assert array.shard is not None
    for offset, inner in _inner_chunks(array.shard, array.chunk.shape, encoded, panel, corner):
        which = tuple((o - c) // size for o, c, size in zip(offset, corner, array.piece.shape, strict=True))
        yield offset, inner, which


def _inner_chunks(
    shard: Shard, shape: tuple[int, ...], encoded: Bytes, panel: tuple[int, ...], corner: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Bytes | None]]:
    """The same for a shard of some shape, without which one it is."""
    counts = shard.per_shard(shape)
    index = _index(shard, shape, encoded)
    if shard.transposed:
        index = index.reshape(*counts[::-1], 2).transpose(*range(len(counts) - 1, -1, -1), len(counts)).reshape(-1, 2)
    _check_apart(index, encoded.nbytes)
    for place, entry in zip(product(*(range(count) for count in counts)), index, strict=True):
        offset = tuple(o + i * c for o, i, c in zip(corner, place, shard.inner.shape, strict=True))
        if any(o >= size for o, size in zip(offset, panel, strict=True)):
            continue
        start, length = int(entry[0]), int(entry[1])
        if start == ABSENT and length == ABSENT:
            yield from ((inside, None) for inside in _innermost(shard, offset, panel))
            continue
        if start + length > encoded.nbytes:
            raise Damaged(f"inner chunk {place} lies beyond the end of the shard")
        stored = encoded[start : start + length]
        if shard.nested is None:
            yield offset, stored
        else:
            yield from _inner_chunks(shard.nested, shard.inner.shape, stored, panel, offset)


def lying_in_order(array: ArrayFormat, shape: tuple[int, ...], encoded: Bytes) -> Array | None:
    """The rows of a shard as they lie in its bytes; None where they have to be put together, and where it is damaged.

    shape: of the rows. Without compression, and without checksums between them, inner chunks over all columns lie one
    behind the other as a rule.
    """
    shard, chunk = array.shard, array.chunk
    if shard is None or shard.nested or shard.inner.codecs or chunk.codecs or shard.inner.dtype.kind == "b":
        return None
    inner = shard.inner
    if not inner.in_order or not inner.shape[1:] == chunk.shape[1:] == shape[1:]:
        return None
    count, size = -(-shape[0] // inner.shape[0]), inner.n_bytes
    try:
        starts, lengths = _index(shard, chunk.shape, encoded)[:count].T
    except Damaged:
        return None
    first = int(starts[0])
    if first + count * size > encoded.nbytes or (lengths != size).any() or (np.diff(starts) != size).any():
        return None
    values = encoded[first : first + count * size].view(inner.dtype)
    return values.reshape(-1, *shape[1:])[: shape[0]] if values.flags.aligned else None


def _innermost(shard: Shard, offset: tuple[int, ...], panel: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The places of the innermost chunks of an inner chunk, within the panel."""
    steps = shard.piece.shape
    ends = (min(o + c, size) for o, c, size in zip(offset, shard.inner.shape, panel, strict=True))
    return product(*(range(o, end, step) for o, end, step in zip(offset, ends, steps, strict=True)))


def _check_apart(index: NDArray[np.uint64], n_bytes: int) -> None:
    """Raise Damaged where two inner chunks share bytes: rows would be read twice, and others never.

    Those beyond the end of the shard have an error of their own.
    """
    starts, lengths = index[(index <= n_bytes).all(axis=1)].T
    order = np.argsort(starts, kind="stable")
    stops = (starts + lengths)[order]
    if (stops[:-1] > starts[order][1:]).any():
        raise Damaged("in its shard index two inner chunks overlap")


def paste(panel: Array, chunk: Array, corner: tuple[int, ...]) -> None:
    """Copy a chunk to its corner of the panel, without what lies beyond the panel's edge."""
    sizes = [min(c, p - o) for c, p, o in zip(chunk.shape, panel.shape, corner, strict=True)]
    target = tuple(slice(o, o + size) for o, size in zip(corner, sizes, strict=True))
    panel[target] = chunk[tuple(slice(size) for size in sizes)]


def _index(shard: Shard, shape: tuple[int, ...], encoded: Bytes) -> NDArray[np.uint64]:
    n_bytes = shard.index_bytes(shape)
    if encoded.nbytes < n_bytes:
        raise Damaged(f"it has {encoded.nbytes:,} bytes, less than the {n_bytes:,} of its shard index")
    index = encoded[-n_bytes:] if shard.index_at_end else encoded[:n_bytes]
    if shard.index_checksum:
        try:
            check_crc32c(index[:-4], index[-4:])
        except Damaged as error:
            raise Damaged(f"its shard index is wrong: {error}") from error
        index = index[:-4]
    return np.frombuffer(index.tobytes(), dtype="<u8").reshape(-1, 2)
