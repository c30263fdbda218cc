"""Where the threads of passes spend their time: measured, summed, kept by checkpoints, and shown."""

from __future__ import annotations

import itertools
import time
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import two_in_this_process
from hanging import slow_reads

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.times import NO_TIMES, Times
from dgd.data.watch import Reading
from dgd.data.zarr import straight
from dgd.fitting.record import SPLIT, records_of, table_of, time_split
from dgd.passes.executor import Executor, InlineExecutor
from dgd.passes.parts import LARGE_BYTES
from dgd.passes.threads import ThreadExecutor
from dgd.testing import MemoryChunks

READ, DECODE, COMPUTE = 0.004, 0.002, 0.003
CHUNKS = 6
STREAMED = dgd.Execution(threads=2, resident=0)


class Rows:
    """A chunk sum that takes its time."""

    over_rows = True

    def __call__(self, chunk: Chunk, buffers: Buffers) -> np.ndarray:
        time.sleep(COMPUTE)
        return np.array([len(chunk.X)])


class Counting:
    """A fold that takes its time."""

    def __call__(self, value: int, chunk: Chunk, buffers: Buffers) -> int:
        time.sleep(COMPUTE)
        return value + len(chunk.X)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dgd.Dataset:
    """Six chunks; each of the two stored chunks that one is read from takes a while, and what is made of them too."""
    path = tmp_path / "slow.zarr"
    with dgd.DatasetWriter(path, chunk_rows=10) as writer:
        writer.append(np.ones((10 * CHUNKS, 2)), np.ones(10 * CHUNKS))
    read = Dataset.read

    def decoding(*arguments: Any) -> Any:
        time.sleep(DECODE)
        return read(*arguments)

    slow_reads(monkeypatch, lambda path: time.sleep(READ / 2 if "/c/" in path else 0))
    monkeypatch.setattr(Dataset, "read", decoding)
    return dgd.open_dataset(path)


def check(times: Times, threads: int, seconds: float) -> None:
    """Each part is at least what was slept there, and together they are no more than the threads' time."""
    for name, each in (("read", READ), ("decode", DECODE), ("compute", COMPUTE)):
        assert getattr(times, name) >= CHUNKS * each, name
    assert times.wait > 0
    assert times.total <= threads * seconds


@pytest.mark.parametrize("executor", [InlineExecutor(), ThreadExecutor(3)], ids=["inline", "threads"])
def test_each_part_is_where_it_was_spent(executor: Executor, slow: dgd.Dataset) -> None:
    threads = getattr(executor, "threads", 1)
    for run in (
        lambda: executor.sweep(slow, Rows()),  # type: ignore[type-var]
        lambda: executor.fold(slow, Counting(), 0, range(CHUNKS)),
    ):
        began = time.perf_counter()
        found: Any = run()
        check(found.times, threads, time.perf_counter() - began)
    executor.close()


def test_who_helps_with_a_large_chunk_counts_as_arithmetic() -> None:
    X = np.ones((320, LARGE_BYTES // 8 // 256))  # five parts of 64 rows
    dataset = dgd.Dataset(X=MemoryChunks("X", X, [0, 320]), y=MemoryChunks("y", np.ones(320), [0, 320]))
    executor = ThreadExecutor(2)
    parts = 5
    found: Any = executor.sweep(dataset, Rows())  # type: ignore[type-var]
    executor.close()
    assert found.value == 320
    assert found.times.compute >= parts * COMPUTE


def test_sums_of_times() -> None:
    some = Times(1, 2, 3, 4)
    assert some + NO_TIMES is some
    assert NO_TIMES + some is some
    assert some + some == Times(2, 4, 6, 8)
    assert (some + some) - some == some
    assert Times(1, 2, 3).within(2, 4) == Times(1, 2, 3, 2)
    assert Times(1, 2, 3).within(2, 1) == Times(1, 2, 3)  # two clocks: never less than nothing


def test_a_fit_has_it_for_each_pass_and_in_all(slow: dgd.Dataset, tmp_path: Path) -> None:
    result = dgd.fit(slow, solver="gd", learning_rate=0.01, max_iter=3, execution=STREAMED)
    for record in result.history:
        times = Times(*(getattr(record, name) for name in SPLIT))
        assert times.read >= CHUNKS * READ
        assert times.decode >= CHUNKS * DECODE
        assert times.compute > 0
        assert times.wait > 0
        assert times.total <= 2 * record.seconds
    found = result.time_split()
    assert list(found) == ["read", "decode", "compute", "wait"]
    assert found["read"] == sum(record.read_seconds for record in result.history)
    assert "% read, " in result.summary()
    report = dgd.report(result, out=tmp_path / "report.html").read_text()
    assert "Seconds of all threads, in all passes" in report
    untimed = [replace(record, **dict.fromkeys(SPLIT, 0.0)) for record in result.history]
    assert time_split(untimed) == {}
    text = dgd.report(replace(result, history=untimed), out=tmp_path / "untimed.html").read_text()
    assert "Seconds of all threads" not in text
    assert "read, " not in replace(result, history=untimed).summary()


@pytest.fixture
def counted(slow: dgd.Dataset, monkeypatch: pytest.MonkeyPatch) -> dgd.Dataset:
    """The same, where each request for a stored chunk takes a second of its clock."""
    ticks = itertools.count()
    monkeypatch.setattr(straight, "time", types.SimpleNamespace(monotonic=lambda: float(next(ticks))))
    monkeypatch.setattr(straight, "Reading", lambda piece, most, _: Reading(piece, most, time.monotonic()))
    return slow


def test_the_rows_held_out_count_as_well(counted: dgd.Dataset) -> None:
    how: Any = {"solver": "gd", "learning_rate": 0.01, "max_iter": 1, "threads": 1}
    assert dgd.fit(counted, **how).history[0].read_seconds == 2 * CHUNKS
    assert dgd.fit(counted, **how, validation=counted).history[0].read_seconds == 4 * CHUNKS


def test_an_epoch_counts_all_of_its_parts(counted: dgd.Dataset, tmp_path: Path) -> None:
    how: Any = {"solver": "minibatch", "max_iter": 1, "threads": 1, "checkpoint": tmp_path / "c"}
    assert dgd.fit(counted, **how, checkpoint_every=1e-9).history[0].read_seconds == 2 * CHUNKS


def test_a_resumed_fit_adds_to_what_was_spent_before(slow: dgd.Dataset, tmp_path: Path) -> None:
    how: Any = {"solver": "gd", "learning_rate": 0.01, "execution": STREAMED, "checkpoint": tmp_path / "c"}
    first = dgd.fit(slow.source, max_iter=4, callbacks=[lambda record: record.iteration == 2], **how)
    whole = dgd.resume(tmp_path / "c", execution=STREAMED)
    assert (first.n_iter_, whole.n_iter_) == (2, 4)
    assert whole.history[:2] == first.history
    assert whole.time_split()["read"] > first.time_split()["read"] >= 2 * CHUNKS * READ


def test_a_history_of_an_older_dgd_is_read(slow: dgd.Dataset) -> None:
    history = dgd.fit(slow, solver="gd", learning_rate=0.01, max_iter=2, threads=1).history
    table = table_of(history)
    assert records_of(table) == history
    older = records_of(table[:, : -len(SPLIT)])
    assert older == [replace(record, **dict.fromkeys(SPLIT, 0.0)) for record in history]
    with pytest.raises(ValueError, match="no table of passes"):
        records_of(table[:, :-1])


@pytest.mark.slow
def test_on_a_cluster_it_is_summed_from_the_tasks(tmp_path: Path) -> None:
    path = tmp_path / "data.zarr"
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 20))
    with dgd.DatasetWriter(path, chunk_rows=1000) as writer:
        writer.append(X, X @ np.ones(20) + rng.normal(size=20_000))
    here = dgd.fit(path, loss="huber", threads=2)
    with two_in_this_process() as client:
        there = dgd.fit(path, loss="huber", client=client)
        again = dgd.fit(path, loss="huber", execution=dgd.Execution(client=client, resident=0))
    assert np.array_equal(here.theta, there.theta)
    for result in (there, again):
        for record in result.history:
            assert record.compute_seconds > 0
            assert record.wait_seconds > 0
            total = sum(getattr(record, name) for name in SPLIT)
            assert total <= 2 * record.seconds
    # Resident chunks are read for the first pass, by tasks of their own, and by no other.
    assert there.history[0].read_seconds > 0
    assert [record.read_seconds for record in there.history[1:]] == [0.0] * (there.n_iter_ - 1)
    assert all(record.read_seconds > 0 for record in again.history)
