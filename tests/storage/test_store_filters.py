"""Codecs that zarr's numcodecs undo, and shards in shards: the values zarr reads, held as strictly as dgd's own."""

from __future__ import annotations

import bz2
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from foreign import document, edit
from traced import peak_of
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.codecs import numcodecs as three

import dgd
from dgd import testing
from dgd.errors import CorruptChunkError, MetadataError, MissingChunkError

pytestmark = pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3 specification")

X = np.round(np.random.default_rng(0).normal(size=(100, 3)), 2)
SHARDS = ShardingCodec(
    chunk_shape=(10, 3),
    codecs=[ShardingCodec(chunk_shape=(5, 1), codecs=[TransposeCodec(order=(1, 0)), BytesCodec(), ZstdCodec()])],
)
FILTERS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "delta": lambda: (numcodecs.Delta("f8"),),
    "delta to float32": lambda: (numcodecs.Delta("f8", "f4"),),
    "fixedscaleoffset": lambda: (numcodecs.FixedScaleOffset(0, 100, "f8", "i2"),),
    "two filters": lambda: (numcodecs.FixedScaleOffset(0, 100, "f8", "i4"), numcodecs.Delta("i4")),
    "quantize": lambda: (numcodecs.Quantize(2, "f8"),),
    "bitround": lambda: (numcodecs.BitRound(20),),
    "astype": lambda: (numcodecs.AsType("f4", "f8"),),
    "shuffle": lambda: (numcodecs.Shuffle(8),),
    "crc32": lambda: (numcodecs.CRC32(),),
    "adler32": lambda: (numcodecs.Adler32(),),
    "fletcher32": lambda: (numcodecs.Fletcher32(),),
}
HDF5 = {"shuffle, zlib": (), "shuffle, zlib, fletcher32": (numcodecs.Fletcher32(),)}
"""What references to the chunks of an HDF5 file have as filters."""
THREE: dict[str, Callable[[], dict[str, Any]]] = {
    "delta": lambda: {"filters": [three.Delta(dtype="float64")]},
    "astype": lambda: {"filters": [three.AsType(encode_dtype="float32", decode_dtype="float64")]},
    "bitround": lambda: {"filters": [three.BitRound(keepbits=10)]},
    "shuffle, bz2": lambda: {"compressors": [three.Shuffle(elementsize=8), three.BZ2()]},
    "lzma, crc32": lambda: {"compressors": [three.LZMA(), three.CRC32()]},
    "checksums": lambda: {"compressors": [three.Fletcher32(), three.Adler32()]},
    "shards of delta": lambda: {"chunks": (10, 3), "shards": (20, 3), "filters": [three.Delta(dtype="float64")]},
    "shards in shards": lambda: {"chunks": (50, 3), "serializer": SHARDS, "compressors": (), "filters": ()},
}


def write(path: Path, X: np.ndarray = X, **format: Any) -> zarr.Array[Any]:
    """An array as zarr writes it, beside a plain y."""
    group = zarr.open_group(path, mode="w", zarr_format=format.pop("zarr_format", 3))
    array = group.create_array("X", shape=X.shape, dtype=X.dtype, chunks=format.pop("chunks", (20, 3)), **format)
    array[...] = X
    group.create_array("y", data=np.arange(float(len(X))))
    return array


def check(path: Path, array: zarr.Array[Any]) -> dgd.Dataset:
    """The values are those that zarr reads."""
    dataset = dgd.open_dataset(path)
    found = np.concatenate([dataset.read(k).X for k in range(dataset.n_chunks)])
    np.testing.assert_array_equal(found, np.asarray(array[...]))
    return dataset


@pytest.mark.parametrize("compressor", [None, numcodecs.BZ2()], ids=str)
@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_format_2(name: str, compressor: Any, tmp_path: Path) -> None:
    array = write(tmp_path, filters=FILTERS[name](), compressors=compressor, zarr_format=2)
    check(tmp_path, array)
    assert dgd.info(tmp_path).arrays[0].read_path.endswith("values decoded by zarr, slowly")
    assert dgd.info(tmp_path).arrays[0].checksum == (name in {"crc32", "adler32", "fletcher32"})


@pytest.mark.parametrize("name", HDF5)
def test_a_compressor_may_be_a_filter(name: str, tmp_path: Path) -> None:
    filters = (numcodecs.Shuffle(8), numcodecs.Zlib(), *HDF5[name])
    check(tmp_path, write(tmp_path, filters=filters, compressors=None, zarr_format=2))


@pytest.mark.parametrize(("dtype", "order"), [(">f8", "C"), ("<f4", "F"), ("|b1", "C"), ("<i2", "C")])
def test_dtypes_and_orders_of_filters(dtype: str, order: str, tmp_path: Path) -> None:
    filters = (numcodecs.PackBits() if dtype == "|b1" else numcodecs.Delta(dtype),)
    values = (X > 0 if dtype == "|b1" else X * 50).astype(dtype)
    check(tmp_path, write(tmp_path, values, filters=filters, compressors=numcodecs.Zstd(), order=order, zarr_format=2))


@pytest.mark.parametrize("name", THREE)
def test_filters_of_format_3(name: str, tmp_path: Path) -> None:
    dataset = check(tmp_path, write(tmp_path, **THREE[name]()))
    decoded = dgd.info(tmp_path).arrays[0].read_path.rpartition(", ")
    assert decoded[2] == ("decoded by dgd" if name == "shards in shards" else "slowly")
    assert (
        dgd.fit(dataset, threads=1, max_iter=2).theta.tobytes()
        == dgd.fit(dataset, threads=3, max_iter=2).theta.tobytes()
    )


@pytest.mark.parametrize("name", ["crc32", "adler32", "fletcher32"])
def test_a_flipped_bit_is_found_by_every_checksum(name: str, tmp_path: Path) -> None:
    write(tmp_path, filters=FILTERS[name](), compressors=None, zarr_format=2)
    chunk = tmp_path / "X" / "1.0"
    content = bytearray(chunk.read_bytes())
    content[77] ^= 4
    chunk.write_bytes(content)
    with pytest.raises(CorruptChunkError, match=f"chunk 1.0 .* is damaged: {name} cannot be undone"):
        dgd.open_dataset(tmp_path).read(1)


@pytest.mark.parametrize("name", ["delta", "shuffle", "fixedscaleoffset"])
def test_a_chunk_of_another_size_is_damaged(name: str, tmp_path: Path) -> None:
    write(tmp_path, filters=FILTERS[name](), compressors=None, zarr_format=2)
    chunk = tmp_path / "X" / "1.0"
    chunk.write_bytes(chunk.read_bytes()[:-8])
    with pytest.raises(CorruptChunkError, match=rf"{name} is given \d+ bytes, expected \d+"):
        dgd.open_dataset(tmp_path).read(1)


def test_what_shards_in_shards_lack_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    half = X.copy()
    half[5:10, 1] = 0
    write(path, half, **THREE["shards in shards"]())
    with pytest.raises(MissingChunkError, match=r"lacks its inner chunk \(1, 1\)"):
        dgd.open_dataset(path).read(0)
    filled = dgd.open_dataset(path, missing_chunks="fill")
    np.testing.assert_array_equal(filled.read(0).X, half[:50])
    write(tmp_path / "b.zarr", np.where(np.arange(100)[:, None] < 20, 0, X), **THREE["shards in shards"]())
    filled = dgd.open_dataset(tmp_path / "b.zarr", missing_chunks="fill")
    np.testing.assert_array_equal(filled.read(0).X, np.where(np.arange(50)[:, None] < 20, 0, X[:50]))
    shard = path / "X" / "c" / "1" / "0"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(CorruptChunkError, match="shard index is wrong"):
        dgd.open_dataset(path).read(1)


@pytest.mark.each(2)
@pytest.mark.parametrize("codec", ["bz2", "lzma"])
def test_a_small_chunk_cannot_become_a_large_one(codec: str, tmp_path: Path) -> None:
    compressor = numcodecs.BZ2() if codec == "bz2" else numcodecs.LZMA()
    write(tmp_path, compressors=compressor, zarr_format=2)
    dataset = dgd.open_dataset(tmp_path)
    (tmp_path / "X" / "1.0").write_bytes((bz2 if codec == "bz2" else lzma).compress(bytes(2**24)))

    def refused() -> None:
        with pytest.raises(CorruptChunkError, match="it decodes to more than 480 bytes"):
            dataset.read(1)

    assert peak_of(refused, 2**24) < 2**24  # of which lzma's window has 8 MiB


@pytest.mark.parametrize("name", ["two filters", "shuffle"])
def test_memory_is_planned_for_filters(name: str, tmp_path: Path) -> None:
    write(tmp_path, np.ones((20_000, 8)), chunks=(10_000, 8), filters=FILTERS[name](), zarr_format=2)
    dataset = dgd.open_dataset(tmp_path)
    dataset.read(0)
    planned = dataset.footprint.encoded + dataset.footprint.decoded
    assert peak_of(lambda: dataset.read(1), planned) < planned


@pytest.mark.parametrize("filters", [[{"id": "delta", "dtype": "|O"}], [{"id": "astype"}], [{"id": "bitround"}]])
def test_a_configuration_that_is_wrong_is_metadata_that_is(filters: Any, tmp_path: Path) -> None:
    write(tmp_path, filters=(numcodecs.Delta("f8"),), zarr_format=2)
    edit(tmp_path, filters=filters)
    assert document(tmp_path).name == ".zarray"
    with pytest.raises(MetadataError, match=r"expected numbers of at most 8 bytes|configuration of \w+ is wrong"):
        dgd.open_dataset(tmp_path)


def test_crc32c_of_shards_in_shards(tmp_path: Path) -> None:
    inner = ShardingCodec(chunk_shape=(5, 3), codecs=[BytesCodec(), Crc32cCodec()])
    shards = ShardingCodec(chunk_shape=(10, 3), codecs=[inner])
    check(tmp_path, write(tmp_path, chunks=(50, 3), serializer=shards, compressors=(), filters=()))
    assert dgd.info(tmp_path).arrays[0].checksum


@pytest.mark.parametrize("compressors", [(), (ZstdCodec(level=1),)])
def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path, compressors: Any) -> None:
    """As ml_dtypes and tensorstore write it; zarr has no such dtype, so that uint16 is written and renamed."""
    values = np.random.default_rng(0).normal(size=(23, 3)).astype("f4")
    halves = (values.view("u4") >> 16).astype("u2")
    zarr.create_array(tmp_path / "X", data=halves, chunks=(5, 3), compressors=compressors)
    found = json.loads((tmp_path / "X" / "zarr.json").read_text())
    (tmp_path / "X" / "zarr.json").write_text(json.dumps({**found, "data_type": "bfloat16"}))
    dataset = dgd.open_dataset(tmp_path / "X", np.arange(23.0))
    expected = (halves.astype("u4") << 16).view("f4")
    testing.check_rows(dataset.X, expected)
    assert dataset.dtype == np.float32
    assert np.abs(expected - values).max() < 0.01 * np.abs(values).max()
    (info,) = dgd.info(tmp_path / "X").arrays
    assert info.codecs[0] == "bfloat16"
    assert info.read_path.endswith("values decoded by zarr, slowly")
    chunk = tmp_path / "X" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-2])
    with pytest.raises(CorruptChunkError):
        dataset.read(1)
