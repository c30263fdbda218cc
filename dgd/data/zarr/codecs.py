"""The codecs that dgd decodes: an allow-list, applied to the metadata before any byte is decoded.

The decoded size must be that of the chunk. It is checked before decoding if the compressed form states it, otherwise
during decoding, so that a damaged or hostile chunk of a few kilobytes cannot take gigabytes of memory.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numcodecs import blosc, lz4, zstd

from dgd._typing import Bytes
from dgd.data.buffers import Buffers
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.filters import BFLOAT16, CHECKSUMS, COPIES, FILTERS, checked_configuration, filtered_size, undo
from dgd.errors import UnsupportedFormatError

CHECKSUM_BYTES = 4
INFLATE_IN = INFLATE_OUT = 2**18
"""zlib always allocates its output, so it decodes in pieces of this size."""
INFLATE_STATES = {"gzip": 40 * 2**10, "zlib": 40 * 2**10, "bz2": 4 * 2**20, "lzma": 80 * 2**20}
"""Windows and tables: of zlib 32 KiB, of bz2 at most 900 kB, of lzma what its highest preset takes, and no more."""


class Damaged(ValueError):
    """The bytes are not what the codec wrote; the caller adds array, chunk and rows."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One bytes-to-bytes codec of an array, by the name dgd uses for it."""

    name: str
    at_end: bool = True
    """Whether a checksum stands after the data, and not before."""

    configuration: dict[str, Any] = field(default_factory=dict)
    """Of a filter."""

    @property
    def is_checksum(self) -> bool:
        """Whether it is the checksum that dgd writes, and not a compressor."""
        return self.name == "crc32c"

    @property
    def is_filter(self) -> bool:
        """Whether it is undone by numcodecs, and its result has a known size."""
        return self.name in FILTERS or self.name == BFLOAT16

    @property
    def checks(self) -> bool:
        """Whether it notices a byte that was changed."""
        return self.is_checksum or self.name in CHECKSUMS

    def size_of(self, n_bytes: int) -> int:
        """The bytes it makes of `n_bytes`; -1 if that cannot be known."""
        if self.is_checksum:
            return n_bytes + CHECKSUM_BYTES
        return filtered_size(self.name, self.configuration, n_bytes) if self.is_filter else -1


def v3_codec(entry: Any, array: str, dtype: np.dtype[Any]) -> Codec:
    """A codec entry of zarr.json."""
    name = entry.get("name") if isinstance(entry, dict) else entry
    known = {"zstd": "zstd", "blosc": "blosc", "gzip": "gzip", "crc32c": "crc32c"}
    known |= {f"numcodecs.{c}": c for c in (*DECOMPRESSORS, *FILTERS, "crc32c")}
    if not isinstance(name, str) or name not in known:
        raise unsupported(array, str(name))
    return _codec(known[name], (entry.get("configuration") or {}) if isinstance(entry, dict) else {}, array, dtype)


def v2_codec(entry: Any, array: str, dtype: np.dtype[Any]) -> Codec:
    """A compressor or filter entry of .zarray."""
    name = entry.get("id") if isinstance(entry, dict) else entry
    if not isinstance(name, str) or name not in {*DECOMPRESSORS, *FILTERS, "crc32c"}:
        raise unsupported(array, str(name))
    return _codec(name, entry if isinstance(entry, dict) else {}, array, dtype)


def _codec(name: str, configuration: dict[str, Any], array: str, dtype: np.dtype[Any]) -> Codec:
    if name in FILTERS:
        return Codec(name, configuration=checked_configuration(name, configuration, dtype))
    if name == "lzma" and configuration.get("format", lzma.FORMAT_XZ) != lzma.FORMAT_XZ:
        raise unsupported(array, "lzma in another form than xz")
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
        f"{', '.join(sorted({*DECOMPRESSORS, *FILTERS, 'crc32c'}))}; rewrite the array with one of these",
        array=array,
    )


def check_order(codecs: tuple[Codec, ...], array: str, n_bytes: int) -> None:
    """Refuse two compressors, and filters of compressed bytes: the size between would not be known beforehand."""
    names = [codec.name for codec in codecs if not (codec.is_checksum or codec.is_filter)]
    for codec in codecs:
        if n_bytes < 0 and not codec.checks and codec.is_filter:
            raise unsupported(array, f"{codec.name} of compressed bytes")
        n_bytes = -1 if n_bytes < 0 else codec.size_of(n_bytes)
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
        sizes.append(-1 if sizes[-1] < 0 else codec.size_of(sizes[-1]))
    for codec, expected, given in zip(reversed(codecs), reversed(sizes[:-1]), reversed(sizes[1:]), strict=True):
        if codec.is_checksum:
            encoded = verified(encoded, codec.at_end)
        elif codec.is_filter:
            encoded = unfiltered(codec, encoded, given, expected)
        else:
            encoded = DECOMPRESSORS[codec.name](encoded, expected, buffers)
    if encoded.nbytes != n_bytes:
        raise Damaged(f"it decodes to {encoded.nbytes:,} bytes, expected {n_bytes:,}")
    return encoded


def encoded_bound(codecs: tuple[Codec, ...], n_bytes: int) -> int:
    """An upper bound on the encoded size of `n_bytes`: that of incompressible data, and some more."""
    for codec in codecs:
        size = codec.size_of(n_bytes)
        n_bytes = size if size >= 0 else n_bytes + n_bytes // 64 + 4096
    return n_bytes


def decoding_bytes(codecs: tuple[Codec, ...], n_bytes: int) -> int:
    """The memory that decoding takes besides the stored form; 0 if that is used directly."""
    names = {codec.name for codec in codecs}
    if names <= {"crc32c"}:
        return 0
    largest = n_bytes
    for codec in codecs:
        n_bytes = max(codec.size_of(n_bytes), n_bytes if codec.name in DECOMPRESSORS else 0)
        largest = max(largest, n_bytes)
    if any(codec.is_filter for codec in codecs):
        largest *= 1 + COPIES
    inflating = min(2 * largest, 2 * INFLATE_OUT) + min(largest, INFLATE_IN)
    states = [INFLATE_STATES[name] + inflating for name in names & INFLATE_STATES.keys()]
    return largest + CHECKSUM_BYTES * len(codecs) + max(states, default=0)


def unfiltered(codec: Codec, encoded: Bytes, given: int, expected: int) -> Bytes:
    """What a filter was given; sizes below 0 are not known."""
    if given >= 0 and encoded.nbytes != given:
        raise Damaged(f"{codec.name} is given {encoded.nbytes:,} bytes, expected {given:,}")
    try:
        decoded = undo(codec.name, codec.configuration, encoded)
    except Exception as error:  # numcodecs raises many kinds for bytes that are not what it wrote
        raise Damaged(f"{codec.name} cannot be undone: {error}") from error
    if expected >= 0 and decoded.nbytes != expected:
        raise Damaged(f"{codec.name} makes {decoded.nbytes:,} bytes of it, expected {expected:,}")
    return decoded


def verified(encoded: Bytes, at_end: bool) -> Bytes:
    """What a crc32c stands beside, if it is that of these bytes. Raises Damaged."""
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


def _inflate(new_stream: Callable[[], Any]) -> Callable[[Bytes, int, Buffers], Bytes]:
    def inflate(encoded: Bytes, expected: int, buffers: Buffers) -> Bytes:
        out = buffers.take("decompressed", (expected,), np.uint8)
        done = 0
        for part in _unfolded(encoded, new_stream()):
            if done + len(part) > expected:
                raise Damaged(f"it decodes to more than {expected:,} bytes")
            out[done : done + len(part)] = np.frombuffer(part, dtype=np.uint8)
            done += len(part)
        return out[:done]

    return inflate


def _unfolded(encoded: Bytes, stream: Any) -> Iterator[bytes]:
    """The pieces that one compressed stream decodes to; it must end where the bytes do."""
    for start in range(0, encoded.nbytes, INFLATE_IN):
        if stream.eof:
            raise Damaged("it goes on after the end of its compressed stream")
        fed: memoryview | bytes = encoded[start : start + INFLATE_IN].data
        while True:
            try:
                part = stream.decompress(fed, INFLATE_OUT)
            except (zlib.error, lzma.LZMAError, OSError) as error:
                raise Damaged(f"it does not decompress: {error}") from error
            yield part
            fed = getattr(stream, "unconsumed_tail", b"")
            if stream.eof or (not fed and len(part) < INFLATE_OUT):
                break
    if not stream.eof:
        raise Damaged("its compressed stream is cut short")
    if stream.unused_data:
        raise Damaged("it goes on after the end of its compressed stream")


DECOMPRESSORS: dict[str, Callable[[Bytes, int, Buffers], Bytes]] = {
    "blosc": _blosc,
    "bz2": _inflate(bz2.BZ2Decompressor),
    "gzip": _inflate(lambda: zlib.decompressobj(31)),
    "lz4": _lz4,
    "lzma": _inflate(lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=INFLATE_STATES["lzma"])),
    "zlib": _inflate(lambda: zlib.decompressobj(15)),
    "zstd": _zstd,
}
