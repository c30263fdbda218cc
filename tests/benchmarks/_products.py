"""Least squares beside XᵀX and Xᵀy in two threads, by a loop written by hand, which centres and checks nothing.

Each thread goes through its half of the rows in blocks of 2 MiB, and of no fewer than two rows a column, with
`numpy.dot(X.T, X)`, which is BLAS's syrk on one thread; float32 is converted block by block. Many targets: the blocks'
XᵀY as well, then Cholesky and both triangles. dgd's whole call is timed: opening, centring, the check of every digit,
the solution, its certificate.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import dgd

from ._bare import THREADS, Chunks
from .limits import store_of

Array = NDArray[Any]
WIDTHS = (16, 64, 256, 1024)
MANY = (20_000, 512, 2_000)
"""Rows, columns and targets of the last line."""
BAR, BAR_TARGETS = 1.25, 1.5
BLOCK_BYTES = 2**21


def measure(numbers: int, runs: int) -> Iterator[dict[str, Any]]:
    """A row for each width of X and kind of data, and one for many targets. numbers: of X.

    The store is uncompressed, with the checksums that dgd writes: without them its first pass would hash each chunk.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        for n in WIDTHS:
            X, y = _data(numbers // n, n, 1)
            y = y[:, 0]
            for dtype in ("float64", "float32"):
                stored = X.astype(dtype, copy=False)
                yield _row(f"{dtype}, memory", X, partial(_bare, pool, stored, y), partial(_fit, stored, y), runs, BAR)
            with tempfile.TemporaryDirectory() as made:
                path = Path(made) / "data.zarr"
                with store_of(path, X, y, codec="crc32c", dtype="float32") as store:
                    bare = partial(_bare_store, pool, store)
                    yield _row("float32, store", X, bare, partial(_fit, store, None), runs, BAR)
        X, Y = _data(*MANY)
        X, Y = X.astype(np.float32), Y.astype(np.float32)
        solve = partial(_solved, pool, X, Y)
        yield _row(f"float32, {Y.shape[1]:,} targets", X, solve, partial(_fit, X, Y), runs, BAR_TARGETS)


def _data(rows: int, n: int, targets: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, n))
    return X, X @ rng.standard_normal((n, targets)) / np.sqrt(n) + rng.standard_normal((rows, targets))


def _fit(X: Any, y: Any) -> dgd.Result:
    result: dgd.Result = dgd.fit(X, y, threads=THREADS, solver="summary")
    return result


def _row(data: str, X: Array, bare: Callable[[], Any], fit: Callable[[], Any], runs: int, bar: float) -> dict[str, Any]:
    """Medians of alternating pairs; the first pair is dropped."""
    pairs = np.array([(_timed(bare), _timed(fit)) for _ in range(runs + 1)])[1:]
    ratio, by_clock = np.median(pairs[:, 1] / pairs[:, 0], axis=0)
    return {
        "least squares": data,
        "rows": f"{len(X):,}",
        "columns": X.shape[1],
        "bare s": round(float(np.median(pairs[:, 0, 0])), 3),
        "dgd s": round(float(np.median(pairs[:, 1, 0])), 3),
        "ratio": round(float(ratio), 2),
        "by the clock": round(float(by_clock), 2),
        "bar": bar,
    }


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of the processor, of all threads, and by the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    call()
    return time.process_time() - cpu, time.perf_counter() - clock


class Products:
    """XᵀX and Xᵀy of the rows that one thread sees."""

    def __init__(self, n: int, targets: tuple[int, ...]) -> None:
        self.step = max(1, BLOCK_BYTES // (8 * n), 2 * n)
        self.gram, self.product = np.zeros((n, n)), np.empty((n, n))
        self.cross = np.zeros((n, *targets))
        self.block = np.empty((self.step, n))

    def add(self, X: Array, y: Array) -> None:
        """Some more rows."""
        for start in range(0, len(X), self.step):
            block = X[start : start + self.step]
            if block.dtype != np.float64:
                converted = self.block[: len(block)]
                np.copyto(converted, block)
                block = converted
            self.gram += np.dot(block.T, block, out=self.product)
            self.cross += np.dot(block.T, y[start : start + self.step].astype(np.float64, copy=False))


def _bare(pool: ThreadPoolExecutor, X: Array, y: Array) -> tuple[Array, Array]:
    step = -(-len(X) // THREADS)
    halves = [[(X[start : start + step], y[start : start + step])] for start in range(0, len(X), step)]
    return _together(pool, halves, X.shape[1], y.shape[1:])


def _bare_store(pool: ThreadPoolExecutor, store: Path) -> tuple[Array, Array]:
    readers = [(Chunks(store / "X"), Chunks(store / "y")) for _ in range(THREADS)]
    step = -(-readers[0][0].count // THREADS)
    halves = [_read(X, y, range(i * step, min((i + 1) * step, X.count))) for i, (X, y) in enumerate(readers)]
    return _together(pool, halves, readers[0][0].read(0).shape[1], ())


def _read(X: Chunks, y: Chunks, indices: range) -> Iterator[tuple[Array, Array]]:
    for index in indices:
        yield X.read(index), y.read(index)


def _together(pool: ThreadPoolExecutor, halves: list[Any], n: int, targets: tuple[int, ...]) -> tuple[Array, Array]:
    def one(rows: Iterable[tuple[Array, Array]]) -> Products:
        products = Products(n, targets)
        for X, y in rows:
            products.add(X, y)
        return products

    with threadpool_limits(1, "blas"):
        found = list(pool.map(one, halves))
    return np.add.reduce([each.gram for each in found]), np.add.reduce([each.cross for each in found])


def _solved(pool: ThreadPoolExecutor, X: Array, Y: Array) -> Array:
    gram, cross = _bare(pool, X, Y)
    with threadpool_limits(1, "blas"):
        L = np.linalg.cholesky(gram)
        solved: Array = np.linalg.solve(L.T, np.linalg.solve(L, cross))
    return solved
