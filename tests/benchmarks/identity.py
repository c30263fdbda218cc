"""What it costs to hold every read to its checksum: passes of dgd that compare, beside passes that do not.

first    passes of fits of one pass: chunks without a checksum of their own are hashed
later    passes of one fit: a file that was not changed since it was hashed is not hashed again

Seconds are those of the processors, of all threads. Passes alternate; `cost` is the median of the ratios of neighbours,
less 1. Data and stores are those of `limits`.

`hashing` and `reading` say what a first pass cannot be below: what the crc32c of the stored bytes takes by itself, and
what reading them once more from the processor's cache takes with nothing done but an exclusive or, both as parts of the
bare pass. No hash of all bytes costs less than `reading`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import dgd
from dgd.data.checksums import Checksums
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.sources import JUST_NOW
from dgd.fitting.record import Record

from .limits import DROPPED, FEATURES, data, descent, store_of

CODECS = ("crc32c", "none", "lz4", "zstd")
ROWS, PAIRS = 500_000, 15
BAR = 0.03


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of {FEATURES} features")
    parser.add_argument("--pairs", type=int, default=PAIRS, help="of passes")


def measure(*, rows: int = ROWS, pairs: int = PAIRS) -> list[dict[str, Any]]:
    """The table; a store at a time is on the disk."""
    X, y = data(rows)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dgd-identity-") as made, threadpool_limits(1, "blas"):
        for codec in CODECS:
            print(f"identity: {rows:,} × {FEATURES}, {codec}", file=sys.stderr, flush=True)
            with store_of(Path(made) / "data.zarr", X, y, codec=codec, dtype="float64") as store:
                time.sleep(JUST_NOW / 1e9)
                began = row(codec, "first", first(store, pairs))
                found.append({**began, **least(store, began["s bare"])})
                found.append({**row(codec, "later", later(store, pairs)), "hashing": None, "reading": None})
    return found


def row(codec: str, passes: str, seconds: list[float]) -> dict[str, Any]:
    """A line of the table, from the seconds of passes that compare and of passes that do not, alternating."""
    compared, bare = seconds[::2], seconds[1::2]
    cost = statistics.median(a / b for a, b in zip(compared, bare, strict=True)) - 1
    return {
        "codec": codec,
        "pass": passes,
        "s bare": statistics.median(bare),
        "s compared": statistics.median(compared),
        "cost": cost,
        "met": cost <= BAR,
    }


def least(store: Path, bare: float) -> dict[str, float]:
    """Parts of a bare pass: hashing each stored chunk, and reading it, in the processor's cache."""

    def seconds(what: Callable[[Any], object]) -> float:
        total = 0.0
        for path in store.glob("*/c/**/*"):
            if path.is_file():
                content = np.fromfile(path, np.uint8)
                content = content[: content.nbytes // 8 * 8]
                what(content)
                began = time.process_time()
                what(content)
                total += time.process_time() - began
        return total

    reading = seconds(lambda content: np.bitwise_xor.reduce(content.view(np.uint64)))
    return {"hashing": seconds(crc32c) / bare, "reading": reading / bare}


def first(store: Path, pairs: int) -> list[float]:
    """Seconds of fits of one pass, of which every other one does not compare."""
    found = []
    for number in range(2 * pairs + DROPPED):
        with _comparing(number % 2 == 0):
            began = time.process_time()
            _descent(store, 1)
            found.append(time.process_time() - began)
    return found[DROPPED:]


def later(store: Path, pairs: int) -> list[float]:
    """Seconds of the later passes of a fit, of which every other one does not compare."""
    ends: list[float] = []
    with _comparing(True):
        compare = Checksums.check

        def alternate(record: Record) -> None:
            Checksums.check = _nothing if record.iteration > DROPPED and record.iteration % 2 else compare
            ends.append(time.process_time())

        _descent(store, 2 * pairs + DROPPED, callbacks=[alternate])
    return [end - began for began, end in itertools.pairwise(ends[DROPPED - 1 :])]


def _descent(store: Path, passes: int, **options: Any) -> dgd.Result:
    return descent((store,), max_iter=passes, execution=dgd.Execution(resident=0), **options)


@contextmanager
def _comparing(wanted: bool) -> Iterator[None]:
    compare = Checksums.check
    if not wanted:
        Checksums.check = _nothing
    try:
        yield
    finally:
        Checksums.check = compare


def _nothing(*arguments: object) -> None:
    pass
