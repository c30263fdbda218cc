"""Reads zarr.json (format 3) into a checked format. What is not on the allow-lists is refused here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dgd.data.zarr.codecs import Codec, check_order, unsupported, v3_codec
from dgd.data.zarr.documents import attributes_of, chosen, integers
from dgd.data.zarr.filters import BFLOAT16, OF_ARRAYS, filtered_dtype
from dgd.data.zarr.layout import ArrayFormat, Layout, Shard
from dgd.errors import UnsupportedFormatError

DTYPES = {
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float16", "float32", "float64",
}  # fmt: skip
LABEL_DTYPES = {"fixed_length_utf32": ("U", 4), "null_terminated_bytes": ("S", 1)}
"""Strings of a fixed length, for targets that are labels; NumPy's kind, and the bytes of a character."""
LONGEST_LABEL = 4096
FIELDS = {
    "zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs",
    "attributes", "storage_transformers", "dimension_names",
}  # fmt: skip


def parse(document: dict[str, Any], name: str, where: str, digest: str) -> ArrayFormat:
    """The format of the array that a zarr.json describes.

    Raises UnsupportedFormatError for what is not on the allow-lists, and various errors for a damaged document.
    """
    chosen(document["zarr_format"], (3,), "zarr_format")
    _refuse_extensions(document, name)
    dtype = _dtype(document["data_type"], name)
    shape = integers(document["shape"])
    grid = document["chunk_grid"]
    if grid["name"] != "regular":
        raise UnsupportedFormatError(
            f"array {name!r} has a {grid['name']!r} chunk grid, expected a regular one; rewrite the array", array=name
        )
    cut = (Codec(BFLOAT16),) if document["data_type"] == BFLOAT16 else ()
    chunk, shard = _layout(document["codecs"], integers(grid["configuration"]["chunk_shape"]), dtype, name, cut)
    prefix, separator = _keys(document["chunk_key_encoding"], name)
    return ArrayFormat(
        name=name,
        zarr_format=3,
        shape=shape,
        chunk=chunk,
        shard=shard,
        key_prefix=prefix,
        separator=separator,
        attributes=attributes_of(document, where),
        dimension_names=_dimension_names(document.get("dimension_names"), shape),
        digest=digest,
        fill_value=document.get("fill_value"),
    )


def _refuse_extensions(document: dict[str, Any], name: str) -> None:
    for transformer in document.get("storage_transformers") or ():
        raise UnsupportedFormatError(
            f"array {name!r} has the storage transformer {transformer}, expected none; rewrite the array", array=name
        )
    for key in sorted(document.keys() - FIELDS):
        extension = document[key]
        if not isinstance(extension, dict) or extension.get("must_understand") is not False:
            raise UnsupportedFormatError(
                f"array {name!r} has the extension {key!r}, which is not understood; rewrite the array without it",
                array=name,
            )


def _dtype(entry: Any, name: str) -> np.dtype[Any]:
    if isinstance(entry, dict) and entry.get("name") in LABEL_DTYPES:
        kind, width = LABEL_DTYPES[entry["name"]]
        (length,) = integers([entry["configuration"]["length_bytes"]])
        if not (0 < length <= LONGEST_LABEL and length % width == 0):
            raise ValueError(f"length_bytes is {length}, expected a multiple of {width} of at most {LONGEST_LABEL}")
        return np.dtype(f"{kind}{length // width}")
    if entry == BFLOAT16:
        return np.dtype(np.float32)
    if not isinstance(entry, str) or entry not in DTYPES:
        raise UnsupportedFormatError(
            f"array {name!r} has dtype {entry!r}, expected bool, an integer or a float of at most 8 bytes; "
            f"convert it before fitting",
            array=name,
        )
    return np.dtype(entry)


def _keys(encoding: Any, name: str) -> tuple[str, str]:
    """The prefix of every chunk key, and its separator."""
    kind = _name(encoding)
    if kind not in ("default", "v2"):
        raise UnsupportedFormatError(
            f"array {name!r} has chunk keys of kind {kind!r}, expected 'default' or 'v2'; rewrite the array", array=name
        )
    separator = _configuration(encoding).get("separator", "/" if kind == "default" else ".")
    chosen(separator, ("/", "."), "separator")
    return (f"c{separator}" if kind == "default" else ""), separator


def _dimension_names(names: Any, shape: tuple[int, ...]) -> tuple[str | None, ...] | None:
    if names is None:
        return None
    if not isinstance(names, list) or not all(name is None or isinstance(name, str) for name in names):
        raise ValueError(f"dimension_names are {names!r}")
    if len(names) != len(shape):
        raise ValueError(f"there are {len(names)} dimension_names for {len(shape)} dimensions")
    return tuple(names)


def _layout(
    entries: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str, cut: tuple[Codec, ...] = ()
) -> tuple[Layout, Shard | None]:
    """The layout of a chunk from its codec chain: [transpose]* [filter]* bytes|sharding_indexed [bytes-to-bytes]*.

    cut: what makes the stored values of numbers that NumPy has no dtype for.
    """
    order, at = _order_of_axes(entries, len(shape))
    filters, stored = _filters(entries[at:], dtype, name)
    if cut and filters:
        raise unsupported(name, f"{filters[0].name} of {cut[0].name}")
    serializer = entries[at + len(filters)]
    if _name(serializer) not in ("bytes", "sharding_indexed"):
        raise unsupported(name, str(_name(serializer)))
    rest = tuple(v3_codec(entry, name, dtype) for entry in entries[at + len(filters) + 1 :])
    for codec in rest:
        if codec.name in OF_ARRAYS:
            raise unsupported(name, f"{codec.name} after {_name(serializer)}")
    if cut:
        filters, stored = cut, np.dtype("u2")
    check_order((*filters, *rest), name, math.prod(shape) * dtype.itemsize)
    if _name(serializer) == "bytes":
        endian = _with_endian(stored, serializer)
        if filters and endian.newbyteorder("=") != endian:
            raise unsupported(name, f"bytes of numbers that {filters[-1].name} made, in another byte order")
        return Layout(shape, dtype if filters else endian, order, (*filters, *rest)), None
    return _sharded(_configuration(serializer), shape, dtype, name, order, filters, rest)


def _order_of_axes(entries: Any, n_axes: int) -> tuple[tuple[int, ...], int]:
    """The axes from the slowest to the fastest varying one after the transposes that stand first, and their number."""
    if not isinstance(entries, list):
        raise ValueError(f"codecs are {entries!r}, expected a list")
    order, at = tuple(range(n_axes)), 0
    while _name(entries[at]) == "transpose":
        axes = integers(_configuration(entries[at])["order"])
        if sorted(axes) != list(range(n_axes)):
            raise ValueError(f"{list(axes)} is not an order of {n_axes} axes")
        order = tuple(order[axis] for axis in axes)
        at += 1
    return order, at


def _sharded(
    configuration: dict[str, Any],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    name: str,
    order: tuple[int, ...],
    filters: tuple[Codec, ...],
    rest: tuple[Codec, ...],
) -> tuple[Layout, Shard]:
    """The layout of a shard: no filter and no other order of axes before it, checksums and compressors after it."""
    natural = tuple(range(len(shape)))
    if filters or order not in (natural, natural[::-1]):
        before = filters[0].name if filters else f"transpose to the axes {list(order)}"
        raise UnsupportedFormatError(
            f"array {name!r} has {before!r} before its shards, expected it inside, or axes the other way round; open "
            f"it with zarr or Dask, and write it again (`dgd.copy` takes a Dask array)",
            array=name,
        )
    for codec in rest:
        if codec.is_filter and not codec.checks:
            raise unsupported(name, f"{codec.name} around shards")
    shard = _shard(configuration, dtype, name)
    return Layout(shape, dtype, natural, rest), shard if order == natural else shard.the_other_way_round()


def _filters(entries: list[Any], dtype: np.dtype[Any], name: str) -> tuple[tuple[Codec, ...], np.dtype[Any]]:
    """The filters of arrays that stand first, and the dtype of what they make."""
    found: list[Codec] = []
    for entry in entries:
        if str(_name(entry)).removeprefix("numcodecs.") not in OF_ARRAYS:
            break
        codec = v3_codec(entry, name, dtype)
        dtype = filtered_dtype(codec.name, codec.configuration, dtype)
        found.append(codec)
    return tuple(found), dtype


def _with_endian(dtype: np.dtype[Any], serializer: Any) -> np.dtype[Any]:
    """The dtype with the byte order of the `bytes` codec; only single bytes need none."""
    endian = _configuration(serializer).get("endian")
    if endian is None and (dtype.itemsize == 1 or dtype.kind == "S"):
        return dtype
    return dtype.newbyteorder("<" if chosen(endian, ("little", "big"), "endian") == "little" else ">")


def _shard(configuration: dict[str, Any], dtype: np.dtype[Any], name: str) -> Shard:
    inner, nested = _layout(configuration["codecs"], integers(configuration["chunk_shape"]), dtype, name)
    index = configuration["index_codecs"]
    names = [_name(entry) for entry in index]
    if names not in (["bytes"], ["bytes", "crc32c"]):
        raise unsupported(name, f"{names} of the shard index")
    if _configuration(index[0]).get("endian") != "little":
        raise unsupported(name, "a shard index that is not little-endian")
    location = chosen(configuration.get("index_location", "end"), ("start", "end"), "index_location")
    return Shard(inner=inner, index_at_end=location == "end", index_checksum="crc32c" in names, nested=nested)


def _name(entry: Any) -> Any:
    return entry.get("name") if isinstance(entry, dict) else entry


def _configuration(entry: Any) -> dict[str, Any]:
    found = entry.get("configuration") if isinstance(entry, dict) else None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"the configuration of {_name(entry)!r} is {found!r}, expected an object")
    return found
