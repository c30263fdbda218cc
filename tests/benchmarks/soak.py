"""What a long job leaves behind: a fit of 10,000 passes and 500 fits, on a scheduler and two workers, real processes.

KiB of resident memory, after garbage collection, by which a process grows with each fit or pass: in the first half,
when logs and caches of a bounded length fill, and in the second. Bars, of the second half: 8 KiB a fit for the
scheduler, 1 KiB a pass for each process. `spans`: records that the scheduler began meanwhile, and keeps for good.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import psutil

import dgd
from tests.clusters import Cluster, cluster

FITS, PASSES = 500, 10_000
ROWS, COLUMNS, CHUNK_ROWS = 1000, 5, 5
"""200 chunks: a few tasks a pass."""
WARM_FITS = 20
SAMPLES = 10
BARS = {"fit": 8.0, "pass": 1.0}


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--fits", type=int, default=FITS)
    parser.add_argument("--passes", type=int, default=PASSES)


def measure(*, fits: int = FITS, passes: int = PASSES) -> list[dict[str, Any]]:
    """The two tables in one."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as found:
        found.add_worker()
        found.add_worker()
        rng = np.random.default_rng(0)
        with dgd.DatasetWriter(Path(folder) / "train.zarr", chunk_rows=CHUNK_ROWS) as writer:
            writer.append(rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=ROWS))
        store = str(Path(folder) / "train.zarr")
        _fit(found, store, 200)
        for _ in range(WARM_FITS):
            _fit(found, store, 3)
        # First the passes, for they fill the logs.
        return [*_by_passes(found, store, passes), *_by_fits(found, store, fits)]


def _fit(found: Cluster, store: str, passes: int, *callbacks: Any) -> dgd.Result:
    """A fit of so many passes."""
    return dgd.fit(
        store,
        solver="gd",
        learning_rate=1e-6,
        tol=0,
        max_iter=passes,
        client=found.client,
        callbacks=list(callbacks),
    )


def _by_fits(found: Cluster, store: str, fits: int) -> list[dict[str, Any]]:
    samples = [memory(found)]
    for _ in range(SAMPLES):
        for _ in range(fits // SAMPLES):
            _fit(found, store, 3)
        samples.append(memory(found))
        print(f"soak: {(len(samples) - 1) * (fits // SAMPLES)} fits", file=sys.stderr, flush=True)
    return rows(samples, "fit", fits // SAMPLES)


def _by_passes(found: Cluster, store: str, passes: int) -> list[dict[str, Any]]:
    samples: list[dict[str, float]] = []

    def sample(record: dgd.Record) -> None:
        if record.iteration % (passes // SAMPLES) == 0:
            samples.append(memory(found))
            print(f"soak: {record.iteration} passes", file=sys.stderr, flush=True)

    _fit(found, store, passes, sample)
    return rows(samples, "pass", passes // SAMPLES)


def memory(found: Cluster) -> dict[str, float]:
    """The bytes of each process, and the spans of the scheduler."""
    workers = sorted(found.client.run(resident).items())
    return {
        "driver": resident(),
        "scheduler": found.client.run_on_scheduler(resident),
        **{f"worker {number}": value for number, (_, value) in enumerate(workers, 1)},
        "spans": found.client.run_on_scheduler(spans),
    }


def rows(samples: list[dict[str, float]], what: str, each: int) -> list[dict[str, Any]]:
    """A line for each process: the slope of a straight line through the samples of either half."""
    half = len(samples) // 2
    found = []
    for process in samples[0].keys() - {"spans"}:
        first, second = (
            float(np.polyfit(each * np.arange(len(part)), [sample[process] / 1024 for sample in part], 1)[0])
            for part in (samples[: half + 1], samples[half:])
        )
        bar = BARS[what] if what == "pass" or process == "scheduler" else None
        found.append(
            {
                "of a": what,
                "how many": each * (len(samples) - 1),
                "process": process,
                "MiB": samples[-1][process] / 2**20,
                "KiB, first half": first,
                "KiB, second half": second,
                "spans": int(samples[-1]["spans"] - samples[0]["spans"]) if process == "scheduler" else None,
                "bar KiB": bar,
                "met": None if bar is None else second <= bar,
            }
        )
    return sorted(found, key=lambda row: row["process"])


def resident() -> int:
    """The bytes of this process in memory, without what nobody refers to any more."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def spans(dask_scheduler: Any) -> int:
    """The spans that a scheduler knows."""
    return len(dask_scheduler.extensions["spans"].spans)
