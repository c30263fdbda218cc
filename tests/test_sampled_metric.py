"""A metric from a sample, where columns are too many for a Hessian: few passes whatever the condition, same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks._conditioned import neighbours

import dgd
from dgd.data.arrays.mixed_rows import MixedRows
from dgd.data.mixed import Coded
from dgd.data.sampled_rows import _offsets
from dgd.fitting import auto_solver
from dgd.fitting.sampled import metric, planned, start
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, NoPenalty, Penalty
from dgd.testing import MemoryChunks

N, M = 100, 12_000
DATA = {loss: neighbours(M, n=N, loss=loss) for loss in ("squared", "logistic")}


@pytest.fixture(autouse=True)
def fewer_columns_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEWTON_QUADRATIC", "NEWTON_SMOOTH", "QUASI_NEWTON"):
        monkeypatch.setattr(auto_solver, name, 60)
    monkeypatch.setattr(metric, "QUASI_NEWTON", 60)


def without(*data: Any, **options: Any) -> dgd.Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "metric_sample", lambda *_: None)
        return dgd.fit(*data, **options)


@pytest.mark.parametrize(("loss", "solver", "bar"), [("squared", "cg", 23), ("logistic", "lbfgs", 16)])
def test_few_passes_whatever_the_condition(loss: str, solver: str, bar: int) -> None:
    X, y = DATA[loss]
    found = dgd.fit(X, y, loss=loss, tol=1e-8)
    assert found.converged
    assert found.choice.name == solver
    assert found.n_iter_ <= bar
    assert "steps are turned by its Hessian" in found.explain()
    plain = without(X, y, loss=loss, tol=1e-8, max_iter=40)
    assert plain.n_iter_ == 40, "it crawls"


@pytest.mark.parametrize("loss", DATA)
def test_the_minimum_is_that_of_all_rows(loss: str) -> None:
    X, y = DATA[loss]
    penalty = L2(1e-4)
    found = dgd.fit(X, y, loss=loss, penalty=penalty)
    assert "steps are turned by its Hessian" in found.explain()
    exact = dgd.fit(X, y, loss=loss, penalty=penalty, solver="newton")
    np.testing.assert_allclose(found.theta, exact.theta, rtol=1e-6, atol=1e-7 * abs(exact.theta).max())


KINKED: dict[str, Penalty] = {
    "l1": L1(1e-3),
    "elastic net": ElasticNet(l1=1e-3, l2=1e-4),
    "non-negative": NonNegative(),
    "box": Box(lower=-0.05, upper=0.1),
}


@pytest.mark.parametrize("penalty", KINKED)
@pytest.mark.parametrize("loss", DATA)
def test_with_l1_and_bounds_quasi_newton_begins_with_it(loss: str, penalty: str) -> None:
    X, y = DATA[loss]
    options: dict[str, Any] = {"loss": loss, "penalty": KINKED[penalty], "tol": 1e-8}
    found = dgd.fit(X, y, **options)
    assert found.converged
    assert found.choice.name == "fista"
    assert "with the penalty by quasi-newton" in found.explain()
    assert found.n_iter_ <= 15
    exact = dgd.fit(X, y, **options, solver="newton")
    assert found.loss == pytest.approx(exact.loss, rel=1e-11)
    np.testing.assert_allclose(found.theta, exact.theta, atol=1e-4 * abs(exact.theta).max())
    assert ((found.theta == 0) == (exact.theta == 0)).all()


def test_plain_fista_crawls_there_and_by_name_it_is_that() -> None:
    X, y = DATA["logistic"]
    plain = dgd.fit(X, y, loss="logistic", penalty=L1(1e-3), solver="fista", tol=1e-8, max_iter=40)
    assert plain.n_iter_ == 40
    assert "sample" not in plain.explain()


def test_columns_that_a_sample_lacks_are_moved_too() -> None:
    X, y = (each.copy() for each in DATA["logistic"])
    every = 5
    windows = np.arange(40)
    rows = windows * every + (_offsets(windows, every) + 1) % every  # none of them is taken
    X[:, 7] = 0
    X[rows, 7], y[rows[:25]], y[rows[25:]] = 1, 1, 0
    found = dgd.fit(X, y, loss="logistic")
    exact = dgd.fit(X, y, loss="logistic", solver="newton")
    assert found.converged
    assert f"a sample of {M // every:,} rows" in found.explain()
    assert "steps are turned by its Hessian" in found.explain()
    np.testing.assert_allclose(found.coef_[7], exact.coef_[7], rtol=1e-6)


def test_where_gradients_fall_by_themselves_no_metric_is_made() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(M, N))
    y = X @ rng.normal(size=N) + rng.normal(size=M)
    found = dgd.fit(X, y)
    assert "not used: gradients fall quickly" in found.explain()
    np.testing.assert_array_equal(found.theta, without(X, y).theta)


def test_where_l1_leaves_columns_that_do_not_depend_no_metric_is_made() -> None:
    rng = np.random.default_rng(2)
    pairs = np.repeat(rng.normal(size=(M, 47)), 2, axis=1) + 1e-3 * rng.normal(size=(M, 94))
    X = np.hstack([rng.normal(size=(M, 5)), pairs])
    y = X[:, :5].sum(axis=1) + 0.1 * rng.normal(size=M)
    found = dgd.fit(X, y, penalty=L1(0.1))
    assert np.flatnonzero(found.coef_).tolist() == list(range(5))
    assert "not used: gradients fall quickly" in found.explain()


def test_asked_for_by_name_it_is_the_plain_method() -> None:
    X, y = DATA["squared"]
    assert "sample" not in dgd.fit(X, y, solver="cg", max_iter=3).explain()


@pytest.mark.parametrize("penalty", [NoPenalty(), L1(1e-3)])
def test_threads_and_a_resumed_fit_have_the_same_bits(tmp_path: Path, penalty: Penalty) -> None:
    X, y = DATA["logistic"]
    options: dict[str, Any] = {"loss": "logistic", "tol": 1e-6, "penalty": penalty}
    one = dgd.fit(X, y, threads=1, **options)
    two = dgd.fit(X, y, threads=2, **options)
    np.testing.assert_array_equal(one.theta, two.theta)
    path = tmp_path / "fit.checkpoint"
    dgd.fit(X, y, **{**options, "max_iter": 4}, checkpoint=path, checkpoint_every="pass")
    resumed = dgd.resume(path, data=X, y=y, max_iter=1000)
    np.testing.assert_array_equal(resumed.theta, one.theta)


def test_the_plan_counts_the_matrices_and_does_without_where_they_do_not_fit() -> None:
    X, y = DATA["squared"]
    with_metric, plain = dgd.plan(X, y), without_plan(X, y)
    assert "for a metric" in str(with_metric)
    assert with_metric.memory_bytes > plain.memory_bytes + 5 * 8 * (N + 1) ** 2
    limit = (with_metric.memory_bytes + plain.memory_bytes) // 2
    found = dgd.fit(X, y, max_iter=3, execution=dgd.Execution(memory_limit=limit, resident=0))
    assert "sample" not in found.explain()


CHILD = """
import json
import numpy as np
import dgd
from dgd.passes.memory import peak_bytes
rng = np.random.default_rng(0)
X = rng.standard_normal((9_600, 1_504), np.float32)
for j in range(1, 1_504):
    X[:, j] += np.float32(20) * X[:, j - 1]
    X[:, j] /= np.float32(20)
y = (X[:, :10].sum(axis=1) + rng.logistic(size=9_600) > 0).astype(float)
found = dgd.fit(X, y, loss="logistic", max_iter=2, execution=dgd.Execution(threads=2, resident=0))
print(json.dumps({"planned": found.plan.memory_bytes, "peak": peak_bytes(), "said": found.explain()}))
"""


def test_making_a_metric_stays_within_the_plan() -> None:
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert "steps are turned by its Hessian" in found["said"]
    assert 0.6 * found["planned"] <= found["peak"] <= 1.1 * found["planned"]


def test_the_sums_of_a_sample_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dgd.Dataset] = []

    def kept(objective: Any, dataset: dgd.Dataset) -> Any:
        seen.append(dataset)
        return start.on_rows(objective, dataset)

    monkeypatch.setattr(metric, "on_rows", kept)
    dgd.fit(*DATA["squared"], max_iter=2)
    (sample,) = seen
    assert sample.n_chunks == 3
    assert sample.chunk_rows == 2 * (N + 1)


def test_the_plan_counts_the_threads_that_sum_the_sample() -> None:
    X, y = DATA["logistic"]
    plans = [dgd.plan(X, y, loss="logistic", execution=dgd.Execution(threads=n, resident=0)) for n in (1, 2, 40)]
    held = [plan.sample_bytes for plan in plans]
    assert held[0] < held[1] < held[2]
    lone = dgd.Dataset(MemoryChunks("X", X, [0, len(X)]), MemoryChunks("y", y, [0, len(y)]))
    found = dgd.plan(lone, loss="logistic", execution=dgd.Execution(threads=40, resident=0))
    assert found.sample_bytes == held[2], "the sample has chunks of its own"


def test_columns_of_several_kinds_have_no_metric() -> None:
    rng = np.random.default_rng(3)
    parts = [rng.normal(size=(M, 3)), Coded(rng.integers(0, N, M).astype(np.int16), N)]
    assert dgd.plan(MixedRows("X", parts), DATA["logistic"][1], loss="logistic").sample == ""


def without_plan(*data: Any) -> dgd.Plan:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "metric_sample", lambda *_: None)
        return dgd.plan(*data)
