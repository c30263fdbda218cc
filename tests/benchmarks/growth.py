"""What grows with the data and what must not: rows, features, workers, chunks; gradient descent on two threads.

rows      ×1, ×4, ×16: GB/s and peak memory within 10 % of those of ×1. Cold: the files leave the page cache before each
          pass (a disk of a virtual machine may still be cached by its host); warm: only what fits in half of the free
          memory. ×16 is at least 20 GB unless the disk has no room.
features  16 … 16,384 in the same bytes, warm.
workers   1 and 2 processes of a Dask cluster with one thread each, warm.
chunks    10 … 100,000 of 16 × 16 numbers, a file each. What a chunk costs: (seconds of a pass − those of bare reading)
          / chunks, where bare reading opens and reads the same files in one thread and does nothing with them. Flat if
          no count from 1,000 on has more than 1.5 × that of the 1,000, and at most 10 tasks: 4 a thread, θ, the sum.

Peak memory is VmHWM of a process of its own; of passes the median is taken, without the first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import dgd

ROOT = Path(__file__).parents[2]
ROWS, FEATURES = 1_600_000, 100
FACTORS = (1, 4, 16)
WIDTHS = (16, 64, 256, 1024, 4096, 16384)
COUNTS = (10, 100, 1000, 10_000, 100_000)
BYTES = 2**30
SIDE = 16
PARTS = ("rows", "features", "workers", "chunks")
SPARE_BYTES = 4 * 2**30
"""Left free on the disk."""
NEAR, FLAT, FLAT_FROM = 0.1, 1.5, 1000
MOST_TASKS = 10
LIMIT_SECONDS = 1800

CHILD = """
import json, os, sys, time
from contextlib import ExitStack
import dgd
from dgd.passes.memory import peak_bytes

asked = json.loads(sys.argv[1])

def files():
    return [os.path.join(folder, name) for folder, _, names in os.walk(asked["store"]) for name in names]

def evict(record):
    for path in files():
        handle = os.open(path, os.O_RDONLY)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)

def bare():
    buffer, paths = bytearray(2**22), [path for path in files() if not path.endswith(".json")]
    began = time.perf_counter()
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            file.readinto(buffer)
    return time.perf_counter() - began

with ExitStack() as stack:
    where = {"threads": asked["threads"]}
    if asked["workers"]:
        from distributed import Client, LocalCluster
        cluster = stack.enter_context(LocalCluster(n_workers=asked["workers"], threads_per_worker=1,
                                                   host="127.0.0.1", dashboard_address="127.0.0.1:0"))
        where = {"client": stack.enter_context(Client(cluster))}
    if asked["streaming"]:
        where["execution"] = dgd.Execution(resident=0)
    readings = [bare() for _ in range(asked["bare"])]
    result = dgd.fit(asked["store"], solver="gd", learning_rate=1e-9, max_iter=asked["passes"] + 1, tol=0,
                     callbacks=[evict] if asked["cold"] else [], **where)
print(json.dumps({"seconds": [record.seconds for record in result.history[1:]], "bytes": result.plan.bytes_per_pass,
                  "tasks": result.plan.tasks_per_pass, "peak": peak_bytes(), "bare": readings}))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of × 1, with {FEATURES} features")
    parser.add_argument("--bytes", type=int, default=BYTES, help="of X for features and workers")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS, help="of chunks")
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the data are made, and deleted; by default a temporary one")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)


def measure(
    *,
    rows: int = ROWS,
    bytes: int = BYTES,
    counts: Sequence[int] = COUNTS,
    passes: int = 5,
    folder: Path | None = None,
    only: Sequence[str] = PARTS,
) -> list[dict[str, Any]]:
    """The four tables, one after the other."""
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=folder, prefix="dgd-growth-") as made:
        place = Path(made)
        if "rows" in only:
            found += by_rows(place, rows, passes)
        if "features" in only:
            found += [by_features(place, width, bytes, passes) for width in WIDTHS if 8 * width <= bytes]
        if "workers" in only:
            found += by_workers(place, bytes, passes)
        if "chunks" in only:
            found += by_chunks(place, counts, passes)
    return found


def by_rows(place: Path, rows: int, passes: int) -> list[dict[str, Any]]:
    """GB/s and peak memory, cold and warm, of the three sizes that fit on the disk."""
    room = shutil.disk_usage(place).free - SPARE_BYTES
    base = min(rows, room // (8 * (FEATURES + 1) * FACTORS[-1]))
    found: list[dict[str, Any]] = []
    for factor in FACTORS:
        with dataset(place, factor * base, FEATURES) as store:
            warm = 8 * FEATURES * factor * base < free_memory() / 2
            for cache in ("cold", "warm") if warm else ("cold",):
                first = next((row for row in found if row["cache"] == cache), None)
                note = "" if base == rows else f"smaller than asked: the disk has room for {room / 1e9:.0f} GB"
                run = fitted(store, passes=passes, cold=cache == "cold")
                found.append(_size_row(run, factor * base, cache, first, note))
    return found


def _size_row(run: dict[str, Any], rows: int, cache: str, first: dict[str, Any] | None, note: str) -> dict[str, Any]:
    speed, peak = speed_of(run), run["peak"] / 2**20
    by_speed = 1.0 if first is None else speed / first["GB/s"]
    by_peak = 1.0 if first is None else peak / first["peak MiB"]
    return {
        "rows": rows,
        "GB": run["bytes"] / 1e9,
        "cache": cache,
        "GB/s": speed,
        "of ×1": by_speed,
        "peak MiB": peak,
        "peak of ×1": by_peak,
        "met": abs(by_speed - 1) <= NEAR and abs(by_peak - 1) <= NEAR,
        "note": note,
    }


def by_features(place: Path, width: int, size: int, passes: int) -> dict[str, Any]:
    """GB/s of as many rows as make `size` bytes."""
    with dataset(place, size // (8 * width), width) as store:
        run = fitted(store, passes=passes)
    return {"features": width, "GB": run["bytes"] / 1e9, "GB/s": speed_of(run), "peak MiB": run["peak"] / 2**20}


def by_workers(place: Path, size: int, passes: int) -> list[dict[str, Any]]:
    """GB/s of one and of two worker processes."""
    with dataset(place, size // (8 * FEATURES), FEATURES) as store:
        runs = {workers: fitted(store, passes=passes, workers=workers) for workers in (1, 2)}
    return [
        {"workers": w, "tasks": run["tasks"], "GB/s": speed_of(run), "× one": speed_of(run) / speed_of(runs[1])}
        for w, run in runs.items()
    ]


def by_chunks(place: Path, counts: Sequence[int], passes: int) -> list[dict[str, Any]]:
    """Milliseconds of a pass, on threads and on workers, and what a chunk costs besides being read."""
    found: list[dict[str, Any]] = []
    for count in counts:
        with dataset(place, SIDE * count, SIDE, chunk_rows=SIDE) as store:
            for workers in (0, 2):
                run = fitted(store, passes=passes, workers=workers, bare=3)
                found.append(_chunks_row(run, count, "2 workers" if workers else "2 threads", found))
    return found


def _chunks_row(run: dict[str, Any], count: int, where: str, before: list[dict[str, Any]]) -> dict[str, Any]:
    seconds, bare = statistics.median(run["seconds"]), statistics.median(run["bare"])
    each = 1e6 * (seconds - bare) / count
    first = next((row["µs a chunk"] for row in before if row["where"] == where and row["chunks"] >= FLAT_FROM), None)
    return {
        "chunks": count,
        "where": where,
        "tasks": run["tasks"],
        "ms a pass": 1e3 * seconds,
        "ms bare": 1e3 * bare,
        "µs a chunk": each,
        "flat": (first is None or each <= FLAT * first) and run["tasks"] <= MOST_TASKS if count >= FLAT_FROM else None,
    }


@contextmanager
def dataset(place: Path, rows: int, width: int, chunk_rows: int | None = None) -> Iterator[Path]:
    """A dataset that is there once: one block of rows repeated, each file on the disk; deleted at the end."""
    print(f"growth: {rows:,} × {width:,}", file=sys.stderr, flush=True)
    rng = np.random.default_rng(0)
    block_rows = max(1, min(rows, 2**23 // width))
    X = rng.standard_normal((block_rows, width))
    y = X[:, 0] + rng.standard_normal(block_rows)
    store = place / "train.zarr"
    # The writer brings each file to disk by itself, a hundred thousand of them in minutes; all at once take seconds.
    with mock.patch("os.fsync"), dgd.DatasetWriter(store, chunk_rows=chunk_rows) as writer:
        for start in range(0, rows, block_rows):
            writer.append(X[: rows - start], y[: rows - start])
    os.sync()
    try:
        yield store
    finally:
        shutil.rmtree(store)


def fitted(store: Path, *, passes: int, workers: int = 0, cold: bool = False, bare: int = 0) -> dict[str, Any]:
    """A fit in a process of its own, reading every pass, and what it and its process took."""
    asked = {
        "store": str(store),
        "passes": passes,
        "threads": 2,
        "workers": workers,
        "cold": cold,
        "bare": bare,
        "streaming": has_residents(),
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(asked)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode:
        raise RuntimeError(f"the fit of {store} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def has_residents() -> bool:
    """Whether `fit(resident=0)` is to be had: chunks kept in memory would not be read."""
    try:
        dgd.fit(np.eye(2), np.ones(2), execution=dgd.Execution(resident=0), max_iter=1, threads=1)
    except dgd.errors.ConfigurationError:
        return False
    return True


def speed_of(run: dict[str, Any]) -> float:
    """GB/s of the median pass."""
    speed: float = run["bytes"] / statistics.median(run["seconds"]) / 1e9
    return speed


def free_memory() -> int:
    """Bytes that are free or can be made so; 0 where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return 0
