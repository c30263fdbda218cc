"""Large chunks are summed in parts: by all threads, to the same bits, and to the sum that one loop makes."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import Cluster

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.errors import ValueRangeError
from dgd.losses import LOSSES
from dgd.passes.executor import InlineExecutor
from dgd.passes.parts import LARGE_BYTES, parts_of
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.row_sums import RowSums
from dgd.passes.threads import HELPER_BYTES, ThreadExecutor
from dgd.testing import MemoryChunks

ROWS, COLUMNS = LARGE_BYTES // 40 + 12_345, 5


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(ROWS, COLUMNS))


def of(X: np.ndarray, bounds: list[int]) -> dgd.Dataset:
    y, w = X[:, 0] * 2 - X[:, 3], np.abs(X[:, 1])
    return dgd.Dataset(MemoryChunks("X", X, bounds), MemoryChunks("y", y, bounds), MemoryChunks("weight", w, bounds))


def sums(**options: Any) -> RowSums:
    return RowSums(LOSSES["squared"](), 0.25, np.linspace(-1, 1, COLUMNS), (LossAndGradient(), Hessian()), **options)


@pytest.mark.parametrize("bounds", [[0, ROWS], [0, 1000, ROWS]])
def test_the_same_bits_on_any_number_of_threads(X: np.ndarray, bounds: list[int]) -> None:
    dataset = of(X, bounds)
    inline = InlineExecutor().sweep(dataset, sums()).value
    for threads in (1, 2, 5):
        executor = ThreadExecutor(threads)
        found = [executor.sweep(dataset, sums()).value for _ in range(2)]
        executor.close()
        for each in found:
            assert each.weight == inline.weight
            assert each.parts[0].loss == inline.parts[0].loss
            assert each.parts[0].gradient.tobytes() == inline.parts[0].gradient.tobytes()
    A, w = np.column_stack([np.ones(ROWS), X]), np.abs(X[:, 1])
    residual = A @ np.array([0.25, *np.linspace(-1, 1, COLUMNS)]) - (X[:, 0] * 2 - X[:, 3])
    np.testing.assert_allclose(inline.parts[0].gradient, A.T @ (w * residual), rtol=1e-11, atol=1e-6)
    assert inline.weight == pytest.approx(w.sum())


def test_every_thread_works_on_a_lone_chunk(X: np.ndarray) -> None:
    """Two parts meet: neither ends before the other one has begun."""
    met = threading.Barrier(2, timeout=30)

    class Meeting:
        over_rows = True

        def __call__(self, chunk: Chunk, buffers: Buffers) -> Any:
            if chunk.start in starts[:2]:
                met.wait()
            return sums()(chunk, buffers)

    dataset = of(X, [0, ROWS])
    starts = [part.start for part in parts_of(dataset.read(0))]
    assert len(starts) > 3
    executor = ThreadExecutor(2)
    executor.sweep(dataset, Meeting())
    executor.close()


def test_parts_of_a_hessian_have_more_rows_than_columns() -> None:
    wide = np.zeros((3_300, 1_600))
    chunk = of(wide, [0, len(wide)]).read(0)
    assert len(parts_of(chunk)) == 11
    parts = parts_of(chunk, hessian=True)
    assert [len(part.X) for part in parts] == [3_300]
    twice = of(wide, [0, len(wide)]).read(0)
    twice = replace(twice, X=np.zeros((6_600, 1_600)), y=np.zeros(6_600), weight=None)
    assert [len(part.X) for part in parts_of(twice, hessian=True)] == [3_264, 3_336]
    summed: list[int] = []

    class Counting(RowSums):
        def __call__(self, chunk: Chunk, buffers: Buffers) -> Any:
            summed.append(len(chunk.X))
            return super().__call__(chunk, buffers)

    for parts_asked, expected in (((LossAndGradient(), Hessian()), 1), ((LossAndGradient(),), 11)):
        summed.clear()
        InlineExecutor().sweep(
            of(wide, [0, len(wide)]), Counting(LOSSES["squared"](), 0.0, np.zeros(1_600), parts_asked)
        )
        assert len(summed) == expected


def test_threads_that_only_help_are_planned(X: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.passes.threads.resident_bytes", lambda: 0)
    lone, one, three = of(X, [0, ROWS]), ThreadExecutor(1), ThreadExecutor(3)
    helping = three.resources(lone).base_bytes - one.resources(lone).base_bytes
    assert helping == 2 * HELPER_BYTES
    assert (three.resources(lone).threads, three.resources(lone).tasks) == (1, 1)
    small = of(X[:1000], [0, 1000])
    assert three.resources(small).base_bytes == one.resources(small).base_bytes
    one.close()
    three.close()


def test_a_bad_row_of_a_part_is_named(X: np.ndarray) -> None:
    spoilt = X.copy()
    spoilt[ROWS - 7, 2] = np.nan
    executor = ThreadExecutor(2)
    with pytest.raises(ValueRangeError, match=f"row {ROWS - 7}, column 2 is nan"):
        executor.sweep(of(spoilt, [0, ROWS]), sums())
    executor.close()


def test_the_same_bits_on_workers(X: np.ndarray, tmp_path: Path, two_workers: Cluster) -> None:
    group = zarr.create_group(tmp_path / "a.zarr")
    for name, values in (("X", X), ("y", X[:, 0])):
        made = group.create_array(name, shape=values.shape, chunks=values.shape, dtype="f8", compressors=())
        made[...] = values
    options: dict[str, Any] = {"solver": "gd", "learning_rate": 0.1, "max_iter": 2, "tol": 0}
    here = dgd.fit(tmp_path / "a.zarr", threads=2, **options)
    there = dgd.fit(tmp_path / "a.zarr", client=two_workers.client, **options)
    assert there.theta.tobytes() == here.theta.tobytes()
    assert there.history[-1].loss == here.history[-1].loss
