"""Compressible data are planned by the sizes that are stored; a chunk that is larger is read alone, or refused."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from traced import peak_of

import dgd
from dgd.data.buffers import Buffers
from dgd.data.zarr import chunk_values, stored_bytes
from dgd.errors import CorruptChunkError, PlanError

RNG = np.random.default_rng(0)
ROWS, CHUNK = 40_000, 5_000
DECODED = CHUNK * 5 * 8


def repetitive(path: Path, odd: int | None = None) -> None:
    """A store whose chunks are small, but for one with random bytes."""
    X = np.tile(np.arange(5.0), (ROWS, 1)) + (np.arange(ROWS) % 7)[:, None] * [1.0, 2.0, 0.0, 1.0, 3.0]
    X[:, 2] = np.arange(ROWS) % 5
    if odd is not None:
        X[odd * CHUNK : (odd + 1) * CHUNK] = RNG.normal(size=(CHUNK, 5))
    group = zarr.open_group(path, mode="w")
    group.create_array("X", data=X, chunks=(CHUNK, 5))
    group.create_array("y", data=X.sum(1), chunks=(CHUNK,))


def test_data_in_a_small_file_are_planned_so(tmp_path: Path) -> None:
    repetitive(tmp_path / "a.zarr")
    plan = dgd.plan(tmp_path / "a.zarr", threads=1)
    most = dgd.open_dataset(tmp_path / "a.zarr").X.format.encoded_bound  # type: ignore[attr-defined]
    assert plan.encoded_bytes < 0.1 * DECODED < most == plan.larger_bytes
    assert "larger chunks" in plan.table()
    fits = [dgd.fit(tmp_path / "a.zarr", threads=threads).theta.tobytes() for threads in (1, 2)]
    assert fits[0] == fits[1]
    with dgd.DatasetWriter(tmp_path / "b.zarr") as writer:
        writer.append(RNG.normal(size=(50, 2)), np.arange(50.0))
    plain = dgd.plan(tmp_path / "b.zarr")
    assert plain.larger_bytes == 0
    assert "larger chunks" not in plain.table()


def test_a_larger_chunk_that_was_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repetitive(tmp_path / "a.zarr", odd=3)
    assert dgd.plan(tmp_path / "a.zarr").encoded_bytes > 0.8 * DECODED
    monkeypatch.setattr(stored_bytes, "SAMPLED_CHUNKS", 2)
    plan = dgd.plan(tmp_path / "a.zarr", threads=2)
    assert plan.encoded_bytes < 0.1 * DECODED
    found = dgd.fit(tmp_path / "a.zarr", threads=2)
    np.testing.assert_allclose(found.coef_, np.ones(5), rtol=1e-9)
    limit = dgd.Execution(threads=1, memory_limit=dgd.plan(tmp_path / "a.zarr", threads=1).memory_bytes + DECODED // 2)
    with pytest.raises(PlanError, match=r"array 'X'.*chunk c/3/0 \(rows 15000 to 19999\) has .* KiB as it is stored, "):
        dgd.fit(tmp_path / "a.zarr", execution=limit)


def test_a_chunk_that_has_grown_takes_its_size_once_and_gives_it_back(tmp_path: Path) -> None:
    repetitive(tmp_path / "a.zarr")
    repetitive(tmp_path / "b.zarr", odd=3)
    dataset = dgd.open_dataset(tmp_path / "a.zarr").reading_ahead(7)
    small = replace(dgd.open_dataset(tmp_path / "a.zarr").reading_ahead(7), room=10_000)
    chunk = tmp_path / "a.zarr" / "X" / "c" / "3" / "0"
    chunk.write_bytes((tmp_path / "b.zarr" / "X" / "c" / "3" / "0").read_bytes())
    grown = chunk.stat().st_size
    buffers = Buffers()
    dataset.read(2, buffers)
    peak = peak_of(lambda: dataset.read(3, buffers), 10 * grown)
    assert 0.9 * grown < peak < 1.3 * grown
    assert dataset.read(3, buffers).X.std() > 0.9
    with pytest.raises(PlanError, match=r"raise the limit \(memory_limit=, or --memory-limit\)"):
        small.read(3)
    chunk.write_bytes(bytes(3 * DECODED))
    with pytest.raises(CorruptChunkError, match="it has 600,000 bytes, expected at most"):
        dataset.read(3, buffers)


def test_one_thread_at_a_time_reads_larger_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X = RNG.normal(size=(ROWS, 5))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=X, chunks=(CHUNK, 5))
    group.create_array("y", data=X.sum(1), chunks=(CHUNK,))
    monkeypatch.setattr(stored_bytes, "sizes_of", lambda *_: stored_bytes.StoredSizes(1, False, 100))
    monkeypatch.setattr("dgd.data.zarr.zarr_rows.sizes_of", stored_bytes.sizes_of)
    inside, most = [0], [0]
    values, lock = chunk_values.chunk_values, threading.Lock()

    def counting(*arguments: Any, **options: Any) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        try:
            return values(*arguments, **options)
        finally:
            with lock:
                inside[0] -= 1

    monkeypatch.setattr("dgd.data.zarr.zarr_rows.chunk_values", counting)
    found = dgd.fit(tmp_path / "a.zarr", threads=2)
    np.testing.assert_allclose(found.coef_, np.ones(5), rtol=1e-9)
    assert most[0] == 1
