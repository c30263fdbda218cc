"""A dataset as one process sees it: its metadata, and a few of its chunks, read and timed."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.opening import open_data
from dgd.data.reading import Reading, ReadingOptions, is_url
from dgd.errors import DgdError

MOST_BYTES, MOST_SECONDS = 2**28, 2.0
"""No more is read of a dataset: a pass is what costs, and this is to be none."""


@dataclass(frozen=True)
class Wanted:
    """What is to be looked at."""

    location: str
    """A URL or an absolute path."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    seconds: float = 30.0
    """Seconds that reading a chunk may take."""
    only_seen: bool = False
    """Whether it is only to be looked for: opening it would take a pass."""

    def open(self) -> Dataset:
        """The dataset, without a target: only metadata are read."""
        how = Reading.of("doctor", self.reading)
        dataset = open_data(self.location, None, None, need_target=False, reading=how)
        return dataset.waiting_at_most(self.seconds)


def sample(wanted: Wanted, number: int, of: int) -> dict[str, Any]:
    """What this process sees: `fingerprint`, `first`, `bytes_read`, `decoded_bytes`, `chunks`, `seconds`; or `error`.

    The first chunk is read by all, whose digest is `first`; then each process reads others: it is number `number` of
    `of` that read at the same time.
    """
    is_there = is_url(wanted.location) or os.path.exists(wanted.location)
    if wanted.only_seen:
        return _seen(wanted.location) if is_there else {"seen": False, "error": "nothing is there; check the path"}
    try:
        dataset = wanted.open()
        return {"seen": True, "fingerprint": dataset.fingerprint, **_read(dataset, number, of)}
    except (DgdError, OSError) as error:
        return {"seen": is_there, "error": str(error), "kind": type(error).__name__}


def _seen(location: str) -> dict[str, Any]:
    """What is known of a place without opening it: names and sizes of its files, and a Zarr document in it."""
    place = Path(location)
    files = sorted(place.iterdir()) if place.is_dir() else [place] if place.is_file() else []
    known: list[tuple[str, int | bytes]] = [(each.name, each.stat().st_size) for each in files if each.is_file()]
    known += [(each.name, each.read_bytes()) for each in files if each.name == "zarr.json"]
    fingerprint = hashlib.sha256(repr(known).encode()).hexdigest()
    return {"seen": True, "fingerprint": fingerprint, "first": None, "chunks": 0, "chunk_bytes": 0, "decoded_bytes": 0}


def _read(dataset: Dataset, number: int, of: int) -> dict[str, Any]:
    """The first chunk, then those from this process's share on, until the bytes or seconds are used up."""
    each = max(1, dataset.row_bytes * dataset.chunk_rows)
    start = 1 + number * (dataset.n_chunks - 1) // max(1, of)
    order = [0, *range(start, dataset.n_chunks), *range(1, start)][: MOST_BYTES // each]
    buffers, first = Buffers(), None
    stored, decoded, chunks, seconds = 0, 0, 0, 0.0
    for index in order:
        if seconds >= MOST_SECONDS:
            break
        began = time.perf_counter()
        chunk = dataset.read(index, buffers)
        seconds += time.perf_counter() - began
        chunks += 1
        stored += chunk.bytes_read
        decoded += len(chunk.X) * dataset.row_bytes
        first = first or hashlib.sha256(pickle.dumps(chunk.X)).hexdigest()[:16]
    return {
        "first": first,
        "bytes_read": stored,
        "decoded_bytes": decoded,
        "chunks": chunks,
        "of_chunks": dataset.n_chunks,
        "chunk_bytes": each,
        "seconds": seconds,
    }
