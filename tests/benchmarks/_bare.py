"""Loops written by hand: Xᵀ(Xθ − y) in two threads, without a library, the least that a pass over the data takes.

Two threads take the next part from one iterator until there is none, whichever is ready. A part goes through in blocks
of about 512 KiB, read from memory once and used twice while in cache. Every thread reads, decodes and multiplies in
memory of its own, used again for every part; nothing is checked, neither sizes nor values, but for the checksum of a
store that has one. BLAS has one
thread a loop if whoever calls has seen to it.
"""

from __future__ import annotations

import json
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc, zstd
from numpy.typing import NDArray

Array = NDArray[Any]
THREADS = 2
BLOCK_BYTES = 2**19
PART_BYTES = 2**22
"""Of X in memory: what a thread takes at a time."""


class Gradient:
    """Xᵀ(Xθ − y) of the rows that one thread sees."""

    def __init__(self, theta: Array) -> None:
        self.step = max(1, BLOCK_BYTES // theta.nbytes)
        self.theta = theta
        self.residual = np.empty(self.step, theta.dtype)
        self.part = np.empty_like(theta)
        self.sum = np.zeros_like(theta)

    def add(self, X: Array, y: Array) -> None:
        """Some more rows."""
        for start in range(0, len(X), self.step):
            block = X[start : start + self.step]
            residual = self.residual[: len(block)]
            np.dot(block, self.theta, out=residual)
            residual -= y[start : start + self.step]
            np.dot(residual, block, out=self.part)
            self.sum += self.part


class MemoryLoop:
    """Over X and y in memory; called, it makes a pass."""

    def __init__(self, pool: ThreadPoolExecutor, X: Array, y: Array) -> None:
        self.pool, self.X, self.y = pool, X, y
        self.step = max(1, PART_BYTES // X[:1].nbytes)

    def __call__(self, theta: Array) -> Array:
        parts = iter(range(0, len(self.X), self.step))
        return _sum(self.pool, [lambda: self._thread(theta, parts)] * THREADS)

    def _thread(self, theta: Array, parts: Iterator[int]) -> Array:
        gradient = Gradient(theta)
        for start in parts:
            gradient.add(self.X[start : start + self.step], self.y[start : start + self.step])
        return gradient.sum


class StoreLoop:
    """Over the chunks of X and y of a zarr group in a local folder; called, it makes a pass."""

    def __init__(self, pool: ThreadPoolExecutor, store: Path) -> None:
        self.pool = pool
        self.readers = [(Chunks(store / "X"), Chunks(store / "y")) for _ in range(THREADS)]

    def __call__(self, theta: Array) -> Array:
        indices = iter(range(self.readers[0][0].count))
        return _sum(self.pool, [partial(self._thread, theta, X, y, indices) for X, y in self.readers])

    def _thread(self, theta: Array, X: Chunks, y: Chunks, indices: Iterator[int]) -> Array:
        gradient = Gradient(theta)
        for index in indices:
            gradient.add(X.read(index), y.read(index))
        return gradient.sum


class Chunks:
    """The row chunks of a stored array, read and decoded one after the other into the same memory."""

    def __init__(self, folder: Path) -> None:
        described = json.loads((folder / "zarr.json").read_bytes())
        shape = described["chunk_grid"]["configuration"]["chunk_shape"]
        self.rows, self.chunk_rows = described["shape"][0], shape[0]
        self.count = -(-self.rows // self.chunk_rows)
        self.paths = [f"{folder}/c/{index}" + "/0" * (len(shape) - 1) for index in range(self.count)]
        self.encoded = _memory(max(os.path.getsize(path) for path in self.paths))
        self.decode = DECODERS[described["codecs"][1]["name"] if len(described["codecs"]) > 1 else "none"]
        dtype = np.dtype(described["data_type"])
        self.decoded = _memory(math.prod(shape) * dtype.itemsize)
        self.as_values: Callable[[Array], Array] = lambda flat: flat.view(dtype).reshape(shape)

    def read(self, index: int) -> Array:
        """One chunk, valid until the next is read."""
        file = os.open(self.paths[index], os.O_RDONLY)
        size = os.preadv(file, [self.encoded], 0)
        os.close(file)
        values = self.as_values(self.decode(self.encoded[:size], self.decoded))
        return values[: self.rows - index * self.chunk_rows]


def _decoded_by(decompress: Callable[[Array, Array], object]) -> Callable[[Array, Array], Array]:
    def decode(encoded: Array, out: Array) -> Array:
        decompress(encoded, out)
        return out

    return decode


def _unzipped(encoded: Array, out: Array) -> Array:
    """In memory of its own: zlib has no other way, and the allocator gives it the same again."""
    return np.frombuffer(zlib.decompress(encoded, 31, out.nbytes), np.uint8)


def _as_it_is(encoded: Array, out: Array) -> Array:
    return encoded


def _verified(encoded: Array, out: Array) -> Array:
    """With the checksum that follows, by the package's own function."""
    if google_crc32c.value(encoded[:-4]) != int.from_bytes(encoded[-4:].tobytes(), "little"):
        raise ValueError("the checksum is another one")
    return encoded[: out.nbytes]


DECODERS = {
    "none": _as_it_is,
    "crc32c": _verified,
    "blosc": _decoded_by(blosc.decompress),
    "zstd": _decoded_by(zstd.decompress),
    "gzip": _unzipped,
}


def _memory(size: int) -> Array:
    """Bytes that begin with a cache line."""
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def _sum(pool: ThreadPoolExecutor, threads: Sequence[Callable[[], Array]]) -> Array:
    futures = [pool.submit(thread) for thread in threads]
    return np.add.reduce([future.result() for future in futures])
