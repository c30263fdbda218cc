"""The demonstration: real processes, every claim checked, nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from clusters import wait_until
from leftovers import Surroundings

import dgd
from dgd.cli.demo import Peak, compare, falling
from dgd.cli.demo import data as demo_data

DEMO = [sys.executable, "-m", "dgd", "demo", "--quick"]
MIB = 2**20


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    found = Surroundings(tmp_path)
    yield found
    found.kill()


@pytest.mark.slow
def test_the_demonstration_holds_what_it_claims(surroundings: Surroundings) -> None:
    began = time.monotonic()
    ended = subprocess.run([*DEMO, "--json"], env=surroundings.environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert time.monotonic() - began < 60
    report = json.loads(ended.stdout)
    assert report["passed"]
    assert set(report["claims"].values()) == {True}
    assert report["same_bits"]
    assert report["data_bytes"] >= 2 * 256 * MIB
    assert [peak["name"] for peak in report["peaks"]] == ["threads", "worker 1", "worker 2"]
    for peak in report["peaks"]:
        assert 20 * MIB < peak["measured"] <= min(1.1 * peak["planned"], 256 * MIB)
    assert report["losses"][0] > 10 * report["losses"][-1]
    assert "$ dgd fit" in ended.stderr
    assert "max |θ − θ*|" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert surroundings.leftovers() == []


@pytest.mark.each(3)
@pytest.mark.parametrize(("number", "code", "during"), [(signal.SIGTERM, 143, "2. "), (signal.SIGINT, 130, "3. ")])
def test_an_interrupted_demonstration_leaves_nothing(
    surroundings: Surroundings, number: int, code: int, during: str
) -> None:
    command = [*DEMO, "--size", "64MiB"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=surroundings.environment, **pipes) as child:
        assert any(line.startswith(during) for line in child.stdout)
        # Within the start of the cluster, and within the fit.
        wait_until(lambda: len(surroundings.leftovers()) > 2, "a process to stop")
        time.sleep(0.3)
        child.send_signal(number)
        _, err = child.communicate(timeout=30)
    assert child.returncode == code, err
    assert "Traceback" not in err
    assert surroundings.leftovers() == []


def test_a_measured_command_ends_with_the_demonstration(surroundings: Surroundings) -> None:
    program = (
        "from dgd.cli.demo.processes import run_measured\n"
        "from dgd.cli.signals import clean_up_on_signal\n"
        "with clean_up_on_signal():\n"
        "    run_measured('timeit', '-n', '1', '-r', '1', '__import__(\"time\").sleep(1000)')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=surroundings.environment) as owner:
        wait_until(lambda: any("timeit" in p.cmdline() for p in surroundings.processes()), "the command")
        time.sleep(0.3)
        owner.terminate()
    assert owner.returncode == 143
    assert surroundings.leftovers() == []


@pytest.mark.slow
def test_the_cluster_listens_on_127_0_0_1_only_and_dies_with_its_owner(surroundings: Surroundings) -> None:
    program = (
        "import pathlib, time; from dgd.cli.demo.processes import local_cluster\n"
        f"with local_cluster(pathlib.Path({str(surroundings.temporary)!r}), workers=2, memory_limit=2**29):\n"
        "    print('started', flush=True)\n"
        "    time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], env=surroundings.environment, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        processes = list(surroundings.processes())
        listening = [
            connection.laddr.ip
            for process in processes
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert len(processes) >= 4
        assert len(listening) >= 3
        assert set(listening) == {"127.0.0.1"}
        owner.kill()
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


def test_the_exact_solution_is_that_of_qr(tmp_path: Path) -> None:
    path = str(tmp_path / "train.zarr")
    demo_data.write_dataset(path, 20_000)
    dataset = dgd.open_dataset(path)
    chunks = [dataset.read(index) for index in range(dataset.n_chunks)]
    A = np.vstack([np.column_stack([np.ones(len(chunk.X)), chunk.X]) for chunk in chunks])
    y = np.concatenate([chunk.y for chunk in chunks])
    assert A.shape == (20_000, 65)
    exact = demo_data.exact_theta(path)
    assert np.abs(exact - np.linalg.lstsq(A, y, rcond=None)[0]).max() < 1e-10
    assert np.abs(exact - demo_data.true_theta()).max() < 0.2


def test_a_claim_that_fails_is_told() -> None:
    record = {"accepted": True, "grad_norm": 1.0}
    good = {
        "theta": [1.0, 2.0],
        "status": "converged",
        "n_iter": 2,
        "plan": {"bytes_per_pass": 1000},
        "history": [{"loss": 3.0, **record}, {"loss": 9.0, **record, "accepted": False}, {"loss": 1.0, **record}],
    }
    peaks = [Peak("threads", planned=100, measured=105, allowed=200)]
    exact = np.array([1.0, 2.0])
    assert compare(good, good, exact, peaks)["passed"]
    other_bits = {**good, "theta": [1.0, np.nextafter(2.0, 3.0)]}
    for report in (
        compare(good, other_bits, exact, peaks),
        compare(good, good, exact + 1e-5, peaks),
        compare({**good, "status": "iteration_limit"}, good, exact, peaks),
        compare({**good, "history": good["history"][::-1]}, good, exact, peaks),
        compare(good, good, exact, [Peak("threads", planned=100, measured=111, allowed=200)]),
        compare(good, good, exact, [Peak("threads", planned=300, measured=201, allowed=200)]),
        compare(good, good, exact, [Peak("threads", planned=300, measured=201, allowed=501)]),
    ):
        assert not report["passed"]
        assert list(report["claims"].values()).count(False) == 1


def test_falling_tells_rounding_from_rising() -> None:
    assert falling([3.0, 1.0, 1.0 + 1e-15])
    assert not falling([3.0, 1.0, 1.1])
    assert not falling([1.0, 1.0])
