"""What an iteration costs beside the arithmetic: tiny data, many iterations, on threads and on a two-worker cluster.

Bars: threads ≤ 3 ms, cluster ≤ 60 ms an iteration (median).
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import dgd

ROUNDS = 5
BARS = {"threads": 3.0, "cluster": 60.0}


def measure() -> list[dict[str, Any]]:
    """Median milliseconds of an iteration, by where it runs; 1,000 × 5 float64 in 20 chunks of zarr."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "tiny.zarr"
        with dgd.DatasetWriter(store, chunk_rows=50) as writer:
            writer.append(rng.normal(size=(1000, 5)), rng.normal(size=1000))
        rows = [_row("threads", lambda: dgd.fit(store, threads=2, max_iter=200, tol=0))]
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
            ) as cluster,
            Client(cluster) as client,
        ):
            dgd.fit(store, client=client, max_iter=5, tol=0)
            rows.append(_row("cluster", lambda: dgd.fit(store, client=client, max_iter=40, tol=0)))
    return rows


def _row(where: str, fit: Any) -> dict[str, Any]:
    times, tasks = [], 0
    for _ in range(ROUNDS):
        result = fit()
        tasks = result.plan.tasks_per_pass
        times += [1e3 * record.seconds for record in result.history[1:]]
    return {
        "where": where,
        "tasks": tasks,
        "iterations": len(times),
        "median ms": statistics.median(times),
        "p90 ms": sorted(times)[int(0.9 * len(times))],
        "bar ms": BARS[where],
        "met": statistics.median(times) <= BARS[where],
    }
