"""Predictions written to a URL: the same array as on disk, marked until it is complete, and nobody else's replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import zarr
from located import X, Y, written

import dgd
from dgd.cli import main
from dgd.data.zarr.url_writer import UrlWriter
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
    model, write = dgd.fit(store).model, UrlWriter.write

    def failing(self: UrlWriter, start: int, rows: np.ndarray) -> None:
        if start == 30:
            raise OSError("gone")
        write(self, start, rows)

    monkeypatch.setattr(UrlWriter, "write", failing)
    with pytest.raises(OSError, match="gone"):
        dgd.predict_to(model, store, OUT, threads=1)
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(X, OUT)
    monkeypatch.undo()

    def taken_over(self: UrlWriter, start: int, rows: np.ndarray) -> None:
        write(self, start, rows)
        if start == 10:
            dgd.predict_to(model, X[:3], OUT, overwrite=True)

    monkeypatch.setattr(UrlWriter, "write", taken_over)
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
