"""Memory is arithmetic: the peak of a fit stays within the plan, whatever the dataset's size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import dgd
from dgd.errors import PlanError
from dgd.errors.words import size
from dgd.passes import memory
from dgd.passes.memory import available_processors, free_bytes, memory_limit, peak_bytes, resident_bytes
from dgd.passes.sums.compiled.use import COMPILER_BYTES

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

CHILD = """
import json, sys
import dgd
from dgd.passes.memory import peak_bytes
path, rule, threads, room = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
cost = dgd.plan(path, learning_rate=rule, threads=threads, execution=dgd.Execution(resident=0))
execution = dgd.Execution(memory_limit=cost.memory_bytes + room) if room else dgd.Execution(resident=0)
result = dgd.fit(path, learning_rate=rule, threads=threads, max_iter=3, tol=0, execution=execution)
print(json.dumps({"planned": result.plan.memory_bytes, "peak": peak_bytes(), "read": result.plan.bytes_per_pass,
                  "resident": result.plan.resident_bytes, "limit": result.plan.memory_limit,
                  "bytes": [record.bytes_read for record in result.history], "theta": result.theta.tobytes().hex()}))
"""


def write(path: Path, megabytes: int, *, chunk_rows: int, compression: str | None = None) -> None:
    """A dataset of 64 columns, written by repeating one block."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 1000, size=(16384, 64)) / 8
    y = X @ np.ones(64) + rng.normal(size=16384)
    with dgd.DatasetWriter(path, chunk_rows=chunk_rows, compression=compression) as writer:
        for _ in range(megabytes // 8):
            writer.append(X, y)


def peak_of_a_fit(
    path: Path, *, rule: str = "exact", threads: int = 2, room: int = 0, compiled: bool = True
) -> dict[str, Any]:
    """A fit in a process of its own, so that the peak is the fit's; half of the room is for chunks that stay."""
    environment = os.environ if compiled else {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), rule, str(threads), str(room)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_peak_memory_stays_within_the_plan_on_data_eight_times_larger(tmp_path: Path) -> None:
    write(tmp_path / "train.zarr", 1400, chunk_rows=8192)
    streaming = peak_of_a_fit(tmp_path / "train.zarr", compiled=False)
    staying = peak_of_a_fit(tmp_path / "train.zarr", room=150 * 2**20, compiled=False)
    for found in (streaming, staying):
        assert found["read"] >= 8 * found["planned"], "the data are too small to show anything"
        assert found["peak"] <= 1.1 * found["planned"]
        assert found["peak"] >= 0.5 * found["planned"], "the plan is far from the truth"
    assert streaming["bytes"] == 3 * [streaming["read"]]
    assert staying["theta"] == streaming["theta"]
    assert staying["planned"] < staying["limit"]
    assert staying["resident"] == 18 * 8192 * 65 * 8, "half of the room: 18 of 350 chunks"
    assert staying["peak"] - streaming["peak"] > 0.9 * staying["resident"], "they do stay"
    assert staying["bytes"][1:] == 2 * [staying["read"] * 332 // 350]
    compiled = peak_of_a_fit(tmp_path / "train.zarr")
    assert compiled["peak"] <= compiled["planned"]
    assert compiled["planned"] - streaming["planned"] >= COMPILER_BYTES, "and blocks that are larger"


@pytest.mark.each(4)
@pytest.mark.parametrize(
    ("chunk_rows", "compression", "rule"),
    [
        (65536, None, "auto"),
        (65536, "zstd", "exact"),
        (65536, "blosc", "exact"),
        pytest.param(65536, "gzip", "exact", marks=pytest.mark.slow),
    ],
)
def test_peak_memory_stays_within_the_plan_for_large_chunks(
    tmp_path: Path, chunk_rows: int, compression: str | None, rule: str
) -> None:
    """32 MiB a chunk: buffers are reused, so the plan's few buffers a thread are all there is."""
    write(tmp_path / "train.zarr", 128, chunk_rows=chunk_rows, compression=compression)
    found = peak_of_a_fit(tmp_path / "train.zarr", rule=rule)
    assert found["peak"] <= 1.1 * found["planned"]


@pytest.mark.slow
def test_four_times_the_data_have_the_same_peak(tmp_path: Path) -> None:
    write(tmp_path / "one.zarr", 1024, chunk_rows=8192)
    write(tmp_path / "four.zarr", 4096, chunk_rows=8192)
    one, four = peak_of_a_fit(tmp_path / "one.zarr"), peak_of_a_fit(tmp_path / "four.zarr")
    assert four["read"] == pytest.approx(4 * one["read"], rel=1e-3)
    assert four["peak"] == pytest.approx(one["peak"], rel=0.1)
    assert four["peak"] <= 1.1 * four["planned"]


class TestPlan:
    def test_is_refused_before_anything_is_read(self, tmp_path: Path) -> None:
        write(tmp_path / "train.zarr", 256, chunk_rows=65536)
        for chunk in (tmp_path / "train.zarr" / "X" / "c").rglob("0"):
            if chunk.is_file():
                os.unlink(chunk)
        base = dgd.plan(tmp_path / "train.zarr").base_bytes
        with pytest.raises(PlanError, match=r"needs .* [MG]iB in each process and .* [MG]iB is allowed") as caught:
            dgd.fit(tmp_path / "train.zarr", threads=2, execution=dgd.Execution(memory_limit=base + 2**24))
        assert caught.value.needed > caught.value.available > 0
        rows = int(str(caught.value).partition("chunks of at most ")[2].partition(" rows")[0].replace(",", ""))
        assert 16_000 <= rows <= 32_000, "16 of 34 MiB are left: half the rows of a chunk"

    def test_what_it_advises_fits(self, tmp_path: Path) -> None:
        write(tmp_path / "train.zarr", 256, chunk_rows=65536)
        whole = dgd.plan(tmp_path / "train.zarr", threads=4)
        one = dgd.plan(tmp_path / "train.zarr", threads=1)
        limit = (whole.memory_bytes + one.memory_bytes) // 2
        with pytest.raises(PlanError, match=r"use 2 of 4 threads"):
            dgd.fit(tmp_path / "train.zarr", threads=4, execution=dgd.Execution(memory_limit=limit))
        execution = dgd.Execution(threads=2, memory_limit=limit)
        assert dgd.fit(tmp_path / "train.zarr", execution=execution, max_iter=1).n_iter_ == 1

    def test_is_arithmetic(self, store: str) -> None:
        found = dgd.plan(store, solver="gd", threads=2)
        per_thread = found.encoded_bytes + found.decoded_bytes + found.workspace_bytes
        held = found.partial_bytes + found.base_bytes + found.resident_bytes
        assert found.memory_bytes == 2 * per_thread + held
        assert found.resident_bytes == 21 * (2048 + 448), "X and y of 50 rows in cache lines"
        assert found.encoded_bytes == (50 * 5 * 8 + 4) + (50 * 8 + 4)
        assert found.as_json()["memory_total_bytes"] == found.memory_bytes
        assert found.tasks_per_pass <= 4 * 2
        assert (found.rows, found.features, found.chunks, found.chunk_rows) == (1003, 5, 21, 50)

    def test_line_and_table_say_what_a_person_wants_to_know(self, store: str) -> None:
        found = dgd.plan(store, solver="gd", threads=2, execution=dgd.Execution(memory_limit=2**32))
        assert "1,003 rows × 5 features in 21 chunks; a pass reads 49.4 KiB" in found.line()
        assert found.line().endswith("iB of 4 GiB allowed")
        table = [(line[:16].rstrip(), line[16:]) for line in found.table().splitlines()]
        assert len(table) == 14
        assert ("reading", found.reading_line()) in table
        assert ("resident", f"21 chunks (100%), {size(found.resident_bytes)}") in table
        assert f"{size(found.base_bytes)} + {size(found.resident_bytes)}" in found.table()
        assert "(2 threads); peak memory" in found.line()
        assert found.reading_line().endswith("by 2 threads; all chunks stay in memory from the first pass on")
        streaming = dgd.plan(store, threads=2, execution=dgd.Execution(resident=0))
        assert streaming.reading_line().endswith("by 2 threads; no chunk stays in memory")
        assert "requested ahead" not in streaming.table()
        assert "a thread, with 3 chunks requested ahead" in replace(streaming, ahead=3).table()
        partly = dgd.plan(store, execution=dgd.Execution(threads=2, resident=6 * (2048 + 448)))
        assert "; 29% of the chunks stay" in partly.reading_line()

    def test_tiny_data_are_left_to_one_thread(self, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        assert dgd.plan(store, threads=2).tasks_per_pass == 1
        assert dgd.plan(np.zeros((2**18, 8)), np.zeros(2**18), threads=2).tasks_per_pass > 1

    def test_tasks_do_not_grow_with_chunks(self) -> None:
        X, y = np.zeros((10_000, 600)), np.zeros(10_000)
        assert dgd.plan(X[:1000], y[:1000], threads=2).tasks_per_pass <= 8
        assert dgd.plan(X, y, threads=2).tasks_per_pass <= 8


class TestMachine:
    def test_a_process_uses_the_processors_it_may_run_on(self) -> None:
        program = "import os; os.sched_setaffinity(0, {0})\nfrom dgd.passes.memory import available_processors\n"
        program += "print(available_processors())"
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"1\n"

    def test_a_containers_quota_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dask.system._try_extract_cgroup_cpu_quota", lambda: (90_000, 100_000))
        assert available_processors() == 1

    def test_memory_is_what_the_system_tells(self) -> None:
        assert 2**20 < resident_bytes() <= peak_bytes() + 2**24
        assert 0 < free_bytes() <= psutil.virtual_memory().total
        assert resident_bytes() < memory_limit() <= psutil.virtual_memory().total


SUMMARY = """
import json, sys
import dgd
from dgd.data.folds import make_folds
from dgd.fitting.summary.read_products import How, read_products
from dgd.passes.memory import peak_bytes
from dgd.passes.session import session
path, method, apart = sys.argv[1:]
dataset, where = dgd.open_dataset(path), dgd.Execution(threads=2, resident=0)
before = peak_bytes()
if method == "fit":
    result = dgd.fit(dataset, execution=where)
    assert "summed the R factor" in result.explain()
    planned = result.plan
else:
    folds = make_folds("summarize", dataset, int(apart)) if apart.isdigit() else None
    how = How(method, folds=folds, by_chunk=apart == "chunks")
    with session(where) as running:
        planned = running.plan(dataset, how.need(dataset))
    read_products(dataset, how, where)
print(json.dumps({"planned": planned.memory_bytes, "peak": peak_bytes(), "before": before}))
"""


@pytest.mark.each(6)
@pytest.mark.parametrize(
    ("method", "apart", "least"),
    [
        ("gram", "all", 1),
        ("gram", "6", 6),
        ("gram", "chunks", 40),
        ("qr", "all", 3),
        ("qr", "chunks", 40),
        ("fit", "", 3),
    ],
)
def test_a_summary_stays_within_its_plan(method: str, apart: str, least: int, tmp_path: Path) -> None:
    """Sums of n² numbers are most of it: an R factor, those of each fold and chunk; and a fit that needs a factor."""
    n, rows = 250, 10_000
    X = np.random.default_rng(0).normal(size=(rows, n))
    X[:, -1] = X[:, 0] + 1e-8 * X[:, -1]
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=rows // (160 if apart == "chunks" else 40)) as writer:
        writer.append(X, 1e8 * (X[:, -1] - X[:, 0]) + X[:, 1])
    done = subprocess.run(
        [sys.executable, "-c", SUMMARY, str(tmp_path / "a.zarr"), method, apart],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["peak"] <= 1.1 * found["planned"]
    assert found["peak"] - found["before"] >= least * 8 * n * n, "the sums are too small to show anything"
    assert found["peak"] >= 0.5 * found["planned"], "the plan is far from the truth"


def test_a_limit_of_any_control_group_around_this_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = ("two/memory.max", "one/memory.limit_in_bytes")
    monkeypatch.setattr(memory, "CGROUP_LIMITS", tuple(str(tmp_path / each) for each in limits))
    monkeypatch.setattr(memory, "OWN_CGROUPS", str(tmp_path / "own"))
    (tmp_path / "own").write_text("5:cpu:/other\n0::/unit/job\n")
    (tmp_path / "two" / "unit" / "job").mkdir(parents=True)
    (tmp_path / "one" / "other").mkdir(parents=True)
    (tmp_path / "two" / "unit" / "memory.max").write_text("2000000")
    (tmp_path / "two" / "unit" / "job" / "memory.max").write_text("max")
    (tmp_path / "one" / "other" / "memory.limit_in_bytes").write_text("1000")
    assert memory.cgroup_limit() == 2_000_000
    assert memory.memory_limit() <= 2_000_000
    (tmp_path / "own").write_text("5:cpu,memory:/other\n0::/unit/job\n")
    assert memory.cgroup_limit() == 1000
