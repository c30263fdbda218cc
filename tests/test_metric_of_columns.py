"""The products of a sample's columns as a metric: for many classes, several outputs, and where curvature vanishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster

import dgd
from dgd.fitting import auto_solver
from dgd.fitting.sampled import metric, planned
from dgd.losses import Huber, Loss, Poisson, Quantile, Softmax
from dgd.penalties import L1, L2, NonNegative, Penalty
from dgd.solvers.steps.metric import ProductMetric
from dgd.solvers.steps.pairs import Pairs, inverse_times

RNG = np.random.default_rng(31)
M, N, K = 6_000, 30, 40
SAID = "steps are turned by the products of its columns"


def neighbours(rng: np.random.Generator, m: int, n: int, like: float) -> np.ndarray:
    """Each column is the one before, nearly, and something new."""
    X = rng.standard_normal((m, n))
    for j in range(1, n):
        X[:, j] = like * X[:, j - 1] + np.sqrt(1 - like**2) * X[:, j]
    return X


X = neighbours(RNG, M, N, 0.99)
ETA = X @ RNG.normal(size=(N, K))
ETA /= ETA.std(axis=0)
Y: dict[str, Any] = {
    "softmax": (ETA + RNG.gumbel(size=(M, K))).argmax(axis=1),
    "huber": ETA[:, 0] + RNG.standard_t(2, size=M),
    "quantile": ETA[:, 0] + RNG.standard_t(2, size=M),
    "poisson": RNG.poisson(np.exp(0.5 * ETA)).astype(float),
    "many": ETA * np.geomspace(0.1, 10, K) + RNG.normal(size=(M, K)),
}
LOSSES: dict[str, Loss] = {
    "softmax": Softmax(K),
    "huber": Huber(0.1),
    "quantile": Quantile(0.7, smoothing=0.1),
    "poisson": Poisson(),
    "many": Huber(0.5),
}


def without(*data: Any, **options: Any) -> dgd.Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planned, "metric_sample", lambda *_: None)
        return dgd.fit(*data, **options)


@pytest.mark.parametrize("name", LOSSES)
def test_few_passes_to_the_same_minimum_whatever_the_condition(name: str) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "penalty": L2(1e-6), "tol": 1e-7}
    found, plain = dgd.fit(X, Y[name], **options), without(X, Y[name], **options, max_iter=150)
    assert found.converged
    assert SAID in found.explain()
    assert found.choice.name == "lbfgs"
    assert found.n_iter_ <= 35
    assert plain.n_iter_ > 2 * found.n_iter_
    if plain.converged:
        np.testing.assert_allclose(found.theta, plain.theta, atol=1e-4 * abs(plain.theta).max())
    else:
        assert found.loss <= plain.loss


def test_conjugate_gradients_of_many_targets_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    for module, limit in ((auto_solver, "NEWTON_QUADRATIC"), (metric, "QUASI_NEWTON")):
        monkeypatch.setattr(module, limit, 20)
    monkeypatch.setattr(metric, "FALLEN", 1e-6)
    columns = neighbours(rng, 3000, 90, 0.999)
    targets = columns @ rng.normal(size=(90, 5)) + rng.normal(size=(3000, 5))
    found = dgd.fit(columns, targets, tol=1e-8)
    assert SAID in found.explain()
    assert found.choice.name == "cg"
    assert found.n_iter_ <= 30
    exact = dgd.fit(columns, targets, solver="newton")
    np.testing.assert_allclose(found.theta, exact.theta, atol=1e-5 * abs(exact.theta).max())


@pytest.mark.parametrize("name", ["softmax", "huber", "poisson"])
def test_weights_scales_rare_and_dependent_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    for limit in ("NEWTON_SMOOTH", "QUASI_NEWTON"):
        monkeypatch.setattr(auto_solver, limit, 1)
    rare = np.zeros((M, 1))
    rare[rng.choice(M, 12, replace=False)] = 1
    columns = np.hstack([X[:, :8] * np.geomspace(1e-3, 1e3, 8) + 5, rare, 1 - rare, np.full((M, 1), 3.0)])
    y, loss = Y[name], LOSSES[name]
    if name == "softmax":
        y, loss = y % 4, Softmax(4)
    elif name == "poisson":
        y = y[:, :4]
    options: dict[str, Any] = {
        "loss": loss,
        "weight": rng.integers(0, 3, M).astype(float),
        "penalty": L2(np.geomspace(1e-6, 1e-2, 11)),
    }
    found = dgd.fit(columns, y, **options)
    exact = without(columns, y, **options, solver="lbfgs" if name == "huber" else "newton", max_iter=2000)
    assert SAID in found.explain()
    assert found.converged
    assert found.loss <= exact.loss * (1 + 1e-12)
    raw = [fitted.model.raw_prediction(columns[:100]) for fitted in (found, exact)]
    raw = [each - each.mean(axis=1, keepdims=True) if name == "softmax" else each for each in raw]
    np.testing.assert_allclose(raw[0], raw[1], rtol=1e-4, atol=1e-4 * abs(raw[1]).max())


def test_without_an_intercept_and_of_labels() -> None:
    names = np.array([f"class {k}" for k in range(K)])
    found = dgd.fit(X, names[Y["softmax"]], loss=Softmax(list(names)), penalty=L2(1e-4), fit_intercept=False)
    numbers = dgd.fit(X, Y["softmax"], loss=Softmax(K), penalty=L2(1e-4), fit_intercept=False)
    assert SAID in found.explain()
    assert found.converged
    np.testing.assert_array_equal(found.theta, numbers.theta)


@pytest.mark.parametrize("penalty", [L1(1e-2), NonNegative()])
@pytest.mark.parametrize("name", ["huber", "quantile"])
def test_with_l1_and_bounds_quasi_newton_begins_with_it(name: str, penalty: Penalty) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "penalty": penalty, "tol": 1e-7}
    found = dgd.fit(X, Y[name], **options)
    plain = without(X, Y[name], **options, max_iter=3 * found.n_iter_)
    assert SAID in found.explain()
    assert "with the penalty by quasi-newton" in found.explain()
    assert found.converged
    assert found.n_iter_ <= 30
    assert not plain.converged
    exact = without(X, Y[name], **options, max_iter=5000)
    assert found.loss == pytest.approx(exact.loss, rel=1e-9)
    assert ((found.theta == 0) == (exact.theta == 0)).all()


def test_few_rows_have_none() -> None:
    rows = 4 * N
    assert "sample" not in dgd.fit(X[:rows], Y["huber"][:rows], loss=Huber(1.0), max_iter=3).explain()


def test_by_name_it_is_the_plain_method() -> None:
    assert "sample" not in dgd.fit(X, Y["huber"], loss=Huber(1.0), solver="lbfgs", max_iter=3).explain()


def test_where_no_row_of_the_sample_has_curvature_there_is_a_metric_all_the_same() -> None:
    y = np.where(ETA[:, 0] > 0, 50.0, -50.0)
    options: dict[str, Any] = {"loss": Quantile(0.5, smoothing=1.0), "tol": 1e-6}
    found, plain = dgd.fit(X, y, **options), without(X, y, **options)
    assert SAID in found.explain()
    assert found.converged
    assert found.loss == pytest.approx(plain.loss, rel=1e-9)


@pytest.mark.parametrize("name", ["softmax", "huber"])
def test_threads_and_a_resumed_fit_have_the_same_bits(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "tol": 1e-6}
    one = dgd.fit(X, Y[name], threads=1, **options)
    path = tmp_path / "fit.checkpoint"
    dgd.fit(X, Y[name], threads=2, **options, max_iter=4, checkpoint=path, checkpoint_every="pass")
    resumed = dgd.resume(path, X, Y[name], max_iter=1000)
    assert SAID in resumed.explain()
    np.testing.assert_array_equal(resumed.theta, one.theta)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data_are_divided_too")
def test_two_workers_have_the_bits_of_a_thread(tmp_path: Path, two_workers: Cluster) -> None:
    with dgd.DatasetWriter(tmp_path / "d.zarr", chunk_rows=700) as writer:
        writer.append(X, Y["softmax"])
    here, there = (
        dgd.fit(tmp_path / "d.zarr", loss=Softmax(K), tol=1e-6, **where)
        for where in ({"threads": 1}, {"client": two_workers.client})
    )
    assert SAID in there.explain()
    assert there.theta.tobytes() == here.theta.tobytes()


def test_the_plan_counts_what_is_made_of_it() -> None:
    plans = [dgd.plan(X, Y["softmax"] % q, loss=Softmax(q)) for q in (K, 1000)]
    assert "for a metric" in str(plans[0])
    assert plans[1].sample_bytes > plans[0].sample_bytes + 4 * 8 * 1000**2
    limit = plans[1].memory_bytes - 4 * 8 * 1000**2
    execution = dgd.Execution(memory_limit=limit, resident=0)
    assert "sample" not in dgd.fit(X, Y["softmax"], loss=Softmax(1000), max_iter=2, execution=execution).explain()


def definite(rng: np.random.Generator, n: int) -> np.ndarray:
    A = rng.normal(size=(n + 3, n))
    return A.T @ A


def test_the_metric_is_the_inverse_of_the_sum_of_products() -> None:
    rng = np.random.default_rng(5)
    G, S, ridge, g = definite(rng, 5), definite(rng, 3), np.array([0.0, 1.0, 2.0, 0.5, 0.0]), rng.normal(size=15)
    M_ = np.kron(G, S) + np.kron(np.diag(ridge), np.eye(3))
    np.testing.assert_allclose(M_ @ ProductMetric.of(G, S, ridge).solve(g), g, rtol=1e-9)


def test_a_shift_of_all_classes_is_no_direction() -> None:
    rng = np.random.default_rng(5)
    shares = np.array([0.2, 0.5, 0.3])
    G, S = definite(rng, 4), np.diag(shares) - np.outer(shares, shares)
    metric = ProductMetric.of(G, S, np.zeros(4))
    g = rng.normal(size=(4, 3))
    g -= g.mean(axis=1, keepdims=True)
    step = metric.solve(g.ravel())
    np.testing.assert_allclose(np.kron(G, S) @ step, g.ravel(), atol=1e-9)
    np.testing.assert_allclose(step.reshape(4, 3).sum(axis=1), 0, atol=1e-9)


def test_the_last_pair_says_how_large_a_shape_is() -> None:
    rng = np.random.default_rng(5)
    G, g = definite(rng, 6), rng.normal(size=6)
    pairs: Pairs = tuple((s, 7 * G @ s) for s in rng.normal(size=(2, 6)))
    (*_, (s, y)) = pairs
    B = np.linalg.inv(G)
    B = B * (s @ y) / (y @ B @ y)
    for s, y in pairs:
        V = np.eye(6) - np.outer(s, y) / (y @ s)
        B = V @ B @ V.T + np.outer(s, s) / (y @ s)
    metric = ProductMetric.of(G, np.eye(1), np.zeros(6))
    np.testing.assert_allclose(inverse_times(pairs, g, metric), B @ g, rtol=1e-8)
    np.testing.assert_allclose(7 * G @ inverse_times(pairs, g, metric), g, rtol=1e-8)


def test_at_the_best_constant_it_is_the_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    made: list[ProductMetric] = []

    def kept(*parts: Any) -> ProductMetric:
        made.append(real(*parts))
        return made[-1]

    real = ProductMetric.of
    monkeypatch.setattr(ProductMetric, "of", kept)
    for limit in ("NEWTON_SMOOTH", "QUASI_NEWTON"):
        monkeypatch.setattr(auto_solver, limit, 1)
    columns, classes = X[:70, :3] + [0, 1, 2], np.arange(70) % 5 % 4
    dgd.fit(np.repeat(columns, 2, axis=0), np.repeat(classes, 2), loss=Softmax(4), max_iter=2)
    (metric,) = made
    shares = np.bincount(classes) / 70
    S = np.diag(shares) - np.outer(shares, shares)
    Z = np.column_stack([np.ones(70), (columns - columns.mean(axis=0)) / columns.std(axis=0)])
    D = rng.normal(size=(4, 4))
    step = metric.solve((Z.T @ Z / 70 @ D @ S).ravel()).reshape(4, 4)
    np.testing.assert_allclose(step, D - D.mean(axis=1, keepdims=True), rtol=1e-4)
