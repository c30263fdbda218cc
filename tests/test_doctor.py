"""`dgd doctor`: on a real cluster with workers broken on purpose, and rule by rule on what processes may say."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from clusters import Cluster, cluster, wait_until
from pyarrow import parquet

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError
from dgd.passes.cluster import asking
from dgd.passes.doctor import data, doctor, sample
from dgd.passes.doctor.facts import facts
from dgd.passes.doctor.finding import Checkup, Finding, of_error
from dgd.passes.doctor.machines import disk_findings, memory_findings, processor_findings
from dgd.passes.doctor.network import clock_findings, port_findings
from dgd.passes.doctor.process import Process
from dgd.passes.doctor.software import software_findings
from dgd.passes.memory import listening

HERE = "/proc/self/cwd/d.zarr"
"""A path that each process sees in a folder of its own, as with a disk that is mounted on one machine only."""
CHECKS = ["scheduler", "versions", "BLAS", "processors", "memory", "data", "reading", "clock", "ports", "disk"]


def write(folder: Path, factor: float = 1.0) -> None:
    folder.mkdir(exist_ok=True)
    X = np.random.default_rng(0).normal(size=(400, 3)) * factor
    with dgd.DatasetWriter(folder / "d.zarr", chunk_rows=100, overwrite=True) as writer:
        writer.append(X, X.sum(axis=1))


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Path]]:
    """A worker of one BLAS thread that works here, and one of 64 in another folder."""
    folder = tmp_path_factory.mktemp("ward")
    write(folder / "one")
    (folder / "two").mkdir()
    with cluster(folder) as found:
        found.add_worker(cwd=folder / "one", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        found.add_worker(cwd=folder / "two", OMP_NUM_THREADS="64", OPENBLAS_NUM_THREADS="64")
        yield found, folder


def by_folder(found: Cluster) -> dict[str, str]:
    """The workers' names by the folder they run in."""
    return {Path(cwd).name: f"worker {address}" for address, cwd in found.client.run(os.getcwd).items()}


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["doctor", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def of(document: dict[str, Any], check: str) -> list[tuple[str, str, list[str]]]:
    return [(each["severity"], each["found"], each["where"]) for each in document["findings"] if each["check"] == check]


def test_a_cluster_and_a_worker_of_many_blas_threads(
    ward: tuple[Cluster, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found, folder = ward
    code, document = asked(capsys, str(folder / "one" / "d.zarr"), "--scheduler-file", str(found.file))
    assert (code, document["schema"], document["worst"]) == (0, 1, "warning")
    checks = [each["check"] for each in document["findings"]]
    assert list(dict.fromkeys(checks)) == CHECKS
    other = by_folder(found)["two"]
    (threads,) = [each for each in of(document, "processors") if each[0] == "warning"]
    assert threads[2] == [other]
    assert f"on {other} for each thread" in threads[1]
    fixes = [each["fix"] for each in document["findings"] if each["check"] == "processors"]
    assert "export OMP_NUM_THREADS=1 before `dask worker` (its nanny sets that by itself)" in fixes
    for check in ("scheduler", "versions", "data", "clock", "ports"):
        assert [each[0] for each in of(document, check)] == ["ok"], (check, of(document, check))
    assert of(document, "versions")[0][1].endswith(": the same here and on the scheduler and 2 workers")
    assert of(document, "data")[0][1].endswith(" is seen: the same here and on 2 workers")
    processes = {each["name"]: each for each in document["processes"]}
    assert list(processes) == ["here", "scheduler", *(f"worker {each}" for each in sorted(found.addresses()))]
    assert processes["here"]["pid"] == os.getpid()
    assert processes[other]["variables"]["OMP_NUM_THREADS"] == "64"
    assert processes[other]["data"]["chunks"] == 4
    assert len({each["data"]["first"] for name, each in processes.items() if name != "scheduler"}) == 1
    assert abs(processes[other]["clock_ahead_seconds"]) <= processes[other]["clock_within_seconds"] + 0.05


def test_workers_that_are_expected_are_waited_for(
    ward: tuple[Cluster, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found, folder = ward
    began = time.monotonic()
    code, document = asked(capsys, "--scheduler-file", str(found.file), "--workers", "3", "--timeout", "2")
    assert (code, time.monotonic() - began >= 2) == (1, True)
    address = found.client.scheduler.address
    assert of(document, "scheduler") == [("fault", f"{address} has 2 workers of 3 after 2 s", ["scheduler"])]
    with ExitStack() as stack:
        joining = threading.Timer(1.0, lambda: stack.enter_context(found.one_more(cwd=folder / "one")))
        joining.start()
        _, document = asked(capsys, "--scheduler-file", str(found.file), "--workers", "3")
        joining.join()
    assert of(document, "scheduler") == [("ok", f"{address} answers, with 3 workers", ["scheduler"])]
    assert main(["doctor", "--workers", "3"]) == 2
    assert "--workers counts those of a cluster, and none is given" in capsys.readouterr().err


def test_a_worker_that_does_not_see_the_data(
    ward: tuple[Cluster, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found, folder = ward
    monkeypatch.chdir(folder / "one")
    code, document = asked(capsys, HERE, "--scheduler-file", str(found.file))
    other = by_folder(found)["two"]
    assert code == 1
    assert of(document, "data") == [("fault", f"{other} does not see {HERE}", [other])]
    write(folder / "two", factor=2.0)
    code, document = asked(capsys, HERE, "--scheduler-file", str(found.file))
    assert code == 1
    text = f"{other} finds other metadata at {HERE} than this process"
    assert of(document, "data") == [("fault", text, [other])]
    monkeypatch.chdir(folder)
    code, document = asked(capsys, HERE, "--scheduler-file", str(found.file))
    assert code == 1
    assert of(document, "data") == [("fault", f"nothing is at {HERE}", ["here"])]


@pytest.mark.slow
def test_a_worker_that_is_frozen_and_one_of_another_version(
    ward: tuple[Cluster, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    found, folder = ward
    (folder / "path" / "dgd").mkdir(parents=True)
    (folder / "path" / "dgd" / "__init__.py").write_text("__version__ = '0.0.9'")
    found.add_worker(cwd=folder / "path", PYTHONPATH=str(folder / "path"), PYTHONSAFEPATH="1")
    old, frozen = by_folder(found)["path"], found.workers[1]
    name = by_folder(found)["two"]
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with found.client.as_current():
            checkup = dgd.doctor(timeout=3)
        assert time.monotonic() - began < 60
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    faults = {each.check: each for each in checkup.findings if each.severity == "fault"}
    assert faults.keys() == {"scheduler", "versions"}
    assert faults["scheduler"].found == f"{name} does not answer: it did not answer for 3 s"
    assert faults["versions"].found == f"{old} has dgd 0.0.9, here it is {dgd.__version__}"
    assert faults["versions"].fix == f"pip install dgd=={dgd.__version__} on {old}, and start it anew"


@pytest.mark.each(2)
@pytest.mark.parametrize("is_there", [False, True])
def test_no_scheduler_is_a_sentence(is_there: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody at the port, or somebody who accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if not is_there:
            server.close()
        assert main(["doctor", "--scheduler", address, "--timeout", "1"]) == 1
    said = capsys.readouterr().out
    assert said.startswith("fault    scheduler    no scheduler answers at tcp://127.0.0.1")
    assert "fix: start one with `dask scheduler`" in " ".join(said.split())
    assert "versions" in said
    assert said.endswith("\n1 fault\n")


def test_this_process_alone(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", store]) == 0
    said = capsys.readouterr().out
    assert [line.split()[1] for line in said.splitlines() if line.startswith("ok ")] == [
        "versions", "BLAS", "processors", "memory", "data", "reading", "disk",
    ]  # fmt: skip
    assert f"Python {'.'.join(map(str, __import__('sys').version_info[:3]))}, dgd {dgd.__version__}, NumPy" in said
    assert said.endswith("\nnothing to mend\n")
    checkup = dgd.doctor(store)
    assert str(checkup) == checkup.table(100)
    assert max(map(len, checkup.table(60).splitlines())) <= 60 + len(store)


def test_what_is_asked_wrongly(store: str) -> None:
    with pytest.raises(ConfigurationError, match=r"`doctor\(data=\.\.\.\)` must be a path or URL, got a ndarray"):
        dgd.doctor(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"`doctor\(timeout=\.\.\.\)` must be a number above 0"):
        dgd.doctor(store, timeout=0)
    with pytest.raises(ConfigurationError, match=r"must be a `distributed\.Client`"):
        dgd.doctor(store, client=3)


def test_memory_is_held_to_a_plan(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DGD_MEMORY_LIMIT", "1MiB")
    (fault,) = [each for each in dgd.doctor(store).findings if each.severity == "fault"]
    assert fault.check == "memory"
    assert "1 MiB is allowed" in fault.found
    assert "raise the limit" in fault.fix


def test_no_more_is_read_than_a_sample(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """21 chunks of 50 rows of 5 numbers of 8 bytes, or fewer rows in the last."""
    wanted = sample.Wanted(store)
    assert sample.sample(wanted, 0, 1)["chunks"] == 21
    monkeypatch.setattr(sample, "MOST_BYTES", 3 * 2000 + 1)
    found = sample.sample(wanted, 0, 1)
    assert (found["chunks"], found["decoded_bytes"], found["of_chunks"]) == (3, 6000, 21)
    read: list[int] = []
    whole = dgd.Dataset.read

    def noted(self: dgd.Dataset, index: int, *others: Any) -> Any:
        read.append(index)
        return whole(self, index, *others)

    monkeypatch.setattr(dgd.Dataset, "read", noted)
    assert sample.sample(wanted, 1, 2)["first"] == found["first"]
    assert read == [0, 11, 12]
    monkeypatch.setattr(sample, "MOST_SECONDS", 0.0)
    assert sample.sample(wanted, 0, 1)["chunks"] == 0
    monkeypatch.setattr(sample, "MOST_SECONDS", 2.0)
    monkeypatch.setattr(sample, "MOST_BYTES", 1999)
    (reading,) = [each for each in dgd.doctor(store).findings if each.check == "reading"]
    assert reading.found.startswith("nothing was read: a chunk takes 1.95 KiB, more than the ")


def test_what_is_only_looked_for_is_compared_too(tmp_path: Path) -> None:
    def fingerprint() -> str:
        return str(sample.sample(sample.Wanted(str(tmp_path), only_seen=True), 0, 1)["fingerprint"])

    (tmp_path / "zarr.json").write_text("{1}")
    before = fingerprint()
    assert fingerprint() == before
    (tmp_path / "zarr.json").write_text("{2}")
    changed = fingerprint()
    (tmp_path / "part.parquet").write_bytes(b"1")
    assert len({before, changed, fingerprint()}) == 3


def test_a_text_is_looked_for_and_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    monkeypatch.setattr(doctor.Wanted, "open", lambda self: pytest.fail("it was opened"))
    found = {each.check: each for each in dgd.doctor(tmp_path / "t.csv").findings}
    assert found["data"].found == f"{tmp_path}/t.csv is seen"
    assert found["reading"].found == "nothing was read: it is a text, which each fit parses"
    (missing,) = [each for each in dgd.doctor(tmp_path / "none.csv").findings if each.check == "data"]
    assert (missing.severity, missing.fix) == ("fault", "check the path")


def test_a_table_with_text_is_looked_for_and_one_of_numbers_read(tmp_path: Path) -> None:
    columns = {"a": np.arange(9.0), "c": ["u", "v", "w"] * 3, "y": np.arange(9.0)}
    parquet.write_table(pyarrow.table({"a": columns["a"], "y": columns["y"]}), tmp_path / "numbers.parquet")
    parquet.write_table(pyarrow.table(columns), tmp_path / "text.parquet")
    dgd.ingest([tmp_path / "text.parquet"], tmp_path / "kept.zarr", target="y")
    for name, read in (("numbers.parquet", "what was read is"), ("text.parquet", "nothing"), ("kept.zarr", "nothing")):
        found = {each.check: each for each in dgd.doctor(tmp_path / name).findings}
        assert found["data"].found == f"{tmp_path / name} is seen"
        assert found["reading"].found.startswith(read)


def test_a_store_that_hangs_is_a_sentence(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(doctor.Wanted, "open", lambda self: released.wait())
    (fault,) = [each for each in dgd.doctor(store, timeout=0.2).findings if each.severity == "fault"]
    released.set()
    assert fault.found == f"{store} was not read within 0.2 s"
    assert fault.fix == "see whether its disk or store hangs"


# Rule by rule, on what processes may say.


@pytest.fixture(scope="module")
def own() -> dict[str, Any]:
    return facts([])


def here(own: dict[str, Any], **changed: Any) -> Process:
    return Process("here", {**own, **changed})


def worker(own: dict[str, Any], number: int = 1, dask: dict[str, Any] | None = None, **changed: Any) -> Process:
    known = {"nthreads": 1, "memory_limit": 2**30, "address": f"tcp://10.0.0.1:{number}", **(dask or {})}
    return Process(f"worker tcp://10.0.0.1:{number}", {**own, "pid": number, **changed}, known)


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.severity, each.found) for each in findings]


@pytest.mark.parametrize(
    ("changed", "severity", "text"),
    [
        ({"dgd": None, "error": "gone"}, "fault", "worker tcp://10.0.0.1:1 has no dgd (gone)"),
        ({"digest": "0"}, "fault", "worker tcp://10.0.0.1:1 has dgd {dgd} of another source than here"),
        ({"numpy": "1.0"}, "warning", "worker tcp://10.0.0.1:1 has NumPy 1.0, here it is {numpy}"),
        ({"distributed": None}, "warning", "worker tcp://10.0.0.1:1 has no distributed"),
        ({"python": "3.9.1"}, "warning", "worker tcp://10.0.0.1:1 has Python 3.9.1, here it is {python}"),
    ],
)
def test_software(own: dict[str, Any], changed: dict[str, Any], severity: str, text: str) -> None:
    found = software_findings(here(own), [worker(own, **changed), worker(own, 2)])
    assert (severity, text.format(**own)) in told(found)
    assert found[0].fix
    assert told(software_findings(here(own), [worker(own)]))[0][0] == "ok"


def test_bits(own: dict[str, Any]) -> None:
    def bits(*workers: Process) -> Finding:
        (found,) = [each for each in software_findings(here(own), workers) if each.check == "BLAS"]
        return found

    assert bits(worker(own)).severity == "ok"
    kernels = bits(worker(own), worker(own, 2, blas="openblas 9 Nehalem", compiler="numba 9 m1"))
    assert kernels.severity == "warning"
    assert "openblas 9 Nehalem, numba 9 m1 (worker tcp://10.0.0.1:2)" in kernels.found
    assert "--same-bits require" in kernels.fix
    assert "NUMBA_DISABLE_JIT=1" in kernels.fix
    assert "NUMBA" not in bits(worker(own), worker(own, 2, blas="openblas 9 Nehalem")).fix
    loops = bits(worker(own), worker(own, 2, simd=[*own["simd"], "X86_V9"]))
    assert loops.found.startswith("worker tcp://10.0.0.1:2 and this process have unlike processors (X86_V9)")


def test_processors(own: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    own = {**own, "processors": 4, "blas_threads": 1}

    def on(*workers: Process) -> list[tuple[str, str]]:
        return told(processor_findings([here(own), *workers]))

    assert on(worker(own), worker(own, 2, {"nthreads": 3})) == [
        ("ok", "4 threads of 2 workers on 1 machine: no more than there are processors")
    ]
    assert on(worker(own, 1, {"nthreads": 3}), worker(own, 2, {"nthreads": 2}))[0] == (
        "warning", f"5 threads of 2 workers on {own['host']}, and it has 4 processors",
    )  # fmt: skip
    assert on(worker(own, 1, {"nthreads": 4}), worker(own, 2, {"nthreads": 4}, machine="other"))[0][0] == "ok"
    # Two that live in one process are one of Dask's and BLAS's threads each.
    assert on(worker(own, 1, {"nthreads": 4}), worker(own, 2, {"nthreads": 4}, pid=1))[0][0] == "ok"
    assert "9 at once" in on(worker(own, 1, blas_threads=8), worker(own, 2))[0][1]
    monkeypatch.setenv("DGD_THREADS", "5")
    assert on()[0] == ("warning", "fits here run on 5 threads, and there are 4 processors")


def test_memory(own: dict[str, Any], store: str) -> None:
    own = {**own, "machine_bytes": 2**32, "cgroup_limit": None}
    dataset = dgd.open_dataset(store)

    def on(*workers: Process) -> list[tuple[str, str]]:
        return told(memory_findings([here(own), *workers], dataset))

    small, large = {"memory_limit": 2**27}, {"memory_limit": 2**31}
    assert on(worker(own, 1, large), worker(own, 2, large))[0][0] == "ok"
    assert on(worker(own, 1, {"memory_limit": 2**32}), worker(own, 2, large)) == [
        ("warning", f"2 workers on {own['host']} may hold 6 GiB, and it has 4 GiB")
    ]
    refused = on(worker(own, 1, large), worker(own, 2, small))[0][1]
    assert re.match(r"worker tcp://10.0.0.1:2: the fit needs 12\d MiB in each process and 102 MiB is allowed", refused)
    assert on(worker(own, 1, {"memory_limit": 0})) == [("warning", "worker tcp://10.0.0.1:1 has no memory limit")]
    assert on(worker(own, 1, large, cgroup_limit=2**30)) == [
        ("warning", "worker tcp://10.0.0.1:1 may hold 2 GiB by Dask, its control group 1 GiB: the kernel kills it")
    ]


def test_clocks(own: dict[str, Any]) -> None:
    def at(ahead: float, within: float | None) -> tuple[str, str]:
        process = Process("scheduler", own, {"address": "tcp://127.0.0.1:1"}, ahead, within)
        return ([*told(clock_findings([process])), ("", "")])[0]

    assert at(-0.001, 0.002) == ("ok", "clocks differ by 0.001 ± 0.002 s at most")
    assert at(2.5, 0.01) == ("warning", "the clock of scheduler is 2.5 s ahead of this one")
    assert at(-400, 0.01) == ("fault", "the clock of scheduler is 400 s behind this one")
    assert at(2.5, 3.0)[0] == "ok"  # a round trip that long tells nothing
    assert at(0, None) == ("", "")


def test_a_clock_is_measured_without_the_round_trip() -> None:
    """One that is 100 s ahead, asked over a way that takes 0.3, 0.1 or 0.2 s there and none back."""

    class Slow:
        loop: Any

        def __init__(self) -> None:
            self.waits = iter([0.3, 0.1, 0.2])

        async def run(self, function: Any, workers: list[str], on_error: str) -> dict[str, float]:
            await asyncio.sleep(next(self.waits))
            return {workers[0]: time.time() + 100}

    slow = Slow()
    slow.loop = type("Loop", (), {"asyncio_loop": asyncio.new_event_loop()})
    thread = threading.Thread(target=slow.loop.asyncio_loop.run_forever)
    thread.start()
    ((ahead, within),) = asking.clocks(slow, ["tcp://a"], 30).values()  # type: ignore[arg-type]
    slow.loop.asyncio_loop.call_soon_threadsafe(slow.loop.asyncio_loop.stop)
    thread.join()
    slow.loop.asyncio_loop.close()
    assert 0.05 <= within < 0.1
    assert abs(ahead - 100 - 0.05) < 0.04  # half of the round trip, which was all on the way there


def test_ports(own: dict[str, Any]) -> None:
    def open_at(*ports: tuple[str, int], address: str = "tcp://127.0.0.1:8786") -> list[tuple[str, str]]:
        known = {"address": address, "services": {"dashboard": 8787}}
        return told(port_findings([Process("scheduler", {**own, "listening": list(ports)}, known)]))

    assert open_at(("127.0.0.1", 8786), ("10.0.0.1", 8787)) == [("ok", "none listens on all interfaces without TLS")]
    assert open_at(("0.0.0.0", 8786)) == [
        (
            "warning",
            "scheduler listens on all interfaces (port 8786) without TLS: whoever reaches it can run code there",
        )
    ]
    assert open_at(("::", 8786), ("127.0.0.1", 8787), address="tls://127.0.0.1:8786")[0][0] == "ok"
    assert "HTTP server of scheduler listens on all interfaces (port 8787)" in open_at(("0.0.0.0", 8787))[0][1]
    beside = Process(
        "worker a", {**own, "listening": []}, {"address": "tcp://127.0.0.1:1", "services": {"dashboard": 9}}
    )
    scheduler = Process("scheduler", {**own, "listening": [("0.0.0.0", 9)]}, {"address": "inproc://1", "services": {}})
    assert told(port_findings([scheduler, beside]))[0][1].startswith("the HTTP server of scheduler listens on all")
    assert open_at(("0.0.0.0", 9), ("::", 10))[0][1] == "scheduler: open on all interfaces, ports 9 and 10"
    workers = [
        Process(
            f"worker tcp://a:{port}",
            {**own, "pid": port, "listening": [("0.0.0.0", port)]},
            {"address": f"tcp://a:{port}"},
        )
        for port in range(1, 6)
    ]
    (finding,) = port_findings(workers)
    assert finding.where == tuple(worker.name for worker in workers)
    assert finding.found.startswith("5 workers listen on all interfaces (ports 1, 2, 3 and 2 more) without TLS: ")
    assert "is neither encrypted nor authenticated" in open_at(("10.1.1.1", 8786), address="tcp://192.0.2.1:8786")[0][1]


def test_own_ports_are_listed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("0.0.0.0", 0)) as two:
        ports = [one.getsockname(), two.getsockname()]
        assert {*ports} <= {*listening()}
    wait_until(lambda: not {*ports} & {*listening()}, "the ports to close")


def test_disks(own: dict[str, Any]) -> None:
    def with_room(**disk: Any) -> tuple[str, str]:
        room = {"free_bytes": 2**40, "total_bytes": 2**41, "writable": True, **disk}
        return told(disk_findings([Process("here", {**own, "disks": {"/x": room}})], None))[0]

    assert with_room()[0] == "ok"
    assert with_room(free_bytes=2**29) == ("warning", "/x (here) has 512 MiB left")
    assert with_room(free_bytes=2**20) == ("fault", "/x (here) has 1 MiB left")
    assert with_room(writable=False) == ("fault", "/x (here) cannot be written to")
    assert with_room(error="No such file")[0] == "fault"
    read_only = {"/x": {"free_bytes": 2**40, "total_bytes": 2**41, "writable": False}}
    assert told(disk_findings([Process("here", {**own, "disks": read_only})], "/x"))[0][0] == "ok"
    read_only["/x"]["free_bytes"] = 0
    assert told(disk_findings([Process("here", {**own, "disks": read_only})], "/x"))[0][0] == "warning"


def test_other_numbers_under_the_same_metadata(own: dict[str, Any]) -> None:
    def seeing(name: str, **changed: Any) -> Process:
        seen = {"seen": True, "fingerprint": "f", "first": "1", "chunks": 1, "decoded_bytes": 2**24, "seconds": 0.01}
        return Process(name, {**own, "data": {**seen, "chunk_bytes": 1, **changed}})

    same = data.data_findings([seeing("here"), seeing("worker a", seconds=0.1)], "/d")
    assert told(same)[0] == ("ok", "/d is seen: the same here and on 1 worker")
    assert same[1].found.startswith("0.17 (worker a) to 1.7 GB/s (here) by one thread in each of 2 processes")
    assert same[1].found.endswith("files may have been in memory")
    stale = data.data_findings([seeing("here"), seeing("worker a", first="2")], "/d")
    assert told(stale)[0] == ("fault", "worker a finds other numbers in the first chunk at /d than this process")
    broken = data.data_findings(
        [seeing("here"), Process("worker a", {"data": {"seen": True, "error": "bad; mend"}})], "/d"
    )
    assert (broken[0].found, broken[0].fix) == ("worker a: bad", "mend")


def test_how_findings_are_written() -> None:
    long = Finding("fault", "memory", "word " * 30, "mend\x1b it")
    checkup = Checkup((Finding("ok", "clock", "fine"), long, Finding("warning", "disk", "little")), ())
    assert checkup.worst == "fault"
    lines = checkup.table(80).splitlines()
    assert lines[0] == "ok       clock        fine"
    assert lines[1].startswith("fault    memory       word word")
    assert {line[:22] for line in lines[2:4]} == {" " * 22}
    assert f"{'':22}fix: mend\\x1b it" in lines
    assert lines[-1] == "1 fault and 1 warning"
    assert Checkup((), ()).worst == "ok"
    split = of_error("data", "a; b of s3://me:secret@host/x; try c", ())
    assert (split.found, split.fix) == ("a; b of s3://host/x", "try c")
    assert (of_error("data", "no way out", ()).found, of_error("data", "no way out", ()).fix) == ("no way out", "")
