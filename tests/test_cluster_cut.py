"""How finely a pass is cut on a cluster: by how long it takes, and never so that a bit of it changes."""

from __future__ import annotations

import numpy as np
import pytest
from distributed import Client, LocalCluster

import dgd
from dgd.passes.cluster import cut
from dgd.testing import MemoryChunks


def chunked(n_chunks: int, rows: int = 2) -> dgd.Dataset:
    X = np.random.default_rng(n_chunks).normal(size=(n_chunks * rows, 3))
    bounds = np.arange(n_chunks + 1) * rows
    return dgd.Dataset(MemoryChunks("X", X, bounds), MemoryChunks("y", X.sum(axis=1), bounds))


@pytest.mark.parametrize("threads", [1, 2, 60, 2000])
def test_a_short_pass_is_a_few_tasks_on_any_cluster(threads: int) -> None:
    dataset = chunked(1000)
    found = cut.Cut()
    assert len(found.nodes(dataset, threads, guess=False)) <= 5
    found.took(dataset, 1e-4)
    assert len(found.nodes(dataset, threads, guess=False)) == 1


@pytest.mark.parametrize("threads", [1, 4, 60])
def test_a_long_pass_is_a_few_tasks_for_each_thread(threads: int) -> None:
    dataset = chunked(1000)
    found = cut.Cut()
    found.took(dataset, 3600.0)
    assert threads < len(found.nodes(dataset, threads, guess=False)) <= 4 * threads


def test_the_least_that_a_pass_took_decides_and_not_where_chunks_stay() -> None:
    dataset, other = chunked(1000), chunked(1000)
    found = cut.Cut()
    for seconds in (0.5, 0.2, 50.0):
        found.took(dataset, seconds)
    best = round((0.2 / cut.TASK_SECONDS) ** 0.5)
    assert best / 2 <= len(found.nodes(dataset, 100, guess=False)) <= best
    assert found.nodes(dataset, 100, guess=True) == found.nodes(other, 100, guess=False)


def test_passes_that_are_cut_otherwise_have_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = chunked(37, rows=3)
    expected = dgd.fit(dataset, threads=1, solver="gd", max_iter=9, tol=0).theta.tobytes()
    numbers: list[int] = []

    def took(self: cut.Cut, of: dgd.Dataset, seconds: float) -> None:
        """As if each pass were longer than all before it: 1, 2, 4, … nodes."""
        numbers.append(len(numbers))
        self._seconds = [(of, cut.TASK_SECONDS * 4 ** len(numbers))]

    monkeypatch.setattr(cut.Cut, "took", took)
    counts: set[int] = set()
    nodes = cut.Cut.nodes

    def counted(self: cut.Cut, of: dgd.Dataset, threads: int, *, guess: bool) -> object:
        found = nodes(self, of, threads, guess=guess)
        counts.add(len(found))
        return found

    monkeypatch.setattr(cut.Cut, "nodes", counted)
    with (
        LocalCluster(n_workers=3, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        execution = dgd.Execution(client=client, resident=0)
        found = dgd.fit(dataset, solver="gd", max_iter=9, tol=0, execution=execution)
    assert found.theta.tobytes() == expected
    assert {1, 2, 3, 5, 10, 19} <= counts


@pytest.mark.slow
def test_the_tasks_of_a_short_pass_do_not_grow_with_workers() -> None:
    dataset = chunked(1000)
    tasks = set()
    for workers in (1, 12):
        with (
            LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            tasks.add(dgd.fit(dataset, client=client, solver="gd", max_iter=2, tol=0).plan.tasks_per_pass)
    assert len(tasks) == 1
    assert max(tasks) <= 5
