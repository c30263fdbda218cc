"""Less usual forms of the formats: key encodings, index at the start, codec options, codecs by numcodecs' names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr
from formats import values
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

import dgd
from dgd import testing

X, Y = values("float32", (23, 5)), values("float64", (23,))


def check(path: Path, X: np.ndarray = X) -> None:
    """What zarr reads is what was written, and dgd reads the same."""
    assert np.asarray(zarr.open_array(path / "X", mode="r")[...]).tobytes() == X.tobytes()
    testing.check_rows(dgd.open_dataset(path / "X", Y).X, X)


def create(path: Path, data: np.ndarray = X, **options: Any) -> None:
    arguments: dict[str, Any] = {"chunks": (6, 3), "config": {"write_empty_chunks": True}, **options}
    array = zarr.create_array(path / "X", shape=data.shape, dtype=data.dtype, **arguments)
    array[...] = data


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("kind", ["default", "v2"])
def test_chunk_keys(kind: str, separator: str, tmp_path: Path) -> None:
    create(tmp_path, chunk_key_encoding={"name": kind, "separator": separator})
    check(tmp_path)


@pytest.mark.parametrize("separator", [".", "/"])
def test_chunk_keys_of_format_2(separator: str, tmp_path: Path) -> None:
    create(tmp_path, zarr_format=2, chunk_key_encoding={"name": "v2", "separator": separator})
    check(tmp_path)


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize("index", [[], [Crc32cCodec()]], ids=["no checksum", "checksum"])
@pytest.mark.parametrize("inner", [[], [GzipCodec()], [Crc32cCodec()], [ZstdCodec(), Crc32cCodec()]], ids=str)
def test_shard_indexes(inner: list[Any], index: list[Any], location: str, tmp_path: Path) -> None:
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    sharding = ShardingCodec(
        chunk_shape=(3, 1),
        codecs=[TransposeCodec(order=(1, 0)), *ShardingCodec(chunk_shape=(1, 1)).codecs[:1], *inner],
        index_codecs=[little, *index],  # type: ignore[list-item]
        index_location=location,
    )
    create(tmp_path, serializer=sharding, compressors=[], filters=[])
    document = json.loads((tmp_path / "X" / "zarr.json").read_text())["codecs"][0]["configuration"]
    assert document["index_location"] == location
    assert len(document["index_codecs"]) == 1 + len(index)
    check(tmp_path)


@pytest.mark.parametrize("cname", ["lz4", "lz4hc", "blosclz", "snappy", "zlib", "zstd"])
@pytest.mark.parametrize("shuffle", ["noshuffle", "shuffle", "bitshuffle"])
def test_blosc_in_all_its_forms(cname: str, shuffle: str, tmp_path: Path) -> None:
    if cname not in numcodecs.blosc.list_compressors():
        with pytest.raises(ValueError, match=cname):
            numcodecs.Blosc(cname=cname).encode(b"a")
        return
    create(tmp_path, compressors=[BloscCodec(cname=cname, clevel=7, shuffle=shuffle, typesize=4)])
    check(tmp_path)


@pytest.mark.parametrize(
    "compressor",
    [
        ZstdCodec(level=19),
        ZstdCodec(level=-5),
        ZstdCodec(level=3, checksum=True),
        GzipCodec(level=0),
        GzipCodec(level=9),
    ],
    ids=str,
)
def test_levels_and_their_own_checksums(compressor: Any, tmp_path: Path) -> None:
    create(tmp_path, compressors=[compressor])
    check(tmp_path)


@pytest.mark.parametrize("compressor", [ZstdCodec(), GzipCodec(), BloscCodec(typesize=8)], ids=str)
@pytest.mark.parametrize("data", ["zeros", "noise", "both"])
def test_chunks_longer_than_the_pieces_they_are_decoded_in(data: str, compressor: Any, tmp_path: Path) -> None:
    """Of 1 MB, very compressible or not at all."""
    noise = np.random.default_rng(0).integers(0, 2**63, size=(131_072, 1), dtype="int64")
    found = {"zeros": np.zeros_like(noise), "noise": noise, "both": noise * (np.arange(131_072) < 60_000)[:, None]}[
        data
    ]
    create(tmp_path, found, chunks=(131_072, 1), compressors=[compressor])
    rows = dgd.open_dataset(tmp_path / "X", np.zeros(131_072)).read(0).X
    assert rows.tobytes() == found.tobytes()


@pytest.mark.parametrize("name", ["Zstd", "Blosc", "GZip", "Zlib", "LZ4", "CRC32C"])
# Codecs by numcodecs' names are not part of the specification of format 3, says the warning.
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_numcodecs_names_in_format_3(name: str, tmp_path: Path) -> None:
    from zarr.codecs import numcodecs as wrapped

    create(tmp_path, compressors=[getattr(wrapped, name)()], filters=[])
    assert f"numcodecs.{name.lower()}" in (tmp_path / "X" / "zarr.json").read_text()
    check(tmp_path)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_a_checksum_at_the_start_in_format_3(tmp_path: Path) -> None:
    from zarr.codecs.numcodecs import CRC32C

    create(tmp_path, X.astype("float64"), compressors=[CRC32C(location="start")], filters=[])
    check(tmp_path, X.astype("float64"))


def test_two_transposes_make_none(tmp_path: Path) -> None:
    create(tmp_path, filters=[TransposeCodec(order=(1, 0)), TransposeCodec(order=(1, 0))])
    check(tmp_path)


def test_checksums_upon_checksums(tmp_path: Path) -> None:
    create(tmp_path, compressors=[Crc32cCodec(), ZstdCodec(), Crc32cCodec(), Crc32cCodec()], filters=[])
    check(tmp_path)


def test_arrays_without_a_group_around_them(tmp_path: Path) -> None:
    """A folder with two arrays in it is enough, in either format."""
    for zarr_format in (2, 3):
        folder = tmp_path / str(zarr_format)
        create(folder, zarr_format=zarr_format)
        zarr.create_array(folder / "y", data=Y, zarr_format=zarr_format, config={"write_empty_chunks": True})
        assert dgd.open_dataset(folder).shape == (23, 5)
