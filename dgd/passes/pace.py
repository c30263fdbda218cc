"""How fast a pass over a dataset will be, as its first chunks tell."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.transforms.selected_rows import Selection, select
from dgd.errors import DgdError
from dgd.passes.executor import ChunkSum, Executor, S

MEASURED_BYTES, MEASURED_BYTES_ELSEWHERE = 2**24, 2**26
"""Decoded bytes that each thread is timed on; more in other processes, where a pass takes longer to begin."""

LEAST_PASS = 8
"""No more of a pass than one part of this many is timed, but for a chunk of each thread."""


@dataclass(frozen=True)
class Pace:
    """What was measured."""

    bytes_per_second: float
    """Decoded bytes of X that all threads together get through."""
    seconds_per_pass: float
    """Of a pass that reads everything."""
    chunks: int
    """Those that were timed."""


def pace_of(dataset: Dataset, executor: Executor, chunk_sum: ChunkSum[S]) -> Pace | None:
    """The pace of the chunks that follow the first ones, which warm up; None where they cannot be read.

    What was read before may come from the page cache, and is then faster than what follows.
    """
    resources = executor.resources(dataset)
    threads = resources.processes * min(resources.threads, dataset.n_chunks)
    whole = _matrix_bytes(dataset)
    row_bytes = max(1, whole // dataset.shape[0])
    measured = MEASURED_BYTES if resources.shares_memory else MEASURED_BYTES_ELSEWHERE
    each = measured // (row_bytes * dataset.chunk_rows)
    first = min(threads, dataset.n_chunks)
    count = max(first, min(threads * each, dataset.n_chunks // LEAST_PASS))
    start = min(first, dataset.n_chunks - count)
    try:
        executor.sweep(_part(dataset, 0, first), chunk_sum)
        began = time.perf_counter()
        executor.sweep(_part(dataset, start, start + count), chunk_sum)
        seconds = time.perf_counter() - began
    except DgdError:
        return None
    timed = row_bytes * int(dataset.bounds[start + count] - dataset.bounds[start])
    speed = timed / max(seconds, 1e-9)
    return Pace(speed, whole / speed, count)


def _matrix_bytes(dataset: Dataset) -> int:
    """What X takes, decoded."""
    if dataset.kinds is not None:
        return dataset.kinds.bytes_of(dataset.shape[0], dataset.dtype)
    found, each = dataset.non_zeros, dataset.dtype.itemsize
    return math.prod(dataset.shape) * each if found is None else found.count * (each + found.index_bytes)


def _part(dataset: Dataset, start: int, stop: int) -> Dataset:
    return select(dataset, Selection.of_chunks(np.arange(start, stop), dataset.bounds))
