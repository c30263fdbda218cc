"""Every method on three workers, one of two threads: the bits of one thread, also when one dies within an epoch."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from clusters import Cluster
from methods import CASES, OFFSET, WEIGHT, Case, M, X

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.passes.executor import InlineExecutor
from dgd.solvers import Constant, MiniBatch

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

PASSES = 3


@pytest.fixture(scope="module", autouse=True)
def a_third_of_two_threads(two_workers: Cluster) -> Iterator[None]:
    with two_workers.one_more(threads=2):
        yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """X in chunks of 30 rows; the targets and offsets of every case beside it, in chunks of their own."""
    folder = tmp_path_factory.mktemp("store")
    zarr.create_array(folder / "X", data=X, chunks=(30, X.shape[1]))
    zarr.create_array(folder / "weight", data=WEIGHT, chunks=(50,))
    for number, case in enumerate(CASES):
        zarr.create_array(folder / f"y{number}", data=case.y, chunks=(33, *case.y.shape[1:]))
        zarr.create_array(folder / f"offset{number}", data=offsets(case), chunks=(70, *offsets(case).shape[1:]))
    return folder


def offsets(case: Case) -> np.ndarray:
    q = 3 if case.loss == "softmax" else case.y.shape[1] if case.y.ndim == 2 else 0
    return np.column_stack([OFFSET * k for k in range(q)]) if q else OFFSET


def fit(case: Case, store: Path, **options: Any) -> dgd.Result:
    number = CASES.index(case)
    arrays = {"weight": str(store / "weight"), "offset": str(store / f"offset{number}")}
    control = {"max_iter": PASSES, "tol": 0, "validation_fraction": 0.2}
    everything = {"loss": case.loss, **control, **case.options, **options}
    return dgd.fit(str(store / "X"), str(store / f"y{number}"), **arrays, **everything)


def bits(result: dgd.Result) -> bytes:
    """Without the bytes read: a chunk of y that falls into two nodes is read by both."""
    numbers = [(r.loss, r.grad_norm, r.validation_loss) for r in result.history]
    return result.theta.tobytes() + np.array(numbers).tobytes()


@pytest.mark.each(13)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_same_bits_as_inline(case: Case, store: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weighted, with an offset, a fifth of the rows held out."""
    found = fit(case, store, client=two_workers.client)
    assert found.plan.kind == "cluster"
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: InlineExecutor())
    inline = fit(case, store)
    assert inline.plan.kind == "inline"
    assert bits(found) == bits(inline)


@pytest.mark.slow
@pytest.mark.each(3)
@pytest.mark.parametrize(
    ("label", "covariances"),
    [
        ("newton, poisson", ["classical", "HC3"]),
        ("lbfgs, huber", ["HC2"]),
        ("newton, several outputs", ["cluster"]),
    ],
)
def test_inference_has_the_same_bits_as_inline(
    label: str, covariances: list[str], store: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = next(case for case in CASES if case.label == label)
    groups = np.arange(M) % 7

    def numbers(result: dgd.Result) -> list[bytes]:
        found = [result.inference(cov, groups=groups if cov == "cluster" else None) for cov in covariances]
        tests = [each.wald_test(each.names[1]).statistic for each in found]
        predicted = found[0].model.predict(X, interval=0.9)
        return [each.covariance.tobytes() for each in found] + [np.array(tests).tobytes(), predicted.tobytes()]

    on_cluster = numbers(fit(case, store, client=two_workers.client))
    assert on_cluster == numbers(fit(case, store, threads=2))
    monkeypatch.setattr("dgd.passes.choose.choose_executor", lambda *_, **__: InlineExecutor())
    assert on_cluster == numbers(fit(case, store))


def test_what_lies_in_memory_is_sent_once_for_fitting_and_once_for_validating(
    two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    pickled: list[int] = []

    def counted(self: MemoryRows) -> dict[str, Any]:
        pickled.append(1)
        return self.__dict__

    monkeypatch.setattr(MemoryRows, "__getstate__", counted)
    y, halves = CASES[0].y, (M + 1) // 2
    for passes in (2, 5):
        pickled.clear()
        options: dict[str, Any] = {"validation": (X[halves:], y[halves:]), "solver": "gd", "tol": 0}
        dgd.fit(X[:halves], y[:halves], client=two_workers.client, max_iter=passes, **options)
        assert len(pickled) == 4, "X and y of both"


class Killer:
    """A callback that kills the worker at work on the epoch after `iteration`, when a third of it should be over."""

    def __init__(self, found: Cluster, iteration: int) -> None:
        self.found, self.iteration, self.pids = found, iteration, found.worker_pids()
        self.killed_at = self.pass_ended_at = 0.0

    def __call__(self, record: dgd.Record) -> None:
        if record.iteration == self.iteration:
            threading.Timer(0.35 * record.seconds, self._kill).start()
        if record.iteration == self.iteration + 1:
            self.pass_ended_at = time.monotonic()

    def _kill(self) -> None:
        busy = {
            address
            for address, keys in self.found.client.processing().items()
            if any(str(key).startswith("dgd-fold-") for key in keys)
        }
        for address in busy:
            os.kill(self.pids[address], signal.SIGKILL)
            self.killed_at = time.monotonic()


@pytest.mark.slow
def test_a_worker_killed_in_mid_epoch_changes_nothing(two_workers: Cluster, tmp_path: Path) -> None:
    """The epoch is run again from where it began, with the same steps."""
    rng = np.random.default_rng(6)
    path = tmp_path / "slow.zarr"
    with dgd.DatasetWriter(path, chunk_rows=500) as writer:
        block = rng.normal(size=(12_000, 5))
        writer.append(block, block @ np.arange(5.0) + rng.normal(size=12_000))
    options: dict[str, Any] = {
        "solver": MiniBatch(Constant(0.001), batch_size=1, averaging=True),
        "max_iter": 3,
        "tol": 0,
    }
    killer = Killer(two_workers, iteration=1)
    result = dgd.fit(path, client=two_workers.client, callbacks=[killer], **options)
    two_workers.add_worker()
    assert 0 < killer.killed_at < killer.pass_ended_at, "no worker was killed within an epoch"
    assert result.n_iter_ == 3
    assert result.theta.tobytes() == dgd.fit(path, threads=1, **options).theta.tobytes()


@pytest.mark.slow
def test_a_cross_validation_has_the_bits_of_one_thread(two_workers: Cluster, store: Path) -> None:
    case = next(case for case in CASES if case.loss == "logistic" and case.y.ndim == 1)
    number = CASES.index(case)
    arrays = (str(store / "X"), str(store / f"y{number}"))
    options: dict[str, Any] = {"loss": "logistic", "penalties": [dgd.penalties.L2(0.1)], "folds": 2, "max_iter": 4}
    one = dgd.cross_validate(*arrays, weight=str(store / "weight"), threads=1, **options)
    two = dgd.cross_validate(*arrays, weight=str(store / "weight"), client=two_workers.client, **options)
    np.testing.assert_array_equal(two.fold_thetas, one.fold_thetas)
    np.testing.assert_array_equal(two.fold_losses, one.fold_losses)
    np.testing.assert_array_equal(two.result.theta, one.result.theta)
