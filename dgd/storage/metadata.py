"""An array's metadata document, read without decoding anything: shape, dtype, chunk grid, codecs, keys.

zarr.json (format 3) and .zarray (format 2). Whatever the allow-lists do not name is refused here.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd.buffers import Buffers
from dgd.dataset import check_dtype
from dgd.errors import DatasetNotFoundError, MetadataError, UnsupportedFormatError
from dgd.storage.codecs import Codec, check_order, encoded_bound, unsupported, v2_codec, v3_codec
from dgd.storage.source import Source

LARGEST_DOCUMENT = 64 * 2**20
V3_DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """How one chunk, or one inner chunk of a shard, lies in its bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: tuple[int, ...]
    """The array's axes in the order in which the bytes run through them."""
    codecs: tuple[Codec, ...]

    @property
    def n_bytes(self) -> int:
        """Decoded bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def encoded_bound(self) -> int:
        """The most bytes it can take in a store."""
        return encoded_bound(self.codecs, self.n_bytes)


@dataclass(frozen=True, slots=True)
class Shard:
    """The inner chunks of a sharded array."""

    inner: Layout
    index_at_end: bool
    index_checksum: bool

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

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each axis."""
        return tuple(-(-s // c) for s, c in zip(self.shape, self.chunk.shape, strict=True))

    def key(self, place: tuple[int, ...]) -> str:
        """The store's key of a chunk."""
        return self.key_prefix + self.separator.join(str(i) for i in place)

    @property
    def encoded_bound(self) -> int:
        """The most bytes a stored object can have."""
        if self.shard is None:
            return self.chunk.encoded_bound
        inner = math.prod(self.shard.per_shard(self.chunk.shape))
        return inner * self.shard.inner.encoded_bound + self.shard.index_bytes(self.chunk.shape)

    @property
    def codec_names(self) -> tuple[str, ...]:
        """The codecs that a reader sees, the sharding included."""
        layout = self.chunk if self.shard is None else self.shard.inner
        names = [codec.name for codec in layout.codecs]
        return (("sharding",) if self.shard else ()) + tuple(names)

    @property
    def checksummed(self) -> bool:
        """Whether every stored value is guarded by a checksum."""
        layout = self.chunk if self.shard is None else self.shard.inner
        return any(codec.is_checksum for codec in layout.codecs)

    @property
    def compressed(self) -> bool:
        """Whether the stored size differs from the decoded one."""
        return any(name not in {"crc32c", "sharding"} for name in self.codec_names)

    @property
    def decoded_copies(self) -> int:
        """How many decoded forms of a chunk are alive while it is decoded; none where the stored form is used."""
        if not self.compressed:
            return 0 if self.shard is None else 1
        return 2 if {"gzip", "zlib"} & set(self.codec_names) else 1


def read_document(source: Source, key: str) -> bytes | None:
    """A metadata document's bytes, None if there is none."""
    content = source.get(key, Buffers(), at_most=LARGEST_DOCUMENT)
    return None if content is None else content.tobytes()


def parse_document(document: bytes, where: str) -> dict[str, Any]:
    """The JSON object of a metadata document."""
    try:
        parsed = json.loads(document)
    except ValueError as error:
        raise MetadataError(f"{where} is not JSON ({error}): the document is torn; restore it from a copy") from error
    if not isinstance(parsed, dict):
        raise MetadataError(f"{where} holds a JSON {type(parsed).__name__}, expected an object")
    return parsed


def read_array_format(source: Source, name: str) -> ArrayFormat:
    """The metadata of the array at a source. Raises DatasetNotFoundError if no array is there."""
    for key, parse in (("zarr.json", _parse_v3), (".zarray", _parse_v2)):
        document = read_document(source, key)
        if document is None:
            continue
        where = f"{source.label}/{key}"
        parsed = parse_document(document, where)
        try:
            found = parse(parsed, name, source, hashlib.sha256(document).hexdigest())
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise MetadataError(
                f"{where} is not an array's metadata: {type(error).__name__}: {error}; restore it from a copy",
                array=name,
            ) from error
        _check_grid(found, where)
        return found
    raise DatasetNotFoundError(f"there is no zarr array at {source.label}; check the path or the name", array=name)


def _check_grid(found: ArrayFormat, where: str) -> None:
    chunk = found.chunk.shape
    if len(found.shape) != len(chunk) or min((*chunk, 1)) < 1 or min((*found.shape, 0)) < 0:
        raise MetadataError(f"{where}: shape {found.shape} and chunks {chunk} contradict each other", array=found.name)
    if sorted(found.chunk.order) != list(range(len(chunk))):
        raise MetadataError(f"{where}: {found.chunk.order} is not an order of axes", array=found.name)
    if found.shard is None:
        return
    inner = found.shard.inner.shape
    if len(inner) != len(chunk) or any(c < 1 or s % c for s, c in zip(chunk, inner, strict=True)):
        raise MetadataError(f"{where}: shards {chunk} are not whole inner chunks {inner}", array=found.name)


def _integers(values: Any) -> tuple[int, ...]:
    if not all(type(value) is int for value in values):
        raise ValueError(f"{values} is not a list of integers")
    return tuple(values)


def _parse_v3(document: dict[str, Any], name: str, source: Source, digest: str) -> ArrayFormat:
    if document["zarr_format"] != 3 or document["node_type"] != "array":
        found = document.get("node_type")
        raise DatasetNotFoundError(f"{source.label} is a zarr {found}, expected an array", array=name)
    _refuse_extensions(document, name)
    dtype = _v3_dtype(document["data_type"], name)
    shape = _integers(document["shape"])
    grid = document["chunk_grid"]
    if grid["name"] != "regular":
        raise UnsupportedFormatError(
            f"array {name!r} has a {grid['name']} chunk grid, expected a regular one", array=name
        )
    chunk_shape = _integers(grid["configuration"]["chunk_shape"])
    chunk, shard = _v3_layout(document["codecs"], chunk_shape, dtype, name)
    encoding = document["chunk_key_encoding"]
    configuration = encoding.get("configuration") or {}
    if encoding["name"] not in {"default", "v2"}:
        raise UnsupportedFormatError(f"array {name!r} has chunk keys of kind {encoding['name']!r}", array=name)
    default = encoding["name"] == "default"
    separator = configuration.get("separator", "/" if default else ".")
    names = document.get("dimension_names")
    return ArrayFormat(
        name=name,
        zarr_format=3,
        shape=shape,
        chunk=chunk,
        shard=shard,
        key_prefix=f"c{separator}" if default else "",
        separator=separator,
        attributes=document.get("attributes") or {},
        dimension_names=None if names is None else tuple(names),
        digest=digest,
    )


def _refuse_extensions(document: dict[str, Any], name: str) -> None:
    for transformer in document.get("storage_transformers") or ():
        raise UnsupportedFormatError(f"array {name!r} has the storage transformer {transformer}", array=name)


def _v3_dtype(entry: Any, name: str) -> np.dtype[Any]:
    if not isinstance(entry, str) or entry not in V3_DTYPES:
        raise UnsupportedFormatError(
            f"array {name!r} has dtype {entry!r}, expected bool, an integer or a float of at most 8 bytes; "
            f"convert it before fitting",
            array=name,
        )
    return np.dtype(entry)


def _v3_layout(
    entries: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> tuple[Layout, Shard | None]:
    """The layout of a chunk from its codec chain: [transpose]* bytes|sharding_indexed [bytes-to-bytes]*."""
    order = tuple(range(len(shape)))
    at = 0
    while _name(entries[at]) == "transpose":
        axes = entries[at]["configuration"]["order"]
        order = tuple(order[axis] for axis in _integers(axes))
        at += 1
    serializer, rest = entries[at], tuple(v3_codec(entry, name) for entry in entries[at + 1 :])
    check_order(rest, name)
    if _name(serializer) == "bytes":
        endian = (
            (serializer.get("configuration") or {}).get("endian", "little")
            if isinstance(serializer, dict)
            else "little"
        )
        return Layout(shape, dtype.newbyteorder({"little": "<", "big": ">"}[endian]), order, rest), None
    if _name(serializer) != "sharding_indexed":
        raise unsupported(name, str(_name(serializer)))
    if rest or at:
        raise UnsupportedFormatError(f"array {name!r} has codecs around its shards, expected them inside", array=name)
    return Layout(shape, dtype, order, ()), _v3_shard(serializer["configuration"], dtype, name)


def _v3_shard(configuration: dict[str, Any], dtype: np.dtype[Any], name: str) -> Shard:
    inner, nested = _v3_layout(configuration["codecs"], _integers(configuration["chunk_shape"]), dtype, name)
    if nested is not None:
        raise UnsupportedFormatError(f"array {name!r} has shards within shards, expected one level", array=name)
    index = [_name(entry) for entry in configuration["index_codecs"]]
    if index not in (["bytes"], ["bytes", "crc32c"]):
        raise unsupported(name, f"{index} of the shard index")
    endian = (configuration["index_codecs"][0].get("configuration") or {}).get("endian", "little")
    if endian != "little":
        raise unsupported(name, "a big-endian shard index")
    location = configuration.get("index_location", "end")
    if location not in {"start", "end"}:
        raise ValueError(f"index_location {location!r}")
    return Shard(inner=inner, index_at_end=location == "end", index_checksum="crc32c" in index)


def _name(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else entry


def _parse_v2(document: dict[str, Any], name: str, source: Source, digest: str) -> ArrayFormat:
    if document["zarr_format"] != 2:
        raise ValueError(f"zarr_format {document['zarr_format']}")
    entry = document["dtype"]
    if not isinstance(entry, str):
        raise UnsupportedFormatError(f"array {name!r} has the structured dtype {entry}, expected numbers", array=name)
    try:
        dtype = np.dtype(entry)
    except TypeError as error:
        raise UnsupportedFormatError(f"array {name!r} has dtype {entry!r}, which is not known", array=name) from error
    check_dtype(name, dtype)
    codecs = [v2_codec(entry, name) for entry in document.get("filters") or ()]
    for codec in codecs:
        if not codec.is_checksum:
            raise unsupported(name, f"{codec.name} as a filter")
    if document["compressor"] is not None:
        codecs.append(v2_codec(document["compressor"], name))
    chunks = _integers(document["chunks"])
    axes = tuple(range(len(chunks)))
    order = {"C": axes, "F": axes[::-1]}[document["order"]]
    attributes = read_document(source, ".zattrs")
    return ArrayFormat(
        name=name,
        zarr_format=2,
        shape=_integers(document["shape"]),
        chunk=Layout(chunks, dtype, order, tuple(codecs)),
        shard=None,
        key_prefix="",
        separator=document.get("dimension_separator", "."),
        attributes={} if attributes is None else parse_document(attributes, f"{source.label}/.zattrs"),
        dimension_names=None,
        digest=digest,
    )
