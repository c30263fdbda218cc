"""What an iteration costs beside the arithmetic: tiny data, many iterations, on threads and on a two-worker cluster.

Bars: threads ≤ 3 ms, cluster ≤ 60 ms an iteration (median); of 8 node tasks ≤ 25 ms besides the time that each worker
spends in tasks. `bare dask ms`: of a graph of as many tasks that do nothing, submitted the same way.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dask.task_spec import List, Task, TaskRef
from distributed import Client, LocalCluster, get_task_stream

import dgd

ROUNDS = 5
CHUNKS = {"threads": 20, "cluster": 20, "cluster, 8 nodes": 32}
BARS = {"threads": 3.0, "cluster": 60.0, "cluster, 8 nodes": 25.0}


def measure() -> list[dict[str, Any]]:
    """Median milliseconds of an iteration, by where it runs; 1,000 × 5 float64 in 20 or 32 chunks of zarr."""
    with tempfile.TemporaryDirectory() as folder:
        stores = {count: _store(Path(folder), count) for count in set(CHUNKS.values())}
        fit = partial(dgd.fit, solver="gd", learning_rate=1e-3, tol=0, execution=dgd.Execution(resident=0))
        rows = [_row("threads", partial(fit, stores[20], threads=2, max_iter=200))]
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
            ) as cluster,
            Client(cluster) as client,
        ):
            for where in ("cluster", "cluster, 8 nodes"):
                passes = partial(fit, stores[CHUNKS[where]], client=client, max_iter=40)
                passes()
                rows.append(_row(where, passes, client))
    return rows


def _store(folder: Path, chunks: int) -> Path:
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(folder / f"{chunks}.zarr", chunk_rows=-(-1000 // chunks)) as writer:
        writer.append(rng.normal(size=(1000, 5)), rng.normal(size=1000))
    return folder / f"{chunks}.zarr"


def _row(where: str, fit: Callable[[], dgd.Result], client: Client | None = None) -> dict[str, Any]:
    results = [fit() for _ in range(ROUNDS)]
    times = [1e3 * record.seconds for result in results for record in result.history[1:]]
    median, n_tasks = statistics.median(times), results[0].plan.tasks_per_pass
    busy = dask = None
    if client is not None and where.endswith("nodes"):
        busy, dask = _busy(client, fit), _bare(client, n_tasks - 1)
    return {
        "where": where,
        "tasks": n_tasks,
        "iterations": len(times),
        "median ms": median,
        "p90 ms": sorted(times)[int(0.9 * len(times))],
        "in tasks ms": busy,
        "bare dask ms": dask,
        "bar ms": BARS[where],
        "met": median - (busy or 0.0) <= BARS[where],
    }


def _busy(client: Client, fit: Callable[[], dgd.Result]) -> float:
    """The milliseconds of an iteration that each of two workers spends in tasks."""
    with get_task_stream(client=client) as stream:
        passes = fit().n_iter_
    spans = [span for entry in stream.data for span in entry["startstops"] if span["action"] == "compute"]
    return 1e3 * sum(span["stop"] - span["start"] for span in spans) / 2 / passes


def _bare(client: Client, nodes: int) -> float:
    """The median milliseconds of a graph of that many tasks and their sum, none of which does anything."""
    times = []
    for number in range(60):
        total, names = f"bare-sum-{number}", [f"bare-{number}-{i}" for i in range(nodes)]
        graph = {name: Task(name, float) for name in names}
        graph[total] = Task(total, sum, List(*(TaskRef(name) for name in names)))
        began = time.perf_counter()
        client.get(graph, total)
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)
