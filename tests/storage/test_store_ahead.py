"""Reading ahead: the same bits, the same errors, each chunk asked for once, within the plan, and less waiting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from slow import ROWS, SlowStore, assert_nothing_is_left, store, sweep

import dgd
from dgd.data.arrays.memory_rows import as_rows
from dgd.data.buffers import Buffers
from dgd.data.zarr import read_ahead as reading
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group
from dgd.data.zarr.locations import source_of
from dgd.errors import CorruptChunkError, MissingChunkError, ReadError
from dgd.passes.executor import InlineExecutor
from dgd.passes.threads import ThreadExecutor
from dgd.testing import FaultySource, dropped

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")


@pytest.fixture
def slow() -> SlowStore:
    return store()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadExecutor]:
    """Two threads, for nodes however small."""
    monkeypatch.setattr("dgd.passes.threads.LEAST_NODE_BYTES", 1)
    executor = ThreadExecutor(2)
    yield executor
    executor.close()


LONG = 0.01
"""Seconds of a request, beside which those between two of them do not count on a busy machine."""

GRIDS = [
    {},
    {"shards": True},
    {"columns": 2},
    {"y_rows": 1},
    {"y_rows": 7},
    {"y_rows": 50},
    {"shards": True, "columns": 1, "y_rows": 5},
]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
def test_same_bits_and_each_chunk_once_per_pass(grid: dict[str, Any]) -> None:
    slow = store(**grid)
    dataset = dgd.open_dataset(slow)
    expected = sweep(dataset.reading_ahead(0))
    assert (slow.most, set(slow.requests.values())) == (1, {1})
    chunks = set(slow.requests)
    for passes in (2, 3):
        assert sweep(dataset) == expected
        assert slow.requests == dict.fromkeys(chunks, passes)
    assert_nothing_is_left(slow)
    arrays = {"X", "y"} if all(rows.footprint.ahead for rows in dataset.arrays) else {"X"}
    assert 2 * len(arrays) <= slow.most <= sum(1 + rows.footprint.ahead for rows in dataset.arrays)


def test_same_bits_with_threads(slow: SlowStore, threads: ThreadExecutor) -> None:
    dataset = dgd.open_dataset(slow)
    expected = sweep(dataset.reading_ahead(0))
    for passes in (2, 3):
        assert sweep(dataset, threads) == expected
        assert set(slow.requests.values()) == {passes}
    assert_nothing_is_left(slow)


def test_a_fold_reads_ahead_in_its_own_order() -> None:
    slow = store(seconds=LONG)
    dataset = dgd.open_dataset(slow)
    order = [int(k) for k in np.random.default_rng(1).permutation(dataset.n_chunks)][:10]
    found = InlineExecutor().fold(dataset, lambda value, chunk, buffers: [*value, chunk.index], [], order)
    assert found.value == order
    assert slow.requests == Counter(f"{name}{k}{end}" for k in order for name, end in (("X/c/", "/0"), ("y/c/", "")))
    assert slow.most > 8


def test_x_and_y_are_asked_for_together(slow: SlowStore) -> None:
    dataset = dgd.open_dataset(slow)
    buffers = Buffers()
    dataset.ahead(0, buffers)
    stop = time.monotonic() + 2
    while set(slow.requests) != {"X/c/0/0", "y/c/0"} and time.monotonic() < stop:
        time.sleep(0.001)
    assert set(slow.requests) == {"X/c/0/0", "y/c/0"}
    buffers.drop_ahead()
    assert_nothing_is_left(slow)


@pytest.mark.parametrize("chunk", [0, 5, 23])
@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("missing", MissingChunkError, "is not in the store"),
        ("corrupt", CorruptChunkError, "is damaged"),
        ("failing", ReadError, "the line is dead"),
    ],
)
def test_an_error_is_that_of_the_chunk_that_has_it(
    chunk: int, fault: str, error: type[ReadError], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    slow = store()
    dataset, key = dgd.open_dataset(slow), f"X/c/{chunk}/0"
    values = slow._store._store_dict
    if fault == "failing":
        slow.failing |= {key, *(f"X/c/{k}/0" for k in range(chunk, 24))}
    elif fault == "missing":
        del values[key]
    else:
        values[key] = values[key][:-1]
    texts = []
    for each in (dataset, dataset.reading_ahead(0)):
        with pytest.raises(error, match=message) as caught:
            sweep(each)
        assert (caught.value.array, caught.value.chunk) == ("X", f"c/{chunk}/0")
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    assert_nothing_is_left(slow)
    assert not caplog.records, "what nobody waits for is not logged either"


def test_faults_of_a_source() -> None:
    slow = store(seconds=LONG)
    source = FaultySource(source_of(slow), {"y/c/7": dropped})
    dataset = open_group(Group(source))
    with pytest.raises(MissingChunkError, match="c/7"):
        sweep(dataset)
    assert slow.most > 8
    source.faults.clear()  # type: ignore[attr-defined]
    source.requests.clear()
    assert sweep(dataset) == sweep(dataset.reading_ahead(0))
    assert set(Counter(source.requests).values()) == {2}


class Interrupting:
    """A chunk_sum that is interrupted at a chunk, as by the user."""

    def __call__(self, chunk: Any, buffers: Buffers) -> Any:
        if chunk.index == 3:
            raise KeyboardInterrupt
        return 0


def test_an_interrupt_leaves_no_request_running() -> None:
    slow = store(seconds=0.05)
    with pytest.raises(KeyboardInterrupt):
        InlineExecutor().sweep(dgd.open_dataset(slow), Interrupting())  # type: ignore[type-var]
    began = time.monotonic()
    assert_nothing_is_left(slow)
    assert time.monotonic() - began < 0.04


def test_an_interrupt_while_a_request_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = store(seconds=0.2)

    def interrupted(future: Any, timeout: float | None = None) -> Any:
        raise KeyboardInterrupt

    dataset = dgd.open_dataset(slow)
    with monkeypatch.context() as patch:
        patch.setattr("concurrent.futures.Future.result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(dataset)
    began = time.monotonic()
    assert_nothing_is_left(slow)
    assert time.monotonic() - began < 0.15


def test_no_hint_of_an_earlier_pass_hides_a_changed_store(threads: ThreadExecutor) -> None:
    slow = store()
    dataset = dgd.open_dataset(slow)
    slow.failing.add("X/c/9/0")
    with pytest.raises(ReadError):
        sweep(dataset, threads)
    slow.failing.clear()
    slow._store._store_dict.update(store()._store._store_dict)
    del slow._store._store_dict["X/c/10/0"], slow._store._store_dict["X/c/11/0"]
    with pytest.raises(MissingChunkError, match=r"c/1[01]/0"):
        sweep(dataset, threads)
    assert_nothing_is_left(slow)


def test_depth_is_latency_over_computing() -> None:
    requests = reading.Requests()
    assert requests.depth(7) == 7, "as far as allowed before anything is known"
    requests._latency, requests._busy = 0.05, 0.02
    assert requests.depth(7) == 3
    requests._busy = 0.001
    assert (requests.depth(7), requests.depth(2), requests.room(0)) == (7, 2, 0)
    requests._busy = 1.0
    assert requests.depth(7) == 1


def test_a_slow_computation_asks_for_less(slow: SlowStore) -> None:
    """One millisecond a request, ten a chunk: the next one is all that is worth asking for."""
    slow.seconds = 0.001
    dataset = dgd.Dataset(dgd.open_dataset(slow).X, as_rows("y", np.zeros(ROWS)))
    waiting: list[int] = []

    def compute(value: int, chunk: Any, buffers: Buffers) -> int:
        requests = buffers.within("X").ahead
        assert isinstance(requests, reading.Requests)
        waiting.append(len(requests._pending))
        time.sleep(0.01)
        return value

    InlineExecutor().fold(dataset, compute, 0, range(dataset.n_chunks))
    assert waiting[0] == 7
    assert set(waiting[9:-1]) == {1}


def test_large_chunks_are_asked_for_one_at_a_time() -> None:
    sizes = (1, 4 * 2**20, 10 * 2**20, 2**26, 2**30)
    assert [reading.limit_of(size) for size in sizes] == [7, 7, 6, 1, 1]
