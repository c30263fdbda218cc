"""Wherever a store lies: paths, zarr stores, groups and arrays, zip files; the same dataset each time."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import zarr
from located import X, Y, check, files, in_memory, written
from traced import peak_of
from zarr.storage import LocalStore, LoggingStore, MemoryStore, StorePath, ZipStore

import dgd
from dgd.data.zarr import zip_source as zips
from dgd.errors import (
    CorruptChunkError,
    DataError,
    ReadError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.zarr")


def zipped(path: Path) -> Path:
    return Path(shutil.make_archive(str(path), "zip", path))


def test_paths(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Located:
        def __fspath__(self) -> str:
            return str(path)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    located: list[Any] = [path, str(path), f"file://{path}", "a.zarr", "./a.zarr/", "~/a.zarr", Located()]
    for location in located:
        dataset = dgd.open_dataset(location)
        check(dataset, path)
        assert dataset.source == str(path)
    os.symlink(path, tmp_path / "link.zarr")
    check(dgd.open_dataset(tmp_path / "link.zarr"), path)


def test_a_relative_path_is_bound_to_where_it_was_opened(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dataset, archive = dgd.open_dataset("a.zarr"), dgd.open_dataset(zipped(path).name)
    monkeypatch.chdir("/")
    check(dataset, path)
    check(pickle.loads(pickle.dumps(archive)), path)


def test_zarr_objects(path: Path) -> None:
    memory, archive = in_memory(path), zipped(path)
    stores = [LocalStore(path), memory, LoggingStore(LocalStore(path)), ZipStore(archive, read_only=True), archive]
    for store in stores:
        check(dgd.open_dataset(store), path)
    for store in (LocalStore(path), memory, ZipStore(archive, read_only=True)):
        group = zarr.open_group(store, mode="r")
        check(dgd.open_dataset(group), path)
        check(dgd.open_dataset(StorePath(store)), path)
        for alone in (
            dgd.open_dataset(group["X"], group["y"]),
            dgd.open_dataset(StorePath(store, "X"), StorePath(store, "y")),
            dgd.open_dataset(group["X"], y=Y),
        ):
            assert np.concatenate([alone.read(k).X for k in range(alone.n_chunks)]).tobytes() == X.tobytes()


def test_a_group_within_a_store(path: Path, tmp_path: Path) -> None:
    deep = tmp_path / "outer" / "inner"
    deep.parent.mkdir()
    shutil.move(path, deep)
    for store in (LocalStore(tmp_path), in_memory(tmp_path), ZipStore(zipped(tmp_path / "outer"), read_only=True)):
        below = "inner" if isinstance(store, ZipStore) else "outer/inner"
        check(dgd.open_dataset(StorePath(store, below)), deep)
        dgd.open_dataset(StorePath(store, f"{below}/X"), StorePath(store, f"{below}/y"))


def test_a_store_that_fails_while_a_chunk_is_read(path: Path) -> None:
    class Failing(MemoryStore):
        async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
            if key == "y/c/3":
                raise RuntimeError("the network is down")
            return await super().get(key, *arguments, **options)

    store = Failing(in_memory(path)._store_dict)
    dataset = dgd.open_dataset(store)
    dataset.read(2)
    with pytest.raises(ReadError, match=r"array 'y' .*\(rows 30 to 39\) cannot be read: .*network is down") as caught:
        dataset.read(3)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("y", "c/3", (30, 40))


def test_a_local_store_of_its_own_kind_is_asked_itself(path: Path) -> None:
    class Noting(LocalStore):
        keys: list[str] = []  # noqa: RUF012

        async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
            self.keys.append(key)
            return await super().get(key, *arguments, **options)

    dgd.open_dataset(Noting(path)).read(0)
    assert "X/c/0/0" in Noting.keys


def test_damaged_zip_files(path: Path, tmp_path: Path) -> None:
    archive = zipped(path)
    content = bytearray(archive.read_bytes())
    (tmp_path / "torn.zip").write_bytes(content[:-30])
    (tmp_path / "none.zip").write_bytes(b"")
    for name in ("torn.zip", "none.zip"):
        with pytest.raises(ReadError, match=f"{name}.* cannot be read"):
            dgd.open_dataset(tmp_path / name)
    before = dgd.open_dataset(archive)
    refused = 0
    for place in range(50, len(content) - 100, 97):
        damaged = content.copy()
        damaged[place] ^= 4
        (tmp_path / "damaged.zip").write_bytes(damaged)
        try:
            dataset = dgd.open_dataset(tmp_path / "damaged.zip")
            for k in range(dataset.n_chunks):
                assert dataset.read(k).X.tobytes() == before.read(k).X.tobytes()
        except DataError:
            refused += 1
    assert refused > 10


def test_a_zip_member_that_is_too_long_is_not_unfolded(path: Path, tmp_path: Path) -> None:
    """64 MiB of zeros take 64 kB in a zip file."""
    with ZipFile(tmp_path / "b.zip", "w", ZIP_DEFLATED) as archive:
        for key, content in files(path).items():
            archive.writestr(key, bytes(2**26) if key == "X/c/1/0" else content)
    dataset = dgd.open_dataset(tmp_path / "b.zip")
    dataset.read(0)

    def refused() -> None:
        with pytest.raises(CorruptChunkError, match=r"chunk c/1/0 .* it has 67,108,864 bytes, expected at most"):
            dataset.read(1)

    assert peak_of(refused, 2**20) < 2**20


def test_a_zip_file_is_opened_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    class Counting(ZipFile):
        def __init__(self, file: Path) -> None:
            opened.append(file)
            super().__init__(file)

    monkeypatch.setattr(zips, "ZipFile", Counting)
    dataset = dgd.open_dataset(zipped(path))
    for k in range(dataset.n_chunks):
        dataset.read(k)
    assert len(opened) == 1


def test_files_that_may_not_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = dgd.open_dataset(path)
    opened = os.open

    def refusing(name: Any, *arguments: Any, **options: Any) -> int:
        if str(name).endswith("c/1/0"):
            raise PermissionError(13, "Permission denied")
        return opened(name, *arguments, **options)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(ReadError, match=r"PermissionError: Permission denied.*check the store, then try") as caught:
        dataset.read(1)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/1/0", (10, 20))
