"""What a pass takes and sends on clusters of more and more workers, all of one thread in this process; tiny chunks.

ms: the median and the least of the passes. CPU ms: of this process, which is workers, scheduler and driver, for a
pass; what else the machine does counts little. `bare ms`: the least of a graph of as many tasks that do nothing. Then
what goes through the scheduler by TCP for a pass that is cut as finely as can be: messages and kB to workers and
back, for a task; and of the client, whose message has what tasks share (paths, metadata and θ) once.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from dask.task_spec import List, Task, TaskRef
from distributed import Client, LocalCluster

import dgd
from dgd.passes.cluster import cut

WORKERS, CHUNKS, PASSES, FEATURES = (2, 20, 60, 200), 1000, 20, 5
WIDE = 100
"""Features where the traffic is counted, on TRAFFIC workers."""
TRAFFIC = (4, 8)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    parser.add_argument("--chunks", type=int, default=CHUNKS)
    parser.add_argument("--passes", type=int, default=PASSES)


def measure(
    *, workers: Sequence[int] = WORKERS, chunks: int = CHUNKS, passes: int = PASSES, traffic: Sequence[int] = TRAFFIC
) -> list[dict[str, Any]]:
    """The milliseconds on each number of workers, then the traffic."""
    with tempfile.TemporaryDirectory() as folder:
        narrow, wide = _store(Path(folder), chunks, FEATURES), _store(Path(folder), 200, WIDE)
        return [
            *(milliseconds(narrow, count, chunks, passes) for count in workers),
            *(sent(wide, count) for count in traffic),
        ]


def _store(folder: Path, chunks: int, features: int) -> str:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(folder / f"{features}.zarr", chunk_rows=2) as writer:
        writer.append(rng.normal(size=(2 * chunks, features)), rng.normal(size=2 * chunks))
    return str(folder / f"{features}.zarr")


def _fit(store: str, client: Client, passes: int, **options: Any) -> dgd.Result:
    return dgd.fit(
        store,
        solver="gd",
        learning_rate=1e-6,
        tol=0,
        max_iter=passes,
        execution=dgd.Execution(client=client, **options.pop("execution", {})),
        **options,
    )


def milliseconds(store: str, workers: int, chunks: int, passes: int) -> dict[str, Any]:
    """A pass on so many workers that share this process's memory."""
    with _cluster(workers, "inproc") as cluster, Client(cluster, set_as_default=False) as client:
        _fit(store, client, 3)
        cpu: list[float] = []
        result = _fit(store, client, passes + 1, callbacks=[lambda record: cpu.append(time.process_time())])
        times = [1e3 * record.seconds for record in result.history[2:]]
        bare = min(_bare(client, result.plan.tasks_per_pass, number) for number in range(10))
    return {
        "workers": workers,
        "chunks": chunks,
        "tasks": result.plan.tasks_per_pass,
        "median ms": statistics.median(times),
        "least ms": min(times),
        "CPU ms": 1e3 * (cpu[-1] - cpu[0]) / (len(cpu) - 1),
        "bare ms": bare,
    }


def _cluster(workers: int, protocol: str) -> LocalCluster:
    # Without a limit: each worker would pause at its share of the memory, which all of them fill together.
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=False,
        protocol=protocol,
        dashboard_address=None,
        memory_limit=0,
    )


def _bare(client: Client, tasks: int, number: int) -> float:
    names = [f"bare-{number}-{i}" for i in range(tasks - 1)]
    graph = {name: Task(name, float) for name in names}
    total = f"bare-sum-{number}"
    graph[total] = Task(total, sum, List(*(TaskRef(name) for name in names)))
    began = time.perf_counter()
    client.get(graph, total)
    return 1e3 * (time.perf_counter() - began)


def sent(store: str, workers: int) -> dict[str, Any]:
    """What goes through the scheduler in a pass of four nodes for each thread."""
    with (
        mock.patch.object(cut, "TASK_SECONDS", 1e-12),
        _cluster(workers, "tcp") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        counts: dict[int, np.ndarray] = {}

        def count(record: dgd.Record) -> None:
            ways = (cluster.scheduler.stream_comms.values(), (w.batched_stream for w in cluster.workers.values()))
            streams = [list(way) for way in ways] + [[client.scheduler_comm]]
            counts[record.iteration] = np.array(
                [[sum(each.message_count for each in way), sum(each.byte_count for each in way)] for way in streams]
            )

        result = _fit(store, client, 12, callbacks=[count], execution={"resident": 0})
        tasks = result.plan.tasks_per_pass
        out, back, own = (counts[10] - counts[2]) / 8
    return {
        "workers": workers,
        "features": WIDE,
        "tasks": tasks,
        "messages out a task": out[0] / tasks,
        "kB out a task": out[1] / tasks / 1e3,
        "messages back a task": back[0] / tasks,
        "kB back a task": back[1] / tasks / 1e3,
        "client's messages": own[0],
        "client's kB": own[1] / 1e3,
    }
