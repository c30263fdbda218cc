"""Stores written by zarr-python in every format that dgd reads; zarr-python's own reading is the oracle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

ROWS, COLUMNS = 11, 5
V2_CODECS = ("none", "zstd", "blosc", "gzip", "zlib", "lz4", "crc32c", "crc32c-first", "crc32c+zstd")
V3_CODECS = ("none", "zstd", "blosc", "gzip", "crc32c", "zstd+crc32c", "gzip+crc32c", "blosc+crc32c")
DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
)  # fmt: skip
BIG_ENDIAN = (">i2", ">i4", ">i8", ">u2", ">u4", ">u8", ">f2", ">f4", ">f8")
CHUNK_ROWS = {"ragged": 4, "one row": 1, "single": ROWS, "longer": ROWS + 8}
CHUNK_COLUMNS = {"whole": COLUMNS, "in parts": 2}


@dataclass(frozen=True)
class Format:
    """How a store is written."""

    zarr_format: int
    shards: bool
    codec: str
    order: str
    dtype: str = "float64"
    rows: str = "ragged"
    columns: str = "whole"
    aligned: bool = True

    def __str__(self) -> str:
        kind = f"v{self.zarr_format}{' shards' if self.shards else ''}"
        y = "aligned" if self.aligned else "misaligned"
        return f"{kind}, {self.codec}, {self.order}, {self.dtype}, {self.rows}, {self.columns}, {y}"


def structures() -> Iterator[Format]:
    """Every structure a store can have: format, shards, codec, order."""
    for codec, order in product(V2_CODECS, "CF"):
        yield Format(2, False, codec, order)
    for shards, codec, order in product((False, True), V3_CODECS, "CF"):
        yield Format(3, shards, codec, order)


def values(dtype: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values over the whole range of a dtype, many of them zero, which is zarr's fill value."""
    rng = np.random.default_rng(seed)
    wanted = np.dtype(dtype)
    if wanted.kind == "b":
        return rng.integers(0, 2, size=shape).astype(bool)
    if wanted.kind in "iu":
        limits = np.iinfo(wanted)
        drawn = rng.integers(limits.min, limits.max, size=shape, dtype=wanted.newbyteorder("="), endpoint=True)
    else:
        drawn = rng.normal(size=shape)
    return (drawn * (rng.random(shape) < 0.8).astype(drawn.dtype)).astype(wanted)


def create(group: zarr.Group, name: str, data: np.ndarray, chunks: tuple[int, ...], form: Format) -> zarr.Array:
    """An array in a format, written by zarr-python, with no chunk left out."""
    arguments = _v2_arguments(form) if form.zarr_format == 2 else _v3_arguments(form, data)
    if form.shards:
        whole = (-(-size // chunk) * chunk for size, chunk in zip(data.shape[1:], chunks[1:], strict=True))
        arguments["shards"] = (2 * chunks[0], *whole)
    config = {"write_empty_chunks": True}
    array = group.create_array(name, shape=data.shape, chunks=chunks, dtype=data.dtype, config=config, **arguments)
    array[...] = data
    return array


def _v2_arguments(form: Format) -> dict[str, Any]:
    filters, compressor = {
        "none": ([], None),
        "zstd": ([], numcodecs.Zstd(level=1)),
        "blosc": ([], numcodecs.Blosc(cname="lz4", shuffle=numcodecs.Blosc.SHUFFLE)),
        "gzip": ([], numcodecs.GZip(level=1)),
        "zlib": ([], numcodecs.Zlib(level=1)),
        "lz4": ([], numcodecs.LZ4()),
        "crc32c": ([numcodecs.CRC32C()], None),
        "crc32c-first": ([numcodecs.CRC32C(location="start")], None),
        "crc32c+zstd": ([numcodecs.CRC32C()], numcodecs.Zstd(level=1)),
    }[form.codec]
    return {"filters": filters, "compressors": compressor, "order": form.order}


def _v3_arguments(form: Format, data: np.ndarray) -> dict[str, Any]:
    codecs = {
        "zstd": ZstdCodec(level=1),
        "blosc": BloscCodec(cname="lz4", shuffle="bitshuffle", typesize=data.dtype.itemsize),
        "gzip": GzipCodec(level=1),
        "crc32c": Crc32cCodec(),
    }
    names = [] if form.codec == "none" else form.codec.split("+")
    arguments: dict[str, Any] = {"compressors": [codecs[name] for name in names], "filters": []}
    if form.order == "F" and data.ndim == 2:
        arguments["filters"] = [TransposeCodec(order=(1, 0))]
    if data.dtype.byteorder == ">":
        arguments["serializer"] = BytesCodec(endian="big")
    return arguments


def write(path: Path, form: Format, *, seed: int = 0, rows: int = ROWS, chunk_rows: int | None = None) -> zarr.Group:
    """A group with X of the format's dtype and y of finite numbers, in that format."""
    group = zarr.open_group(path, mode="w", zarr_format=form.zarr_format)
    length = CHUNK_ROWS[form.rows] if chunk_rows is None else chunk_rows
    width = CHUNK_COLUMNS[form.columns]
    create(group, "X", values(form.dtype, (rows, COLUMNS), seed), (length, width), form)
    create(group, "y", values("float32", (rows,), seed + 1), (length if form.aligned else 3,), form)
    return group
