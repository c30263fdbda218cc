"""A store that keeps its readers waiting, and what a pass over it leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from formats import Format, create
from sums import gradient_sum
from zarr.storage import MemoryStore, WrapperStore

import dgd
from dgd.data.zarr import event_loop
from dgd.losses import Squared
from dgd.passes.executor import Executor, InlineExecutor

ROWS, COLUMNS = 96, 3


class SlowStore(WrapperStore[Any]):
    """A store in memory that takes its time; it counts requests of chunks, and those running at once."""

    def __init__(self, store: Any, seconds: float = 0.001) -> None:
        super().__init__(store)
        self.seconds = seconds
        self.failing: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.running = self.most = 0

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        if "/c/" not in key:
            return await super().get(key, *arguments, **options)
        self.requests[key] += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            if key in self.failing:
                raise OSError("the line is dead")
            return await super().get(key, *arguments, **options)
        finally:
            self.running -= 1


def store(*, shards: bool = False, columns: int = COLUMNS, y_rows: int = 4, seconds: float = 0.001) -> SlowStore:
    """X in chunks of 4 rows, 8 with shards, and y in chunks of any length."""
    X, y = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)), np.arange(float(ROWS))
    memory = MemoryStore()
    group = zarr.open_group(memory, mode="w")
    create(group, "X", X, (4, columns), Format(3, shards, "zstd+crc32c", "C"))
    create(group, "y", y, (y_rows,), Format(3, shards, "crc32c", "C"))
    return SlowStore(memory, seconds)


def sweep(dataset: dgd.Dataset, executor: Executor | None = None) -> bytes:
    """The bits of one pass."""
    chunk_sum = gradient_sum(Squared(), 1.0, np.linspace(0, 1, dataset.shape[1]))
    sums = (executor or InlineExecutor()).sweep(dataset, chunk_sum).value
    return np.append(sums.parts[0].gradient, sums.parts[0].loss).tobytes()


def tasks() -> int:
    """The tasks of the event loop, this question apart."""

    async def count() -> int:
        return len(asyncio.all_tasks()) - 1

    return event_loop.run(count())


def assert_nothing_is_left(slow: SlowStore) -> None:
    """Cancelled requests end at once, long before they would by themselves."""
    stop = time.monotonic() + 2
    while (tasks() or slow.running) and time.monotonic() < stop:
        time.sleep(0.002)
    assert (tasks(), slow.running) == (0, 0)


def local(path: Path) -> dgd.Dataset:
    """As many rows in files."""
    with dgd.DatasetWriter(path / "a.zarr", chunk_rows=4) as writer:
        writer.append(np.random.default_rng(0).normal(size=(ROWS, COLUMNS)), np.arange(float(ROWS)))
    return dgd.open_dataset(path / "a.zarr")
