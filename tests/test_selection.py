"""Selected rows against NumPy's indexing: values, bounds, reads and memory, whatever the rows lie in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import dgd
from dgd.data.arrays.memory_rows import as_rows
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.transforms.selected_rows import SelectedRows, Selection, select
from dgd.data.zarr.group import open_array
from dgd.testing import CountingRows, MemoryChunks, check_rows

M, N = 103, 3
BOUNDS = np.array([0, 10, 11, 30, 55, 80, 103])
RNG = np.random.default_rng(4)
X, Y, W = RNG.normal(size=(M, N)), RNG.normal(size=(M, 2)), RNG.random(M)
SCATTERED = np.array([0, 1, 2, 9, 29, 31, 33, 34, 79, 80, 102])
REPEATED = np.array([4, 4, 5, 12, 12, 12, 54, 55, 100])


def memory(folder: Path) -> Dataset:
    return Dataset(X=MemoryChunks("X", X, BOUNDS), y=as_rows("y", Y), weight=as_rows("weight", W))


def misaligned_store(folder: Path) -> Dataset:
    """X in chunks of 10 rows and 2 columns, y of 7 rows, weight of 64."""
    for name, values, chunks in (("X", X, (10, 2)), ("y", Y, (7, 2)), ("weight", W, (64,))):
        zarr.create_array(folder / name, data=values, chunks=chunks, compressors=None)
    rows = {name: open_array(str(folder / name), name) for name in ("X", "y", "weight")}
    return Dataset(**rows)


def compressed_store(folder: Path) -> Dataset:
    with dgd.DatasetWriter(folder / "d.zarr", chunk_rows=16, compression="zstd") as writer:
        writer.append(X, W)
    zarr.create_array(folder / "y", data=Y, chunks=(33, 1))
    return dgd.open_dataset(str(folder / "d.zarr"), str(folder / "y"), weight="y")


KINDS: list[Callable[[Path], Dataset]] = [memory, misaligned_store, compressed_store]


def selections(dataset: Dataset) -> list[tuple[Selection, np.ndarray]]:
    """Selections of a dataset with the row numbers that they stand for."""
    bounds, every = dataset.bounds, np.arange(M)
    chunks = np.array([dataset.n_chunks - 1, 0, 2])
    of_chunks = np.concatenate([every[bounds[k] : bounds[k + 1]] for k in np.sort(chunks)])
    found = [(Selection.of_chunks(chunks, bounds), of_chunks)]
    return found + [(Selection.of_rows(rows, bounds), rows) for rows in (SCATTERED, REPEATED, every, np.array([57]))]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_selected_rows_keep_the_contract_of_rows(kind: Callable[[Path], Dataset], tmp_path: Path) -> None:
    dataset = kind(tmp_path)
    for selection, rows in selections(dataset):
        found = select(dataset, selection)
        for part, values in zip(found.arrays, (X, Y, W), strict=True):
            check_rows(part, values[rows])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_chunk_of_the_selection_is_what_is_selected_of_a_chunk(
    kind: Callable[[Path], Dataset], tmp_path: Path
) -> None:
    dataset = kind(tmp_path)
    for selection, rows in selections(dataset):
        found, buffers = select(dataset, selection), Buffers()
        pieces = [rows[(rows >= low) & (rows < high)] for low, high in pairwise(dataset.bounds)]
        pieces = [piece for piece in pieces if len(piece)]
        assert found.n_chunks == len(pieces)
        for index, piece in enumerate(pieces):
            chunk = found.read(index, buffers)
            assert chunk.y is not None
            assert chunk.weight is not None
            assert (X[piece] == chunk.X).all()
            assert (chunk.y == Y[piece]).all()
            assert (chunk.weight == W[piece]).all()
            assert chunk.rows == (found.bounds[index], found.bounds[index + 1])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, M - 1), min_size=1, max_size=40).map(sorted),
    cuts=st.sets(st.integers(1, M - 1), max_size=12),
)
def test_any_ascending_rows_of_any_chunks(rows: list[int], cuts: set[int]) -> None:
    bounds = np.array([0, *sorted(cuts), M])
    wanted = np.array(rows)
    counted = MemoryChunks("X", X, bounds)
    found = SelectedRows(counted, Selection.of_rows(wanted, bounds))
    buffers = Buffers()
    read = [found.read(a, b, buffers)[0].copy() for a, b in pairwise(found.bounds)]
    np.testing.assert_array_equal(np.concatenate(read), X[wanted])
    # Of each chunk that is touched, one read, from the first to the last row that is wanted.
    chunk_of = np.searchsorted(bounds, wanted, side="right") - 1
    assert counted.reads == [
        (wanted[chunk_of == k].min(), wanted[chunk_of == k].max() + 1) for k in np.unique(chunk_of)
    ]


def test_a_chunk_with_nothing_selected_is_never_read() -> None:
    counted = CountingRows(MemoryChunks("X", X, BOUNDS))
    dataset = Dataset(X=counted, y=as_rows("y", Y[:, 0]))
    held = select(dataset, Selection.of_chunks(np.array([3, 1]), BOUNDS))
    dgd.fit(held, max_iter=4, tol=0, threads=2)
    assert sorted(counted.reads) == sorted([(10, 11), (30, 55)] * 4)


def test_a_selection_is_fitted_like_the_rows_themselves() -> None:
    dataset = Dataset(X=MemoryChunks("X", X, BOUNDS), y=as_rows("y", Y[:, 0]))
    found = dgd.fit(select(dataset, Selection.of_rows(SCATTERED, BOUNDS)))
    np.testing.assert_allclose(found.theta, dgd.fit(X[SCATTERED], Y[SCATTERED, 0]).theta, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_footprint_holds_what_a_read_takes(kind: Callable[[Path], Dataset], tmp_path: Path) -> None:
    dataset = kind(tmp_path)
    for selection, _ in selections(dataset):
        found = select(dataset, selection)
        buffers = Buffers()
        for index in range(found.n_chunks):
            found.read(index, buffers)
        footprint = found.footprint
        assert taken(buffers) <= footprint.encoded + footprint.decoded
        assert footprint.per_pass <= dataset.footprint.per_pass
        assert not footprint.exact


def taken(buffers: Buffers) -> int:
    """The bytes of all arrays that were handed out."""
    own = sum(array.nbytes for array in buffers._last.values())
    return own + sum(taken(inner) for inner in buffers._within.values())


def test_a_target_put_together_from_several_chunks_is_counted(tmp_path: Path) -> None:
    """y lies in one column of 4-row chunks: what is put together of them has a place in the plan."""
    zarr.create_array(tmp_path / "y", data=W, chunks=(4,))
    y = open_array(str(tmp_path / "y"), "y")
    wide = np.array([0, 100, M])
    dataset = Dataset(X=MemoryChunks("X", X, wide), y=y)
    held = select(dataset, Selection.of_chunks(np.array([0]), wide))
    assert held.footprint.decoded == dataset.footprint.decoded == y.footprint.decoded + 8 * 100
    scattered = select(dataset, Selection.of_rows(np.array([0, 99]), wide))
    assert scattered.footprint.decoded == dataset.footprint.decoded + 8 * 2 * (1 + N)


def test_what_is_in_memory_is_still_known_to_be() -> None:
    """It would be sent to the workers of a cluster, all of it."""
    dataset = Dataset(X=MemoryChunks("X", X, BOUNDS), y=as_rows("y", Y))
    assert dataset.memory_bytes == X.nbytes + Y.nbytes
    assert select(dataset, Selection.of_chunks(np.array([0]), BOUNDS)).memory_bytes == dataset.memory_bytes


def test_fingerprints_tell_selections_apart() -> None:
    dataset = Dataset(X=MemoryChunks("X", X, BOUNDS), y=as_rows("y", Y))
    first = select(dataset, Selection.of_chunks(np.array([0, 1]), BOUNDS))
    again = select(replace(dataset), Selection.of_chunks(np.array([1, 0]), BOUNDS))
    other = select(dataset, Selection.of_chunks(np.array([0, 2]), BOUNDS))
    assert first.fingerprint == again.fingerprint
    assert len({first.fingerprint, other.fingerprint, dataset.fingerprint}) == 3
