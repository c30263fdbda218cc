"""Memory is arithmetic: a sweep takes what `Dataset.footprint` says, in every format, and not much less."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Self
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
import zarr
from formats import COLUMNS, Format, create, structures, write
from located import in_memory
from traced import peak_of

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.passes.executor import InlineExecutor

ROWS, CHUNK_ROWS = 23_000, 5_000
SLACK = 48 * 2**10
"""Python's own objects, and the 64 bytes by which each buffer is aligned."""


@dataclass(frozen=True)
class Count:
    """A sum that takes no memory."""

    rows: int = 0

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Count:
        return Count(chunk.X.shape[0])

    def __add__(self, other: Self) -> Count:
        return Count(self.rows + other.rows)


def peak_of_a_sweep(dataset: dgd.Dataset, most: int) -> int:
    """The most that Python and NumPy hold at once while every chunk is read, after a first time."""

    def sweep() -> None:
        assert InlineExecutor().sweep(dataset, Count()).value.rows == ROWS

    sweep()
    return peak_of(sweep, most + 1)


def check(dataset: dgd.Dataset, *, slack: int = SLACK) -> None:
    """The peak is below the footprint, and not below it by more than about two chunks."""
    dataset = dataset.reading_ahead(7)
    footprint = dataset.footprint
    planned = footprint.encoded + footprint.decoded
    peak = peak_of_a_sweep(dataset, planned + slack)
    chunk = dataset.chunk_rows * (COLUMNS * dataset.dtype.itemsize + 4)
    assert peak <= planned + slack, f"{peak:,} bytes at most, {planned:,} planned"
    assert planned <= peak + 2.2 * chunk, f"{planned:,} bytes planned, {peak:,} at most, chunks of {chunk:,}"


def written(path: Path, form: Format) -> dgd.Dataset:
    write(path, form, rows=ROWS, chunk_rows=CHUNK_ROWS)
    return dgd.open_dataset(path)


@pytest.mark.parametrize(
    ("form", "columns"), list(zip(structures(), cycle(("whole", "in parts", "in parts")))), ids=str
)
def test_every_structure(form: Format, columns: str, tmp_path: Path) -> None:
    check(written(tmp_path / "a.zarr", replace(form, columns=columns)))


@pytest.mark.parametrize("codec", ["none", "gzip"])
@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("chunk_rows", [700, 3_000, 7_000, 12_001, ROWS])
def test_misaligned_y(chunk_rows: int, shards: bool, codec: str, tmp_path: Path) -> None:
    """y in chunks shorter or longer than those of X, at last all of it in one; X has one column, to make y matter."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    form = Format(3, shards, codec, "C")
    create(group, "X", np.random.default_rng(0).normal(size=(ROWS, 1)), (CHUNK_ROWS, 1), form)
    create(group, "y", np.random.default_rng(1).normal(size=ROWS), (chunk_rows,), form)
    dataset = dgd.open_dataset(tmp_path / "a.zarr").reading_ahead(7)
    footprint = dataset.footprint
    planned = footprint.encoded + footprint.decoded
    peak = peak_of_a_sweep(dataset, planned + SLACK)
    chunk = 8 * (dataset.chunk_rows + max(np.diff(dataset.arrays[1].bounds)))
    assert peak <= planned + SLACK
    assert planned <= peak + 2.2 * chunk


def zip_file(path: Path, compression: int) -> Path:
    with ZipFile(path.with_suffix(".zip"), "w", compression) as archive:
        for file in (file for file in path.rglob("*") if file.is_file()):
            archive.write(file, file.relative_to(path).as_posix())
    return path.with_suffix(".zip")


@pytest.mark.parametrize("codec", ["none", "zstd+crc32c", "gzip"])
@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("store", ["memory", "zip", "deflated zip"])
def test_other_stores(store: str, codec: str, shards: bool, tmp_path: Path) -> None:
    written(tmp_path / "a.zarr", Format(3, shards, codec, "C"))
    if store == "memory":
        check(dgd.open_dataset(in_memory(tmp_path / "a.zarr")))
    else:
        # zipfile's own state takes about 100 kB, whatever the size of the members.
        compression = ZIP_STORED if store == "zip" else ZIP_DEFLATED
        check(dgd.open_dataset(zip_file(tmp_path / "a.zarr", compression)), slack=SLACK + 2**17)


def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path: Path) -> None:
    def peak(rows: int, most: float) -> int:
        path = tmp_path / f"{rows}.zarr"
        with dgd.DatasetWriter(path, chunk_rows=2_000, compression="zstd") as writer:
            writer.append(np.random.default_rng(0).normal(size=(rows, 8)), np.ones(rows))
        dataset = dgd.open_dataset(path)
        return peak_of(lambda: [InlineExecutor().sweep(dataset, Count()) for _ in range(3)], most)

    few = peak(20_000, 0)
    assert peak(80_000, 1.1 * few) < 1.1 * few


@pytest.mark.each(2)
@pytest.mark.parametrize(("chunk_rows", "block_rows"), [(10_000, 3_000), (3_000, 10_000)])
def test_the_writer_holds_a_few_chunks(chunk_rows: int, block_rows: int, tmp_path: Path) -> None:
    """However many rows are appended, in blocks shorter or longer than a chunk."""
    chunk, block = chunk_rows * 9 * 8, block_rows * 9 * 8
    X, y = np.ones((block_rows, 8)), np.ones(block_rows)

    def write(blocks: int) -> None:
        path = tmp_path / "a.zarr"
        with dgd.DatasetWriter(path, chunk_rows=chunk_rows, compression="zstd", overwrite=True) as writer:
            for _ in range(blocks):
                writer.append(X, y)

    few = peak_of(lambda: write(10), 4.5 * chunk + block / 4)
    most = min(few, 4.5 * chunk + block / 4) + 2**20
    assert peak_of(lambda: write(40), most) < most


@pytest.mark.parametrize("shards", [None, (500_000, 10)])
def test_large_chunks_are_planned_and_read_as_large_as_they_are(tmp_path: Path, shards: tuple[int, int] | None) -> None:
    X = np.tile(np.arange(10.0), (500_000, 1))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    stored = group.create_array("X", data=X, chunks=(250_000, 10) if shards else X.shape, shards=shards).nbytes_stored()
    dataset = dgd.open_dataset(tmp_path / "a.zarr/X", np.zeros(len(X), bool))
    footprint = dataset.footprint
    assert footprint.encoded < 2 * stored + 2**16 < 2**20
    buffers = Buffers()
    np.testing.assert_array_equal(dataset.read(0, buffers).X, X)
    assert peak_of(lambda: dataset.read(0, Buffers()), 2 * X.nbytes) <= footprint.encoded + footprint.decoded + SLACK
