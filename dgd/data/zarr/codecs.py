"""The codecs that dgd decodes: an allow-list, applied to the metadata before any byte is decoded.

The decoded size must be that of the chunk. It is checked before decoding if the compressed form states it, otherwise
during decoding, so that a damaged or hostile chunk of a few kilobytes cannot take gigabytes of memory.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numcodecs import blosc, lz4, zstd

from dgd._typing import Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.crc32c import crc32c
from dgd.errors import UnsupportedFormatError

CHECKSUM_BYTES = 4
INFLATE_IN = INFLATE_OUT = 2**18
"""zlib always allocates its output, so it decodes in pieces of this size."""
INFLATE_STATE = 40 * 2**10
"""zlib's window of 32 KiB, and tables."""


class Damaged(ValueError):
    """The bytes are not what the codec wrote; the caller adds array, chunk and rows."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One bytes-to-bytes codec of an array, by the name dgd uses for it."""

    name: str
    at_end: bool = True
    """Whether a checksum stands after the data, and not before."""

    @property
    def is_checksum(self) -> bool:
        """Whether it is a checksum and not a compressor."""
        return self.name == "crc32c"


def v3_codec(entry: Any, array: str) -> Codec:
    """A codec entry of zarr.json."""
    name = entry.get("name") if isinstance(entry, dict) else entry
    known = {"zstd": "zstd", "blosc": "blosc", "gzip": "gzip", "crc32c": "crc32c"}
    known |= {f"numcodecs.{c}": c for c in ("zstd", "blosc", "gzip", "zlib", "lz4", "crc32c")}
    if not isinstance(name, str) or name not in known:
        raise unsupported(array, str(name))
    return _codec(known[name], (entry.get("configuration") or {}) if isinstance(entry, dict) else {})


def v2_codec(entry: Any, array: str) -> Codec:
    """A compressor or filter entry of .zarray."""
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str) or name not in {*DECOMPRESSORS, "crc32c"}:
        raise unsupported(array, str(name))
    return _codec(name, entry)


def _codec(name: str, configuration: dict[str, Any]) -> Codec:
    if name != "crc32c":
        return Codec(name)
    location = configuration.get("location", "end")
    if location not in ("start", "end"):
        raise ValueError(f"crc32c has the location {location!r}, expected 'start' or 'end'")
    return Codec(name, at_end=location == "end")


def unsupported(array: str, codec: str) -> UnsupportedFormatError:
    """The error for a codec outside the allow-list."""
    return UnsupportedFormatError(
        f"array {array!r} is stored with codec {codec!r}, expected one of bytes, transpose, sharding_indexed, "
        f"{', '.join(sorted(DECOMPRESSORS))}, crc32c; rewrite the array with one of these",
        array=array,
    )


def check_order(codecs: tuple[Codec, ...], array: str) -> None:
    """Refuse two compressors: the size between them would not be known beforehand."""
    names = [codec.name for codec in codecs if not codec.is_checksum]
    if len(names) > 1:
        raise UnsupportedFormatError(
            f"array {array!r} is compressed twice ({' then '.join(names)}), expected one compressor at most; "
            f"rewrite the array",
            array=array,
        )


def decode_bytes(codecs: tuple[Codec, ...], encoded: Bytes, n_bytes: int, buffers: Buffers) -> Bytes:
    """Undo the codecs, last one first; the result has `n_bytes` bytes and may lie in `buffers`. Raises Damaged."""
    sizes = [n_bytes]
    for codec in codecs:
        sizes.append(sizes[-1] + CHECKSUM_BYTES if codec.is_checksum else -1)
    for codec, expected in zip(reversed(codecs), reversed(sizes[:-1]), strict=True):
        if codec.is_checksum:
            encoded = _verified(encoded, codec.at_end)
        else:
            encoded = DECOMPRESSORS[codec.name](encoded, expected, buffers)
    if encoded.nbytes != n_bytes:
        raise Damaged(f"it decodes to {encoded.nbytes:,} bytes, expected {n_bytes:,}")
    return encoded


def encoded_bound(codecs: tuple[Codec, ...], n_bytes: int) -> int:
    """An upper bound on the encoded size of `n_bytes`: that of incompressible data, and some more."""
    if all(codec.is_checksum for codec in codecs):
        return n_bytes + CHECKSUM_BYTES * len(codecs)
    return n_bytes + n_bytes // 64 + 4096


def decoding_bytes(codecs: tuple[Codec, ...], n_bytes: int) -> int:
    """The memory that decoding takes besides the stored form; 0 if that is used directly."""
    names = {codec.name for codec in codecs}
    if names <= {"crc32c"}:
        return 0
    inflating = min(2 * n_bytes, 2 * INFLATE_OUT) + min(n_bytes, INFLATE_IN) + INFLATE_STATE
    return n_bytes + CHECKSUM_BYTES * len(codecs) + (inflating if names & {"gzip", "zlib"} else 0)


def _verified(encoded: Bytes, at_end: bool) -> Bytes:
    if encoded.nbytes < CHECKSUM_BYTES:
        raise Damaged(f"it has {encoded.nbytes} bytes, less than its checksum alone")
    body, mark = (encoded[:-4], encoded[-4:]) if at_end else (encoded[4:], encoded[:4])
    check_crc32c(body, mark)
    return body


def check_crc32c(body: Bytes, mark: Bytes) -> None:
    """Raise Damaged unless `mark` is the crc32c of `body`."""
    stored = int.from_bytes(mark.tobytes(), "little")
    found = crc32c(body)
    if found != stored:
        raise Damaged(f"its crc32c is {found:08x}, and {stored:08x} was written")


def _check_stated(stated: int, expected: int) -> None:
    if stated != expected:
        raise Damaged(f"it says it decodes to {stated:,} bytes, expected {expected:,}")


def _zstd(encoded: Bytes, expected: int, buffers: Buffers) -> Bytes:
    stated = zstd_content_size(encoded)
    if stated is not None:
        _check_stated(stated, expected)
    # A streaming compressor states no size; it is checked against `out` during decoding.
    return _call(zstd.decompress, encoded, buffers.take("decompressed", (expected,), np.uint8))


def zstd_content_size(encoded: Bytes) -> int | None:
    """The decoded size that a zstd frame states, RFC 8878 §3.1.1.1; None if it states none."""
    if encoded.nbytes < 6 or encoded[:4].tobytes() != b"\x28\xb5\x2f\xfd":
        raise Damaged("it is not a zstd frame")
    descriptor = int(encoded[4])
    single_segment = bool(descriptor & 0x20)
    flag = descriptor >> 6
    if flag == 0 and not single_segment:
        return None
    width = (1, 2, 4, 8)[flag]
    start = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
    field = encoded[start : start + width].tobytes()
    if len(field) < width:
        raise Damaged("its zstd frame ends within the header")
    return int.from_bytes(field, "little") + (256 if flag == 1 else 0)


def _blosc(encoded: Bytes, expected: int, buffers: Buffers) -> Bytes:
    if encoded.nbytes < 16:
        raise Damaged(f"it has {encoded.nbytes} bytes, less than a blosc header")
    _check_stated(int.from_bytes(encoded[4:8].tobytes(), "little"), expected)
    if int.from_bytes(encoded[12:16].tobytes(), "little") != encoded.nbytes:
        raise Damaged("its blosc header states another length")
    return _call(blosc.decompress, encoded, buffers.take("decompressed", (expected,), np.uint8))


def _lz4(encoded: Bytes, expected: int, buffers: Buffers) -> Bytes:
    if encoded.nbytes < 4:
        raise Damaged(f"it has {encoded.nbytes} bytes, less than an lz4 header")
    _check_stated(int.from_bytes(encoded[:4].tobytes(), "little"), expected)
    return _call(lz4.decompress, encoded, buffers.take("decompressed", (expected,), np.uint8))


def _call(decompress: Callable[..., Any], encoded: Bytes, out: Bytes) -> Bytes:
    try:
        decompress(encoded, out)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise Damaged(f"it does not decompress: {error}") from error
    return out


def _inflate(window_bits: int) -> Callable[[Bytes, int, Buffers], Bytes]:
    def inflate(encoded: Bytes, expected: int, buffers: Buffers) -> Bytes:
        out = buffers.take("decompressed", (expected,), np.uint8)
        done = 0
        for part in _unfolded(encoded, window_bits):
            if done + len(part) > expected:
                raise Damaged(f"it decodes to more than {expected:,} bytes")
            out[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
            done += len(part)
        return out[:done]

    return inflate


def _unfolded(encoded: Bytes, window_bits: int) -> Iterator[bytes]:
    """The pieces that one zlib stream decodes to; it must end where the bytes do."""
    stream = zlib.decompressobj(window_bits)
    for start in range(0, encoded.nbytes, INFLATE_IN):
        if stream.eof:
            raise Damaged("it goes on after the end of its compressed stream")
        fed: memoryview | bytes = encoded[start : start + INFLATE_IN].data
        while True:
            try:
                part = stream.decompress(fed, INFLATE_OUT)
            except zlib.error as error:
                raise Damaged(f"it does not decompress: {error}") from error
            yield part
            fed = stream.unconsumed_tail
            if stream.eof or (not fed and len(part) < INFLATE_OUT):
                break
    if not stream.eof:
        raise Damaged("its compressed stream is cut short")
    if stream.unused_data:
        raise Damaged("it goes on after the end of its compressed stream")


DECOMPRESSORS: dict[str, Callable[[Bytes, int, Buffers], Bytes]] = {
    "blosc": _blosc,
    "gzip": _inflate(31),
    "lz4": _lz4,
    "zlib": _inflate(15),
    "zstd": _zstd,
}
