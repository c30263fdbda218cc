"""Nearly dependent columns: passes that help are made, and library and estimator say the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.estimators import HuberRegressor, LinearRegression

RNG = np.random.default_rng(2)
x = np.arange(21.0)
POWERS = np.column_stack([x**k for k in range(1, 6)])
DEVIATIONS = np.array(
    [759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 1838, -2048, 2048, -2048, 2523, -2048,
     2048, -2048, 759.0]
)  # fmt: skip


@pytest.mark.parametrize(("size", "digits"), [(0, 9), (1, 9), (100, 8), (10_000, 6)])
def test_wampler(size: float, digits: float) -> None:
    """NIST's wampler 1, 3, 4 and 5, all of whose coefficients are 1: at most three passes more than the usual two."""
    result = dgd.fit(POWERS, 1 + POWERS.sum(axis=1) + size * DEVIATIONS)
    assert result.status is dgd.Status.CONVERGED
    assert result.n_iter_ <= 5
    assert np.abs(result.theta - 1).max() <= 10.0**-digits


def test_a_polynomial_of_degree_nine_has_its_least_squares() -> None:
    X = np.column_stack([x**k for k in range(1, 10)])
    y = X @ np.linspace(1, 0.1, 9) + RNG.normal(size=21)
    Q = np.linalg.qr(np.column_stack([np.ones(21), np.polynomial.chebyshev.chebvander(x / 10 - 1, 9)[:, 1:]]))[0]
    least = float(np.mean((y - Q @ (Q.T @ y)) ** 2))
    result = dgd.fit(X, y)
    # θ itself is rounded: b₉x⁹ is near 5e10, whose last binary digit is 7.6e-6.
    assert result.loss == pytest.approx(least, rel=1e-5)
    assert result.n_iter_ <= 10


@pytest.mark.parametrize("seed", range(4))
def test_columns_that_are_nearly_the_same_are_two(seed: int) -> None:
    """By the library and by the estimator; those that are the same have the shortest coefficients."""
    rng = np.random.default_rng(seed)
    a, d = rng.normal(size=(2, 500))
    y = a + 2 * d + 0.1 * rng.normal(size=500)
    near = np.column_stack([a, a + 3e-7 * d])
    model = LinearRegression().fit(near, y)
    assert np.mean((model.predict(near) - y) ** 2) == pytest.approx(dgd.fit(near, y).loss, rel=1e-4)
    same = LinearRegression().fit(np.column_stack([a, a]), y)
    assert same.coef_[0] == pytest.approx(same.coef_[1], rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_conjugate_gradients_go_on_where_the_hessian_has_lost_a_direction(seed: int) -> None:
    """H squares the condition: of a + 1e-7·d it sees a alone, and a fit without d has four hundred times the error."""
    rng = np.random.default_rng(seed)
    a, d, other = rng.normal(size=(3, 500))
    y = a + 2 * d + 0.1 * rng.normal(size=500)
    result = dgd.fit(np.column_stack([a, other, a + 1e-7 * d]), y, solver="newton")
    assert result.loss < 0.012
    assert result.n_iter_ <= 60
    assert "nearly collinear: rank 2 of 3 (columns 0, 2)" in result.message


def test_the_columns_that_depend_on_each_other_are_named() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 200))
    X = dgd.open_dataset(np.column_stack([a, b, a + b, c, np.full(200, 7.0)]), a - c)
    assert "nearly collinear: rank 3 of 4 (columns 0, 1, 2)" in dgd.fit(X).message
    assert "collinear" not in dgd.fit(X, penalty=dgd.penalties.L2(0.1)).message
    assert "collinear" not in dgd.fit(np.column_stack([a, b, c]), a - c).message


def test_coefficients_that_rounding_leaves_open_have_not_converged() -> None:
    """The gradient is small, and the certificate says how little that means."""
    rng = np.random.default_rng(0)
    a, d = rng.normal(size=(2, 4000))
    basis, _ = np.linalg.qr(np.column_stack([np.ones(4000), a, d]))
    noise = rng.normal(size=4000)
    y = a + 1e6 * (noise - basis @ (basis.T @ noise))
    results = [dgd.fit(np.column_stack([a, a + e * d]), y, tol=1e-6) for e in (1.0, 1e-6)]
    assert [result.status for result in results] == [dgd.Status.CONVERGED, dgd.Status.ILL_CONDITIONED]
    assert "of the optimal coefficients; nearly collinear" in results[1].message


@pytest.mark.parametrize("penalty", [None, dgd.penalties.ElasticNet(l1=0.05, l2=0.1), dgd.penalties.L1(0.02)])
def test_a_softmax_does_not_depend_on_the_order_of_rows(penalty: Any) -> None:
    X, y = RNG.normal(size=(600, 6)), RNG.integers(0, 3, 600).astype(float)
    order = RNG.permutation(600)
    one, other = (dgd.fit(A, b, loss=dgd.losses.Softmax(3), penalty=penalty) for A, b in ((X, y), (X[order], y[order])))
    np.testing.assert_allclose(one.theta, other.theta, atol=1e-9)
    assert abs(one.intercept_.sum()) < 1e-12  # type: ignore[union-attr]


def test_huber_has_one_budget_of_passes_and_a_warm_start_at_the_optimum_needs_one() -> None:
    X = RNG.normal(size=(200, 20))
    y = X @ RNG.uniform(0, 30, 20) + RNG.standard_t(2, 200)
    for most in (1, 2, 3, 5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert HuberRegressor(max_iter=most).fit(X, y).n_iter_ <= most
    model = HuberRegressor(warm_start=True)
    assert [model.fit(X, y).n_iter_ for _ in range(4)][1:] == [1, 1, 1]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_hubers_fit_far_from_zero_with_and_without_an_intercept(fit_intercept: bool) -> None:
    X = RNG.normal(size=(300, 3)) + np.array([1000.0, 0, 0])
    y = (X - np.array([1000.0 * fit_intercept, 0, 0])) @ [0.5, 1, 2] + RNG.standard_t(2, 300)
    model = HuberRegressor(alpha=0, fit_intercept=fit_intercept).fit(X, y)
    r = y - model.predict(X)
    clipped = np.clip(r / model.scale_, -1.35, 1.35)
    assert np.abs(X.T @ clipped / 300).max() < 1e-8 * 1000


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("alpha", [0.0, 1e-13, 1e-9])
def test_of_many_solutions_the_shortest(fit_intercept: bool, alpha: float) -> None:
    """More columns than rows, one of them far from 0, and one or two outputs."""
    far = 1000.0 * fit_intercept
    X = RNG.normal(size=(20, 50)) + np.append(far, np.zeros(49))
    y = X @ RNG.normal(size=(50, 2))
    centred = X - X.mean(axis=0) if fit_intercept else X
    expected = np.linalg.pinv(centred, rcond=1e-10) @ (y - y.mean(axis=0) if fit_intercept else y)
    for found, best in (
        (dgd.fit(X, y[:, 0], fit_intercept=fit_intercept, penalty=dgd.penalties.L2(alpha)), expected[:, 0]),
        (dgd.fit(X, y, fit_intercept=fit_intercept, penalty=dgd.penalties.L2(alpha)), expected),
    ):
        np.testing.assert_allclose(found.coef_.T, best, atol=1e-6)
        np.testing.assert_allclose(found.predict(X), y if best.ndim == 2 else y[:, 0], atol=1e-6)
