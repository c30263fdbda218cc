"""Passes over stored chunks of other sizes, and what is written chunk by chunk, beside loops written by hand.

64 KiB, 1 MiB, 4 MiB   uncompressed float32 × 64 in the page cache, in chunks of that size; single precision
shards                 the same in shards of 16 MiB, each of 16 inner chunks
one chunk              the same as one chunk of 200 MB; the bare threads read a half each
256 columns            uncompressed float32 × 256, chunks of 4 MiB
predict                η of the same rows in chunks of 4 MiB to Zarr, beside read + GEMV + write; both bring it to disk
batch 32               microseconds of a mini-batch step, data in memory, beside a loop of NumPy over the same batches

One bare pass follows each of dgd; the first pairs are dropped, `ratio` is the median of the ratios dgd / bare. Two
threads each, but for mini-batches, which take one.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import dgd

from ._bare import THREADS, Chunks, Gradient, StoreLoop
from ._kind import compiled_or_not
from .limits import SETTLED, descent, in_pairs, timed

Array = NDArray[Any]
ROWS, FEATURES, WIDE = 800_000, 64, 256
PAIRS, DROPPED = 9, 2
KIB, MIB = 2**10, 2**20
LAYOUTS = {
    "64 KiB": 64 * KIB,
    "1 MiB": MIB,
    "4 MiB": 4 * MIB,
    "shards": 16 * MIB,
    "one chunk": 0,
    "256 columns": 4 * MIB,
}
BARS = {
    "64 KiB": 1.6, "1 MiB": 1.25, "4 MiB": 1.25, "shards": 1.25, "one chunk": 1.25, "256 columns": 1.25,
    "predict": 1.3, "batch 32": None,
}  # fmt: skip
BATCH, BATCH_ROWS = 32, 100_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"that count; {DROPPED} more are dropped")
    parser.add_argument("--compiled", action="store_true", help="sums by numba, whatever the size")
    parser.add_argument("--place", type=Path, help="where the stores are made, and deleted; by default a temporary one")
    parser.add_argument("--only", nargs="+", choices=list(BARS), default=list(BARS))


def measure(
    *,
    rows: int = ROWS,
    pairs: int = PAIRS,
    place: Path | None = None,
    only: Sequence[str] = tuple(BARS),
    batch_rows: int = BATCH_ROWS,
    settled: float = SETTLED,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """The table; a store at a time is on the disk."""
    found = []
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(dir=place, prefix="dgd-stored-"))
        stack.enter_context(threadpool_limits(1, "blas"))
        stack.enter_context(compiled_or_not(compiled))
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        for name in only:
            print(f"stored: {name}", file=sys.stderr, flush=True)
            store = Path(made) / "data.zarr"
            if name == "batch 32":
                found.append(_mini_batch(pairs, batch_rows))
                continue
            written(store, name, rows)
            time.sleep(settled)
            found.append(_predicted(pool, store, pairs) if name == "predict" else _passes(pool, store, name, pairs))
            shutil.rmtree(store)
    return found


def written(store: Path, name: str, rows: int) -> None:
    """X and y of float32 as the line has them."""
    n = WIDE if name == "256 columns" else FEATURES
    rows = rows * FEATURES // n
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, n), dtype=np.float32)
    y = X[:, 0] + rng.standard_normal(rows, dtype=np.float32)
    at_once = LAYOUTS.get(name, 4 * MIB) // (4 * n) or rows
    group = zarr.create_group(store)
    for role, values in (("X", X), ("y", y)):
        sharded = {"shards": (at_once, *values.shape[1:])} if name == "shards" else {}
        chunk = (at_once // (16 if sharded else 1), *values.shape[1:])
        array = group.create_array(
            role, shape=values.shape, chunks=chunk, dtype="float32", compressors=(), fill_value=0,
            config={"write_empty_chunks": True}, **sharded,
        )  # fmt: skip
        array[:] = values
    os.sync()


def _passes(pool: ThreadPoolExecutor, store: Path, name: str, pairs: int) -> dict[str, Any]:
    theta = np.ones(WIDE if name == "256 columns" else FEATURES, np.float32)
    loops: dict[str, Callable[..., Any]] = {"shards": ShardLoop, "one chunk": HalvesLoop}
    bare = partial(timed, partial(loops.get(name, StoreLoop)(pool, store), theta))
    fit = partial(descent, (store,), execution=dgd.Execution(resident=0), precision="single")
    ours, theirs, _ = in_pairs(fit, bare, between=_nothing, pairs=pairs)
    return _row(name, theirs, ours)


class ShardLoop:
    """Over the shards of X and y: each is read whole, its inner chunks lie where its index says."""

    def __init__(self, pool: ThreadPoolExecutor, store: Path) -> None:
        self.pool = pool
        self.readers = [[ShardedRows(store / role) for role in ("X", "y")] for _ in range(THREADS)]

    def __call__(self, theta: Array) -> Array:
        indices = iter(range(self.readers[0][0].count))
        futures = [self.pool.submit(self._thread, theta, *each, indices) for each in self.readers]
        return np.add.reduce([future.result() for future in futures])

    def _thread(self, theta: Array, X: ShardedRows, y: ShardedRows, indices: Any) -> Array:
        gradient = Gradient(theta)
        for index in indices:
            for rows, target in zip(X.read(index), y.read(index), strict=True):
                gradient.add(rows, target)
        return gradient.sum


class ShardedRows:
    """The inner chunks of one shard after the other, of an array without compression."""

    def __init__(self, folder: Path) -> None:
        described = json.loads((folder / "zarr.json").read_bytes())
        self.rows = described["shape"][0]
        self.shard_rows = described["chunk_grid"]["configuration"]["chunk_shape"][0]
        (sharding,) = described["codecs"]
        self.inner = sharding["configuration"]["chunk_shape"]
        self.per_shard = self.shard_rows // self.inner[0]
        self.count = -(-self.rows // self.shard_rows)
        tail = "/0" * (len(self.inner) - 1)
        self.paths = [f"{folder}/c/{index}{tail}" for index in range(self.count)]
        self.memory = np.empty(max(map(os.path.getsize, self.paths)), np.uint8)

    def read(self, index: int) -> list[Array]:
        """The inner chunks of a shard, without what is beyond the last row."""
        file = os.open(self.paths[index], os.O_RDONLY)
        size = os.preadv(file, [self.memory], 0)
        os.close(file)
        table = self.memory[size - 4 - 16 * self.per_shard : size - 4].tobytes()
        entries = np.frombuffer(table, "<u8").reshape(-1, 2)
        found, row = [], index * self.shard_rows
        for start, length in entries.tolist():
            if row < self.rows:
                values = self.memory[start : start + length].view(np.float32).reshape(self.inner)
                found.append(values[: self.rows - row])
            row += self.inner[0]
        return found


class HalvesLoop:
    """Over X and y of one chunk each: each thread reads its half of the rows, 4 MiB at a time."""

    def __init__(self, pool: ThreadPoolExecutor, store: Path) -> None:
        self.pool, self.store = pool, store
        self.rows = json.loads((store / "X" / "zarr.json").read_bytes())["shape"][0]

    def __call__(self, theta: Array) -> Array:
        step = 4 * MIB // theta.nbytes
        starts = iter(range(0, self.rows, step))
        futures = [self.pool.submit(self._thread, theta, starts, step) for _ in range(THREADS)]
        return np.add.reduce([future.result() for future in futures])

    def _thread(self, theta: Array, starts: Any, step: int) -> Array:
        gradient = Gradient(theta)
        X, y = np.empty((step, len(theta)), np.float32), np.empty(step, np.float32)
        files = [os.open(self.store / place, os.O_RDONLY) for place in ("X/c/0/0", "y/c/0")]
        for start in starts:
            count = min(step, self.rows - start)
            for file, values in zip(files, (X[:count], y[:count]), strict=True):
                os.preadv(file, [values.reshape(-1).view(np.uint8)], start * values[:1].nbytes)
            gradient.add(X[:count], y[:count])
        for file in files:
            os.close(file)
        return gradient.sum


def _predicted(pool: ThreadPoolExecutor, store: Path, pairs: int) -> dict[str, Any]:
    out = store.parent / "p.zarr"
    X = np.random.default_rng(1).standard_normal((1000, FEATURES))
    model = dgd.fit(X, X[:, 0]).model

    def ours() -> None:
        dgd.predict_to(model, store, out, threads=THREADS)

    return _row("predict", *_alternating(partial(_bare_prediction, pool, store, out), ours, pairs, out))


def _bare_prediction(pool: ThreadPoolExecutor, store: Path, out: Path) -> None:
    """Xθ in float64 of each chunk in a file, and all files to disk."""
    out.mkdir()
    theta = np.ones(FEATURES)
    readers = [Chunks(store / "X") for _ in range(THREADS)]
    indices = iter(range(readers[0].count))

    def thread(chunks: Chunks) -> None:
        for index in indices:
            X = chunks.read(index)
            eta = np.concatenate([X[at : at + 1024].astype(np.float64) @ theta for at in range(0, len(X), 1024)])
            with (out / str(index)).open("wb", buffering=0) as file:
                file.write(eta)

    for future in [pool.submit(thread, chunks) for chunks in readers]:
        future.result()
    for each in out.iterdir():
        file = os.open(each, os.O_RDONLY)
        os.fsync(file)
        os.close(file)


def _mini_batch(pairs: int, rows: int) -> dict[str, Any]:
    """Microseconds of a step."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, FEATURES), dtype=np.float32)
    y = X[:, 0] + rng.standard_normal(rows, dtype=np.float32)
    steps = -(-rows // BATCH)
    solver = dgd.solvers.MiniBatch(learning_rate=dgd.solvers.Constant(1e-6), batch_size=BATCH)
    seconds: list[float] = []

    def follow(_: Any) -> None:
        seconds.append(timed(partial(_bare_epoch, X, y)))

    history = dgd.fit(X, y, solver=solver, max_iter=pairs + DROPPED, tol=0, threads=1, callbacks=[follow]).history
    ours = [1e6 * record.seconds / steps for record in history[-pairs:]]
    return _row("batch 32", [1e6 * each / steps for each in seconds[-pairs:]], ours)


def _bare_epoch(X: Array, y: Array) -> None:
    """Steps of 32 rows, in float64, rows in random order within 4 MiB."""
    theta, rng = np.zeros(X.shape[1]), np.random.default_rng(0)
    at_once = 4 * MIB // X[:1].nbytes
    for start in range(0, len(X), at_once):
        order = rng.permutation(min(at_once, len(X) - start)) + start
        rows, target = X[order].astype(np.float64), y[order].astype(np.float64)
        for first in range(0, len(order), BATCH):
            batch = rows[first : first + BATCH]
            residual = batch @ theta - target[first : first + BATCH]
            theta -= 1e-6 / len(batch) * (residual @ batch)


def _alternating(
    bare: Callable[[], None], ours: Callable[[], None], pairs: int, out: Path
) -> tuple[list[float], list[float]]:
    """Seconds of the bare loop and of dgd; what they wrote is removed, and all on disk, before each."""
    found: tuple[list[float], list[float]] = ([], [])
    for _, (call, seconds) in itertools.product(range(pairs + DROPPED), zip((bare, ours), found, strict=True)):
        shutil.rmtree(out, ignore_errors=True)
        os.sync()
        seconds.append(timed(call))
    shutil.rmtree(out, ignore_errors=True)
    return found[0][DROPPED:], found[1][DROPPED:]


def _row(name: str, bare: Sequence[float], ours: Sequence[float]) -> dict[str, Any]:
    ratio = statistics.median(our / their for our, their in zip(ours, bare, strict=True))
    bar = BARS[name]
    print(f"stored: {name}: {ratio:.2f}", file=sys.stderr, flush=True)
    return {
        "line": name,
        "bare": statistics.median(bare),
        "dgd": statistics.median(ours),
        "ratio": ratio,
        "bar": bar,
        "met": None if bar is None else ratio <= bar,
    }


def _nothing() -> None:
    pass
