"""The machine's limits beside dgd: loops written by hand and gradient descent, on the same data in the same process.

memory      X and y in NumPy arrays.
page cache  Chunks of 4 MiB, decoded anew in every pass, by codec, as zarr-python writes them: zstd of level 1, lz4 in
            blosc with bitshuffle, gzip of level 1. With crc32c both verify the checksum.
resident    The chunks of a store that stay in memory, beside the bare loop over an array in memory.
cold        The files leave the page cache before each pass of either.
arithmetic  Data of float32 with float64 arithmetic, beside dgd itself with float32 arithmetic, in the bare columns.

One bare pass follows each pass of dgd; two pairs are dropped, of the others `ratio` is the median of the ratios dgd /
bare. Two threads each. Values have three decimals. GB are those of X and y, decoded. The bare loops, in `_bare.py`,
make the gradient alone; dgd also makes the loss and the intercept's part.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

import dgd
from dgd.fitting.record import Record

from ._bare import THREADS, MemoryLoop, StoreLoop
from ._kind import compiled_or_not

Array = NDArray[Any]
ROWS, FEATURES = 1_000_000, 100
CHUNK_BYTES = 2**22
PAIRS, DROPPED = 9, 2
STREAMING, RESIDENT, HALF_SPEED = 1.25, 1.15, 2.0
CACHED_BY_HOST = "the host of a virtual machine may cache its disk"


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    name: str
    kind: str
    """memory, streaming, cold, resident or arithmetic."""
    codec: str = "none"
    dtype: str = "float64"
    bar: float = STREAMING
    note: str = ""

    @property
    def data(self) -> tuple[bool, str, str]:
        """Whether they are stored, with which codec, and of what dtype."""
        return self.kind != "memory", self.codec, self.dtype

    @property
    def single(self) -> bool:
        """Whether dgd computes in float32."""
        return self.dtype == "float32" and self.kind != "arithmetic"


LINES = (
    Line("memory", "memory"),
    Line("page cache, none", "streaming", note="no checksum"),
    Line("resident, none", "resident", bar=RESIDENT),
    Line("cold disk, none", "cold", note=f"no checksum; {CACHED_BY_HOST}"),
    Line("page cache, crc32c", "streaming", "crc32c", note="both verify a checksum"),
    Line("cold disk, crc32c", "cold", "crc32c", note=f"both verify a checksum; {CACHED_BY_HOST}"),
    Line("page cache, none, float32", "streaming", dtype="float32", note="no checksum; float32 arithmetic in both"),
    Line("float64 arithmetic on float32", "arithmetic", dtype="float32", bar=HALF_SPEED, note="bare: float32 in dgd"),
    Line("page cache, lz4", "streaming", "lz4", note="no checksum"),
    Line("page cache, zstd", "streaming", "zstd", note="no checksum"),
    Line("page cache, gzip", "streaming", "gzip", note="no checksum"),
)
COMPRESSORS: dict[str, tuple[Any, ...]] = {
    "none": (),
    "crc32c": (Crc32cCodec(),),
    "lz4": (BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle"),),
    "zstd": (ZstdCodec(level=1),),
    "gzip": (GzipCodec(level=1),),
}
KINDS = tuple(dict.fromkeys(line.kind for line in LINES))


SETTLED = 2.2
"""Seconds after writing: files that are younger may change unnoticed, and dgd hashes them in every pass."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What can be chosen on the command line, the options of `measure`."""
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of {FEATURES} features")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"that count; {DROPPED} more are dropped")
    parser.add_argument("--compiled", action="store_true", help="sums by numba, whatever the size")
    parser.add_argument("--place", type=Path, help="where the stores are made, and deleted; by default a temporary one")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, help="kinds of lines")


def measure(
    *,
    rows: int = ROWS,
    pairs: int = PAIRS,
    place: Path | None = None,
    only: Sequence[str] = KINDS,
    settled: float = SETTLED,
    compiled: bool = False,
) -> list[dict[str, Any]]:
    """The table; a store at a time is on the disk."""
    X, y = data(rows)
    chosen = [line for line in LINES if line.kind in only]
    found: list[dict[str, Any]] = []
    with (
        tempfile.TemporaryDirectory(dir=place, prefix="dgd-limits-") as made,
        threadpool_limits(1, "blas"),
        compiled_or_not(compiled),
        ThreadPoolExecutor(THREADS) as pool,
    ):
        for (stored, codec, dtype), lines in itertools.groupby(chosen, key=lambda line: line.data):
            shown = f"{codec} of {dtype}" if stored else "memory"
            print(f"limits: {rows:,} × {FEATURES}, {shown}", file=sys.stderr, flush=True)
            if stored:
                with store_of(Path(made) / "data.zarr", X, y, codec=codec, dtype=dtype) as store:
                    time.sleep(settled)
                    found += [row(line, pool, X, y, pairs=pairs, store=store) for line in lines]
            else:
                found += [row(line, pool, X, y, pairs=pairs) for line in lines]
    return found


def row(
    line: Line, pool: ThreadPoolExecutor, X: Array, y: Array, *, pairs: int, store: Path | None = None
) -> dict[str, Any]:
    """A line of the table, measured."""
    source = (X, y) if store is None else (store,)
    theta = np.ones(X.shape[1], line.dtype)
    evict = partial(drop_from_page_cache, store) if store is not None and line.kind == "cold" else _nothing
    bare: Callable[[], float]
    if line.kind == "arithmetic":
        bare = partial(_last_pass, source)
    elif line.kind in ("memory", "resident"):
        bare = partial(timed, partial(MemoryLoop(pool, X, y), theta))
    else:
        assert store is not None
        bare = partial(timed, partial(StoreLoop(pool, store), theta))
    fit = partial(
        descent,
        source,
        execution=dgd.Execution(resident="auto" if line.kind == "resident" else 0),
        precision="single" if line.single else "double",
    )
    ours, theirs, share = in_pairs(fit, bare, between=evict, pairs=pairs)
    decoded = (X.size + y.size) * np.dtype(line.dtype).itemsize
    note = f"{share:.0%} of the chunks in memory" if line.kind == "resident" else line.note
    return compared(line, theirs, ours, decoded=decoded, note=note)


def descent(source: tuple[Any, ...], **options: Any) -> dgd.Result:
    """Gradient descent that goes nowhere."""
    return dgd.fit(*source, solver="gd", learning_rate=1e-9, tol=0, threads=THREADS, **options)


def _last_pass(source: tuple[Any, ...]) -> float:
    """Seconds of a pass of dgd in float32: the third, as the first ones get memory and look at the data."""
    return (
        descent(source, execution=dgd.Execution(resident=0), precision="single", max_iter=1 + DROPPED)
        .history[-1]
        .seconds
    )


def timed(make_pass: Callable[[], object]) -> float:
    """Seconds of a pass."""
    began = time.perf_counter()
    make_pass()
    return time.perf_counter() - began


def in_pairs(
    fit: Callable[..., dgd.Result], bare: Callable[[], float], *, between: Callable[[], None], pairs: int
) -> tuple[list[float], list[float], float]:
    """Seconds of dgd's passes and of the bare ones, one after the other, without the first two; the resident share.

    A callback runs outside of the seconds of a record, so the bare pass is made in one.
    """
    seconds: list[float] = []

    def follow(record: Record) -> None:
        between()
        seconds.append(bare())
        between()

    between()
    history = fit(max_iter=pairs + DROPPED, callbacks=[follow]).history
    return [record.seconds for record in history[DROPPED:]], seconds[DROPPED:], history[-1].resident_share


def compared(line: Line, theirs: Sequence[float], ours: Sequence[float], *, decoded: int, note: str) -> dict[str, Any]:
    """The row: medians, the median of the ratios of pairs, and the bar."""
    ratio = statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
    bare, seconds = statistics.median(theirs), statistics.median(ours)
    return {
        "line": line.name,
        "s bare": bare,
        "s dgd": seconds,
        "GB/s bare": decoded / bare / 1e9,
        "GB/s dgd": decoded / seconds / 1e9,
        "ratio": ratio,
        "bar": line.bar,
        "met": ratio <= line.bar,
        "note": note,
    }


def data(rows: int) -> tuple[Array, Array]:
    """X and y with three decimals, so that there is something to compress."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, FEATURES))
    return np.round(X, 3, out=X), np.round(X[:, 0] + rng.standard_normal(rows), 3)


@contextmanager
def store_of(store: Path, X: Array, y: Array, *, codec: str, dtype: str) -> Iterator[Path]:
    """A zarr group of X and y that is on the disk once, deleted at the end."""
    group = zarr.create_group(store)
    chunk_rows = max(1, CHUNK_BYTES // (X.shape[1] * np.dtype(dtype).itemsize))
    for name, values in (("X", X), ("y", y)):
        array = group.create_array(
            name,
            shape=values.shape,
            chunks=(chunk_rows, *values.shape[1:]),
            dtype=dtype,
            compressors=COMPRESSORS[codec],
            fill_value=0,
            config={"write_empty_chunks": True},
        )
        array[:] = values.astype(dtype, copy=False)
    os.sync()
    try:
        yield store
    finally:
        shutil.rmtree(store)


def drop_from_page_cache(store: Path) -> None:
    """What has been written to the disk is read from there again."""
    for path in store.rglob("*"):
        if path.is_file():
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


def _nothing() -> None:
    pass
