"""The warnings of `dgd.info`, each with its fix, and none where there is nothing to warn of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import Crc32cCodec

import dgd

MIB = 2**20


def declared(path: Path, **arrays: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The warnings about arrays that were declared and never written, the missing chunks apart."""
    group = zarr.open_group(path, mode="w")
    for name, options in arrays.items():
        group.create_array(name, **{"dtype": "f8", "compressors": [Crc32cCodec()], "filters": [], **options})
    found = dgd.info(path).warnings
    return [(each.array, each.text, each.fix) for each in found if "not in the store" not in each.text]


@pytest.mark.parametrize(
    ("chunks", "shards", "text"),
    [
        ((131_072, 1), None, None),
        ((131_071, 1), None, "chunks of 1024 KiB are smaller than 1 MiB"),
        ((33_554_432, 1), None, None),
        ((33_554_433, 1), None, "chunks of 256 MiB are larger than 256 MiB"),
        ((1024, 1), (131_072, 1), None),
        ((1024, 1), (65_536, 1), "shards of 512 KiB are smaller than 1 MiB"),
        ((2**20, 1), (2**26, 1), "shards of 512 MiB are larger than 256 MiB"),
    ],
)
def test_chunk_sizes(chunks: tuple[int, int], shards: tuple[int, int] | None, text: str | None, tmp_path: Path) -> None:
    found = declared(tmp_path / "a.zarr", X={"shape": (10**9, 1), "chunks": chunks, "shards": shards})
    if text is None:
        assert found == []
    else:
        assert [array for array, _, _ in found] == ["X"]
        assert text in found[0][1]
        assert "write it again in chunks of about 524,288 rows × 1 columns" in found[0][2]
        assert "`dgd copy STORE OUT.zarr --chunk-rows 524288`" in found[0][2]


def test_a_small_array_in_one_chunk_is_not_warned_of(tmp_path: Path) -> None:
    assert declared(tmp_path / "a.zarr", X={"shape": (10, 2), "chunks": (10, 2)}) == []


def test_y_may_have_small_chunks_beside_X(tmp_path: Path) -> None:
    X, y = {"shape": (10**6, 100), "chunks": (5000, 100)}, {"shape": (10**6,), "chunks": (5000,)}
    assert declared(tmp_path / "a.zarr", X=X, y=y) == []


def test_no_checksum(tmp_path: Path) -> None:
    (found,) = declared(tmp_path / "a.zarr", X={"shape": (10, 2), "chunks": (10, 2), "compressors": []})
    assert found[0] == "X"
    assert "no checksum, so a flipped bit may go unnoticed" in found[1]
    assert "crc32c" in found[2]


@pytest.mark.parametrize(("chunks", "warned"), [(5000, False), (4000, True), (10_000, True), (10**6, True)])
def test_misaligned(chunks: int, warned: bool, tmp_path: Path) -> None:
    X, y = {"shape": (10**6, 100), "chunks": (5000, 100)}, {"shape": (10**6,), "chunks": (chunks,)}
    found = declared(tmp_path / "a.zarr", X=X, weight=y)
    assert bool(found) == warned
    if warned:
        assert found[0][0] == "weight"
        assert f"its chunks of {chunks:,} rows are not those of X, 5,000" in found[0][1]
        assert found[0][2] == "write it again in chunks of 5,000 rows (`dgd copy STORE OUT.zarr`)"


def test_other_lengths(tmp_path: Path) -> None:
    X, y = {"shape": (10**6, 100), "chunks": (5000, 100)}, {"shape": (999,), "chunks": (999,)}
    (found,) = declared(tmp_path / "a.zarr", X=X, y=y)
    assert "y has 999 rows and X has 1,000,000: they cannot be fitted together" in found[1]


def test_missing_chunks_are_counted(tmp_path: Path) -> None:
    X = np.ones((100, 2))
    X[20:40] = 0
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("X", data=X, chunks=(10, 2))
    found = [each for each in dgd.info(tmp_path / "a.zarr").warnings if "not in the store" in each.text]
    assert [each.text for each in found] == ["X: 2 of 10 chunks are not in the store; reading them is refused"]
    assert "write_empty_chunks=True" in found[0].fix


def test_what_dgd_writes_by_default_is_not_warned_of(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr") as writer:
        writer.append(np.ones((200_000, 5)), np.ones(200_000), np.ones(200_000))
    found = dgd.info(tmp_path / "a.zarr")
    assert found.arrays[0].stored_objects == 2
    assert found.warnings == ()
    assert "warning" not in found.table()


def test_the_table_ends_with_the_warnings_and_their_fixes(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("X", data=np.ones((100, 2)), chunks=(10, 2))
    found = dgd.info(tmp_path / "a.zarr")
    lines = found.table().splitlines()
    for each in found.warnings:
        at = lines.index(f"warning: {each.text}")
        assert lines[at + 1] == f"    fix: {each.fix}"
    assert len(found.warnings) == 2
    assert json.loads(json.dumps(found.as_json()))["warnings"][0]["fix"] == found.warnings[0].fix
    assert "--chunk-rows 100`" in found.warnings[0].fix, "no more rows than there are"
