"""What `dgd ingest` takes beside bare loops: `speed` is seconds of the loop / seconds of dgd.

csv, read  the rows of the text, as ingest parses them; the loop: pyarrow's stream on one thread. Bar: 1.7, on two
           processors
csv        the whole ingest; the loop: that stream, and writing as many bytes, brought to disk
parquet    the whole ingest; the loop: reading all columns, and writing as many bytes, brought to disk. Bar: 1 / 1.5

Rounds interleave, everything is brought to disk before each of them, and `speed` is the median of the rounds' ratios.
`cpu` is the time of the processors, which tells more where they are busy with other things.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import dgd
from dgd.data.tables.columns import Selection
from dgd.data.tables.text.csv import open_csv_table

ROWS, FEATURES, ROUNDS = 2_000_000, 29, 7
CSV_ROWS = 400_000
CHUNK = 4 << 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """How many rows."""
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of the Parquet file; a fifth of the CSV [{ROWS}]")
    parser.add_argument("--rounds", type=int, default=ROUNDS)


def measure(rows: int = ROWS, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Seconds, and the ratio with its bar."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        made = table(rows)
        pq.write_table(made, place / "t.parquet", row_group_size=2**17)
        pa.csv.write_csv(made.slice(0, max(1, rows // 5)), place / "t.csv")
        csv, parquet = place / "t.csv", place / "t.parquet"
        return [
            _row("csv, read", csv, lambda: streamed(csv), lambda: parsed(csv), rounds, bar=1.7),
            _row("csv", csv, lambda: streamed(csv, write=True), lambda: ingested(csv), rounds, bar=None),
            _row("parquet", parquet, lambda: read_and_written(parquet), lambda: ingested(parquet), rounds, bar=1 / 1.5),
        ]


def table(rows: int) -> pa.Table:
    """Numbers with all their digits."""
    values = np.random.default_rng(0).normal(size=(FEATURES + 1, rows))
    names = [*(f"x{j}" for j in range(FEATURES)), "y"]
    return pa.table(dict(zip(names, values, strict=True)))


def streamed(path: Path, *, write: bool = False) -> None:
    """All columns of a CSV file as floats, on one thread; then perhaps as many bytes, on disk."""
    reading = pa.csv.ReadOptions(use_threads=False)
    types = dict.fromkeys([*(f"x{j}" for j in range(FEATURES)), "y"], pa.float64())
    options = pa.csv.ConvertOptions(column_types=types)
    rows = sum(batch.num_rows for batch in pa.csv.open_csv(path, read_options=reading, convert_options=options))
    if write:
        _write(path.parent / "bare", 8 * rows * len(types))


def parsed(path: Path) -> None:
    """All columns of a CSV file as ingest reads them."""
    table = open_csv_table(str(path))
    features = tuple(column.name for column in table.columns)
    for _ in table.batches(Selection(features, None, None, from_file=True), 1):
        pass


def read_and_written(path: Path) -> None:
    """All columns read, batch by batch; then as many bytes, on disk."""
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for _ in file.iter_batches(CHUNK // (8 * FEATURES)):
            pass
        _write(path.parent / "bare", 8 * file.metadata.num_rows * file.metadata.num_columns)


def _write(out: Path, n_bytes: int) -> None:
    """So many bytes in files of a chunk's size."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    chunk = np.ones(CHUNK // 8).tobytes()
    for k in range(n_bytes // CHUNK + 1):
        (out / str(k)).write_bytes(chunk)
    for each in out.iterdir():
        handle = os.open(each, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def ingested(path: Path) -> None:
    """The file as a dataset."""
    dgd.ingest([path], path.parent / "out.zarr", target="y", overwrite=True)


def _row(
    what: str, path: Path, bare: Callable[[], None], ours: Callable[[], None], rounds: int, *, bar: float | None
) -> dict[str, Any]:
    ours()
    pairs = [(_taken(bare, path), _taken(ours, path)) for _ in range(rounds)]
    speed = statistics.median(bare[0] / own[0] for bare, own in pairs)
    return {
        "file": what,
        "MB": path.stat().st_size / 1e6,
        "s loop": statistics.median(bare[0] for bare, _ in pairs),
        "s dgd": statistics.median(own[0] for _, own in pairs),
        "cpu loop": statistics.median(bare[1] for bare, _ in pairs),
        "cpu dgd": statistics.median(own[1] for _, own in pairs),
        "speed": speed,
        "bar": bar,
        "ok": None if bar is None else speed >= bar,
    }


def _taken(call: Callable[[], None], path: Path) -> tuple[float, float]:
    """Seconds, by the clock and of the processors."""
    shutil.rmtree(path.parent / "out.zarr", ignore_errors=True)
    os.sync()
    began, before = time.perf_counter(), os.times()
    call()
    after = os.times()
    return time.perf_counter() - began, after.user + after.system - before.user - before.system
