"""Codecs around a shard: its size is not known before they are undone, but the most that it can be."""

from __future__ import annotations

from dgd._typing import Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.codecs import DECOMPRESSORS, Codec, Damaged, unfiltered, verified, zstd_content_size


def decode_around(codecs: tuple[Codec, ...], encoded: Bytes, at_most: int, buffers: Buffers) -> Bytes:
    """Undo the codecs around a shard, whose size is not known before, but bounded. Raises Damaged."""
    for codec in reversed(codecs):
        if codec.is_checksum:
            encoded = verified(encoded, codec.at_end)
        elif codec.is_filter:
            encoded = unfiltered(codec, encoded, -1, -1)
        else:
            size = _stated_size(codec.name, encoded, at_most)
            if size > at_most:
                raise Damaged(f"it says it decodes to {size:,} bytes, expected at most {at_most:,}")
            encoded = DECOMPRESSORS[codec.name](encoded, size, buffers)
    return encoded


def _stated_size(name: str, encoded: Bytes, at_most: int) -> int:
    """The decoded size that the compressed form states; the most it can be where none is needed."""
    if name == "zstd":
        stated = zstd_content_size(encoded)
        if stated is None:
            raise Damaged("its zstd frame does not state its size")
        return stated
    if name in ("blosc", "lz4"):
        start = 4 if name == "blosc" else 0
        return int.from_bytes(encoded[start : start + 4].tobytes(), "little")
    return at_most
