"""Stores that strangers packed: links out of them, names that lead out, members and chunks that are there twice."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest
import zarr
from located import check, written

import dgd
from dgd.cli import main
from dgd.cli.model_out import try_model_room
from dgd.data.zarr.commit_marker import sealed
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.links import check_inside
from dgd.errors import (
    ConfigurationError,
    CorruptChunkError,
    DataError,
    DatasetNotFoundError,
    MetadataError,
    ReadError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.zarr")


def move_and_link(there: Path, elsewhere: Path) -> None:
    shutil.move(there, elsewhere)
    there.symlink_to(elsewhere)


@pytest.mark.parametrize("what", ["zarr.json", "X", "X/zarr.json", "X/c", "X/c/1", "X/c/1/0"])
def test_a_link_out_of_the_store_is_refused_and_named(path: Path, what: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    move_and_link(path / what, elsewhere)
    with pytest.raises(ReadError, match=f"that leads out of the store .*a.zarr to {elsewhere}.*; copy the store"):
        dgd.fit(path, threads=2)


def test_a_link_within_the_store_and_one_to_it_are_followed(path: Path, tmp_path: Path) -> None:
    move_and_link(path / "X" / "c" / "1", path / "X" / "c" / "one")
    check(dgd.open_dataset(path), path)
    (tmp_path / "link.zarr").symlink_to(path)
    dataset = dgd.open_dataset(tmp_path / "link.zarr")
    assert dataset.read(1).X.tobytes() == pickle.loads(pickle.dumps(dataset)).read(1).X.tobytes()
    moved = path.rename(tmp_path / "moved.zarr")
    (tmp_path / "link.zarr").unlink()
    (tmp_path / "link.zarr").symlink_to(moved)
    assert dataset.read(2).X.shape == (10, 3), "the store moved, and the link to it is right again"


def test_a_store_that_is_replaced_while_a_file_of_it_is_open_has_no_links(path: Path, tmp_path: Path) -> None:
    file = os.open(path / "zarr.json", os.O_RDONLY)
    path.rename(tmp_path / "old.zarr")
    written(path)
    check_inside(file, str(path / "zarr.json"), path)
    os.close(file)


def test_links_are_seen_on_systems_without_proc(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readlink = os.readlink

    def without_proc(name: str) -> str:
        if str(name).startswith("/proc"):
            raise FileNotFoundError
        return readlink(name)

    monkeypatch.setattr(os, "readlink", without_proc)
    check(dgd.open_dataset(path), path)
    move_and_link(path / "X" / "c" / "1" / "0", tmp_path / "elsewhere")
    with pytest.raises(ReadError, match="leads out of the store"):
        dgd.open_dataset(path).read(1)


def test_an_array_elsewhere_is_given_by_its_path(path: Path, tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "other.zarr")
    group.create_array("y", data=np.arange(53.0), chunks=(10,))
    for name in ("../other.zarr/y", "X/../y"):
        with pytest.raises(DatasetNotFoundError, match="leads out of it; give an array elsewhere by its absolute path"):
            dgd.open_dataset(path, name)
    for place in (tmp_path / "other.zarr" / "y", str(tmp_path / "other.zarr" / "y")):
        y = dgd.open_dataset(path, place).read(0).y
        assert y is not None
        assert y.tolist() == list(range(10))
    other = written(tmp_path / "committed.zarr")
    check(dgd.open_dataset(path, other / "y"), path)


@pytest.mark.parametrize("name", ["a\0", "\0", "a\ud800", "\udfff/b"])
def test_names_that_no_file_can_have(name: str, path: Path, tmp_path: Path) -> None:
    model = dgd.Model(np.ones(3), 0.0, "squared")
    ways: list[tuple[type[Exception], Callable[[], object]]] = [
        (DatasetNotFoundError, lambda: dgd.open_dataset(path, name)),
        (DatasetNotFoundError, lambda: dgd.open_dataset(path, weight=name)),
        (DatasetNotFoundError, lambda: dgd.open_dataset(str(tmp_path / name))),
        (DatasetNotFoundError, lambda: dgd.ingest([str(tmp_path / name) + ".csv"], tmp_path / "b.zarr", target="y")),
        (ConfigurationError, lambda: dgd.DatasetWriter(str(tmp_path / name))),
        (ConfigurationError, lambda: dgd.predict_to(model, path, str(tmp_path / name))),
        (ConfigurationError, lambda: model.save(str(tmp_path / name))),
    ]
    for kind, way in ways:
        with pytest.raises(kind):
            way()


def test_a_store_whose_name_is_not_utf8(tmp_path: Path) -> None:
    """Python shows such bytes as lone surrogates; they go through fit, save and load."""
    path = written(tmp_path / os.fsdecode(b"a\xff.zarr"))
    shutil.copytree(path / "y", path.parent / os.fsdecode(b"y\xfe"))
    result = dgd.fit(path, max_iter=3)
    result.model.save(tmp_path / "m.dgd")
    assert dgd.load_model(tmp_path / "m.dgd").provenance["dataset"] == str(path)
    group = zarr.create_group(tmp_path / "g.zarr")
    group.create_array("X", data=np.ones((4, 2)))
    group.create_array(os.fsdecode(b"y\xff"), data=np.ones(4))
    assert dgd.open_dataset(tmp_path / "g.zarr", os.fsdecode(b"y\xff")).fingerprint


def test_feature_names_with_lone_surrogates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "a.zarr")
    document = json.loads((path / "zarr.json").read_text())
    marker = {**document["attributes"]["dgd"], "features": ["\ud800", "b", "c"]}
    del marker["seal"]
    (path / "zarr.json").write_bytes(sealed(document, marker))
    try_model_room(tmp_path / "m.dgd", 3, ("\ud800",))
    assert main(["fit", str(path), "--out", str(tmp_path / "m.dgd")]) == 0
    assert r"\ud800" in capsys.readouterr().out
    assert dgd.load_model(tmp_path / "m.dgd").feature_names == ("\ud800", "b", "c")


@pytest.mark.parametrize("content", ["\ud800", "0" * 63, "G" * 64, 7, ["0" * 64]])
def test_a_content_that_is_no_digest(path: Path, content: object) -> None:
    document = json.loads((path / "zarr.json").read_text())
    marker = {**document["attributes"]["dgd"], "content": {"X": content}}
    del marker["seal"]
    (path / "zarr.json").write_bytes(sealed(document, marker))
    with pytest.raises(MetadataError, match="as the content of array 'X', expected a sha256"):
        dgd.open_dataset(path)


def checksum(content: bytes) -> bytes:
    return crc32c(np.frombuffer(content, np.uint8)).to_bytes(4, "little")


def zipped(path: Path, again: dict[str, bytes]) -> Path:
    """The store in a zip file, with members that are there already, or whose names have a NUL."""
    archive = path.with_suffix(".zip")
    with ZipFile(archive, "w", ZIP_STORED) as file:
        for each in sorted(path.rglob("*")):
            if each.is_file():
                file.write(each, each.relative_to(path).as_posix())
        for name, content in again.items():
            with pytest.warns(UserWarning, match="Duplicate name"):
                file.writestr(name, content)
    return archive


@pytest.mark.parametrize("name", ["zarr.json", "X/zarr.json", "X/c/0/0"])
def test_a_zip_with_a_name_twice_is_refused_unless_both_are_the_same(name: str, path: Path) -> None:
    content = (path / name).read_bytes()
    check(dgd.open_dataset(zipped(path, {name: content})), path)
    archive = zipped(path, {name: content[:-1] + bytes([content[-1] ^ 1])})
    with pytest.raises(DataError, match=f"several members '{name}' with different content"):
        dgd.fit(archive, threads=1)


def test_a_zip_name_that_ends_at_a_nul(path: Path) -> None:
    """Some readers see `zarr.json`, others another name."""
    archive = path.with_suffix(".zip")
    with ZipFile(archive, "w", ZIP_STORED) as file:
        file.write(path / "zarr.json", "zarr.jsonX")
    archive.write_bytes(archive.read_bytes().replace(b"zarr.jsonX", b"zarr.json\0"))
    with pytest.raises(MetadataError, match="NUL in its name"):
        dgd.open_dataset(archive)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([(0, 80), (0, 80)], "two inner chunks overlap"),
        ([(80, 80), (79, 80)], "two inner chunks overlap"),
        ([(0, 160), (80, 80)], "two inner chunks overlap"),
        ([(2**64 - 2, 80), (0, 80)], "beyond the end"),
    ],
)
def test_inner_chunks_that_share_bytes(entries: list[tuple[int, int]], says: str, tmp_path: Path) -> None:
    group = zarr.create_group(tmp_path / "s.zarr")
    X = np.arange(20.0).reshape(20, 1)
    group.create_array("X", data=X, shards=(20, 1), chunks=(10, 1), compressors=None)
    group.create_array("y", data=X[:, 0], chunks=(20,))
    assert dgd.open_dataset(tmp_path / "s.zarr").read(0).X.tobytes() == X.tobytes()
    shard = tmp_path / "s.zarr" / "X" / "c" / "0" / "0"
    index = np.array(entries, "<u8").tobytes()
    shard.write_bytes(X.tobytes() + index + checksum(index))
    with pytest.raises(CorruptChunkError, match=says):
        dgd.open_dataset(tmp_path / "s.zarr").read(0)
    index = np.array([(80, 80), (0, 80)], "<u8").tobytes()
    shard.write_bytes(X.tobytes() + index + checksum(index))
    assert dgd.open_dataset(tmp_path / "s.zarr").read(0).X[:, 0].tolist() == [*range(10, 20), *range(10)]
