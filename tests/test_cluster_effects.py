"""Predictions that a cluster writes: a worker that is late or stuck does not hold them up, and what it writes changes
nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import two_in_this_process, wait_until
from distributed import Client
from hanging import slow_reads

import dgd
from dgd.data.zarr.owner import OutputInUseError
from dgd.data.zarr.row_writer import RowWriter
from dgd.passes.cluster import cut

ROWS = {"row_shape": (), "dtype": np.dtype("float64"), "overwrite": True}


@pytest.fixture(scope="module")
def two() -> Iterator[Client]:
    with two_in_this_process() as client:
        yield client


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 chunks of 10 rows, the last one of 7."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=10) as writer:
        writer.append(rng.normal(size=(197, 3)), rng.normal(size=197))
    return path


def chunks_in(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted((path / "c").rglob("*"))}


def stuck_once(key: str, free: threading.Event) -> Callable[[str], None]:
    """The first read of a file never comes back until `free` is set; the others are as quick as ever."""
    met: list[str] = []

    def before(path: str) -> None:
        if path.endswith(key) and not met:
            met.append(path)
            free.wait(22)

    return before


def test_a_stuck_worker_does_not_hold_up_predictions(
    store: Path, two: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut, "TASK_SECONDS", 1e-9)
    model = dgd.Model(np.array([1.0, -2.0, 0.5]), 3.0, "squared")
    dgd.predict_to(model, store, tmp_path / "alone.zarr", threads=2)
    free = threading.Event()
    slow_reads(monkeypatch, stuck_once("X/c/5/0", free))
    out = tmp_path / "out.zarr"
    began = time.monotonic()
    try:
        dgd.predict_to(model, store, out, client=two)
        assert time.monotonic() - began < 20, "it was waited for"
        first = chunks_in(out)
        assert first == chunks_in(tmp_path / "alone.zarr")
        assert dgd.info(out).committed
    finally:
        free.set()
    wait_until(lambda: not any(two.processing().values()), "the late task to end")
    assert chunks_in(out) == first


def test_two_calls_at_once_write_what_one_writes(store: Path, tmp_path: Path) -> None:
    dataset, rows = dgd.open_dataset(store), np.arange(197.0)
    with RowWriter.created(dataset, tmp_path / "out.zarr", **ROWS) as writer:

        def write() -> None:
            for start in range(0, 197, 10):
                writer.write(start, rows[start : start + 10])

        threads = [threading.Thread(target=write) for _ in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        before = {path: path.stat().st_ino for path in (tmp_path / "out.zarr" / "c").iterdir()}
        write()
        assert before == {path: path.stat().st_ino for path in before}, "a chunk on disk was replaced"
        writer.commit(fingerprint="")
    import zarr

    assert (zarr.open_array(tmp_path / "out.zarr", mode="r")[:] == rows).all()


@pytest.mark.parametrize("where", ["folder", "url"])
def test_a_late_worker_does_not_write_into_the_next_output(where: str, store: Path, tmp_path: Path) -> None:
    """Its own was complete, and was replaced, before it came to its chunk."""
    dataset = dgd.open_dataset(store)

    def created() -> Any:
        if where == "url":
            return RowWriter.created(dataset, "memory://late/out.zarr", **ROWS)
        return RowWriter.created(dataset, tmp_path / "out.zarr", **ROWS)

    with created() as late:
        late.commit(fingerprint="")
    with created() as writer:
        for start in range(0, 197, 10):
            writer.write(start, np.ones(min(10, 197 - start)))
        with pytest.raises(OutputInUseError):
            late.write(50, np.zeros(10))
        writer.commit(fingerprint="")
