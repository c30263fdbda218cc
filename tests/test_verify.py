"""`dgd.verify` and `dgd verify`: every chunk is read once, and all that are damaged are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import Cluster

import dgd
from dgd.cli import main
from dgd.data.zarr.manifest import MANIFEST
from dgd.errors import DatasetNotFoundError, IncompleteDatasetError
from dgd.passes import verify as verifying

ROWS = 100


def written(path: Path, compression: str = "none") -> Path:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=10, compression=compression) as writer:
        writer.append(rng.normal(size=(ROWS, 3)), rng.normal(size=ROWS), rng.random(ROWS))
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[7] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    beside, between = path.with_name("8"), path.with_name("between")
    path.rename(between)
    beside.rename(path)
    between.rename(beside)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_whole_dataset_is_read_once(tmp_path: Path, compression: str) -> None:
    path = written(tmp_path / "a.zarr", compression)
    found = dgd.verify(path)
    assert found.whole
    assert found.committed
    assert [(array.name, array.row_chunks, array.damaged) for array in found.arrays] == [
        ("X", 10, 0),
        ("y", 10, 0),
        ("weight", 10, 0),
    ]
    stored = {name: sum(f.stat().st_size for f in (path / name / "c").rglob("*") if f.is_file()) for name in ("X", "y")}
    assert {array.name: array.bytes_read for array in found.arrays[:2]} == stored
    assert {array.held_to for array in found.arrays} == {"every chunk held to what was written"}


@pytest.mark.each(1)
@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (Path.unlink, "MissingChunkError"),
        (flip, "CorruptChunkError"),
        (lambda path: path.write_bytes(b""), "CorruptChunkError"),
        (swap, "DatasetChangedError"),
    ],
)
def test_every_damaged_chunk_is_named(tmp_path: Path, damage: Callable[[Path], Any], kind: str) -> None:
    path = written(tmp_path / "a.zarr")
    for chunk in ("2", "5"):
        (path / "X" / "c" / chunk / "0").unlink()
    damage(path / "y" / "c" / "9")
    found = dgd.verify(path, threads=2)
    assert not found.whole
    assert [(each.array, each.chunk, each.rows, each.error) for each in found.damaged if each.chunk != "c/8"] == [
        ("X", "c/2/0", (20, 30), "MissingChunkError"),
        ("X", "c/5/0", (50, 60), "MissingChunkError"),
        ("y", "c/9", (90, 100), kind),
    ]
    assert [array.damaged for array in found.arrays] == [2, 1 + (damage is swap), 0]


def test_a_list_of_checksums_that_is_gone_is_one_finding(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zarr")
    (path / "X" / MANIFEST).unlink()
    found = dgd.verify(path)
    assert [array.damaged for array in found.arrays] == [10, 0, 0]
    assert len(found.damaged) == 1
    assert MANIFEST in found.damaged[0].text


def test_of_many_damaged_chunks_the_first_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "SHOWN", 3)
    path = written(tmp_path / "a.zarr")
    for chunk in (path / "X" / "c").iterdir():
        flip(chunk / "0")
    found = dgd.verify(path, threads=2)
    assert found.arrays[0].damaged == 10
    assert [each.chunk for each in found.damaged] == ["c/0/0", "c/1/0", "c/2/0"]


def test_other_stores_and_arrays_of_any_kind(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    for name, values in {
        "X": np.ones((6, 2)),
        "cube": np.ones((6, 2, 2)),
        "labels": np.array(["a", "b"] * 3),
        "none": np.ones((0, 2)),
    }.items():
        chunks = (2, *[max(1, size) for size in values.shape[1:]])
        group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)[...] = values
    found = dgd.verify(tmp_path / "a.zarr")
    assert found.whole
    assert not found.committed
    assert [array.name for array in found.arrays] == ["X", "cube", "labels"]
    assert all(array.held_to.startswith("no checksums") for array in found.arrays)
    (tmp_path / "a.zarr" / "cube" / "1.0.0").write_bytes(b"x")
    alone = dgd.verify(tmp_path / "a.zarr" / "cube")
    assert [(each.array, each.rows) for each in alone.damaged] == [("cube", (2, 4))]
    assert dgd.verify(tmp_path / "a.zarr" / "X").whole


def test_predictions(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zarr")
    dgd.predict_to(dgd.fit(path).model, path, tmp_path / "p.zarr")
    found = dgd.verify(tmp_path / "p.zarr")
    assert found.whole
    assert found.committed
    assert found.arrays[0].held_to == "every chunk held to the checksum within it"


def test_what_is_no_whole_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError):
        dgd.verify(tmp_path / "a.zarr")
    dgd.DatasetWriter(tmp_path / "b.zarr").append(np.ones((2, 2)))
    with pytest.raises(IncompleteDatasetError):
        dgd.verify(tmp_path / "b.zarr")


@pytest.mark.slow
def test_on_a_cluster(tmp_path: Path, two_workers: Cluster) -> None:
    path = written(tmp_path / "a.zarr")
    assert dgd.verify(path, client=two_workers.client) == dgd.verify(path)
    flip(path / "X" / "c" / "4" / "0")
    swap(path / "y" / "c" / "9")
    assert dgd.verify(path, client=two_workers.client) == dgd.verify(path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.zarr")
    assert main(["verify", str(path)]) == 0
    assert "X: 10 chunks, 2.38 KiB: whole; every chunk held to what was written" in capsys.readouterr().out
    flip(path / "X" / "c" / "4" / "0")
    assert main(["verify", str(path), "--threads", "1"]) == 3
    printed = capsys.readouterr()
    assert "X: 10 chunks" in printed.out
    assert "1 damaged" in printed.out
    assert "CorruptChunkError: array 'X'" in printed.out
    assert printed.err == "error: the store is damaged; restore the chunks that are named, or write it again\n"
    assert main(["verify", str(path), "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["whole"] is False
    assert document["damaged"][0]["rows"] == [40, 50]
    assert main(["verify", str(tmp_path / "none")]) == 3
