"""What grows while a cluster serves passes and fits: the memory of driver, scheduler and workers."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from pathlib import Path

import dgd
from tests.clusters import Cluster, cluster
from tests.faults.rows import METHOD, row, written

PASSES, FITS, BLOCKS = 400, 40, 5
"""Passes and fits of a block. The median of blocks is taken: memory that an allocator asks for comes in leaps."""


def resident() -> float:
    """KiB of this process."""
    import gc
    from pathlib import Path

    gc.collect()
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def memory(found: Cluster) -> dict[str, float]:
    """KiB of the driver, the scheduler and the larger worker."""
    there = found.client.run_on_scheduler(resident)
    return {"driver": resident(), "scheduler": there, "workers": max(found.client.run(resident).values())}


def growth(found: Cluster, do: Callable[[int], object], count: int) -> dict[str, float]:
    """KiB that each process grows by for each of a block of `count` things, after as many blocks: Dask's logs fill."""
    do(BLOCKS * count)
    at = [memory(found)]
    for _ in range(BLOCKS):
        do(count)
        at.append(memory(found))
    left = found.client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
    assert left == 0, f"{left} tasks are left"
    return {
        each: statistics.median(after[each] - before[each] for before, after in itertools.pairwise(at)) / count
        for each in at[0]
    }


def said(grown: dict[str, float], most: float) -> str:
    text = ", ".join(f"{each} {value:.2f}" for each, value in grown.items())
    return f"{'at most' if max(grown.values()) <= most else 'MORE THAN'} {most:g} KiB: {text}"


@row(
    "F24",
    f"{PASSES * BLOCKS:,} passes on two workers",
    expected="at most 3 KiB",
    before="1.1 to 1.4 KiB a pass",
    seconds=500,
)
def passes(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with cluster(folder) as found:
        found.add_worker()
        found.add_worker()

        def fit(count: int) -> None:
            dgd.fit(path, client=found.client, max_iter=count, **METHOD)

        return said(growth(found, fit, PASSES), 3)


@row(
    "F24-fits",
    f"{FITS * BLOCKS} fits on two workers",
    expected="at most 16 KiB",
    before="scheduler 17 to 20 KiB a fit",
    seconds=500,
)
def fits(folder: Path) -> str:
    path = written(folder / "d.zarr")
    with cluster(folder) as found:
        found.add_worker()
        found.add_worker()

        def fit(count: int) -> None:
            for _ in range(count):
                dgd.fit(path, client=found.client, max_iter=3, **METHOD)

        return said(growth(found, fit, FITS), 16)
