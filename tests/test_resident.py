"""Resident chunks: which ones stay, what they save and take, and that no bit of a fit depends on them."""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import Cluster, wait_until
from conftest import Problem
from hypothesis import given
from hypothesis import strategies as st
from methods import CASES, OFFSET, TARGETS, WEIGHT, Case, X

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.buffers import Buffers
from dgd.data.resident_chunks import PartlyResident, ResidentMemory, chunk_bytes, is_resident
from dgd.data.rows import regular_bounds
from dgd.data.transforms.selected_rows import Selection, select
from dgd.errors import ConfigurationError, MissingChunkError, PlanError
from dgd.losses import Logistic
from dgd.passes.executor import InlineExecutor
from dgd.passes.plan import Plan
from dgd.passes.tree import nodes_at
from dgd.testing import CountingRows, MemoryChunks

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

CHUNK = 50 * 5 * 8 + 48 + 50 * 8 + 48
"""What a chunk of the problem's store takes in memory, X and y in whole cache lines."""
STORED = 50 * 5 * 8 + 4 + 50 * 8 + 4
FIVE: dict[str, Any] = {"solver": "gd", "max_iter": 5, "tol": 0}
SOME = 7
"""A third of its chunks."""
LABELS = (
    "gd auto, logistic", "momentum", "nesterov, huber", "nesterov, several outputs", "fista, elastic net, softmax",
    "cg, several outputs", "lbfgs, huber", "newton, poisson", "newton, softmax", "minibatch", "minibatch, softmax",
)  # fmt: skip


def found_by(result: dgd.Result) -> bytes:
    """θ and all that was found on the way, to the bit."""
    found = [(r.loss, r.grad_norm, r.learning_rate, r.validation_loss or 0.0) for r in result.history]
    return result.theta.tobytes() + np.array(found).tobytes() + repr((result.loss, result.explained)).encode()


def staying(store: str) -> list[int]:
    n_chunks = dgd.open_dataset(store).n_chunks
    return [index for index in range(n_chunks) if is_resident(index, n_chunks, SOME)]


class TestWhichStay:
    @given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
    def test_as_many_as_asked_for_and_every_node_has_its_part(self, numbers: tuple[int, int]) -> None:
        n_chunks, count = numbers
        stay = [is_resident(index, n_chunks, count) for index in range(n_chunks)]
        assert sum(stay) == count
        for level in range(n_chunks.bit_length() + 1):
            for node in nodes_at(level, n_chunks):
                chunks = node.chunks(n_chunks)
                share = len(chunks) * count / n_chunks
                assert abs(sum(stay[index] for index in chunks) - share) < 1 + 1e-9

    @pytest.mark.parametrize("threads", [1, 2, 4])
    def test_the_number_alone_decides(self, store: str, threads: int) -> None:
        dataset = dgd.open_dataset(store)
        rows = CountingRows(dataset.X)
        dgd.fit(
            replace(dataset, X=rows),
            solver="gd",
            max_iter=4,
            tol=0,
            threads=threads,
            execution=dgd.Execution(resident=SOME * CHUNK),
        )
        once = [start // 50 for start, times in Counter(start for start, _ in rows.reads).items() if times == 1]
        assert sorted(once) == [2, 5, 8, 11, 14, 17, 20]

    def test_what_stays_is_not_asked_for_ahead(self, problem: Problem) -> None:
        asked: list[int] = []

        class Asked(CountingRows):
            asks_ahead = True

            def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
                asked.append(start // 50)
                return True

        dataset = dgd.Dataset(X=Asked(MemoryChunks("X", problem.X, regular_bounds(1003, 50))))
        partly = PartlyResident(dataset, SOME)
        for _ in range(2):
            asked.clear()
            for index in range(21):
                assert partly.ahead(index, Buffers())
                partly.read(index, Buffers())
        assert asked == [index for index in range(21) if not is_resident(index, 21, SOME)]


class TestCopy:
    def test_a_chunk_that_stays_is_left_alone_when_its_buffers_are_used_again(self, store: str) -> None:
        dataset, buffers = dgd.open_dataset(store, weight="weight"), Buffers()
        partly = PartlyResident(dataset, 21)
        for index in range(21):
            assert not partly.read(index, buffers).resident
        for index in range(21):
            found, expected = partly.read(index, buffers), dataset.read(index)
            assert (found.resident, found.bytes_read, found.rows) == (True, 0, expected.rows)
            for name in ("X", "y", "weight"):
                assert (getattr(found, name) == getattr(expected, name)).all()
                assert getattr(found, name).dtype == getattr(expected, name).dtype

    def test_chunks_larger_than_declared_leave_their_neighbours_alone(self, problem: Problem) -> None:
        class Understated(CountingRows):
            """Of float32, it says; Dask's metadata may be as wrong."""

            dtype = np.dtype(np.float32)

        dataset = dgd.Dataset(X=Understated(MemoryChunks("X", problem.X, regular_bounds(1003, 50))))
        partly = PartlyResident(dataset, 21)
        for index in (*range(0, 21, 2), *range(1, 21, 2)):
            partly.read(index, Buffers())
        for index in range(21):
            start, stop = 50 * index, 50 * (index + 1)
            assert np.array_equal(partly.read(index, Buffers()).X, problem.X[start:stop])

    def test_what_lies_in_memory_takes_nothing_more(self, problem: Problem, store: str) -> None:
        memory = dgd.open_dataset(problem.X, problem.y)
        assert np.shares_memory(ResidentMemory(memory, 1).copy(memory.read(0), 0).X, problem.X)
        assert dgd.plan(problem.X, problem.y, solver="gd", execution=dgd.Execution(resident=2**30)).resident_bytes == 0
        mixed = dgd.open_dataset(store, problem.y, weight="weight")
        assert chunk_bytes(mixed) == CHUNK
        chunk = ResidentMemory(mixed, 1).copy(mixed.read(3), 0)
        assert chunk.y is not None
        assert np.shares_memory(chunk.y, problem.y)
        parts = (MemoryChunks("X", problem.X, regular_bounds(1003, 50)), MemoryChunks("y", problem.y, [0, 1003]))
        assert dgd.fit(dgd.Dataset(*parts), solver="gd", max_iter=2, validation_fraction=0.25).plan.resident_bytes == 0


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Targets of every kind beside one X, each in 22 chunks; X and the targets of two columns in Fortran order."""
    path = tmp_path_factory.mktemp("targets") / "all.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    columns = {"X": X, **TARGETS, "weight": WEIGHT, "offset": OFFSET}
    for name, values in {**columns, "offsets": np.column_stack([OFFSET, -OFFSET])}.items():
        options: dict[str, Any] = {"shape": values.shape, "chunks": (10, *values.shape[1:]), "dtype": "f8"}
        array = group.create_array(name, **options, order="F", config={"write_empty_chunks": True})
        array[...] = values
    return str(path)


class TestBits:
    @pytest.mark.each(30)
    @pytest.mark.parametrize("case", [c for c in CASES if c.label in LABELS], ids=lambda case: case.label)
    @pytest.mark.parametrize("validation", [None, 0.25])
    def test_are_the_same_whatever_stays(
        self, case: Case, validation: float | None, targets: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = case.target or getattr(case.loss, "name", case.loss)
        fixed: dict[str, Any] = {
            "max_iter": 4,
            "tol": 0,
            "loss": case.loss,
            **case.options,
            "validation_fraction": validation,
        }
        if validation is None:
            fixed |= {"weight": "weight", "offset": {"two": "offsets", "softmax": None}.get(name, "offset")}
        third = 7 * chunk_bytes(dgd.open_dataset(targets, name, weight=fixed.get("weight"), offset=fixed.get("offset")))
        expected = found_by(dgd.fit(targets, name, threads=2, execution=dgd.Execution(resident=0), **fixed))
        for threads, resident in ((1, "auto"), (4, "auto"), (1, third), (2, third), (4, third)):
            result = dgd.fit(targets, name, threads=threads, execution=dgd.Execution(resident=resident), **fixed)
            assert result.plan.resident_chunks == (7 if resident == third else 22)
            assert found_by(result) == expected
        monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: InlineExecutor())
        assert found_by(dgd.fit(targets, name, execution=dgd.Execution(resident=third), **fixed)) == expected


class TestHistory:
    @pytest.mark.parametrize("threads", [1, 2, 4])
    @pytest.mark.parametrize(
        ("resident", "count"), [(0, 0), (SOME * CHUNK, SOME), (SOME * CHUNK + 1.5, SOME), ("auto", 21)]
    )
    def test_tells_what_was_found_in_memory_and_what_was_read(
        self, store: str, threads: int, resident: Any, count: int
    ) -> None:
        result = dgd.fit(
            store, solver="gd", max_iter=4, tol=0, threads=threads, execution=dgd.Execution(resident=resident)
        )
        assert (result.plan.resident_chunks, result.plan.resident_share) == (count, count / 21)
        assert [record.resident_share for record in result.history] == [0, *3 * [count / 21]]
        assert [record.bytes_read for record in result.history] == [21 * STORED, *3 * [(21 - count) * STORED]]

    def test_tells_it_of_epochs_too(self, store: str) -> None:
        result = dgd.fit(
            store, solver="minibatch", max_iter=3, tol=0, threads=2, execution=dgd.Execution(resident=SOME * CHUNK)
        )
        assert [record.bytes_read for record in result.history][1:] == 2 * [(21 - SOME) * STORED]
        assert [record.resident_share for record in result.history] == [0, SOME / 21, SOME / 21]

    def test_two_passes_keep_nothing_unless_asked_to(self, store: str) -> None:
        assert dgd.plan(store, solver="newton").resident_chunks == 0
        assert dgd.plan(store, solver="newton", loss="huber").resident_chunks == 21
        assert dgd.plan(store, solver="newton", execution=dgd.Execution(resident=21 * CHUNK)).resident_chunks == 21


@pytest.mark.parametrize("resident", ["yes", "0", "", -1, float("nan"), float("inf"), None, True, [1], b"auto"])
def test_what_is_no_number_of_bytes_is_refused(store: str, resident: Any) -> None:
    for call in (dgd.fit, dgd.plan):
        with pytest.raises(
            ConfigurationError, match=r"`Execution\(resident=\.\.\.\)` must be 'auto' or a number of bytes"
        ):
            call(store, execution=dgd.Execution(resident=resident))


@pytest.mark.parametrize("resident", ["auto", SOME * CHUNK, 0])
def test_what_stays_does_not_see_the_store_change(store: str, tmp_path: Path, resident: Any) -> None:
    path = shutil.copytree(store, tmp_path / "copy.zarr")
    gone = {"auto": range(21), 0: range(1)}.get(resident, staying(store))

    def remove(record: dgd.Record) -> None:
        for index in gone if record.iteration == 1 else ():
            (path / "X" / "c" / str(index) / "0").unlink()

    options: dict[str, Any] = {
        "solver": "gd",
        "max_iter": 4,
        "tol": 0,
        "execution": dgd.Execution(threads=2, resident=resident),
    }
    if resident == 0:
        with pytest.raises(MissingChunkError, match="c/0/0"):
            dgd.fit(path, callbacks=[remove], **options)
    else:
        assert found_by(dgd.fit(path, callbacks=[remove], **options)) == found_by(dgd.fit(store, **options))


@cache
def small_plan() -> Plan:
    return dgd.plan(np.zeros((4, 2)), np.zeros(4), threads=1, execution=dgd.Execution(resident=0))


def streaming_plan(chunks: int, processes: int, memory: int, limit: int | None) -> Plan:
    return replace(small_plan(), chunks=chunks, processes=processes, memory_bytes=memory, memory_limit=limit)


class TestPlan:
    sizes = st.tuples(st.integers(1, 1000), st.integers(1, 64), st.integers(0, 10**6), st.integers(1, 10**6))

    @given(sizes=sizes, limit=st.none() | st.integers(0, 10**8))
    def test_auto_takes_half_of_the_room_at_most(self, sizes: tuple[int, int, int, int], limit: int | None) -> None:
        chunks, processes, memory, size = sizes
        plan = streaming_plan(chunks, processes, memory, limit).with_resident("auto", size)
        room = 0 if limit is None else max(0, limit - memory)
        assert plan.memory_bytes == memory + plan.resident_bytes
        assert plan.resident_bytes <= room / 2
        assert plan.resident_chunks == 0 or 0.05 * chunks <= plan.resident_chunks <= chunks
        assert plan.resident_chunks * size <= processes * plan.resident_bytes, "there is a place for each"

    @given(sizes=sizes, n_bytes=st.integers(0, 10**9))
    def test_bytes_are_those_of_a_process(self, sizes: tuple[int, int, int, int], n_bytes: int) -> None:
        chunks, processes, memory, size = sizes
        plan = streaming_plan(chunks, processes, memory, None).with_resident(n_bytes, size)
        assert plan.memory_bytes == memory + plan.resident_bytes
        assert plan.resident_bytes <= n_bytes
        assert plan.resident_chunks * size <= processes * plan.resident_bytes
        if processes == 1:
            assert plan.resident_chunks == min(chunks, n_bytes // size)

    def test_figures(self) -> None:
        plan = streaming_plan(100, 1, 1000, 5000)
        assert plan.with_resident("auto", 500).resident_chunks == 0, "less than 5 %"
        assert plan.with_resident("auto", 400).resident_chunks == 5
        assert plan.with_resident("auto", 20).resident_chunks == 100
        assert plan.with_resident("auto", 25).resident_chunks == 80, "half of 4000 bytes"
        assert replace(plan, chunks=9, processes=4).with_resident("auto", 4500).resident_chunks == 0, "not one of 5500"
        assert plan.with_resident("auto", 0) == plan.with_resident(0, 20) == plan
        assert replace(plan, memory_bytes=6000).with_resident("auto", 1).resident_chunks == 0
        two = replace(plan, processes=2).with_resident(1500, 50)
        assert (two.resident_chunks, two.resident_bytes) == (40, 1500), "each may come to hold 30 of the 40"
        with pytest.raises(PlanError, match=r"4.88 KiB is allowed"):
            plan.with_resident(4500, 50).check()


def keys(found: Cluster, part: str, *, ever: bool = False) -> list[str]:
    """The scheduler's keys with `part`; with `ever` those that were brought to memory, as often as they were."""

    def look(dask_scheduler: Any) -> list[str]:
        if ever:
            return [str(entry[0]) for entry in dask_scheduler.transition_log if entry[2] == "memory"]
        return [str(key) for key in dask_scheduler.tasks]

    return [key for key in found.client.run_on_scheduler(look) if key.startswith("dgd-") and part in key]


class TestCluster:
    @pytest.mark.slow
    @pytest.mark.parametrize(("resident", "count"), [(0, 0), (5 * CHUNK, 6), ("auto", 21)])
    def test_same_bits_and_each_read_once(self, store: str, two_workers: Cluster, resident: Any, count: int) -> None:
        held: list[int] = []

        def count_held(record: dgd.Record) -> None:
            held.append(len(keys(two_workers, "-resident-")))

        result = dgd.fit(
            store, client=two_workers.client, execution=dgd.Execution(resident=resident), callbacks=[count_held], **FIVE
        )
        assert found_by(result) == found_by(dgd.fit(store, threads=1, execution=dgd.Execution(resident=0), **FIVE))
        assert [record.resident_share for record in result.history] == [0, *4 * [count / 21]]
        assert [record.bytes_read for record in result.history] == [21 * STORED, *4 * [(21 - count) * STORED]]
        assert set(held) == {6 if count else 0}, "what stays of the tree's nodes, and nothing is added"
        wait_until(lambda: not keys(two_workers, "dgd-"), "the chunks to be released", 5)

    def test_chunks_that_die_with_a_worker_are_read_again(self, store: str, two_workers: Cluster) -> None:
        killed: list[str] = []

        def kill(record: dgd.Record) -> None:
            if record.iteration == 2:
                holding = {
                    key: where for key, where in two_workers.client.who_has().items() if "-resident-" in str(key)
                }
                worker = next(where[0] for where in holding.values())
                killed.extend(str(key) for key, where in holding.items() if tuple(where) == (worker,))
                os.kill(two_workers.worker_pids()[worker], signal.SIGKILL)

        result = dgd.fit(store, client=two_workers.client, callbacks=[kill], **FIVE)
        two_workers.add_worker()
        assert found_by(result) == found_by(dgd.fit(store, threads=1, execution=dgd.Execution(resident=0), **FIVE))
        assert result.history[-1].resident_share == 1
        made = Counter(keys(two_workers, "-resident-", ever=True))
        assert killed
        assert all(made[key] >= 2 for key in killed), "each was made again"


def in_memory(kind: str, store: str, problem: Problem) -> dgd.Dataset:
    """X in a store, beside arrays of this process whose rows are put together in buffers."""
    rows = len(problem.X)
    positive = (problem.y > np.median(problem.y)).astype(float)
    holes = np.arange(rows) % 7 == 3
    X = dgd.open_dataset(store).X
    if kind == "targets left out":
        return replace(dgd.Dataset(X, MemoryRows("y", np.where(holes, np.nan, positive))), missing="drop")
    if kind == "texts left out":
        texts = np.where(holes, "", np.where(positive > 0, "yes", "no"))
        return replace(dgd.Dataset(X, MemoryRows("y", texts)), missing="drop")
    if kind == "weights left out":
        weight = np.where(holes, np.nan, np.arange(rows) % 3 + 1.0)
        return replace(dgd.Dataset(X, MemoryRows("y", positive), MemoryRows("weight", weight)), missing="drop")
    dataset = dgd.Dataset(X, MemoryRows("y", positive), MemoryRows("weight", np.arange(rows) % 3 + 1.0))
    return select(dataset, Selection.of_rows(np.flatnonzero(~holes), dataset.bounds))


@pytest.mark.each(2)
@pytest.mark.parametrize("kind", ["targets left out", "texts left out", "weights left out", "rows selected"])
def test_rows_of_arrays_in_memory_stay_as_they_were_read(kind: str, store: str, problem: Problem) -> None:
    loss = Logistic(classes=("no", "yes")) if kind == "texts left out" else "logistic"
    dataset = in_memory(kind, store, problem)
    read, kept = (
        dgd.fit(dataset, loss=loss, solver="lbfgs", execution=dgd.Execution(threads=2, resident=resident))
        for resident in (0, 2**30)
    )
    assert max(record.resident_share for record in kept.history) > 0
    assert found_by(kept) == found_by(read)
