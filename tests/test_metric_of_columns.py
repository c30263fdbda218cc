"""The products of a sample's columns as a metric: for many classes, several outputs, and where curvature vanishes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster

import dgd
from dgd.estimators import QuantileRegressor
from dgd.fitting import auto_solver
from dgd.fitting.sampled import metric, planned
from dgd.losses import Huber, Loss, Poisson, Quantile, Softmax, Squared
from dgd.passes.sums.curvature import Curvature
from dgd.penalties import L1, L2, NonNegative, Penalty
from dgd.solvers.base import Evaluation
from dgd.solvers.steps.line_search import Sample
from dgd.solvers.steps.metric import ProductMetric
from dgd.solvers.steps.pairs import PairsState, accepted, inverse_times, turned

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


@pytest.mark.parametrize("name", ["huber", "quantile"])
def test_of_columns_that_depend_on_each_other_no_coefficient_runs_off(name: str) -> None:
    hour, minute = X[:, 0] // 0.2, X[:, 1]
    columns = np.column_stack([hour, minute, 100 * hour + minute, X[:, 2:10]])
    found, plain = (fit(columns, Y[name], loss=LOSSES[name], tol=1e-10, max_iter=3000) for fit in (dgd.fit, without))
    assert SAID in found.explain()
    assert found.converged
    assert found.n_iter_ < plain.n_iter_ / 3
    np.testing.assert_allclose(found.theta, plain.theta, atol=1e-5 * abs(plain.theta).max())


def test_of_what_is_not_finite_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Curvature, "__call__", lambda *_: np.full((1, 1), np.nan))
    found = dgd.fit(X, Y["huber"], loss=Huber(1.0))
    assert "not used: its curvature is not finite" in found.explain()
    assert found.converged


@pytest.mark.parametrize("name", ["softmax", "huber"])
def test_from_a_start_that_is_given_too(name: str) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "penalty": L2(1e-2), "tol": 1e-9}
    first = dgd.fit(X, Y[name], **options)
    near = dgd.fit(X, Y[name], **options, theta0=first.theta + 0.1)
    assert SAID in near.explain()
    assert near.converged
    assert near.n_iter_ <= 40
    np.testing.assert_allclose(near.coef_, first.coef_, atol=1e-6 * abs(first.coef_).max())


def test_the_quantile_regressor_makes_its_kink_sharp_in_few_passes() -> None:
    found = QuantileRegressor(alpha=0).fit(X, Y["quantile"])
    assert found.n_iter_ <= 500


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


@pytest.mark.parametrize(
    ("name", "penalty"),
    [("softmax", None), ("huber", None), ("softmax", L1(1e-3)), ("poisson", L1(1e-3)), ("many", L1(1e-3))],
)
def test_threads_and_a_resumed_fit_have_the_same_bits(name: str, penalty: Penalty | None, tmp_path: Path) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "penalty": penalty, "tol": 1e-6}
    one = dgd.fit(X, Y[name], threads=1, **options)
    path = tmp_path / "fit.checkpoint"
    dgd.fit(X, Y[name], threads=2, **options, max_iter=4, checkpoint=path, checkpoint_every="pass")
    resumed = dgd.resume(path, X, Y[name], max_iter=1000)
    assert SAID in resumed.explain()
    np.testing.assert_array_equal(resumed.theta, one.theta)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data_are_divided_too")
@pytest.mark.parametrize("penalty", [None, L1(1e-3)])
def test_two_workers_have_the_bits_of_a_thread(penalty: Penalty | None, tmp_path: Path, two_workers: Cluster) -> None:
    with dgd.DatasetWriter(tmp_path / "d.zarr", chunk_rows=700) as writer:
        writer.append(X, Y["softmax"])
    here, there = (
        dgd.fit(tmp_path / "d.zarr", loss=Softmax(K), penalty=penalty, tol=1e-6, **where)
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


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_where_columns_depend_it_is_that_on_the_range(ridge: float) -> None:
    rng = np.random.default_rng(5)
    A = rng.normal(size=(9, 3)) @ rng.normal(size=(3, 5))
    G, S = A.T @ A, definite(rng, 2)
    whole = np.kron(G, S) + ridge * np.eye(10)
    g = rng.normal(size=10)
    step = ProductMetric.of(G, S, np.full(5, ridge)).solve(g)
    np.testing.assert_allclose(step, np.linalg.pinv(whole, rcond=1e-10) @ g, rtol=1e-4)


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


def test_pairs_say_how_large_a_shape_is() -> None:
    rng = np.random.default_rng(5)
    H, start = definite(rng, 6), rng.normal(size=6)
    metric = ProductMetric.of(H / 7, np.eye(1), np.zeros(6))
    evaluations = [Evaluation(point, 0.0, H @ point) for point in (start, *rng.normal(size=(3, 6)))]
    state: PairsState = PairsState(point=start, best=evaluations[0], metric=metric)
    for evaluation in evaluations[1:]:
        state = accepted(state, evaluation, Sample(1.0, 0.0, 0.0), 2)
    assert state.sizes == pytest.approx([1 / 7] * 2)
    g = rng.normal(size=6)
    np.testing.assert_allclose(H @ inverse_times((), g, metric, state.sizes[0]), g, rtol=1e-8)
    np.testing.assert_allclose(H @ inverse_times(state.pairs, g, metric, state.sizes[0]), g, rtol=1e-8)


def test_rounding_does_not_say_how_large_it_is() -> None:
    rng = np.random.default_rng(5)
    H = definite(rng, 6)
    noisy = replace(
        PairsState(point=np.zeros(6)), sizes=(1.0, 1e9, 1.0), metric=ProductMetric.of(H, np.eye(1), np.zeros(6))
    )
    best = Evaluation(np.zeros(6), 1.0, rng.normal(size=6))
    search = turned(replace(noisy, best=best, first_value=1.0)).search
    assert search is not None
    np.testing.assert_allclose(search.step * search.direction, -np.linalg.solve(H, best.gradient))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, ...]]:
    """Of what each metric is made: G, S and the diagonal of D."""
    parts: list[tuple[np.ndarray, ...]] = []
    real = ProductMetric.of

    def kept(*each: Any) -> ProductMetric:
        parts.append(each)
        return real(*each)

    monkeypatch.setattr(ProductMetric, "of", kept)
    for module, limit in ((auto_solver, "NEWTON_QUADRATIC"), (auto_solver, "NEWTON_SMOOTH")):
        monkeypatch.setattr(module, limit, 1)
    monkeypatch.setattr(auto_solver, "QUASI_NEWTON", 1)
    monkeypatch.setattr(metric, "FALLEN", 0.0)
    return parts


def test_at_the_best_constant_it_is_the_hessian_whatever_the_weights(made: list[tuple[np.ndarray, ...]]) -> None:
    rng = np.random.default_rng(5)
    rows, weight, targets = X[:70, :3] + [0, 1, 2], rng.integers(1, 4, 70), rng.standard_t(2, size=(70, 2))
    targets[0] = 3  # a row that counts, at the median
    y = {"softmax": np.arange(70) % 5 % 4, "huber": targets[:, 0], "squared": targets, "many": targets}
    losses = {"softmax": Softmax(4), "huber": Huber(0.8), "squared": Squared(), "many": Huber(0.8)}
    mean = np.average(rows, axis=0, weights=weight)
    scale = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=weight))
    for name, of_row in y.items():
        made.clear()
        # Each row twice, of which the sample has one.
        twice = [np.repeat(each, 2, axis=0) for each in (rows, of_row)]
        dgd.fit(*twice, loss=losses[name], weight=np.repeat(weight, 2), penalty=L2([0.1, 0.2, 0.3]), max_iter=2)
        ((G, S, D),) = made
        ridge = np.array([0.1, 0.2, 0.3]) / losses[name].gradient_scale
        Z = np.column_stack([np.ones(70), (rows - mean) / np.sqrt(scale**2 + ridge)])
        diagonal = np.diag(Z.T * weight @ Z / weight.sum())
        expected = Z.T * weight @ Z / weight.sum()
        expected[np.diag_indices(4)] = np.maximum(diagonal, 0.5)
        np.testing.assert_allclose(G, expected, atol=1e-10)
        shares = np.bincount(y["softmax"], weight) / weight.sum()
        constants = np.average(targets, axis=0, weights=weight)
        within = np.average(abs(targets - constants) <= 0.8, axis=0, weights=weight)
        S_of = {
            "softmax": np.diag(shares) - np.outer(shares, shares),
            "huber": within[:1, None],
            "squared": 2 * np.eye(2),
            "many": np.diag(within),
        }
        np.testing.assert_allclose(S, S_of[name], atol=1e-10)
        np.testing.assert_allclose(D, [0, *([0.1, 0.2, 0.3] / (scale**2 + ridge))], atol=1e-10)


def test_a_column_that_the_sample_lacks_has_a_part_of_its_variance(made: list[tuple[np.ndarray, ...]]) -> None:
    rare = np.zeros(M)
    rare[np.random.default_rng(5).choice(M, 3, replace=False)] = 1
    dgd.fit(np.column_stack([X[:, 0], rare, rare[::-1], rare * X[:, 1]]), Y["huber"], loss=Huber(1.0), max_iter=2)
    ((G, _, _),) = made
    assert (np.diag(G) >= 0.5).all()
    assert (np.diag(G) == 0.5).any(), "one of them is not there"
