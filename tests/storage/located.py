"""One dataset, wherever it lies, and whether it is the same there."""

from __future__ import annotations

import http.server
from pathlib import Path

import numpy as np
from zarr.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

import dgd
from dgd import testing
from dgd.data.zarr import event_loop

X, Y = np.random.default_rng(0).normal(size=(53, 3)), np.arange(53.0)


class Server(http.server.ThreadingHTTPServer):
    """One for many requests at once: whoever finds the queue of five full asks again after a second."""

    request_queue_size = 128


def written(path: Path) -> Path:
    """The dataset, in six chunks."""
    with dgd.DatasetWriter(path, chunk_rows=10, compression="zstd", feature_names="abc") as writer:
        writer.append(X, Y)
    return path


def files(path: Path) -> dict[str, bytes]:
    """Every file of a store by its key."""
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def in_memory(path: Path) -> MemoryStore:
    store = MemoryStore()
    for key, content in files(path).items():
        event_loop.run(store.set(key, default_buffer_prototype().buffer.from_bytes(content)))
    return store


def check(dataset: dgd.Dataset, path: Path) -> None:
    """The same values, names and fingerprint as from the local path."""
    plain = dgd.open_dataset(path)
    testing.check_rows(dataset.X, X)
    assert dataset.y is not None
    testing.check_rows(dataset.y, Y)
    assert dataset.feature_names == plain.feature_names == ("a", "b", "c")
    assert dataset.fingerprint == plain.fingerprint
