"""What the workers of a cluster have, for the plan."""

from __future__ import annotations

from typing import Any

from dgd.passes.executor import Resources

USABLE = 0.8
"""Part of a worker's memory limit that a plan may use: Dask pauses a worker beyond it, perhaps for ever."""
WORKER_BYTES = 48 * 2**20
"""What importing zarr adds to a fresh worker, as measured."""
IDLE_BYTES = 80 * 2**20
"""Assumed for a worker that has not reported its memory yet."""


def resources_of(workers: dict[str, Any], tasks: int, memory_limit: int | None) -> Resources:
    """Threads, memory and limits of workers as the scheduler describes them; a pass takes so many tasks."""
    limits = [int(USABLE * worker["memory_limit"]) for worker in workers.values() if worker["memory_limit"]]
    limits += [memory_limit] if memory_limit is not None else []
    held = [worker.get("metrics", {}).get("memory", 0) for worker in workers.values()]
    return Resources(
        kind="cluster",
        shares_memory=False,
        processes=len(workers),
        threads=max(worker["nthreads"] for worker in workers.values()),
        tasks=tasks,
        base_bytes=max(*held, IDLE_BYTES) + WORKER_BYTES,
        memory_limit=min(limits, default=None),
    )
