"""The benchmarks run, at sizes that measure nothing: every table is filled, and what is missing says why."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import zarr
from benchmarks import _bare, _programs, growth, identity, ingest, iterations, limits, many, sparse, stored

import dgd

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("iterations")
    iterations.write_data(made, 3000)
    return made


def run_of(program: str, **fields: str) -> iterations.Run:
    wanted = {"program": program, **fields}
    return next(run for run in iterations.RUNS if all(getattr(run, name) == text for name, text in wanted.items()))


class TestIterations:
    def test_the_optimum_is_that_of_least_squares(self, folder: Path) -> None:
        dataset = dgd.open_dataset(str(folder / "train.zarr"))
        chunks = [dataset.read(k) for k in range(dataset.n_chunks)]
        X, y = (np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in ("X", "y"))
        exact = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0][1:]
        np.testing.assert_allclose(np.load(folder / "optimum.npy"), exact, rtol=1e-9)
        eigenvalues = np.linalg.eigvalsh(np.cov(X.T))
        assert 0.5 * iterations.CONDITION < eigenvalues[-1] / eigenvalues[0] < 2 * iterations.CONDITION

    @pytest.mark.slow
    def test_dgd_is_measured(self, folder: Path) -> None:
        run = run_of("with_dgd.py", data="resident", where=iterations.THREADS)
        found = iterations.once(run, folder, Path(sys.executable), 1)
        assert found["distance"] < 1e-6, found
        assert 0 < found["per_iteration"] < found["to_optimum"]

    @pytest.mark.slow
    def test_a_peer_is_followed_until_its_time_is_over(self, folder: Path) -> None:
        found = iterations.once(run_of("with_sgd.py"), folder, Path(sys.executable), 0.1)
        assert found["iterations"] >= 3, found
        assert 1e-6 < found["distance"] < 1
        assert found["note"].startswith(("carried on from", "1e-6 is not in sight"))

    def test_a_peer_that_is_not_there_says_so(self, folder: Path) -> None:
        found = iterations.answer(run_of("with_incremental.py"), folder, Path(sys.executable), 1)
        assert found == {"note": "failed: ModuleNotFoundError: No module named 'sklearnex'"}

    def test_a_peer_that_cannot_be_installed_says_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        python = tmp_path / "bin" / "python"
        python.parent.mkdir()
        python.write_text("#!/bin/sh\necho 'ERROR: no such package' >&2\nexit 1\n")
        python.chmod(0o755)
        (tmp_path / "common.installed").write_text("\n".join(_programs.COMMON))
        assert _programs.install(tmp_path, ["spark"]) == (python, {"spark": "ERROR: no such package"})

    def test_a_program_that_hangs_is_ended(self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "hang.py").write_text("import time\ntime.sleep(60)\n")
        monkeypatch.setattr(iterations, "PROGRAMS", tmp_path)
        monkeypatch.setattr(iterations, "START_SECONDS", 0)
        run = iterations.Run("none", "", "", "", "hang.py")
        assert iterations.once(run, folder, Path(sys.executable), 0.1) == {"note": "not done after 0 s"}

    def test_the_longer_run_says_how_many_iterations_are_needed(self) -> None:
        runs = [run for run in iterations.RUNS if run.method in {"lbfgs", "Ridge"}]
        short = {"iterations": 4, "per_iteration": 7.0, "needed": 13, "to_optimum": 91.0, "distance": 0.4}
        long = {"iterations": 30, "per_iteration": 2.0, "needed": 100, "to_optimum": 200.0, "distance": 0.1}
        alone = {"iterations": 1, "per_iteration": None, "to_optimum": 1.0, "distance": 0.0}
        found = iterations.carried_on(runs, [short, long, alone])
        assert found[0]["to_optimum"] == 700
        assert found[0]["note"] == "4 iterations seen, 100 needed as in the longer run"
        assert found[1:] == [long, alone]
        assert iterations.carried_on(runs, [{"note": "failed"}, long, alone])[0] == {"note": "failed"}

    def test_the_bars_are_held_to_the_like(self) -> None:
        answers = [{"per_iteration": 0.1, "to_optimum": 0.2, "distance": 0.0} for _ in iterations.RUNS]
        for run, answer in zip(iterations.RUNS, answers, strict=True):
            if run.data == "resident":
                answer |= {"per_iteration": 0.05}
            if run.peer == "dask-ml":
                answer |= {"per_iteration": 1.9, "to_optimum": 11.0 if run.data == "persisted" else 12.0}
        rows = iterations.table(iterations.RUNS, answers)
        gradient = {row["data"]: row for row in rows if row["method"] == "gradient_descent"}
        assert gradient["streaming"]["× dgd"] == pytest.approx(19)
        assert gradient["streaming"]["met"] is False
        assert gradient["persisted"]["× dgd"] == pytest.approx(38)
        assert gradient["persisted"]["met"] is True
        lbfgs = {row["data"]: row for row in rows if row["method"] == "lbfgs"}
        assert (lbfgs["persisted"]["bar to 1e-6"], lbfgs["persisted"]["met"]) == (50, True)
        assert (lbfgs["streaming"]["bar to 1e-6"], lbfgs["streaming"]["met"]) == (None, None)


class TestCourse:
    """`iteration_programs/answer.py`, which lives among the programs."""

    SCRIPT = """
import json, sys, time
import numpy as np
from answer import Course, Enough
points = json.loads(sys.argv[2])
course = Course()
try:
    for k, distance in enumerate(points):
        course.began -= 1
        course.add(course.optimum * (1 + distance))
except Enough:
    pass
print(json.dumps(course.answer()))
"""

    def course(self, folder: Path, seconds: float, distances: list[float]) -> dict[str, Any]:
        settings = json.dumps({"folder": str(folder), "seconds": seconds})
        command = [sys.executable, "-c", self.SCRIPT, settings, json.dumps(distances)]
        done = subprocess.run(
            command, cwd=ROOT / "tests/benchmarks/iteration_programs", capture_output=True, text=True, check=True
        )
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def test_measured_where_it_is_reached(self, folder: Path) -> None:
        found = self.course(folder, 100, [1, 1e-3, 5e-7, 1e-9])
        assert found["iterations"] == 2
        assert found["to_optimum"] == pytest.approx(3, abs=0.5)
        assert found["per_iteration"] == pytest.approx(1, abs=0.2)

    def test_carried_on_at_the_rate_seen(self, folder: Path) -> None:
        found = self.course(folder, 7.5, [10.0**-k for k in np.arange(1, 5, 0.25)])
        assert found["iterations"] == 7
        assert found["to_optimum"] == pytest.approx(8 + 13, abs=1.1), "to 1e-6 at a quarter of a power a second"

    def test_nothing_is_promised_without_progress(self, folder: Path) -> None:
        assert self.course(folder, 4.5, [0.5] * 9)["to_optimum"] is None
        assert "stops by itself" in self.course(folder, 100, [0.5, 0.4, 0.3])["note"]


class TestGrowth:
    @pytest.mark.slow
    def test_every_table_is_filled(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(growth, "WIDTHS", (16,))
        monkeypatch.setattr(growth, "FACTORS", (1, 4))
        rows = growth.measure(rows=500, bytes=2**16, counts=(3,), passes=2, folder=tmp_path, only=("rows", "features"))
        sizes = [row for row in rows if "rows" in row]
        assert [(row["rows"], row["cache"]) for row in sizes] == [
            (500 * factor, cache) for factor in (1, 4) for cache in ("cold", "warm")
        ]
        assert all(row["GB/s"] > 0 and 30 < row["peak MiB"] < 500 for row in rows)
        assert [row["features"] for row in rows if "features" in row] == [16]
        assert not list(tmp_path.iterdir()), "the data are left behind"

    @pytest.mark.slow
    def test_chunks_are_counted_one_by_one(self, tmp_path: Path) -> None:
        with growth.dataset(tmp_path, 16 * 12, 16, chunk_rows=16) as store:
            assert len(list((store / "X" / "c").rglob("0"))) >= 12
            run = growth.fitted(store, passes=2, bare=3)
        assert len(run["seconds"]) == 2
        assert 0 < min(run["bare"]) < min(run["seconds"])

    def test_a_cost_that_grows_is_not_flat(self) -> None:
        run = {"seconds": [1.0], "bare": [0.5], "tasks": 8}
        before = [growth._chunks_row(run, 1000, "2 threads", [])]
        assert before[0]["µs a chunk"] == pytest.approx(500)
        assert growth._chunks_row({**run, "seconds": [7.9]}, 10_000, "2 threads", before)["flat"] is True
        assert growth._chunks_row({**run, "seconds": [8.1]}, 10_000, "2 threads", before)["flat"] is False
        assert growth._chunks_row({**run, "tasks": 11}, 10_000, "2 threads", before)["flat"] is False
        assert growth._chunks_row(run, 10, "2 threads", before)["flat"] is None

    def test_a_disk_without_room_makes_them_smaller_and_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(growth, "SPARE_BYTES", growth.shutil.disk_usage(tmp_path).free - 16 * 808 * 50)
        asked: list[int] = []
        run = {"seconds": [1.0], "bytes": 10**9, "peak": 2**20, "tasks": 1, "bare": []}
        monkeypatch.setattr(growth, "fitted", lambda store, **options: asked.append(store) or run)
        rows = growth.by_rows(tmp_path, 5000, 2)
        assert 0 < rows[0]["rows"] <= 60
        assert "the disk has room for" in rows[0]["note"]


class TestStored:
    @pytest.mark.parametrize("name", ["64 KiB", "shards", "one chunk"])
    def test_a_bare_loop_makes_the_gradient_of_a_store(self, tmp_path: Path, name: str) -> None:
        stored.written(tmp_path / "data.zarr", name, 2000)
        theta = np.linspace(-1, 1, stored.FEATURES).astype(np.float32)
        X, y = (zarr.open_array(tmp_path / "data.zarr", path=role)[...].astype(float) for role in ("X", "y"))
        loops = {"shards": stored.ShardLoop, "one chunk": stored.HalvesLoop}
        with ThreadPoolExecutor(2) as pool:
            found = loops.get(name, _bare.StoreLoop)(pool, tmp_path / "data.zarr")(theta)
        np.testing.assert_allclose(found, X.T @ (X @ theta - y), rtol=1e-3)

    def test_every_line_is_filled(self, tmp_path: Path) -> None:
        rows = stored.measure(rows=2000, pairs=1, place=tmp_path, batch_rows=100, settled=0)
        assert [row["line"] for row in rows] == list(stored.BARS)
        assert all(row["ratio"] > 0 for row in rows)
        assert not list(tmp_path.iterdir()), "the stores are left behind"


class TestLimits:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "CHUNK_BYTES", 2**15)
        monkeypatch.setattr(_bare, "BLOCK_BYTES", 2**13)
        monkeypatch.setattr(_bare, "PART_BYTES", 2**14)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @pytest.mark.parametrize("codec", limits.COMPRESSORS)
    def test_a_bare_loop_makes_the_gradient_of_a_store(self, tmp_path: Path, codec: str, dtype: str) -> None:
        X, y = limits.data(250)
        theta = np.linspace(-1, 1, X.shape[1]).astype(dtype)
        with (
            limits.store_of(tmp_path / "data.zarr", X, y, codec=codec, dtype=dtype) as store,
            ThreadPoolExecutor(2) as pool,
        ):
            loop = _bare.StoreLoop(pool, store)
            sizes = [[len(reader.read(k)) for k in range(reader.count)] for reader in loop.readers[0]]
            assert sizes == ([[81, 81, 81, 7]] * 2 if dtype == "float32" else [[40] * 6 + [10]] * 2)
            found = [loop(theta), loop(theta)]
        np.testing.assert_allclose(found, [X.T @ (X @ theta - y)] * 2, rtol=1e-9 if dtype == "float64" else 1e-3)

    def test_a_bare_loop_makes_the_gradient_of_arrays(self) -> None:
        X, y = limits.data(250)
        theta = np.linspace(-1, 1, X.shape[1])
        with ThreadPoolExecutor(2) as pool:
            np.testing.assert_allclose(_bare.MemoryLoop(pool, X, y)(theta), X.T @ (X @ theta - y), rtol=1e-9)

    def test_every_line_is_filled_from_the_data_it_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[object, object]] = []
        descent = limits.descent

        def spied(source: Any, **options: Any) -> dgd.Result:
            result = descent(source, **options)
            if "callbacks" in options:
                asked.append((options["precision"], [record.resident_share for record in result.history[1:]]))
            return result

        monkeypatch.setattr(limits, "descent", spied)
        rows = limits.measure(rows=250, pairs=2, place=tmp_path, settled=0)
        assert [row["line"] for row in rows] == [line.name for line in limits.LINES]
        for row, line, (precision, shares) in zip(rows, limits.LINES, asked, strict=True):
            assert shares == [1.0 if line.kind == "resident" else 0.0] * 3, line.name
            assert precision == ("single" if line.name == "page cache, none, float32" else "double"), line.name
            size = 250 * 101 * (4 if "float32" in line.name else 8)
            assert row["GB/s dgd"] * row["s dgd"] == pytest.approx(size / 1e9)
            assert row["GB/s bare"] * row["s bare"] == pytest.approx(size / 1e9)
        assert rows[2]["note"] == "100% of the chunks in memory"
        assert not list(tmp_path.iterdir()), "the stores are left behind"

    def test_the_ratio_is_that_of_pairs(self) -> None:
        line = limits.Line("any", "streaming", bar=1.25)
        row = limits.compared(line, [1.0, 2.0, 4.0], [1.2, 3.0, 4.4], decoded=10**9, note="")
        assert row["ratio"] == pytest.approx(1.2), "that of the medians is 1.5"
        assert (row["s bare"], row["s dgd"], row["met"]) == (2.0, 3.0, True)
        assert limits.compared(line, [1.0], [1.26], decoded=1, note="")["met"] is False

    def test_the_files_leave_the_page_cache_before_each_pass_of_either(self) -> None:
        events: list[str] = []

        def fit(*, max_iter: int, callbacks: list[Any]) -> SimpleNamespace:
            for _ in range(max_iter):
                events.append("dgd")
                callbacks[0](None)
            history = [SimpleNamespace(seconds=float(k), resident_share=0.0) for k in range(max_iter)]
            return SimpleNamespace(history=history)

        def bare() -> float:
            events.append("bare")
            return 10.0 * len(events)

        ours, theirs, _ = limits.in_pairs(fit, bare, between=lambda: events.append("evict"), pairs=2)
        assert events[:-1] == ["evict", "dgd", "evict", "bare"] * 4
        assert (ours, theirs) == ([2.0, 3.0], [120.0, 160.0]), "the first two pairs do not count"

    def test_every_file_of_a_store_leaves_the_page_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "c" / "0").mkdir(parents=True)
        files = {tmp_path / "c" / "0" / "0", tmp_path / "zarr.json"}
        for file in files:
            file.write_bytes(b"1")
        dropped: list[Path] = []
        monkeypatch.setattr(
            limits.os, "posix_fadvise", lambda file, *rest: dropped.append(Path(f"/proc/self/fd/{file}").readlink())
        )
        limits.drop_from_page_cache(tmp_path)
        assert len(dropped) == 2
        assert set(dropped) == files


@pytest.mark.slow
def test_options_reach_the_benchmark_and_the_table_can_be_pasted() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "growth", "--markdown", "--only", "features", "--bytes", "128"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].endswith("`python -m tests.benchmarks growth --markdown --only features --bytes 128`")
    assert [line.count("|") for line in lines[2:]] == [5, 5, 5]


def test_comparing_checksums_is_measured(tmp_path: Path) -> None:
    X, y = limits.data(400)
    compare = identity.Checksums.check
    with limits.store_of(tmp_path / "a.zarr", X, y, codec="none", dtype="float64") as store:
        for passes in (identity.first, identity.later):
            seconds = passes(store, 2)
            assert len(seconds) == 4
            assert min(seconds) > 0
            assert identity.row("none", passes.__name__, seconds)["s compared"] > 0
        assert min(identity.least(store, 1.0).values()) > 0
    assert identity.Checksums.check is compare


@pytest.mark.slow
def test_many_models_are_measured_beside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks._products.WIDTHS", (4, 16))
    monkeypatch.setattr("benchmarks._products.MANY", (200, 32, 40))
    *products, ridge, logistic = many.measure(rows=400, features=3, runs=1, numbers=2**12)
    assert [row["columns"] for row in products] == [4, 4, 4, 16, 16, 16, 32]
    assert min(row["ratio"] for row in products) > 0
    assert ridge["passes"] == 1
    assert logistic["passes"] <= 2 * logistic["of one"]


@pytest.mark.slow
def test_sparse_rows_beside_a_bare_loop(tmp_path: Path) -> None:
    passes, memory = sparse.measure(rows=2_000, features=400, folder=tmp_path)
    assert passes["non-zeros"] == 40_000
    assert passes["ratio"] > 0
    assert memory["≤ 1 GiB"]


def test_ingest_beside_bare_loops() -> None:
    rows = ingest.measure(rows=2_000, rounds=1)
    assert [row["file"] for row in rows] == ["csv, read", "csv", "parquet"]
    assert all(row["s loop"] > 0 and row["s dgd"] > 0 for row in rows)
