"""Sparse rows: a pass beside a bare loop of scipy's products over the same stored chunks, and the memory of a fit.

pass    After each pass of dgd one of the bare loop, in the same process, both in two threads: read the files, check
        their crc32c, X @ θ and X.T @ r. `ratio` is the median of the ratios dgd / bare; the first pairs are dropped.
        dgd also makes the loss. A row that two stored chunks share is two rows in the bare loop.
memory  A fit of three passes in a process of its own that is allowed 1 GiB, with the largest resident set it had.

The matrix has 5 % of its cells, in float32 and int32; it is written to `--folder` in pieces, 12 GB for 10⁶ rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

import dgd

FEATURES, EVERY = 30_000, 20
"""A value of each so many columns: 5 %."""
PAIRS, DROPPED, THREADS, LIMIT = 7, 2, 2, 2**30

FIT = """
import json, sys
import dgd
from dgd.passes.memory import peak_bytes
execution = dgd.Execution(threads=2, memory_limit=2**30, resident=0)
result = dgd.fit(sys.argv[1], solver="gd", learning_rate=1e-4, max_iter=3, tol=0, execution=execution)
print(json.dumps([result.plan.memory_bytes, peak_bytes()]))
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--folder", type=Path, default=None, help="where the store is written [a temporary folder]")


def measure(rows: int = 100_000, features: int = FEATURES, folder: Path | None = None) -> list[dict[str, Any]]:
    """The lines of both tables."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        write(place / "sparse.zarr", rows, features)
        stored = dgd.info(place / "sparse.zarr").sparse[0]
        size = {"rows": rows, "columns": features, "non-zeros": stored.non_zeros, "GB": stored.decoded_bytes / 1e9}
        return [{**size, **_passes(place / "sparse.zarr")}, {**size, **_memory(place / "sparse.zarr")}]
    finally:
        shutil.rmtree(place)


def write(path: Path, rows: int, features: int) -> None:
    """A sparse matrix with as many values in each row, piece by piece."""
    rng = np.random.default_rng(0)
    each = max(1, features // EVERY)
    pool = rng.normal(size=2**22).astype(np.float32)
    with dgd.DatasetWriter(path) as writer:
        for start in range(0, rows, 2_000):
            count = min(2_000, rows - start)
            steps = rng.integers(0, EVERY, (count, each), dtype=np.uint8)
            indices = (np.arange(each, dtype=np.int32) * EVERY + steps).clip(max=features - 1)
            data = np.resize(pool[start % 2**20 :], indices.size)
            indptr = np.arange(count + 1) * each
            writer.append(sparse.csr_array((data, indices.ravel(), indptr), (count, features)), rng.normal(size=count))


class Bare:
    """The gradient of a pass over the stored chunks, in two threads."""

    def __init__(self, path: Path, pool: ThreadPoolExecutor) -> None:
        group = {name: json.loads((path / "X" / name / "zarr.json").read_text()) for name in ("data", "indptr")}
        self.path, self.pool = path / "X", pool
        self.length = group["data"]["chunk_grid"]["configuration"]["chunk_shape"][0]
        self.columns = json.loads((self.path / "zarr.json").read_text())["attributes"]["shape"][1]
        dataset = dgd.open_dataset(path)
        self.places = dataset.X.places  # type: ignore[attr-defined]
        self.y = np.concatenate([np.asarray(dataset.read(k).y) for k in range(dataset.n_chunks)])

    def __call__(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        indices = iter(range(-(-int(self.places[-1]) // self.length)))
        found = [self.pool.submit(self._thread, theta, indices) for _ in range(THREADS)]
        return sum(each.result() for each in found)  # type: ignore[return-value]

    def _thread(self, theta: NDArray[np.float64], indices: Iterator[int]) -> NDArray[np.float64]:
        total = np.zeros(self.columns)
        for index in indices:
            low, high = index * self.length, min((index + 1) * self.length, int(self.places[-1]))
            first, last = np.searchsorted(self.places, [low, high], side="right")
            rows = slice(first - 1, last if self.places[last - 1] < high else last - 1)
            indptr = self.places[rows.start : rows.stop + 1].clip(low, high) - low
            data, columns = self._read("data", np.float32, index), self._read("indices", np.int32, index)
            part = (data[: high - low].astype(np.float64), columns[: high - low], indptr.astype(np.int32))
            X = sparse.csr_array(part, shape=(len(indptr) - 1, self.columns))
            total += X.T @ (X @ theta - self.y[rows])
        return total

    def _read(self, name: str, dtype: Any, index: int) -> NDArray[Any]:
        stored = (self.path / name / "c" / str(index)).read_bytes()
        assert google_crc32c.value(stored[:-4]) == int.from_bytes(stored[-4:], "little")
        return np.frombuffer(stored, dtype, self.length)


def _passes(path: Path) -> dict[str, Any]:
    """dgd's pass and the bare one, in turn."""
    times: list[tuple[float, float]] = []
    with ThreadPoolExecutor(THREADS) as pool:
        bare = Bare(path, pool)
        theta, began = np.zeros(bare.columns), time.perf_counter()

        def after_a_pass(record: Any) -> None:
            nonlocal began
            ended = time.perf_counter()
            bare(theta)
            times.append((ended - began, time.perf_counter() - ended))
            began = time.perf_counter()

        execution = dgd.Execution(threads=THREADS, resident=0)
        options: dict[str, Any] = {"solver": "gd", "learning_rate": 1e-4, "max_iter": PAIRS, "tol": 0}
        dgd.fit(path, execution=execution, callbacks=[after_a_pass], **options)
    kept = times[DROPPED:]
    own, other = (statistics.median(column) for column in zip(*kept, strict=True))
    ratio = statistics.median(a / b for a, b in kept)
    return {"pass, s": own, "bare, s": other, "ratio": ratio, "≤ 1.25": ratio <= 1.25}


def _memory(path: Path) -> dict[str, Any]:
    """Of a fit in a process that is allowed 1 GiB."""
    done = subprocess.run([sys.executable, "-c", FIT, str(path)], capture_output=True, text=True, check=True)
    planned, peak = json.loads(done.stdout)
    return {"planned, MiB": planned / 2**20, "peak, MiB": peak / 2**20, "≤ 1 GiB": peak <= LIMIT}
