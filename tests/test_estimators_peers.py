"""The estimators against scikit-learn's own of the same name: equal objectives, so equal coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from sklearn import linear_model
from sklearn.linear_model._huber import _huber_loss_and_gradient

import dgd.estimators
from dgd.errors import ConfigurationError
from dgd.losses.scaled_huber import ScaledHuber

RNG = np.random.default_rng(3)
X = RNG.normal(size=(150, 5)) * [1, 3, 0.5, 2, 1] + [0, 4, 0, -1, 2]
W = RNG.uniform(0.1, 3, size=150)
TARGET = X @ [1.0, -0.5, 2.0, 0.0, 0.3] + 1 + RNG.normal(size=150)
COLUMNS = np.column_stack([TARGET, X @ [0.2, 0.4, -1.0, 0.6, 0.0] + RNG.normal(size=150)])
OUTLYING = TARGET + 30 * (np.arange(150) % 9 == 0)
COUNTS = RNG.poisson(np.exp(0.3 * (X[:, 0] - 0.5 * X[:, 2]) + 0.5)).astype(float)
TWO = np.where(TARGET + RNG.normal(size=150) > np.median(TARGET), "yes", "no")
THREE = np.digitize(TARGET + 2 * RNG.normal(size=150), [-1, 2])
REPEATED = np.column_stack([X, X[:, 0] - 2 * X[:, 1], np.full(150, 7.0)])

CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("LinearRegression", {}, TARGET),
    ("LinearRegression", {}, COLUMNS),
    ("LinearRegression", {}, TARGET[:, None]),
    ("LinearRegression", {"positive": True}, TARGET),
    ("LinearRegression", {"positive": True}, COLUMNS),
    ("Ridge", {"alpha": 5.0}, TARGET),
    ("Ridge", {"alpha": 5.0}, COLUMNS),
    ("Ridge", {"alpha": 5.0}, TARGET[:, None]),
    ("Ridge", {"alpha": 5.0, "positive": True}, TARGET),
    ("Lasso", {"alpha": 0.2}, TARGET),
    ("Lasso", {"alpha": 0.2}, COLUMNS),
    ("Lasso", {"alpha": 0.2, "positive": True}, TARGET),
    ("ElasticNet", {"alpha": 0.3, "l1_ratio": 0.7}, TARGET),
    ("ElasticNet", {"alpha": 0.3, "l1_ratio": 0.7}, COLUMNS),
    ("ElasticNet", {"alpha": 0.3, "l1_ratio": 0.2, "positive": True}, TARGET),
    ("HuberRegressor", {}, OUTLYING),
    ("HuberRegressor", {"alpha": 20.0, "epsilon": 2.0}, OUTLYING),
    ("PoissonRegressor", {"alpha": 0.1}, COUNTS),
    ("GammaRegressor", {"alpha": 0.1}, COUNTS + 0.5),
    ("TweedieRegressor", {"alpha": 0.1, "power": 1.6}, COUNTS),
    ("TweedieRegressor", {"alpha": 0.1, "power": 0}, TARGET),
    ("TweedieRegressor", {"alpha": 0.1, "power": 3}, COUNTS + 0.5),
    ("LogisticRegression", {"C": 0.5}, TWO),
    ("LogisticRegression", {"C": 0.5}, THREE),
    ("LogisticRegression", {"C": 0.1, "l1_ratio": 0.4}, TWO),
    ("LogisticRegression", {"C": 0.1, "l1_ratio": 1.0}, THREE),
]
TIGHT: dict[str, dict[str, Any]] = {
    "LinearRegression": {},
    "Ridge": {"tol": 1e-14},
    "Lasso": {"tol": 1e-14, "max_iter": 100_000},
    "ElasticNet": {"tol": 1e-14, "max_iter": 100_000},
    "HuberRegressor": {"tol": 1e-9, "max_iter": 10_000},  # it stops by F long before: see `polished`
    "PoissonRegressor": {"tol": 1e-12, "max_iter": 1000, "solver": "newton-cholesky"},
    "GammaRegressor": {"tol": 1e-12, "max_iter": 1000, "solver": "newton-cholesky"},
    "TweedieRegressor": {"tol": 1e-10, "max_iter": 10_000},
    "LogisticRegression": {"tol": 1e-10, "max_iter": 20_000},
}


def theirs(name: str, parameters: dict[str, Any]) -> Any:
    tight = dict(TIGHT[name])
    if name == "LogisticRegression":
        tight["solver"] = "saga" if parameters.get("l1_ratio") else "newton-cg"
    return getattr(linear_model, name)(**parameters, **tight)


def ours(name: str, parameters: dict[str, Any]) -> Any:
    return getattr(dgd.estimators, name)(**parameters)


def polished(peer: Any, y: Any, weight: Any) -> Any:
    """scikit-learn's Huber fit carried on, by its own loss and gradient, to where no tolerance on F ends it."""
    start = np.concatenate([peer.coef_, [peer.intercept_] * peer.fit_intercept, [peer.scale_]])
    weight = np.ones(len(y)) if weight is None else weight
    data = (X, y, peer.epsilon, peer.alpha, weight)
    options = {"ftol": 0, "gtol": 1e-9, "maxiter": 5000, "maxcor": 50}
    found = minimize(_huber_loss_and_gradient, start, args=data, jac=True, method="L-BFGS-B", options=options).x
    peer.coef_, peer.scale_ = found[:5], found[-1]
    peer.intercept_ = found[-2] if peer.fit_intercept else 0.0
    peer.outliers_ = np.abs(y - peer.predict(X)) > peer.scale_ * peer.epsilon
    return peer


def identity(case: Any) -> str:
    return f"{case[0]}-{'-'.join(f'{k}={v}' for k, v in case[1].items())}-{np.shape(case[2])}"


@pytest.mark.each(12)
@pytest.mark.parametrize("case", CASES, ids=identity)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
def test_coefficients_equal_those_of_scikit_learn(case: Any, fit_intercept: bool, weight: Any) -> None:
    name, parameters, y = case
    parameters = {**parameters, "fit_intercept": fit_intercept}
    mine = ours(name, parameters).fit(X, y, weight)
    peer = theirs(name, parameters).fit(X, y, sample_weight=weight)
    if name == "HuberRegressor":
        peer = polished(peer, y, weight)
    size = np.abs(peer.coef_).max()
    atol = 1e-6 * size
    assert mine.coef_.shape == peer.coef_.shape
    assert np.shape(mine.intercept_) == np.shape(peer.intercept_)
    assert_allclose(mine.coef_, peer.coef_, rtol=0, atol=atol)
    assert mine.predict(X).shape == peer.predict(X).shape
    assert mine.score(X, y, weight) == pytest.approx(peer.score(X, y, weight), abs=1e-6)
    if name == "HuberRegressor":
        assert mine.scale_ == pytest.approx(peer.scale_, rel=1e-5)
        assert (mine.outliers_ == peer.outliers_).all()
    if name == "LogisticRegression":
        assert (mine.classes_ == peer.classes_).all()
        assert_allclose(mine.predict_proba(X), peer.predict_proba(X), atol=1e-6)
        assert_allclose(mine.predict_log_proba(X), peer.predict_log_proba(X), atol=1e-5)
    else:
        assert_allclose(mine.intercept_, peer.intercept_, rtol=0, atol=10 * atol)
        assert_allclose(mine.predict(X), peer.predict(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("y", [TARGET, COLUMNS], ids=["one", "two"])
def test_dependent_columns_get_the_shortest_coefficients(fit_intercept: bool, weight: Any, y: Any) -> None:
    peer = linear_model.LinearRegression(fit_intercept=fit_intercept).fit(REPEATED, y, weight)
    mine = dgd.estimators.LinearRegression(fit_intercept=fit_intercept).fit(REPEATED, y, weight)
    assert_allclose(mine.coef_, peer.coef_, atol=1e-9)
    assert_allclose(mine.intercept_, peer.intercept_, atol=1e-8)
    assert_allclose(mine.predict(REPEATED), peer.predict(REPEATED), atol=1e-9)
    assert mine.n_iter_ == 3


def test_more_columns_than_rows_get_the_shortest_coefficients() -> None:
    wide = np.random.default_rng(0).normal(size=(8, 30)) + 5
    y = np.arange(8.0)
    peer = linear_model.LinearRegression().fit(wide, y)
    assert_allclose(dgd.estimators.LinearRegression().fit(wide, y).coef_, peer.coef_, atol=1e-10)


def test_no_penalty_is_an_infinite_c() -> None:
    peer = linear_model.LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000, solver="newton-cg").fit(X, TWO)
    mine = dgd.estimators.LogisticRegression(C=np.inf).fit(X, TWO)
    assert_allclose(mine.coef_, peer.coef_, rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_fits_are_quick_at_default_tolerances(case: Any) -> None:
    name, parameters, y = case
    assert ours(name, parameters).fit(X, y).n_iter_ <= 150


@pytest.mark.parametrize("name", ["Lasso", "ElasticNet", "HuberRegressor", "PoissonRegressor", "LogisticRegression"])
def test_a_warm_start_begins_where_the_last_fit_ended(name: str) -> None:
    y = {"PoissonRegressor": COUNTS, "LogisticRegression": THREE}.get(name, OUTLYING)
    # By themselves both end after one pass.
    options = {"solver": "fista"} if name in ("Lasso", "ElasticNet") else {}
    estimator = getattr(dgd.estimators, name)(warm_start=True, **options).fit(X, y)
    coef, first = estimator.coef_, estimator.n_iter_
    estimator.set_params(tol=1e-3).fit(X, y)
    assert estimator.n_iter_ < first
    assert_allclose(estimator.coef_, coef, rtol=1e-3, atol=1e-6)


def test_data_on_a_plane_have_a_scale_of_nearly_nothing() -> None:
    y = X @ [1.0, 2.0, 3.0, 4.0, 5.0] + 6
    mine = dgd.estimators.HuberRegressor(alpha=0).fit(X, y)
    assert_allclose(mine.coef_, [1, 2, 3, 4, 5], atol=1e-8)
    assert mine.intercept_ == pytest.approx(6, abs=1e-7)
    assert 0 < mine.scale_ < 1e-8


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_huber_is_at_a_minimum(solver: str) -> None:
    mine = dgd.estimators.HuberRegressor(alpha=3.0, solver=solver).fit(X, OUTLYING, W)

    def objective(coef: Any, intercept: float, sigma: float) -> float:
        z = np.abs(OUTLYING - X @ coef - intercept) / sigma
        h = np.where(z < 1.35, z**2, 2 * 1.35 * z - 1.35**2)
        return float((W * (sigma + h * sigma)).sum() + 3.0 * coef @ coef)

    best = objective(mine.coef_, mine.intercept_, mine.scale_)
    for _ in range(50):
        d = 1e-3 * RNG.normal(size=7)
        assert objective(mine.coef_ + d[:5], mine.intercept_ + d[5], mine.scale_ + d[6]) > best


def test_derivatives_of_the_scaled_loss_agree_with_its_value() -> None:
    loss, y, h = ScaledHuber(epsilon=1.5), np.array([0.0, 1.0, -2.0, 3.0]), 1e-3
    raw = np.column_stack([[0.3, 4.0, -9.0, 3.0], [0.7, 1.2, 2.0, 0.1]])
    value, derivative = loss.value_and_derivative(raw, y)
    residual, sigma = raw[:, 0] - y, raw[:, 1]
    z = np.abs(residual) / sigma
    assert_allclose(value, sigma * (1 + np.where(z <= 1.5, z**2, 3 * z - 2.25)))
    assert_allclose(loss.value(raw, y), value)
    second = loss.second_derivative(raw, y)
    for k in range(2):
        steps = [raw + np.eye(2)[k] * t * h for t in (-2, -1, 1, 2)]
        stencil = np.array([1, -8, 8, -1]) / (12 * h)
        assert_allclose(
            sum(c * loss.value(s, y) for c, s in zip(stencil, steps, strict=True)), derivative[:, k], atol=1e-6
        )
        slopes = sum(c * loss.derivative(s, y) for c, s in zip(stencil, steps, strict=True))
        assert_allclose(slopes, second[:, k], atol=1e-5)
    assert np.isinf(loss.value(raw * [1, -1], y)).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Ridge", {"alpha": -1.0}),
        ("Ridge", {"alpha": np.ones(2)}),
        ("Lasso", {"alpha": "much"}),
        ("ElasticNet", {"l1_ratio": 1.5}),
        ("HuberRegressor", {"epsilon": 0.5}),
        ("HuberRegressor", {"solver": "cg"}),
        ("PoissonRegressor", {"alpha": None}),
        ("GammaRegressor", {"alpha": -1}),
        ("TweedieRegressor", {"power": 0.5}),
        ("TweedieRegressor", {"link": "identity", "power": 1}),
        ("QuantileRegressor", {"quantile": 1.0}),
        ("LogisticRegression", {"C": 0.0}),
        ("LinearRegression", {"fit_intercept": "yes"}),
        ("LinearRegression", {"max_iter": -1}),
        ("Lasso", {"tol": -1.0}),
        ("Lasso", {"positive": 2}),
    ],
)
def test_parameters_are_checked_when_they_are_used(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"`{name}\\({next(iter(parameters))}"):
        ours(name, parameters).fit(X, TARGET)


@pytest.mark.each(3)
@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize(("quantile", "alpha"), [(0.5, 0.0), (0.1, 0.02), (0.9, 0.3)])
def test_quantiles_are_those_of_a_linear_program(quantile: float, alpha: float, weight: Any) -> None:
    mine = ours("QuantileRegressor", {"quantile": quantile, "alpha": alpha}).fit(X, TARGET, weight)
    peer = linear_model.QuantileRegressor(quantile=quantile, alpha=alpha).fit(X, TARGET, weight)
    of_weight = np.ones(len(X)) if weight is None else weight

    def objective(fitted: Any) -> float:
        r = TARGET - fitted.predict(X)
        pinball = np.maximum(quantile * r, (quantile - 1) * r)
        return float(of_weight @ pinball / of_weight.sum() + alpha * np.abs(fitted.coef_).sum())

    spread = np.std(TARGET)
    assert 0 <= objective(mine) - objective(peer) + 1e-12 <= 1e-4 * spread / 4 + 1e-12
    assert_allclose(mine.coef_, peer.coef_, rtol=0, atol=3e-3 * spread)
    assert mine.score(X, TARGET, weight) == pytest.approx(peer.score(X, TARGET, weight), abs=2e-3)


def test_a_perfect_fit_has_every_quantile() -> None:
    fitted = ours("QuantileRegressor", {"quantile": 0.9, "alpha": 0.0}).fit(X, X[:, 0])
    assert_allclose(fitted.coef_, np.eye(X.shape[1])[0], atol=1e-9)


def test_an_unfinished_fit_warns() -> None:
    with pytest.warns(Warning, match="iteration limit"):
        dgd.estimators.LogisticRegression(max_iter=2).fit(X, THREE)
