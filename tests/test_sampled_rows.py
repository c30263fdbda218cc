"""A sample of the rows: which ones, spread how, and the same on every executor."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from clusters import Cluster
from hypothesis import given, settings
from hypothesis import strategies as st

import dgd
from dgd.data.dataset import Chunk, Dataset
from dgd.data.sampled_rows import SampledRows, Sampling
from dgd.fitting.known import Pass
from dgd.fitting.objective import Objective
from dgd.losses import Logistic
from dgd.passes.cluster.executor import ClusterExecutor
from dgd.passes.executor import Executor, InlineExecutor
from dgd.passes.threads import ThreadExecutor

RNG = np.random.default_rng(7)
M = 1000
X = RNG.normal(size=(M, 3)).astype(np.float32)
X[:, 0] = np.arange(M)
Y = (RNG.random(M) < 0.5).astype(np.int8)


def chunk(start: int, stop: int) -> Chunk:
    return Chunk(index=0, start=start, X=X[start:stop], y=Y[start:stop], weight=None, bytes_read=0)


@settings(max_examples=60, deadline=None)
@given(every=st.integers(1, 40), cuts=st.lists(st.integers(0, M), max_size=6))
def test_one_row_of_each_window_however_the_rows_are_cut(every: int, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), M]
    sampling = Sampling(every)
    parts = [sampling.of(chunk(a, b)) for a, b in pairwise(bounds)]
    rows = np.concatenate([part.X[:, 0] for part in parts]).astype(int)
    assert rows.tolist() == sampling.of(chunk(0, M)).X[:, 0].astype(int).tolist()
    assert len(rows) == sampling.count(M)
    whole = M // every
    assert (rows[:whole] // every == np.arange(whole)).all()
    assert len(rows) <= whole + 1


def test_rows_that_come_in_periods_are_all_met() -> None:
    rows = Sampling(10).of(chunk(0, M)).X[:, 0].astype(int)
    assert np.bincount(rows % 10, minlength=10).min() >= 4


def test_rows_without_missing_cells_are_known_by_their_numbers() -> None:
    whole = Sampling(4).of(chunk(0, M))
    kept = np.flatnonzero(RNG.random(M) < 0.8)
    left = Sampling(4).of(chunk(0, M).take(kept))
    assert left.X[:, 0].tolist() == [row for row in whole.X[:, 0].tolist() if row in kept]


def first_pass(objective: Objective) -> Pass:
    question = objective.ask(np.zeros(objective.theta_shape), None, objective.unknown(), hessian=True)
    return objective.answer(question, objective.sweep(question))


def asked(dataset: Dataset, executor: Executor, every: int = 6) -> SampledRows:
    objective = Objective(dataset, Logistic(), executor, sampling=Sampling(every), first_hessian=False)
    found = first_pass(objective)
    assert found.evaluation.hessian is None
    assert found.sample is not None
    return found.sample


def kinds() -> dict[str, Any]:
    codes = dgd.Coded(np.arange(M).astype(np.int16) % 7, 7)
    return {
        "dense": X,
        "sparse": scipy.sparse.csr_array(np.where(X > 0.5, X, 0)),
        "mixed": dgd.MixedRows("X", [X, codes, scipy.sparse.csr_array(np.where(X > 1, X, 0))]),
    }


def cells(dataset: Dataset) -> np.ndarray:
    found = dataset.read(0).X
    return found if isinstance(found, np.ndarray) else found.toarray()


@pytest.mark.parametrize("kind", kinds())
def test_the_sample_is_those_rows_in_their_dtypes(kind: str) -> None:
    given_X, weight = kinds()[kind], RNG.random(M)
    dataset = dgd.open_dataset(given_X, Y, weight=weight, offset=weight)
    sample = asked(dataset, InlineExecutor())
    taken = sample.dataset(dataset)
    rows = Sampling(6).of(chunk(0, M)).X[:, 0].astype(int)
    np.testing.assert_array_equal(cells(taken), cells(dataset)[rows])
    assert taken.X.dtype == dataset.X.dtype
    assert len(sample) == len(rows)
    assert taken.shape == (len(rows), dataset.shape[1])
    assert taken.y is not None
    assert taken.y.dtype == np.int8
    for role in ("weight", "offset"):
        np.testing.assert_array_equal(getattr(taken.read(0), role), weight[rows])


def test_the_same_rows_on_threads_and_workers(tmp_path: Path, two_workers: Cluster) -> None:
    with dgd.DatasetWriter(tmp_path / "d.zarr", chunk_rows=37) as writer:
        writer.append(X, Y)
    dataset = dgd.open_dataset(str(tmp_path / "d.zarr"))
    executors: list[Executor] = [InlineExecutor(), ThreadExecutor(2), ClusterExecutor(two_workers.client)]
    first, *others = [asked(dataset, executor).dataset(dataset) for executor in executors]
    np.testing.assert_array_equal(cells(first), Sampling(6).of(chunk(0, M)).X)
    for other in others:
        assert cells(other).tobytes() == cells(first).tobytes()


def test_the_sums_of_the_pass_are_what_they_are_without() -> None:
    dataset = dgd.open_dataset(X, Y)
    objective = Objective(dataset, Logistic(), InlineExecutor(), sampling=Sampling(6))
    plain = first_pass(replace(objective, sampling=None))
    found = first_pass(objective)
    assert found.evaluation.gradient.tobytes() == plain.evaluation.gradient.tobytes()
    assert plain.sample is None
    again = objective.evaluate(np.ones(4), found.known)
    assert again.sample is None
