"""Workers that are frozen, slow, stuck or blind: what waits for them, and for how long."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import dgd
from dgd.passes.cluster import cut
from tests.clusters import cluster
from tests.faults.clusters import PASSES, SLOWLY, two_workers
from tests.faults.rows import METHOD, compared, outcome, row, undisturbed, written


def stopped(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


@row("F5", "one worker of two is stopped for good", expected="same bits", before="same bits, 33 s to 10 min late")
def one_is_stopped(folder: Path) -> str:
    """The pass goes on within 3 × the median or 2 s, and what starting a second graph takes."""
    path = written(folder / "d.zarr")
    seconds: list[float] = []
    with two_workers(folder) as found:

        def stop(record: dgd.Record) -> None:
            seconds.append(record.seconds)
            if record.iteration == 5:
                threading.Timer(0.2 * record.seconds, stopped, [[found.workers[0].pid]]).start()

        execution = dgd.Execution(client=found.client, resident=0)
        result = dgd.fit(path, max_iter=PASSES, callbacks=[stop], execution=execution, **METHOD)
        os.kill(found.workers[0].pid, signal.SIGCONT)
        median, longest = statistics.median(seconds[1:5]), max(seconds[5:])
        limit = max(3 * median, median + 2)
        held = "in time" if longest <= limit else "LATE"
        seen = compared(result, undisturbed(path, PASSES))
        return f"{seen}, {held}: the longest pass {longest:.1f} s, at most {limit:.1f} s, median before {median:.2f} s"


@row(
    "F5-all",
    "all workers are stopped, worker_timeout=10",
    expected="ClusterLostError",
    before="still running after 45 s",
)
def all_are_stopped(folder: Path) -> str:
    path = written(folder / "d.zarr")
    at: list[float] = []
    with two_workers(folder) as found:
        pids = [worker.pid for worker in found.workers]

        def stop(record: dgd.Record) -> None:
            if record.iteration == 3:
                stopped(pids)
                at.append(time.monotonic())

        execution = dgd.Execution(client=found.client, resident=0, worker_timeout=10)
        fit = {"max_iter": PASSES, "callbacks": [stop], "execution": execution, **METHOD}
        seen = outcome(lambda: dgd.fit(path, **fit))
        took = time.monotonic() - at[0]
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        return f"{seen if took <= 15 else 'LATE ' + seen} ({took:.1f} s after they were stopped)"


@row(
    "F6",
    "one worker of two takes 1 s for a chunk, the other 20 ms",
    expected="at most 2.5 ×",
    before="10 to 20 × longer than healthy",
    seconds=120,
)
def one_is_slow(folder: Path) -> str:
    path = written(folder / "d.zarr")
    cut.TASK_SECONDS = 1e-9
    medians, results = {}, []
    for latency in ("0.02", "1"):
        with cluster(folder, {**SLOWLY, "SLOW_SECONDS": "0.02"}) as found:
            found.add_worker()
            found.add_worker(SLOW_SECONDS=latency)
            execution = dgd.Execution(client=found.client, resident=0)
            results.append(dgd.fit(path, max_iter=12, execution=execution, **METHOD))
            medians[latency] = statistics.median(record.seconds for record in results[-1].history[1:])
    ratio = medians["1"] / medians["0.02"]
    same = {compared(result, undisturbed(path, 12)) for result in results}
    return f"{'at most 2.5 ×' if ratio <= 2.5 else 'MORE'}: {ratio:.2f} × the healthy median, {' and '.join(same)}"


@row(
    "F6-predict",
    "a worker is stopped for good while predictions are written",
    expected="equal to the undisturbed",
    before="they waited for it",
)
def predictions(folder: Path) -> str:
    path, out = written(folder / "d.zarr"), folder / "p.zarr"
    model = dgd.Model(np.arange(8.0), 1.0, "squared")
    dgd.predict_to(model, path, folder / "alone.zarr", threads=2)
    with two_workers(folder) as found:
        threading.Timer(0.5, stopped, [[found.workers[0].pid]]).start()
        began = time.monotonic()
        dgd.predict_to(model, path, out, client=found.client)
        took = time.monotonic() - began
        os.kill(found.workers[0].pid, signal.SIGCONT)
    chunks = [
        {file.name: file.read_bytes() for file in (each / "c").iterdir()} for each in (out, folder / "alone.zarr")
    ]
    return f"{'equal to the undisturbed' if chunks[0] == chunks[1] else 'other predictions'}, after {took:.1f} s"


@row("F20-worker", "a disk of one worker fails with EIO", expected="same bits", before="ReadError: the fit ended")
def one_cannot_read(folder: Path) -> str:
    path = written(folder / "d.zarr")
    failing = folder / "failing"
    cut.TASK_SECONDS = 1e-9
    with cluster(folder, SLOWLY) as found:
        found.add_worker()
        found.add_worker(FAIL_WHILE=str(failing))
        heard = _Heard(lambda record: failing.touch() if record.iteration == 3 else None)
        execution = dgd.Execution(client=found.client, resident=0)
        result = dgd.fit(path, max_iter=PASSES, callbacks=[heard], execution=execution, **METHOD)
    return f"{compared(result, undisturbed(path, PASSES))}: {'; '.join(heard.said)[-150:]}"


@row(
    "A17-blind", "a worker loses sight of the dataset in mid-fit", expected="same bits", before="write the array again"
)
def one_is_blind(folder: Path) -> str:
    path = written(folder / "d.zarr")
    cut.TASK_SECONDS = 1e-9
    for name in ("here", "there"):
        (folder / name).mkdir()
        os.symlink(path, folder / name / "d.zarr")
    with cluster(folder, SLOWLY) as found:
        found.add_worker(cwd=folder / "here")
        found.add_worker(cwd=folder / "there")
        os.chdir(folder / "here")
        link = folder / "there" / "d.zarr"
        heard = _Heard(lambda record: link.unlink() if record.iteration == 3 else None)
        execution = dgd.Execution(client=found.client, resident=0)
        result = dgd.fit("/proc/self/cwd/d.zarr", max_iter=PASSES, callbacks=[heard], execution=execution, **METHOD)
    return f"{compared(result, undisturbed(path, PASSES))}: {'; '.join(heard.said)[-200:]}"


class _Heard:
    """A callback that does something after passes, and remembers what is said."""

    def __init__(self, after: Callable[[dgd.Record], object]) -> None:
        self.after = after
        self.said: list[str] = []

    def __call__(self, record: dgd.Record) -> None:
        self.after(record)

    def on_event(self, event: dgd.Event) -> None:
        self.said += [event.message] if event.message else []
