"""dask-glm's published case, scaled: logistic regression of 200,016,000 × 15 float32, 12.8 GB, from a cold disk.

The files leave the page cache before each pass and before each bare reading of them by two threads, one before the fit
and one after it, which give the disk's rate; nothing stays decoded (`resident=0`), or what fits (`--resident`). A point
is reached at the end of the pass that led to it; its loss is what the next pass finds, F* the loss at the end.

passes to 1e-6    stored bytes read until F − F* ≤ 1e-6 · (F₀ − F*), of those of X and y; F₀ = log 2; bar 2.2
seconds           until then, without emptying the page cache
× disk            of what the disk takes for these bytes at the rate of the same run; bar 1.15
gaps              (F − F*) / (F₀ − F*) at the point of each pass

X repeats 24 blocks, targets are drawn for all rows. The data take rows × 64 bytes of the disk, and are deleted.
"""

from __future__ import annotations

import argparse
import itertools
import math
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import dgd

from .limits import drop_from_page_cache

ROWS, COLUMNS, PATTERNS = 200_016_000, 15, 24
BLOCK_ROWS = 1_000_000
WANTED, PASSES_BAR, DISK_BAR = 1e-6, 2.2, 1.15
SPARE_BYTES = 2**31


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--folder", type=Path, help="where the data are made, and deleted; by default a temporary one")
    parser.add_argument("--resident", action="store_true", help="chunks may stay in memory from pass to pass")


def measure(*, rows: int = ROWS, folder: Path | None = None, resident: bool = False) -> list[dict[str, Any]]:
    """One row."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="dgd-headline-") as made:
        room = shutil.disk_usage(made).free - SPARE_BYTES
        if room < rows * 4 * (COLUMNS + 1):
            raise SystemExit(
                f"{rows:,} rows take {rows * 64 / 1e9:.1f} GB, the disk has {room / 1e9:.1f}: --rows FEWER"
            )
        store = Path(made) / "train.zarr"
        said(f"writing {rows:,} rows")
        write(store, rows)
        size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
        said("reading the files by themselves")
        before = bare_seconds(store)
        said("fitting")
        found = fitted(store, resident=resident)
        said("reading the files by themselves")
        after = bare_seconds(store)
    return [row_of(rows, size, found, [before, after], resident=resident)]


def write(store: Path, rows: int) -> None:
    """Columns of deviation 1, labels of a linear model; uncompressed chunks of 4 MiB."""
    rng = np.random.default_rng(0)
    block = min(BLOCK_ROWS, rows)
    blocks = [rng.standard_normal((block, COLUMNS), dtype=np.float32) for _ in range(min(PATTERNS, -(-rows // block)))]
    b = (rng.normal(size=COLUMNS) / np.sqrt(COLUMNS)).astype(np.float32)
    chances = [1 / (1 + np.exp(-(X @ b + np.float32(0.3)))) for X in blocks]
    with dgd.DatasetWriter(store) as writer:
        for start, (X, chance) in zip(range(0, rows, block), itertools.cycle(zip(blocks, chances, strict=True))):
            k = min(block, rows - start)
            writer.append(X[:k], (rng.random(k, dtype=np.float32) < chance[:k]).astype(np.float32))


def bare_seconds(store: Path) -> float:
    """What two threads take to read every file, from the disk."""
    drop_from_page_cache(store)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    buffers = [bytearray(2**23) for _ in range(2)]

    def read(which: int) -> None:
        for path in files[which::2]:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffers[which]):
                    pass

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, range(2)))
    return time.perf_counter() - began


def fitted(store: Path, *, resident: bool) -> dict[str, Any]:
    """The loss, bytes and seconds of each pass of `fit` as it is, without what emptying the page cache takes."""
    losses: list[float] = []
    read: list[int] = []
    ends: list[float] = []
    spared = 0.0

    def noted(record: dgd.Record) -> None:
        nonlocal spared
        now = time.perf_counter()
        ends.append(now - began - spared)
        losses.append(record.loss)
        read.append(record.bytes_read)
        drop_from_page_cache(store)
        spared += time.perf_counter() - now

    drop_from_page_cache(store)
    began = time.perf_counter()
    execution = dgd.Execution(threads=2) if resident else dgd.Execution(threads=2, resident=0)
    result = dgd.fit(str(store), loss="logistic", tol=1e-9, execution=execution, callbacks=[noted])
    return {"losses": losses, "bytes": read, "ends": ends, "least": min([*losses, result.loss]),
            "first_bytes": result.bytes_before_first_pass, "choice": str(result.choice)}  # fmt: skip


def row_of(rows: int, size: int, found: dict[str, Any], bare: list[float], *, resident: bool) -> dict[str, Any]:
    """The row: pass k led to the point at which pass k + 1 found its loss."""
    gaps = [(loss - found["least"]) / (math.log(2) - found["least"]) for loss in found["losses"]]
    led_to = gaps[1:]
    reached = next((k for k, gap in enumerate(led_to) if gap <= WANTED), None)
    rate = size * len(bare) / sum(bare)
    read = found["first_bytes"] + sum(found["bytes"][: (reached if reached is not None else len(gaps) - 1) + 1])
    seconds = None if reached is None else found["ends"][reached]
    ratio = None if seconds is None else seconds / (read / rate)
    return {
        "rows": rows,
        "GB": size / 1e9,
        "resident": resident,
        "passes": len(gaps),
        "passes to 1e-6": None if reached is None else read / size,
        "seconds": seconds,
        "disk GB/s": rate / 1e9,
        "× disk": ratio,
        "met": None if ratio is None else read / size <= PASSES_BAR and ratio <= DISK_BAR,
        "s in all": found["ends"][-1],
        "gaps": " ".join(f"{gap:.0e}" for gap in led_to),
        "note": f"{found['choice'].partition(':')[0]}; bare reading {', '.join(f'{b:.3g}' for b in bare)} s",
    }


def said(text: str) -> None:
    """A sign of life."""
    print(f"headline: {text}", file=sys.stderr, flush=True)
