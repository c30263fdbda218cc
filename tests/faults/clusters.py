"""Workers, schedulers and clients that die, freeze, come and go in the middle of a fit; real processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cloudpickle
from distributed import Client, LocalCluster, worker_client

import dgd
from dgd.passes.cluster import cut
from tests.clusters import Cluster, cluster, end
from tests.faults.rows import METHOD, bits, compared, outcome, row, undisturbed, written

HANGING = Path(__file__).parent.parent / "hanging.py"
SLOWLY = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(HANGING), "SLOW_SECONDS": "0.01"}
PASSES = 20


@contextmanager
def two_workers(folder: Path) -> Iterator[Cluster]:
    """Two workers of one thread each, 10 ms for every file they read: a pass takes 0.4 s."""
    cut.TASK_SECONDS = 1e-9  # Passes that are this short would be one task.
    with cluster(folder, SLOWLY) as found:
        found.add_worker()
        found.add_worker()
        yield found


def disturbed(folder: Path, disturb: Callable[[Cluster], None], *, worker_timeout: float = 30.0) -> str:
    """A fit on two workers; after its third pass `disturb` runs beside it."""
    path = written(folder / "d.zarr")
    expected = undisturbed(path, PASSES)
    with two_workers(folder) as found:
        beside = threading.Thread(target=disturb, args=(found,))

        def begin(record: dgd.Record) -> None:
            if record.iteration == 3:
                beside.start()

        execution = dgd.Execution(client=found.client, resident=0, worker_timeout=worker_timeout)
        fit = {"max_iter": PASSES, "callbacks": [begin], "execution": execution, **METHOD}
        try:
            result = dgd.fit(path, **fit)
        except dgd.errors.DgdError as error:
            return f"{type(error).__name__}: {str(error)[:150]}"
        finally:
            beside.join()
        left = found.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return f"{compared(result, expected)}, {left} tasks left"


@row("F1", "a worker is killed each second, three times; new ones join", expected="same bits", before="same bits")
def killed_one_by_one(folder: Path) -> str:
    def disturb(found: Cluster) -> None:
        for _ in range(3):
            end(found.workers.pop(0))
            found.add_worker()
            time.sleep(1)

    return disturbed(folder, disturb)


@row("F3", "all workers are killed, two come back after 3 s", expected="same bits", before="same bits")
def killed_and_back(folder: Path) -> str:
    def disturb(found: Cluster) -> None:
        for worker in found.workers:
            end(worker)
        time.sleep(3)
        found.add_worker()
        found.add_worker()

    return disturbed(folder, disturb)


@row("F4", "all workers are killed for good", expected="ClusterLostError", before="ClusterLostError, 1 s late")
def killed_for_good(folder: Path) -> str:
    return disturbed(folder, lambda found: [end(worker) for worker in found.workers] and None, worker_timeout=5)


@row("F7", "the scheduler is killed; it and the workers are started again", expected="same bits", before="same bits")
def scheduler_restarted(folder: Path) -> str:
    def disturb(found: Cluster) -> None:
        found.restart_scheduler()
        found.workers.clear()
        found.add_worker()
        found.add_worker()

    return disturbed(folder, disturb)


@row(
    "F7-gone",
    "the scheduler is killed for good",
    expected="ClusterLostError: the scheduler",
    before="ClusterLostError that spoke of workers (A17)",
)
def scheduler_gone(folder: Path) -> str:
    return disturbed(folder, lambda found: end(found.scheduler), worker_timeout=5)


@row("F21", "a worker is retired, another joins", expected="same bits", before="same bits")
def retired(folder: Path) -> str:
    def disturb(found: Cluster) -> None:
        found.add_worker()
        found.client.retire_workers([found.addresses()[0]])

    return disturbed(folder, disturb)


@row("F21-closed", "the client is closed in mid-fit", expected="ClusterLostError", before="ClusterLostError at once")
def client_closed(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_workers(folder) as found, Client(found.client.scheduler.address, set_as_default=False) as client:

        def close(record: dgd.Record) -> None:
            if record.iteration == 3:
                client.close()

        return outcome(lambda: dgd.fit(path, client=client, max_iter=PASSES, callbacks=[close], **METHOD))


@row("F8", "the driver is killed", expected="0 tasks left", before="0 tasks left; all passes lost (A14)")
def driver_killed(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with two_workers(folder) as found:
        address = found.client.scheduler.address
        fit = ["fit", str(path), "--scheduler", address, "--solver", "gd", "--learning-rate", "1e-6", "--tol", "0"]
        with subprocess.Popen(
            [sys.executable, "-m", "dgd", *fit, "--max-iter", "100000", "-v"], stderr=subprocess.PIPE, text=True
        ) as driver:
            assert driver.stderr is not None
            while "pass 3" not in driver.stderr.readline():
                pass
            driver.kill()
        time.sleep(3)
        left = found.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        return f"{left} tasks left after 3 s"


@row("F23", "four fits at once, on one client", expected="same bits", before="same bits")
def four_fits(folder: Path) -> str:
    paths = [written(folder / f"{k}.zarr", seed=k) for k in range(4)]
    expected = [undisturbed(path, PASSES) for path in paths]
    with cluster(folder) as found:
        found.add_worker()
        found.add_worker()
        results: dict[int, dgd.Result] = {}

        def fit(k: int) -> None:
            results[k] = dgd.fit(paths[k], client=found.client, max_iter=PASSES, **METHOD)

        threads = [threading.Thread(target=fit, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        same = [bits(results[k]) == expected[k] for k in range(4)]
        return "same bits, each its own" if all(same) else f"other bits: {same}"


def _fit_there(path: str) -> Any:
    return dgd.fit(path, max_iter=3).plan.kind


def _somebody() -> int:
    with worker_client():
        return 1


@row("A5", "a fit in a Dask task, after somebody's worker_client()", expected="threads", before="never returned")
def fit_in_a_task(folder: Path) -> str:
    path = str(written(folder / "d.zarr"))
    with cluster(folder) as found:
        found.add_worker()
        found.client.submit(_somebody, pure=False).result()
        return str(found.client.submit(_fit_there, path, pure=False).result(timeout=30))


@row(
    "A7",
    "a function that names dgd is sent to Dask",
    expected="it is sent",
    before="TypeError: cannot pickle '_Package'",
)
def pickled(folder: Path) -> str:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("import dgd\ndef job(path): return dgd.fit(path).coef_", space)  # a function of a notebook's cell
    return f"it is sent, in {len(cloudpickle.dumps(space['job']))} bytes"


@row("A8", "a cluster that adapts, with no worker yet", expected="same bits", before="ClusterLostError")
def adapts_from_zero(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as found, Client(found) as client:
        found.adapt(minimum=0, maximum=2)
        return compared(dgd.fit(path, client=client, max_iter=PASSES, **METHOD), undisturbed(path, PASSES))


@row(
    "A11",
    "a fit in a forked process, with an active client",
    expected="same bits",
    before="ClusterLostError, 300 s later",
)
def forked(folder: Path) -> str:
    path = written(folder / "d.zarr")
    expected = undisturbed(path, PASSES)
    with cluster(folder) as found, Client(found.client.scheduler.address):
        found.add_worker()
        receive, send = multiprocessing.Pipe()

        def child() -> None:
            send.send(compared(dgd.fit(path, max_iter=PASSES, **METHOD), expected))

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        found_there = receive.recv() if receive.poll(20) else "nothing within 20 s"
        process.kill()
        process.join()
        return str(found_there)


@row(
    "A3",
    "a worker sees another copy of the dataset at the same path",
    expected="DatasetChangedError",
    before="a silent mixture",
)
def another_copy(folder: Path) -> str:
    here, there = folder / "here", folder / "there"
    cut.TASK_SECONDS = 1e-9
    with cluster(folder) as found:
        for seed, where in enumerate((here, there)):
            where.mkdir()
            written(where / "d.zarr", seed=seed)
            found.add_worker(cwd=where)
        os.chdir(here)
        return outcome(lambda: dgd.fit("/proc/self/cwd/d.zarr", client=found.client, max_iter=3, **METHOD))


@row("F32", "--require-tls and a plain scheduler", expected="code 2", before="used without a word")
def plain_scheduler(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with cluster(folder) as found:
        plan = [sys.executable, "-m", "dgd", "plan", str(path), "--scheduler", found.client.scheduler.address]
        done = subprocess.run([*plan, "--require-tls"], capture_output=True, text=True, check=False)
        return f"code {done.returncode}: {done.stderr.strip()[:120]}"


@row(
    "F8-resume",
    "a resume beside the fit, which is then killed, and a resume after it",
    expected="code 2 beside it, then same bits",
    before="all passes lost",
)
def driver_killed_and_resumed(folder: Path) -> str:
    path, run, model = written(folder / "d.zarr"), folder / "run.ckpt", folder / "m.dgd"
    method = ["--solver", "gd", "--learning-rate", "0.05", "--tol", "0", "--max-iter", "3000", "--threads", "2"]
    fit = [sys.executable, "-m", "dgd", "fit", str(path), *method]
    with subprocess.Popen(
        [*fit, "-v", "--checkpoint", str(run), "--checkpoint-every", "pass"], stderr=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stderr is not None
        while "pass 5" not in driver.stderr.readline():
            pass
        driver.send_signal(signal.SIGSTOP)
        resume = [sys.executable, "-m", "dgd", "resume", str(run), "--quiet", "--out", str(model)]
        beside = subprocess.run(resume, check=False, capture_output=True).returncode
        driver.send_signal(signal.SIGKILL)
    subprocess.run(resume, check=True, capture_output=True)
    expected = dgd.fit(path, max_iter=3000, threads=2, **METHOD).model
    same = dgd.load_model(model).coef.tobytes() == expected.coef.tobytes()
    return f"code {beside} beside it, then {'same' if same else 'other'} bits"
