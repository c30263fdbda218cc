"""deploy/local/run: a cluster on 127.0.0.1 for one job, and nothing left of it however the job ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from clusters import wait_until
from leftovers import Surroundings

import dgd

RUN = Path(__file__).parent.parent / "deploy" / "local" / "run"

# Asks the scheduler for its workers, says so, and waits to be told to end.
COUNT_WORKERS = """
import sys, time
from distributed import Client
with Client(scheduler_file=sys.argv[1]) as client:
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
print(*(f"{worker['nthreads']}:{worker['memory_limit']}" for worker in workers), flush=True)
open(sys.argv[2], "w").close()
time.sleep(60)
"""


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    temporary = tmp_path / "temporary folder"  # with a blank, as some have
    temporary.mkdir()
    found = Surroundings(temporary)
    yield found
    found.kill()


class Running:
    """`deploy/local/run` as a process that leads a group, as it does at a terminal."""

    def __init__(self, surroundings: Surroundings, *arguments: str, path: str | None = None) -> None:
        environment = surroundings.environment | ({} if path is None else {"PATH": path})
        self.surroundings = surroundings
        self.errors = surroundings.temporary.parent / "errors"
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [str(RUN), *arguments],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                start_new_session=True,
            )

    def interrupt(self, number: signal.Signals) -> None:
        """A signal to the group, which is what Ctrl-C is."""
        os.killpg(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        """Exit code and output, once it has ended; by then everything must be gone."""
        output, _ = self.process.communicate(timeout=60)
        assert self.surroundings.leftovers() == []
        return self.process.returncode, output


def endless_fit(store: str) -> list[str]:
    """A fit that ends when it is told to."""
    return ["dgd", "fit", store, "--learning-rate", "1e-9", "--tol", "0", "--max-iter", "1000000", "--json"]


@pytest.mark.slow
def test_a_fit_has_the_same_bits_as_on_threads(store: str, surroundings: Surroundings) -> None:
    options = ["--learning-rate", "exact", "--tol", "1e-14", "--max-iter", "8", "--require-convergence", "--json"]
    fit = ["dgd", "fit", store, "--scheduler-file", "{}", *options]
    code, output = Running(surroundings, "--workers", "2", "--threads", "1", "--", *fit).end()
    assert code == 4  # not converged after eight passes: the exit code is the job's
    result: dict[str, Any] = json.loads(output)
    assert result["plan"]["kind"] == "cluster"
    assert result["plan"]["processes"] == 2
    on_threads = dgd.fit(store, learning_rate="exact", tol=1e-14, max_iter=8, threads=1)
    assert result["theta"] == on_threads.theta.tolist()


@pytest.mark.slow
def test_every_port_is_bound_to_127_0_0_1(tmp_path: Path, surroundings: Surroundings) -> None:
    ready = tmp_path / "ready"
    options = ["--workers", "2", "--threads", "3", "--memory-limit", "1GiB"]
    running = Running(surroundings, *options, "--", sys.executable, "-c", COUNT_WORKERS, "{}", str(ready))
    wait_until(ready.exists, "the job to begin")
    listening = [
        connection.laddr.ip
        for process in surroundings.processes()
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    running.interrupt(signal.SIGTERM)
    code, output = running.end()
    assert len(listening) >= 2 + 2 * 2  # the scheduler's two ports, and a worker and a nanny each
    assert set(listening) == {"127.0.0.1"}
    assert output.split() == [f"3:{2**30}"] * 2
    assert code == 128 + signal.SIGTERM


@pytest.mark.slow
def test_ctrl_c_lets_the_fit_end_its_pass(store: str, surroundings: Surroundings) -> None:
    running = Running(surroundings, "--", *endless_fit(store), "--scheduler-file", "{}")
    wait_until(lambda: "loss" in running.errors.read_text(), "a pass")
    running.interrupt(signal.SIGINT)
    code, output = running.end()
    assert code == 128 + signal.SIGINT
    # Had the signal reached the workers too, this would be a lost cluster.
    assert json.loads(output)["status"] == "interrupted"


@pytest.mark.slow
def test_what_the_job_leaves_running_is_told_to_end(tmp_path: Path, surroundings: Surroundings) -> None:
    ended = tmp_path / "ended"
    # Half a second to end in an orderly way, as a worker may need: force is for what hangs.
    child = "(trap \"sleep 0.5; touch '$0'; exit\" TERM; while true; do sleep 0.1; done) & sleep 0.5; exit 3"
    job = ["bash", "-c", child, str(ended), "{}"]
    assert Running(surroundings, "--workers", "1", "--", *job).end() == (3, "")
    assert ended.exists()


def test_a_signal_before_the_cluster_stands(surroundings: Surroundings) -> None:
    running = Running(surroundings, "--", "echo", "{}")
    wait_until(lambda: len(list(surroundings.processes())) > 2, "the first process of the cluster")
    running.interrupt(signal.SIGTERM)
    assert running.end() == (128 + signal.SIGTERM, "")


@pytest.mark.slow
def test_a_cluster_that_cannot_start(surroundings: Surroundings) -> None:
    running = Running(surroundings, "--memory-limit", "plenty", "--", "echo", "{}")
    began = time.monotonic()
    code, output = running.end()
    assert (code, output) == (5, "")
    assert "the cluster did not start: one of its processes has ended" in running.errors.read_text()
    assert time.monotonic() - began < 30  # noticed, not waited out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "there is no command after --"),
        (["--workers", "2", "--"], "there is no command after --"),
        (["dgd", "fit"], "unknown option dgd"),
        (["--workers"], "--workers needs a value"),
        (["--workers", "0", "--", "echo", "{}"], "--workers must be 1 or more, got 0"),
        (["--threads", "two", "--", "echo", "{}"], "--threads must be 1 or more, got two"),
        (["--", "dgd", "fit", "train.zarr"], "the command has no {}"),
    ],
)
def test_wrong_usage(surroundings: Surroundings, arguments: list[str], message: str) -> None:
    running = Running(surroundings, *arguments)
    assert running.end() == (2, "")
    assert message in running.errors.read_text()
    assert "usage: deploy/local/run" in running.errors.read_text()


def test_without_dask_on_the_path(surroundings: Surroundings) -> None:
    running = Running(surroundings, "--", "echo", "{}", path="/usr/bin:/bin")
    assert running.end() == (2, "")
    assert "there is no `dask` on the PATH" in running.errors.read_text()
