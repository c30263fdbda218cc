"""Codecs around shards, and shards of an array whose axes were exchanged first; zarr-python's reading is the oracle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec

import dgd
from dgd import testing
from dgd.errors import CorruptChunkError, UnsupportedFormatError

pytestmark = pytest.mark.filterwarnings("ignore:Combining a `sharding_indexed`")
X = np.random.default_rng(0).normal(size=(23, 6))
AROUND: dict[str, list[Any]] = {
    "crc32c": [Crc32cCodec()],
    "zstd": [ZstdCodec(level=1)],
    "blosc": [BloscCodec(cname="lz4", typesize=8)],
    "gzip": [GzipCodec(level=1)],
    "zstd+crc32c": [ZstdCodec(level=1), Crc32cCodec()],
}


def written(path: Path, around: list[Any], inner: list[Any]) -> Path:
    shards = ShardingCodec(chunk_shape=(2, 3), codecs=[BytesCodec(), *inner])
    array = zarr.create(
        store=path, shape=X.shape, chunks=(8, 6), dtype="f8", codecs=[shards, *around], zarr_format=3, fill_value=0.0
    )
    array[...] = X
    np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], X)
    return path


@pytest.mark.parametrize("around", AROUND)
def test_codecs_around_shards(around: str, tmp_path: Path) -> None:
    path = written(tmp_path / "X", AROUND[around], [] if around == "crc32c" else [ZstdCodec(level=1), Crc32cCodec()])
    dataset = dgd.open_dataset(path, np.arange(23.0))
    testing.check_rows(dataset.X, X)
    info = dgd.info(path)
    assert info.arrays[0].codecs[-1] == around.split("+")[-1]
    assert info.arrays[0].checksum
    chunk = path / "c" / "1" / "0"
    whole = chunk.read_bytes()
    for position in range(0, len(whole), 41):
        chunk.write_bytes(whole[:position] + bytes([whole[position] ^ 8]) + whole[position + 1 :])
        try:
            found = dgd.open_dataset(path, np.arange(23.0)).read(1).X
        except CorruptChunkError:
            continue
        np.testing.assert_array_equal(found, X[8:16])
    chunk.write_bytes(whole[:-7])
    with pytest.raises(CorruptChunkError, match="chunk c/1/0"):
        dataset.read(1)


@pytest.mark.parametrize("around", [[], [Crc32cCodec()]])
def test_axes_that_were_exchanged_before_sharding(around: list[Any], tmp_path: Path) -> None:
    """As tensorstore writes it; zarr cannot: the shards of Xᵀ under the keys of X."""
    shards = ShardingCodec(chunk_shape=(3, 2), codecs=[BytesCodec(), Crc32cCodec()])
    store: dict[str, Any] = {"store": tmp_path / "turned", "shape": (6, 23), "chunks": (6, 8), "dtype": "f8"}
    turned = zarr.create(**store, codecs=[shards, *around], zarr_format=3, fill_value=0.0)
    turned[...] = X.T
    document = json.loads((tmp_path / "turned" / "zarr.json").read_text())
    document["shape"] = [23, 6]
    document["chunk_grid"]["configuration"]["chunk_shape"] = [8, 6]
    document["codecs"].insert(0, {"name": "transpose", "configuration": {"order": [1, 0]}})
    for k in range(3):
        (tmp_path / "X" / "c" / str(k)).mkdir(parents=True)
        shutil.copy(tmp_path / "turned" / "c" / "0" / str(k), tmp_path / "X" / "c" / str(k) / "0")
    (tmp_path / "X" / "zarr.json").write_text(json.dumps(document))
    testing.check_rows(dgd.open_dataset(tmp_path / "X", np.arange(23.0)).X, X)


def test_a_compressed_shard_cannot_take_more_than_a_shard_can_have(tmp_path: Path) -> None:
    path = written(tmp_path / "X", [ZstdCodec(level=1)], [])
    bomb = tmp_path / "bomb"
    config: Any = {"write_empty_chunks": True}
    zeros = np.zeros((10**6, 1))
    zarr.create_array(bomb, data=zeros, chunks=zeros.shape, compressors=[ZstdCodec(level=1)], config=config)
    shutil.copy(bomb / "c" / "0" / "0", path / "c" / "0" / "0")
    with pytest.raises(CorruptChunkError, match=r"it says it decodes to 8,000,000 bytes, expected at most"):
        dgd.open_dataset(path, np.arange(23.0)).read(0)


def test_another_order_of_axes_before_shards_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "X", [], [])
    document = json.loads((path / "zarr.json").read_text())
    document["codecs"].insert(0, {"name": "bytes", "configuration": {"endian": "little"}})
    (path / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(UnsupportedFormatError, match="sharding_indexed"):
        dgd.open_dataset(path, np.arange(23.0))
