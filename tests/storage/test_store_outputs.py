"""Datasets and predictions written to a URL: the same as on disk, marked until complete, and nobody else's replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from located import X, Y, check, files, written

import dgd
from dgd import testing
from dgd.cli import main
from dgd.data.zarr.row_writer import RowWriter
from dgd.errors import ConfigurationError, IncompleteDatasetError, OutputInUseError, WriteError

OUT = "memory://shelf/p.zarr"


@pytest.fixture
def shelf() -> Iterator[Any]:
    """fsspec's memory, emptied afterwards."""
    memory = fsspec.filesystem("memory")
    memory.makedirs("/shelf", exist_ok=True)
    yield memory
    memory.rm("/shelf", recursive=True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return written(tmp_path / "a.zarr")


def test_the_same_array_as_on_disk(shelf: Any, store: Path, tmp_path: Path) -> None:
    model = dgd.fit(store).model
    dgd.predict_to(model, store, OUT)
    dgd.predict_to(model, store, tmp_path / "p.zarr")
    here, there = zarr.open_array(tmp_path / "p.zarr", mode="r"), zarr.open_array(OUT, mode="r")
    np.testing.assert_array_equal(there[...], here[...])
    assert (there.chunks, there.dtype, there.metadata.codecs) == (here.chunks, here.dtype, here.metadata.codecs)
    assert dgd.open_dataset(X, OUT).read(0).y.tolist() == model.predict(store).tolist()
    classes = dgd.fit(X, (Y > 20).astype(int), loss="softmax", penalty=dgd.penalties.L2(1)).model
    dgd.predict_to(classes, store, OUT, probabilities=True, overwrite=True)
    np.testing.assert_array_equal(zarr.open_array(OUT, mode="r")[...], classes.predict_proba(store))


def test_what_is_there_is_not_replaced(shelf: Any, store: Path) -> None:
    model = dgd.fit(store).model
    dgd.predict_to(model, store, OUT)
    with pytest.raises(ConfigurationError, match="exists; give another URL, or overwrite"):
        dgd.predict_to(model, store, OUT)
    dgd.predict_to(model, X[:7], OUT, overwrite=True)
    assert zarr.open_array(OUT, mode="r").shape == (7,)
    shelf.pipe("/shelf/q.zarr/notes.txt", b"mine")
    for overwrite in (False, True):
        with pytest.raises(ConfigurationError, match="exists"):
            dgd.predict_to(model, store, "memory://shelf/q.zarr", overwrite=overwrite)
    assert shelf.cat("/shelf/q.zarr/notes.txt") == b"mine"
    shelf.pipe("/shelf/z.zarr/zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    with pytest.raises(ConfigurationError, match="exists and was not written by dgd"):
        dgd.predict_to(model, store, "memory://shelf/z.zarr", overwrite=True)
    shelf.put(str(store), "/shelf/a.zarr", recursive=True)
    for out in ("memory://shelf/a.zarr", "memory://shelf/a.zarr/p"):
        with pytest.raises(ConfigurationError, match="would write into its own input"):
            dgd.predict_to(model, "memory://shelf/a.zarr", out, overwrite=True)


def test_until_it_is_complete_it_is_marked(shelf: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, write = dgd.fit(store).model, RowWriter.write

    def failing(self: RowWriter, start: int, rows: np.ndarray) -> None:
        if start == 30:
            raise OSError("gone")
        write(self, start, rows)

    monkeypatch.setattr(RowWriter, "write", failing)
    with pytest.raises(OSError, match="gone"):
        dgd.predict_to(model, store, OUT, threads=1)
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(X, OUT)
    monkeypatch.undo()

    def taken_over(self: RowWriter, start: int, rows: np.ndarray) -> None:
        write(self, start, rows)
        if start == 10:
            dgd.predict_to(model, X[:3], OUT, overwrite=True)

    monkeypatch.setattr(RowWriter, "write", taken_over)
    with pytest.raises(OutputInUseError, match="taken over by another writer"):
        dgd.predict_to(model, store, OUT, threads=1, overwrite=True)


def test_a_store_that_takes_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dgd.fit(store).model
    with monkeypatch.context() as patched:
        patched.setattr("zarr.storage.FsspecStore.set", refusing)
        with pytest.raises(WriteError, match=r"key 'zarr.json' cannot be written \(OSError: … may not\)"):
            dgd.predict_to(model, store, OUT, storage_options={"token": "hunter2hunter2"})
    with pytest.raises(WriteError, match=r"http://127.0.0.1:9/p.zarr: key 'zarr.json' cannot be") as caught:
        dgd.predict_to(model, store, "http://me:hunter2@127.0.0.1:9/p.zarr", storage_options={"token": "hunter2"})
    assert "hunter2" not in str(caught.value)


async def refusing(self: Any, key: str, value: Any) -> None:
    raise OSError("hunter2hunter2 may not")


def test_the_command_line_writes_to_a_url(shelf: Any, store: Path, tmp_path: Path) -> None:
    assert main(["fit", str(store), "--out", str(tmp_path / "m.dgd"), "--quiet"]) == 0
    assert main(["predict", str(tmp_path / "m.dgd"), str(store), "--out", OUT, "--storage-option", "x=1"]) == 0
    assert zarr.open_array(OUT, mode="r").shape == (53,)


def begun(url: str, **options: Any) -> dgd.DatasetWriter:
    writer = dgd.DatasetWriter(url, chunk_rows=10, compression="zstd", feature_names="abc", **options)
    writer.append(X[:31], Y[:31])
    return writer


def test_the_same_dataset_as_on_disk(shelf: Any, store: Path) -> None:
    url = "memory://shelf/d.zarr"
    writer = begun(url)
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(url)
    writer.append(X[31:], Y[31:])
    writer.commit()
    there = {key.removeprefix("/shelf/d.zarr/"): shelf.cat(key) for key in shelf.find("/shelf/d.zarr")}
    on_disk = files(store)
    roots = [json.loads(found.pop("zarr.json")) for found in (there, on_disk)]
    assert there == on_disk
    assert roots[0] == roots[1]
    check(dgd.open_dataset(url), store)
    assert dgd.verify(url).damaged == ()


def test_of_two_writers_at_a_url_the_first_seals_nothing(shelf: Any) -> None:
    url = "memory://shelf/d.zarr"
    first = begun(url)
    with pytest.raises(ConfigurationError, match="exists; give another URL, or overwrite"):
        begun(url)
    second = begun(url, overwrite=True)
    with pytest.raises(OutputInUseError, match="taken over by another writer"):
        first.commit()
    second.commit()
    assert dgd.open_dataset(url).shape == (31, 3)
    begun(url, overwrite=True).close()
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(url)


def test_copies_go_to_urls(shelf: Any, store: Path, tmp_path: Path) -> None:
    copied = dgd.copy(store, "memory://shelf/c.zarr", chunk_rows=25)
    assert (copied.path, copied.rows) == ("memory://shelf/c.zarr", 53)
    check_values(dgd.open_dataset("memory://shelf/c.zarr"))
    assert main(["copy", "memory://shelf/c.zarr", "memory://shelf/e.zarr", "--chunk-rows", "7", "--quiet"]) == 0
    assert dgd.open_dataset("memory://shelf/e.zarr").n_chunks == 8
    with pytest.raises(ConfigurationError, match="`copy` would write into its own input"):
        dgd.copy("memory://shelf/c.zarr", "memory://shelf/c.zarr", overwrite=True)
    dgd.copy("memory://shelf/c.zarr", f"file://{tmp_path}/back.zarr")
    check_values(dgd.open_dataset(tmp_path / "back.zarr"))


def check_values(dataset: dgd.Dataset) -> None:
    testing.check_rows(dataset.X, X)
    assert dataset.y is not None
    testing.check_rows(dataset.y, Y)
