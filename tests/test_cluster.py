"""The same bits on real clusters: any number of workers and threads, nanny or not, workers killed in mid-pass."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from clusters import Cluster, cluster, end, wait_until
from conftest import Problem
from distributed import span
from sums import gradient_sum

import dgd
from dgd.errors import ClusterLostError, ConfigurationError, CorruptChunkError, ValueRangeError
from dgd.losses import Squared
from dgd.passes.cluster import tasks
from dgd.passes.cluster.executor import ClusterExecutor, Graph
from dgd.passes.executor import InlineExecutor
from dgd.passes.sums.moments import ColumnMoments

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

RULES: list[Any] = ["auto", "exact", 1e-4]


@pytest.fixture(scope="module")
def slow_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """96 chunks that take a while to inflate, so that a pass can be hit in the middle."""
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("slow") / "slow.zarr"
    with dgd.DatasetWriter(path, chunk_rows=2500, compression="gzip") as writer:
        for _ in range(96):
            X = rng.integers(0, 50, size=(2500, 40)).astype(float)
            writer.append(X, X @ np.arange(40.0) + rng.normal(size=2500))
    return str(path)


@pytest.fixture(scope="module")
def expected(slow_store: str) -> dgd.Result:
    return dgd.fit(slow_store, threads=2, max_iter=6, tol=0)


def bits(result: dgd.Result) -> bytes:
    return result.theta.tobytes()


def test_same_bits_on_two_workers_and_on_three(store: str, two_workers: Cluster) -> None:
    """The third of two threads, with a nanny."""
    expected = bits(dgd.fit(store, threads=1, max_iter=8, tol=0))
    assert bits(dgd.fit(store, client=two_workers.client, max_iter=8, tol=0)) == expected
    with two_workers.one_more(threads=2, nanny=True):
        result = dgd.fit(store, client=two_workers.client, max_iter=8, tol=0)
    assert bits(result) == expected
    assert (result.plan.kind, result.plan.processes) == ("cluster", 3)


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "nanny"), [(2, True), (1, False), (1, True), (2, False)])
def test_same_bits_on_one_two_and_three_workers(store: str, tmp_path: Path, threads: int, nanny: bool) -> None:
    expected = bits(dgd.fit(store, threads=1, max_iter=8, tol=0))
    with cluster(tmp_path) as found:
        for workers in (1, 2, 3):
            found.add_worker(threads=threads, nanny=nanny)
            result = dgd.fit(store, client=found.client, max_iter=8, tol=0)
            assert bits(result) == expected
            assert (result.plan.kind, result.plan.processes) == ("cluster", workers)


@pytest.mark.each(3)
@pytest.mark.parametrize("rule", RULES)
def test_same_bits_for_every_rule(store: str, two_workers: Cluster, rule: Any) -> None:
    options: dict[str, Any] = {"learning_rate": rule, "max_iter": 12, "tol": 0}
    expected = bits(dgd.fit(store, threads=1, **options))
    assert bits(dgd.fit(store, threads=2, **options)) == expected
    assert bits(dgd.fit(store, threads=4, **options)) == expected
    assert bits(dgd.fit(store, client=two_workers.client, **options)) == expected


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_same_bits_inline_and_on_threads(store: str, threads: int) -> None:
    dataset = dgd.open_dataset(store)
    chunk_sum = gradient_sum(Squared(), 0.3, np.linspace(-1, 1, 5), ColumnMoments())
    inline = InlineExecutor().sweep(dataset, chunk_sum)
    from dgd.passes.threads import ThreadExecutor

    executor = ThreadExecutor(threads)
    result = executor.sweep(dataset, chunk_sum)
    executor.close()
    assert result.value.parts[0].gradient.tobytes() == inline.value.parts[0].gradient.tobytes()
    assert result.value.parts[0].loss == inline.value.parts[0].loss
    assert result.value.parts[1] is not None
    assert inline.value.parts[1] is not None
    assert result.value.parts[1].squares.tobytes() == inline.value.parts[1].squares.tobytes()
    assert result.bytes_read == inline.bytes_read


def test_one_read_per_chunk_on_a_cluster(store: str, two_workers: Cluster) -> None:
    result = dgd.fit(store, client=two_workers.client, max_iter=5, tol=0)
    assert {record.bytes_read for record in result.history} == {result.plan.bytes_per_pass}


class Killer:
    """A callback that kills a worker's process within the pass after `iteration`, when a third of it should be over."""

    def __init__(self, pid: int, iteration: int) -> None:
        self.pid, self.iteration = pid, iteration
        self.killed_at = self.pass_ended_at = 0.0

    def __call__(self, record: dgd.Record) -> None:
        if record.iteration == self.iteration:
            threading.Timer(0.35 * record.seconds, self._kill).start()
        if record.iteration == self.iteration + 1:
            self.pass_ended_at = time.monotonic()

    def _kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.killed_at = time.monotonic()


@pytest.mark.each(2)
@pytest.mark.parametrize("nanny", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_worker_killed_in_mid_pass_changes_nothing(
    slow_store: str, expected: dgd.Result, tmp_path: Path, nanny: bool
) -> None:
    with cluster(tmp_path) as found:
        found.add_worker(nanny=nanny)
        found.add_worker(nanny=nanny)
        killer = Killer(next(iter(found.worker_pids().values())), iteration=3)
        result = dgd.fit(
            slow_store, client=found.client, max_iter=6, tol=0, execution=dgd.Execution(resident=0), callbacks=[killer]
        )
    assert 0 < killer.killed_at < killer.pass_ended_at, "the worker was not killed within a pass"
    assert bits(result) == bits(expected)
    assert len(result.history) == 6


@pytest.mark.slow
def test_killed_worker_is_submitted_again(
    slow_store: str, expected: dgd.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no death allowed the scheduler gives up on the tasks of a dead worker at once (KilledWorker)."""
    attempts: list[int] = []
    submit = ClusterExecutor._summed

    def counted(self: ClusterExecutor, graph: Graph, dataset: dgd.Dataset, chunk_sum: Any) -> Any:
        attempts.append(int(graph.name.rpartition("-")[2]))
        return submit(self, graph, dataset, chunk_sum)

    monkeypatch.setattr(ClusterExecutor, "_summed", counted)
    allow_none = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with cluster(tmp_path, allow_none) as found:
        found.add_worker()
        for _ in range(4):
            found.add_worker()
            killer = Killer(next(iter(found.worker_pids().values())), iteration=3)
            result = dgd.fit(
                slow_store,
                client=found.client,
                max_iter=6,
                tol=0,
                execution=dgd.Execution(resident=0),
                callbacks=[killer],
            )
            assert 0 < killer.killed_at < killer.pass_ended_at
            assert bits(result) == bits(expected)
            if max(attempts) == 1:
                break  # Now and then the kill falls between two tasks of that worker, and nobody is to blame.
    assert attempts.count(1) == 1


@pytest.mark.slow
def test_all_workers_lost_is_an_error_in_time_and_a_new_one_in_time_is_none(
    slow_store: str, expected: dgd.Result, tmp_path: Path
) -> None:
    with cluster(tmp_path) as found:
        worker = found.add_worker()

        def kill_and_replace(record: dgd.Record) -> None:
            if record.iteration == 2:
                end(worker)
                threading.Timer(0.5, found.add_worker).start()

        result = dgd.fit(
            slow_store,
            client=found.client,
            max_iter=6,
            tol=0,
            execution=dgd.Execution(resident=0),
            callbacks=[kill_and_replace],
        )
        assert bits(result) == bits(expected)

        def kill(record: dgd.Record) -> None:
            for process in found.workers:
                end(process)

        began = time.monotonic()
        with pytest.raises(ClusterLostError, match=r"no worker was connected to tcp://127.0.0.1:\d+ for 1.5 s"):
            dgd.fit(
                slow_store,
                client=found.client,
                max_iter=6,
                tol=0,
                execution=dgd.Execution(resident=0, worker_timeout=1.5),
                callbacks=[kill],
            )
        assert time.monotonic() - began < 15


@pytest.mark.slow
def test_a_lost_scheduler_is_an_error_in_time(slow_store: str, tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        found.add_worker()
        began = time.monotonic()
        with pytest.raises(ClusterLostError, match="scheduler"):
            dgd.fit(
                slow_store,
                client=found.client,
                tol=0,
                max_iter=50,
                execution=dgd.Execution(worker_timeout=3),
                callbacks=[lambda record: end(found.scheduler) if record.iteration == 2 else None],
            )
        assert time.monotonic() - began < 30


@pytest.mark.slow
def test_a_scheduler_that_comes_back_is_used_again(slow_store: str, expected: dgd.Result, tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        found.add_worker()

        def restart(record: dgd.Record) -> None:
            if record.iteration == 2:
                threading.Thread(target=lambda: (found.restart_scheduler(), found.add_worker())).start()

        result = dgd.fit(
            slow_store,
            client=found.client,
            max_iter=6,
            tol=0,
            execution=dgd.Execution(resident=0, worker_timeout=20),
            callbacks=[restart],
        )
    assert bits(result) == bits(expected)


@pytest.mark.slow
def test_tasks_per_pass_do_not_grow_with_chunks(tmp_path: Path, two_workers: Cluster) -> None:
    rng = np.random.default_rng(0)
    counts = {}
    for chunks in (3, 40, 1000):
        path = tmp_path / f"{chunks}.zarr"
        with dgd.DatasetWriter(path, chunk_rows=2) as writer:
            writer.append(rng.normal(size=(2 * chunks, 2)), rng.normal(size=2 * chunks))
        result = dgd.fit(path, client=two_workers.client, max_iter=4, tol=0)
        counts[chunks] = (result.plan.tasks_per_pass, tasks_done(two_workers, "-4-0-"))
        assert counts[chunks][0] == counts[chunks][1]
    assert counts[1000][0] <= 4 * 2 + 3
    assert counts[3][0] < counts[40][0] <= 11


def tasks_done(found: Cluster, part: str) -> int:
    """The tasks of the last run that were brought to memory and whose key has `part`: pass 4, attempt 0."""

    def keys(dask_scheduler: Any) -> list[str]:
        return [str(entry[0]) for entry in dask_scheduler.transition_log if entry[2] == "memory"]

    done = [key for key in found.client.run_on_scheduler(keys) if key.startswith("dgd-")]
    run = done[-1].split("-")[2]
    return len({key for key in done if key.split("-")[2] == run and part in key})


@pytest.mark.each(4)
@pytest.mark.parametrize("sent", ["in every task", "as a task"])
@pytest.mark.parametrize("resident", [0, 10**6])
def test_everything_is_released(
    store: str, two_workers: Cluster, resident: Any, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between passes the last one's six nodes and their sum are known, six tasks for what stays, and large datasets."""
    if sent == "as a task":
        monkeypatch.setattr("dgd.passes.cluster.executor.LIGHT_BYTES", 0)
    held: list[int] = []

    def count(dask_scheduler: Any) -> int:
        return sum(str(key).startswith("dgd-") for key in dask_scheduler.tasks)

    def between_passes(record: dgd.Record) -> None:
        time.sleep(0.2)
        held.append(two_workers.client.run_on_scheduler(count))

    kept = 6 * (resident > 0)
    by_themselves = 2 * (sent == "as a task")  # the dataset and θ
    result = dgd.fit(
        store,
        client=two_workers.client,
        max_iter=4,
        tol=0,
        callbacks=[between_passes],
        execution=dgd.Execution(resident=resident),
    )
    assert max(held) == 7 + kept + by_themselves
    assert bits(result) == bits(dgd.fit(store, threads=1, max_iter=4, tol=0))
    wait_until(lambda: two_workers.client.run_on_scheduler(count) == 0, "the fit's tasks to be released", 5)


def test_all_passes_are_in_one_span_and_the_callers_own_is_kept(store: str, two_workers: Cluster) -> None:
    """A scheduler keeps spans for ever."""

    def spans(dask_scheduler: Any) -> list[str]:
        return ["/".join(span.name) for span in dask_scheduler.extensions["spans"].spans.values()]

    client = two_workers.client
    for _ in range(2):
        dgd.fit(store, client=client, max_iter=3, tol=0)
    before = client.run_on_scheduler(spans)
    assert "dgd" in before
    dgd.fit(store, client=client, max_iter=3, tol=0)
    assert client.run_on_scheduler(spans) == before
    with span("caller"):
        dgd.fit(store, client=client, max_iter=3, tol=0)
    assert client.run_on_scheduler(spans) == [*before, "caller"]


def test_a_loss_that_no_worker_can_import_goes_along(store: str, two_workers: Cluster) -> None:
    """As one that was written in a notebook: it is pickled by value."""

    class Doubled(Squared):
        def value(self, raw_prediction: Any, y: Any) -> Any:
            return 2 * super().value(raw_prediction, y)

    expected = dgd.fit(store, loss=Doubled(), solver="gd", max_iter=3, tol=0, threads=1)
    result = dgd.fit(store, loss=Doubled(), solver="gd", max_iter=3, tol=0, client=two_workers.client)
    assert bits(result) == bits(expected)


def test_a_worker_opens_a_dataset_once_a_run_and_anew_for_the_next(tmp_path: Path, two_workers: Cluster) -> None:
    """A zip file that is replaced between two fits: its members lie elsewhere, and its metadata are the same."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    for name, noise in (("before", 0.0), ("after", 1.0)):
        group = zarr.open_group(tmp_path / name, mode="w")
        for array, values in (("X", X), ("y", X.sum(axis=1) + noise * rng.normal(size=200))):
            group.create_array(array, shape=values.shape, chunks=(50, *values.shape[1:]), dtype="f8")[...] = values
    found = []
    for name in ("before", "after"):
        path = Path(shutil.make_archive(str(tmp_path / name), "zip", tmp_path / name))
        path.replace(tmp_path / "data.zip")
        found.append(dgd.fit(tmp_path / "data.zip", solver="gd", max_iter=3, tol=0, client=two_workers.client))
        assert bits(found[-1]) == bits(dgd.fit(tmp_path / name, solver="gd", max_iter=3, tol=0, threads=1))
    assert bits(found[0]) != bits(found[1])
    sent = [pickle.dumps((run, dgd.open_dataset(tmp_path / "data.zip"))) for run in ("one", "one", "other")]
    one, again, other = (tasks._dataset(each) for each in sent)
    assert one is again
    assert one is not other


def test_two_fits_on_one_client_do_not_see_each_others_results(store: str, two_workers: Cluster) -> None:
    first = dgd.fit(store, client=two_workers.client, max_iter=5, tol=0)
    other = dgd.fit(store, client=two_workers.client, max_iter=5, tol=0, weight="weight")
    again = dgd.fit(store, client=two_workers.client, max_iter=5, tol=0)
    assert bits(first) == bits(again) != bits(other)


def test_the_active_client_is_used_and_threads_overrule_it(store: str, two_workers: Cluster) -> None:
    with two_workers.client.as_current():
        assert dgd.fit(store, max_iter=2).plan.kind == "cluster"
        assert dgd.fit(store, max_iter=2, threads=1).plan.kind == "threads"
    assert dgd.fit(store, max_iter=2).plan.kind == "threads"


def test_data_errors_come_back_typed_from_workers(tmp_path: Path, problem: Problem, two_workers: Cluster) -> None:
    path = tmp_path / "bad.zarr"
    with dgd.DatasetWriter(path, chunk_rows=50) as writer:
        writer.append(problem.X, problem.y)
    chunk = path / "X" / "c" / "7" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(bytes(content))
    with pytest.raises(CorruptChunkError, match="crc32c") as caught:
        dgd.fit(path, client=two_workers.client)
    assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/7/0", (350, 400))
    X = problem.X.copy()
    X[801, 2] = np.nan
    with pytest.raises(ValueRangeError, match="row 801, column 2 is nan") as found:
        dgd.fit(X, problem.y, client=two_workers.client)
    assert (found.value.row, found.value.column) == (801, 2)


def test_arrays_in_memory_go_to_workers_up_to_a_limit(problem: Problem, two_workers: Cluster) -> None:
    local = dgd.fit(problem.X, problem.y, threads=1, max_iter=5, tol=0)
    assert bits(dgd.fit(problem.X, problem.y, client=two_workers.client, max_iter=5, tol=0)) == bits(local)
    with pytest.raises(ConfigurationError, match="write them to a zarr dataset"):
        dgd.fit(np.zeros((2_000_000, 5)), np.zeros(2_000_000), client=two_workers.client)


def test_predict_and_score_on_a_cluster(problem: Problem, store: str, tmp_path: Path, two_workers: Cluster) -> None:
    import zarr

    model = dgd.fit(store, threads=1).model
    dgd.predict_to(model, store, tmp_path / "pred.zarr", client=two_workers.client)
    assert (zarr.open_array(tmp_path / "pred.zarr")[:] == model.predict(store)).all()
    assert model.score(store, client=two_workers.client) == model.score(store, threads=2)


def test_two_workers_write_predictions_in_the_shape_of_variables(tmp_path: Path, two_workers: Cluster) -> None:
    import xarray as xr

    rng = np.random.default_rng(0)
    a, b = (xr.DataArray(rng.normal(size=(11, 3, 4)), dims=("time", "lat", "lon")) for _ in range(2))
    weather = xr.Dataset({"a": a, "b": b, "y": a - 2 * b}, coords={"time": np.arange(11)})
    chunks = {"a": {"chunks": (3, 3, 4)}, "b": {"chunks": (2, 2, 4)}}
    weather.to_zarr(tmp_path / "w.zarr", encoding=chunks, consolidated=False)
    model = dgd.fit(tmp_path / "w.zarr", "y", features=["a", "b"], threads=1).model
    for name, data in (("path", tmp_path / "w.zarr"), ("dask", weather.chunk(time=3))):
        dgd.predict_to(model, data, tmp_path / f"{name}1.zarr", threads=2)
        dgd.predict_to(model, data, tmp_path / f"{name}2.zarr", client=two_workers.client)
        here, there = (sorted((tmp_path / f"{name}{k}.zarr" / "prediction").rglob("c/*/0/0")) for k in (1, 2))
        assert [file.read_bytes() for file in here] == [file.read_bytes() for file in there]
        assert len(here) == 4
        xr.testing.assert_allclose(
            xr.open_zarr(tmp_path / f"{name}2.zarr", consolidated=False).prediction, weather.y.rename("prediction")
        )


@pytest.mark.each(4)
@pytest.mark.parametrize("where", ["threads", "cluster"])
@pytest.mark.parametrize("kind", ["lazy", "persisted"])
def test_dask_arrays_are_read_by_blocks(problem: Problem, two_workers: Cluster, where: str, kind: str) -> None:
    chunks = (130, 120, 50, 703)
    X = da.from_array(problem.X, chunks=(chunks, (2, 3)))
    y = da.from_array(problem.y, chunks=(chunks,))
    if kind == "persisted":
        X, y = two_workers.client.persist([X, y])
    options: dict[str, Any] = {"client": two_workers.client} if where == "cluster" else {"threads": 2}
    with two_workers.client.as_current():
        result = dgd.fit(X, y, max_iter=8, tol=0, **options)
    assert result.plan.chunks == 4
    expected = dgd.fit(problem.X, problem.y, max_iter=8, tol=0, threads=1)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)


def test_a_dask_block_is_computed_once_a_pass_and_never_gathered() -> None:
    calls: Counter[int] = Counter()
    lock = threading.Lock()

    def make(block_info: Any = None) -> np.ndarray:
        index = block_info[None]["chunk-location"][0]
        with lock:
            calls[index] += 1
        return np.random.default_rng(index).normal(size=(100, 3))

    X = da.map_blocks(make, chunks=((100,) * 9, (3,)), dtype=float, meta=np.empty((0, 3)))
    dgd.fit(X, np.arange(900.0), max_iter=5, tol=0, threads=2)
    assert calls == Counter(dict.fromkeys(range(9), 5))


def test_no_worker_at_the_start_is_an_error_in_time(store: str, tmp_path: Path) -> None:
    dataset = dgd.open_dataset(store)
    with cluster(tmp_path) as found, pytest.raises(ClusterLostError, match="dask worker"):
        ClusterExecutor(found.client, worker_timeout=0.5).resources(dataset)
