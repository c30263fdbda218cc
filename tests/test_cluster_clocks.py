"""Nothing waits for ever on a cluster: real workers whose files hang, that are slow, or that are stopped."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import cluster, end, two_in_this_process, wait_until
from distributed import Client
from hanging import hang, slow_reads

import dgd
from dgd.errors import ClusterLostError, ReadError

HANGING = Path(__file__).parent / "hanging.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 chunks of 4 rows."""
    path = tmp_path_factory.mktemp("files") / "a.zarr"
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(path, chunk_rows=4) as writer:
        writer.append(rng.normal(size=(192, 3)), rng.normal(size=192))
    return path


def preloading(**variables: str) -> dict[str, str]:
    """The environment of workers whose files are read as `hanging` says."""
    return {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(HANGING), **variables}


@pytest.mark.slow
def test_a_file_that_hangs_on_a_worker_is_given_up(files: Path, tmp_path: Path) -> None:
    hangs = tmp_path / "hangs"
    hangs.touch()
    with cluster(tmp_path, preloading(HANG_KEY="X/c/5/0", HANG_WHILE=str(hangs))) as found:
        found.add_worker()
        began = time.monotonic()
        message = r"chunk c/5/0 \(rows 20 to 23\) cannot be read: there was no answer within 0\.5 s"
        with pytest.raises(ReadError, match=message) as caught:
            dgd.fit(files, client=found.client, execution=dgd.Execution(resident=0, read_timeout=0.5))
        assert 0.5 < time.monotonic() - began < 8
        assert (caught.value.array, caught.value.chunk, caught.value.rows) == ("X", "c/5/0", (20, 24))
        hangs.unlink()
        assert dgd.fit(files, client=found.client).theta.tobytes() == dgd.fit(files, threads=2).theta.tobytes()


@pytest.mark.slow
def test_max_seconds_ends_a_pass_on_a_cluster(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flag = tmp_path / "hangs"

    def begin(record: dgd.Record) -> None:
        if record.iteration == 2:
            flag.touch()

    options: dict[str, Any] = {"solver": "gd", "tol": 0}
    expected = dgd.fit(files, threads=2, max_iter=2, **options)
    slow_reads(monkeypatch, hang("X/c/5/0", str(flag)))
    with two_in_this_process() as client:
        execution = dgd.Execution(client=client, resident=0)
        began = time.monotonic()
        result = dgd.fit(files, execution=execution, max_seconds=3, callbacks=[begin], **options)
        assert time.monotonic() - began < 8
        flag.unlink()
        assert (result.status, result.n_iter_) == (dgd.Status.TIME_LIMIT, 2)
        assert result.theta.tobytes() == expected.theta.tobytes()
        wait_until(lambda: not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)), "tasks to go")


class Listener:
    """A callback that remembers what it hears, and stops processes within the pass after some pass."""

    def __init__(self, pids: Sequence[int] = (), after: int = -1) -> None:
        self.pids, self.after = pids, after
        self.said: list[str] = []
        self.stopped_at = 0.0

    def __call__(self, record: dgd.Record) -> None:
        if record.iteration == self.after:
            threading.Timer(0.3 * record.seconds, self.stop).start()

    def stop(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        self.stopped_at = time.monotonic()

    def on_event(self, event: Any) -> None:
        self.said += [event.message] if event.message else []


def slowly(seconds: float) -> dict[str, str]:
    """The environment of a worker that takes so long to read a chunk."""
    return preloading(SLOW_SECONDS=str(seconds))


PASSES: dict[str, Any] = {"solver": "gd", "tol": 0}


def seconds_of(result: dgd.Result, first: int, last: int) -> list[float]:
    """Of the passes from the first to the last one."""
    return [record.seconds for record in result.history[first - 1 : last]]


@pytest.mark.slow
def test_a_late_workers_part_is_computed_elsewhere(files: Path, tmp_path: Path) -> None:
    """One of two reads 50 times as long; its part comes twice, then it is left out, and the bits are the same."""
    with cluster(tmp_path) as found:
        found.add_worker(**slowly(0.002))
        (quick,) = found.addresses()
        found.add_worker(**slowly(0.1))
        (late,) = {*found.addresses()} - {quick}
        listener = Listener()
        execution = dgd.Execution(client=found.client, resident=0)
        result = dgd.fit(files, execution=execution, callbacks=[listener], max_iter=6, **PASSES)
        assert result.theta.tobytes() == dgd.fit(files, threads=2, max_iter=6, **PASSES).theta.tobytes()
        assert f"worker {late} late, its part is computed elsewhere as well" in listener.said
        # 48 chunks of X and as many of y take 4.8 s at its pace where Dask shares them equally.
        assert statistics.median(seconds_of(result, 2, 6)) < 2.4
        wait_until(lambda: not tasks_left(found.client), "the tasks to go")


def tasks_left(client: Client) -> int:
    count: int = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    return count


@pytest.mark.slow
def test_one_worker_of_two_at_50_times_the_latency(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=100) as writer:
        writer.append(rng.normal(size=(4000, 8)), rng.normal(size=4000))
    seconds, bits = {}, set()
    for latency in (0.02, 1.0):
        with cluster(tmp_path) as found:
            found.add_worker(**slowly(0.02))
            found.add_worker(**slowly(latency))
            execution = dgd.Execution(client=found.client, resident=0)
            result = dgd.fit(tmp_path / "a.zarr", execution=execution, max_iter=20, **PASSES)
        seconds[latency] = statistics.median(seconds_of(result, 2, 20))
        bits.add(result.theta.tobytes())
    assert len(bits) == 1
    assert seconds[1.0] <= 2.5 * seconds[0.02]


@pytest.mark.slow
@pytest.mark.parametrize("resident", [0, "auto"])
def test_a_worker_that_is_stopped_for_good(files: Path, tmp_path: Path, resident: Any) -> None:
    with cluster(tmp_path, slowly(0.005)) as found:
        for _ in range(3):
            found.add_worker()
        listener = Listener(list(found.worker_pids().values())[:1], after=10)
        execution = dgd.Execution(client=found.client, resident=resident)
        result = dgd.fit(files, execution=execution, callbacks=[listener], max_iter=30, **PASSES)
        assert result.theta.tobytes() == dgd.fit(files, threads=2, max_iter=30, **PASSES).theta.tobytes()
        # A pass over so little in memory is one task, which may be at another worker.
        assert listener.said or resident == "auto"
        median = statistics.median(seconds_of(result, 2, 10))
        assert max(seconds_of(result, 11, 30)) < max(3 * median, 2)


@pytest.mark.slow
def test_frozen_workers_do_not_count(files: Path, tmp_path: Path) -> None:
    with cluster(tmp_path, slowly(0.005)) as found:
        found.add_worker()
        found.add_worker()
        listener = Listener(list(found.worker_pids().values()), after=3)
        execution = dgd.Execution(client=found.client, resident=0, worker_timeout=10)
        with pytest.raises(ClusterLostError, match=r"2 workers of tcp://.* gave no sign of life for 10 s"):
            dgd.fit(files, execution=execution, callbacks=[listener], max_iter=10**6, **PASSES)
        assert time.monotonic() - listener.stopped_at < 15


@pytest.mark.slow
def test_what_is_written_is_not_written_by_two_at_a_time(files: Path, tmp_path: Path) -> None:
    model = dgd.fit(files, threads=2).model
    dgd.predict_to(model, files, tmp_path / "expected.zarr", threads=2)
    with cluster(tmp_path) as found:
        found.add_worker(**slowly(0.002))
        found.add_worker(**slowly(0.1))
        dgd.predict_to(model, files, tmp_path / "found.zarr", client=found.client)
    expected, written = (zarr.open_array(tmp_path / f"{name}.zarr", mode="r")[:] for name in ("expected", "found"))
    assert (expected == written).all()


@pytest.mark.slow
def test_while_it_waits_it_says_so(files: Path, tmp_path: Path) -> None:
    with cluster(tmp_path) as found:
        listener = Listener()
        execution = dgd.Execution(client=found.client, worker_timeout=30)
        threading.Timer(0.5, found.add_worker).start()
        dgd.fit(files, execution=execution, callbacks=[listener], max_iter=1)
    assert listener.said[0] == "no worker; waiting up to 30 s"


@pytest.mark.slow
def test_the_command_says_what_it_waits_for(files: Path, tmp_path: Path) -> None:
    with cluster(tmp_path, slowly(0.05)) as found:
        scheduler = str(found.client.scheduler.address)
        command = [sys.executable, "-m", "dgd", "fit", str(files), "--scheduler", scheduler, "--resident", "0"]
        command += ["--solver", "gd", "--tol", "0", "--max-iter", "5", "-v"]
        said: list[str] = []
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
            for line in child.stderr or ():
                said.append(line)
                if line.startswith("no worker;"):
                    for _ in range(2):
                        worker = found.add_worker()
                if "  pass 2 " in line:
                    (lost,) = [address for address, pid in found.worker_pids().items() if pid == worker.pid]
                    end(worker)
        assert child.returncode == 0
    assert "no worker; waiting up to 300 s\n" in said
    assert f"worker {lost} lost, its part is computed again\n" in said


@pytest.mark.slow
def test_chunks_of_a_pass_are_counted_by_the_schedulers_states(files: Path, tmp_path: Path) -> None:
    class Counted:
        def __init__(self) -> None:
            self.events: list[dgd.Event] = []

        def __call__(self, record: object) -> None: ...

        def on_event(self, event: dgd.Event) -> None:
            self.events.append(event)

    counted = Counted()
    with cluster(tmp_path, slowly(0.1)) as found:
        for _ in range(2):
            found.add_worker()
        execution = dgd.Execution(client=found.client, resident=0)
        dgd.fit(files, execution=execution, callbacks=[counted], max_iter=4, **PASSES)
    within = [event for event in counted.events if event.of == 48]
    assert all(event.chunks <= 48 for event in within)
    assert len({event.chunks for event in within}) > 2, {event.chunks for event in within}
