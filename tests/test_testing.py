"""The public fakes and contracts: each fake does what it says, each contract refuses what breaks it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sums import gradient_sum

import dgd
from dgd import testing
from dgd.data.arrays.memory_rows import MemoryRows, as_rows
from dgd.data.buffers import Buffers
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group
from dgd.data.zarr.locations import source_of
from dgd.errors import ClusterLostError, CorruptChunkError, DataError, MissingChunkError
from dgd.fitting.objective import Objective
from dgd.losses import Squared
from dgd.passes.executor import ChunkSum, InlineExecutor, PassResult, S
from dgd.passes.threads import ThreadExecutor

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

X = np.arange(20.0).reshape(10, 2)
CHUNK_SUM = gradient_sum(Squared(), 0.0, np.ones(2))


def dataset() -> dgd.Dataset:
    return dgd.Dataset(X=testing.MemoryChunks("X", X, [0, 4, 8, 10]), y=as_rows("y", X[:, 0]))


def test_memory_chunks_are_read_in_their_own_chunks() -> None:
    data = dataset()
    InlineExecutor().sweep(data, CHUNK_SUM)
    assert data.n_chunks == 3
    assert data.X.reads == [(0, 4), (4, 8), (8, 10)]  # type: ignore[attr-defined]


def test_counting_rows_count_and_change_nothing() -> None:
    counting = testing.CountingRows(as_rows("X", X))
    testing.check_rows(counting, X)
    counting.reads.clear()
    assert counting.read(2, 5, Buffers())[0].tolist() == X[2:5].tolist()
    assert counting.reads == [(2, 5)]


@pytest.mark.parametrize("threads", [1, 3])
def test_counting_executor_counts_sweeps_and_reads(threads: int) -> None:
    executor = testing.CountingExecutor(ThreadExecutor(threads))
    objective = Objective(dataset(), Squared(), executor)
    for _ in range(2):
        objective.evaluate(np.zeros(3), objective.unknown())
    executor.close()
    assert executor.sweeps == 2
    assert executor.reads == {0: 2, 4: 2, 8: 2}


def test_flaky_executor_fails_once_and_then_goes_on() -> None:
    executor = testing.FlakyExecutor(fail_at={2}, error=ClusterLostError("gone"))
    first = executor.sweep(dataset(), CHUNK_SUM)
    with pytest.raises(ClusterLostError, match="gone"):
        executor.sweep(dataset(), CHUNK_SUM)
    third = executor.sweep(dataset(), CHUNK_SUM)
    assert first.value.parts[0].loss == third.value.parts[0].loss
    assert executor.sweeps == 3


@pytest.mark.parametrize(
    ("fault", "error", "what"),
    [
        (testing.dropped, MissingChunkError, "is not in the store"),
        (testing.truncated(7), CorruptChunkError, "its crc32c"),
        (testing.flipped(100), CorruptChunkError, "its crc32c"),
        (lambda content: content * 2, CorruptChunkError, "expected at most"),
    ],
)
def test_faulty_source_damages_what_it_is_told_to(
    fault: testing.Fault, error: type[DataError], what: str, store: str
) -> None:
    source = testing.FaultySource(source_of(store), {"X/c/3/0": fault})
    data = open_group(Group(source))
    with pytest.raises(error, match=f"c/3/0.*{what}") as caught:
        InlineExecutor().sweep(data, gradient_sum(Squared(), 0.0, np.ones(5)))
    assert caught.value.rows == (150, 200)
    assert source.requests.count("X/c/0/0") == 1


def test_faulty_source_without_faults_is_the_source(store: str) -> None:
    faulty = open_group(Group(testing.FaultySource(source_of(store))))
    plain = dgd.open_dataset(store)
    assert faulty.fingerprint == plain.fingerprint
    testing.check_rows(plain.X, np.concatenate([faulty.read(k).X for k in range(faulty.n_chunks)]))


def test_faulty_source_knows_the_way_up(store: str) -> None:
    source = testing.FaultySource(source_of(store), {"zarr.json": testing.truncated(10)})
    above = source.child("X").parent()
    assert above is not None
    assert above[1] == "X"
    assert above[0].get("zarr.json", Buffers(), at_most=10_000).nbytes == 10  # type: ignore[union-attr]
    assert source.parent() is None
    assert source.child("X").size("zarr.json") == (Path(store) / "X" / "zarr.json").stat().st_size


class Wrong(MemoryRows):
    """Rows with one thing wrong."""


def rows_with(**wrong: Any) -> Any:
    rows = MemoryRows("X", X)
    return type("Wrong", (Wrong,), {"__reduce__": lambda self: (MemoryRows, ("X", X)), **wrong})(rows.name, rows.array)


@pytest.mark.parametrize(
    ("wrong", "contract"),
    [
        ({"shape": (9, 2)}, "shape"),
        ({"dtype": np.dtype("f4")}, "dtype"),
        ({"fingerprint": property(lambda self: str(np.random.default_rng().random()))}, "fingerprint"),
        ({"read": lambda self, start, stop, buffers: (X[start:stop] + 1, 0)}, "are not those expected"),
        ({"read": lambda self, start, stop, buffers: (X[:4], 0)}, "are not those expected"),
        ({"read": lambda self, start, stop, buffers: (X[start:stop], -1)}, "-1 bytes read"),
    ],
)
def test_check_rows_refuses_rows_that_break_the_contract(wrong: dict[str, Any], contract: str) -> None:
    with pytest.raises(testing.ContractError, match=contract):
        testing.check_rows(rows_with(**wrong), X)


@pytest.mark.parametrize(
    ("bounds", "contract"), [([0, 4, 9], "bounds go"), ([0, 4, 4, 10], "rise"), ([1, 10], "bounds go")]
)
def test_check_rows_refuses_bounds_that_are_none(bounds: list[int], contract: str) -> None:
    with pytest.raises(testing.ContractError, match=contract):
        testing.check_rows(testing.MemoryChunks("X", X, bounds), X)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_check_executor_accepts_threads(threads: int) -> None:
    executor = ThreadExecutor(threads)
    testing.check_executor(executor)
    executor.close()


class ReversedExecutor(InlineExecutor):
    """Adds the chunks in another order."""

    def sweep(self, dataset: dgd.Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        chunks = [dataset.read(k) for k in reversed(range(dataset.n_chunks))]
        parts = [PassResult(chunk_sum(chunk, Buffers()), chunk.bytes_read) for chunk in chunks]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total


class ForgetfulExecutor(InlineExecutor):
    """Counts no bytes."""

    def sweep(self, dataset: dgd.Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        return PassResult(super().sweep(dataset, chunk_sum).value, 0)


class SwallowingExecutor(InlineExecutor):
    """Turns an error into another one."""

    def sweep(self, dataset: dgd.Dataset, chunk_sum: ChunkSum[S]) -> PassResult[S]:
        try:
            return super().sweep(dataset, chunk_sum)
        except DataError:
            raise ClusterLostError("who knows") from None


@pytest.mark.parametrize(
    ("executor", "contract"),
    [
        (ReversedExecutor(), "differs in its bits"),
        (ForgetfulExecutor(), "bytes read"),
        (SwallowingExecutor(), "another error"),
    ],
)
def test_check_executor_refuses_what_breaks_the_contract(executor: InlineExecutor, contract: str) -> None:
    with pytest.raises(testing.ContractError, match=contract):
        testing.check_executor(executor)
