"""What a sweep asks a store for: each chunk once, a misaligned y at most once more per chunk of X, and nothing else."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from formats import CHUNK_ROWS, ROWS, Format, create, structures, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sums import gradient_sum
from zarr.storage import MemoryStore

import dgd
from dgd import testing
from dgd.data.arrays.memory_rows import as_rows
from dgd.data.buffers import Buffers
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group
from dgd.data.zarr.locations import source_of
from dgd.losses import Squared
from dgd.passes.executor import Executor, InlineExecutor
from dgd.passes.threads import ThreadExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

DOCUMENTS = {"zarr.json", ".zarray", ".zattrs", ".zgroup"}
ARRAYS = ("X", "y", "weight")


def chunk_requests(source: testing.FaultySource) -> Counter[str]:
    """How often each chunk was asked for; metadata documents apart."""
    return Counter(key for key in source.requests if key.rpartition("/")[2] not in DOCUMENTS)


def chunks(folder: Path, name: str) -> list[Path]:
    """The files of an array's chunks."""
    files = (folder / "a.zarr" / name).rglob("*")
    return [file for file in files if file.is_file() and file.name not in DOCUMENTS]


def sweep(executor: Executor, dataset: dgd.Dataset) -> int:
    """One pass; the bytes that were read."""
    return executor.sweep(dataset, gradient_sum(Squared(), 0.0, np.ones(dataset.shape[1]))).bytes_read


@pytest.mark.parametrize("rows", CHUNK_ROWS)
@pytest.mark.parametrize("form", list(structures())[::5], ids=str)
def test_a_sweep_reads_each_chunk_once(form: Format, rows: str, tmp_path: Path) -> None:
    form = replace(form, rows=rows, columns="in parts")
    group = write(tmp_path / "a.zarr", form)
    create(group, "weight", np.ones(ROWS), (CHUNK_ROWS[rows],), form)
    source = testing.FaultySource(source_of(tmp_path / "a.zarr"))
    dataset = open_group(Group(source), weight="weight")
    assert not chunk_requests(source), "opening reads metadata only"
    files = {file.relative_to(tmp_path / "a.zarr").as_posix() for name in ARRAYS for file in chunks(tmp_path, name)}
    assert len(files) == dataset.n_chunks * (3 if form.shards else 5)
    for threads in (None, 1, 3):
        executor = InlineExecutor() if threads is None else ThreadExecutor(threads)
        for passes in (1, 2, 3):
            sweep(executor, dataset)
            assert chunk_requests(source) == dict.fromkeys(files, passes)
        executor.close()
        source.requests.clear()


@pytest.mark.parametrize("form", list(structures())[::5], ids=str)
def test_the_bytes_read_are_the_bytes_stored(form: Format, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", form)
    stored = sum(file.stat().st_size for name in ("X", "y") for file in chunks(tmp_path, name))
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert sweep(InlineExecutor(), dataset) == stored
    assert (dataset.footprint.per_pass, dataset.footprint.exact) == (stored, True)


@pytest.fixture(scope="module")
def stores() -> dict[int, MemoryStore]:
    """One X in chunks of 4 rows, with y in chunks of every length."""
    X, y = np.random.default_rng(0).normal(size=(ROWS, 2)), np.arange(float(ROWS))
    found = {}
    for length in range(1, ROWS + 3):
        found[length] = MemoryStore()
        group = zarr.open_group(found[length], mode="w")
        create(group, "X", X, (4, 2), Format(3, False, "crc32c", "C"))
        create(group, "y", y, (length,), Format(3, False, "crc32c", "C"))
    return found


@pytest.mark.parametrize("threads", [None, 1, 2, 5])
@pytest.mark.parametrize("length", range(1, ROWS + 3))
def test_a_misaligned_y(length: int, threads: int | None, stores: dict[int, MemoryStore]) -> None:
    """In one thread each chunk once; each further task can begin in the middle of one."""
    source = testing.FaultySource(source_of(stores[length]))
    dataset = open_group(Group(source))
    executor = InlineExecutor() if threads is None else ThreadExecutor(threads)
    expected = sweep(InlineExecutor(), dgd.Dataset(X=dataset.X, y=as_rows("y", np.arange(float(ROWS)))))
    assert expected
    source.requests.clear()
    sweep(executor, dataset)
    executor.close()
    counted = chunk_requests(source)
    y = {key: times for key, times in counted.items() if key.startswith("y/")}
    n_chunks = -(-ROWS // length)
    assert len(y) == n_chunks
    assert sum(y.values()) <= n_chunks + (0 if threads is None else dataset.n_chunks)
    assert {times for key, times in counted.items() if key.startswith("X/")} == {1}
    assert np.concatenate([dataset.read(k).y for k in range(dataset.n_chunks)]).tolist() == list(range(ROWS))


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_grid(data: st.DataObject, tmp_path: Path) -> None:
    """Rows, columns and chunks of any size, sharded or not; the contract of rows, and equal sums."""
    rows, columns = data.draw(st.integers(1, 40), "rows"), data.draw(st.integers(1, 6), "columns")
    chunk = data.draw(st.integers(1, 45), "chunk rows"), data.draw(st.integers(1, 7), "chunk columns")
    y_rows = data.draw(st.integers(1, 45), "chunk rows of y")
    shards = data.draw(st.booleans(), "shards")
    codec = data.draw(st.sampled_from(["none", "gzip", "zstd+crc32c"]), "codec")
    form = Format(3, shards, codec, data.draw(st.sampled_from("CF"), "order"))
    X, y = np.random.default_rng(rows).normal(size=(rows, columns)), np.arange(float(rows))
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    create(group, "X", X, chunk, form)
    create(group, "y", y, (y_rows,), form)
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    testing.check_rows(dataset.X, X)
    testing.check_rows(dataset.arrays[1], y)
    in_memory = dgd.Dataset(
        X=testing.MemoryChunks("X", X, dataset.bounds), y=testing.MemoryChunks("y", y, dataset.bounds)
    )
    chunk_sum = gradient_sum(Squared(), 1.0, np.linspace(0, 1, columns))
    found = InlineExecutor().sweep(dataset, chunk_sum).value
    expected = InlineExecutor().sweep(in_memory, chunk_sum).value
    assert found.parts[0].gradient.tobytes() == expected.parts[0].gradient.tobytes()
    assert found.parts[0].loss == expected.parts[0].loss


def test_whoever_takes_the_memory_of_a_kept_chunk_drops_it(stores: dict[int, MemoryStore]) -> None:
    """A chunk of y is kept where it was decoded; a reader of another kind may be given the same buffers."""
    rows, buffers = open_group(Group(source_of(stores[8]))).arrays[1], Buffers()
    assert rows.read(0, 4, buffers)[1] > 0
    assert rows.read(4, 6, buffers)[1] == 0
    buffers.take("anything", (1,), "f8")
    assert rows.read(6, 8, buffers)[1] > 0


def test_a_changed_chunk_is_seen_by_the_next_pass(tmp_path: Path) -> None:
    """Nothing is kept from one pass to the next, not even where a single chunk is read again and again."""
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=10) as writer:
        writer.append(np.ones((10, 2)), np.ones(10))
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    executor = ThreadExecutor(1)
    assert sweep(executor, dataset) == sweep(executor, dataset) > 0
    (tmp_path / "a.zarr" / "y" / "c" / "0").unlink()
    with pytest.raises(dgd.errors.MissingChunkError):
        sweep(executor, dataset)
    executor.close()


@pytest.mark.slow
def test_what_a_worker_is_sent_does_not_grow_with_the_number_of_chunks(tmp_path: Path) -> None:
    sizes = []
    for chunk_rows in (500, 1):
        path = tmp_path / f"{chunk_rows}.zarr"
        with dgd.DatasetWriter(path, chunk_rows=chunk_rows) as writer:
            writer.append(np.ones((1000, 2)), np.ones(1000))
        dataset = dgd.open_dataset(path)
        pickled = pickle.dumps(dataset)
        again = pickle.loads(pickled)
        assert np.array_equal(again.bounds, dataset.bounds)
        assert (again.fingerprint, again.read(1).y[0]) == (dataset.fingerprint, 1.0)
        sizes.append(len(pickled))
    assert max(sizes) < min(sizes) + 64
