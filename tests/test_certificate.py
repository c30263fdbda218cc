"""Certificates: the distance and the gap that they bound, against optima known from linear algebra or long fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgd
from dgd.fitting.verdict.definite import exceeds_trace
from dgd.penalties import L1, L2, Box, ElasticNet
from dgd.testing import MemoryChunks

M, N = 150, 5
RNG = np.random.default_rng(11)
X = RNG.normal(size=(M, N)) * [1, 5, 0.2, 3, 1] + [0, 20, 0, -3, 1]
Y = X @ RNG.normal(size=N) + 2 + RNG.normal(size=M)
W = RNG.integers(0, 4, size=M).astype(float)
Q = np.column_stack([Y, -2 * Y + RNG.normal(size=M)])
CLASSES = (np.median(Y) < Y).astype(float)


def ridge(l2: Any, *, intercept: bool, weight: np.ndarray, y: np.ndarray = Y) -> np.ndarray:
    """The minimum of Σw(Xθ − y)²/Σw + ½ Σ l2 b², by its normal equations."""
    A = np.column_stack([np.ones(M), X]) if intercept else X
    strength = np.full(N, l2)
    D = np.diag([0.0, *strength] if intercept else strength)
    H = 2 / weight.sum() * (A.T * weight) @ A + D
    return np.linalg.solve(H, 2 / weight.sum() * (A.T * weight) @ y)


def objective(theta: np.ndarray, l2: Any, l1: Any, *, intercept: bool, weight: np.ndarray, y: np.ndarray = Y) -> float:
    coef = theta[int(intercept) :]
    r = X @ coef + (theta[0] if intercept else 0.0) - y
    square = r * r if r.ndim == 1 else (r * r).sum(axis=1)
    strength = np.broadcast_to(l2, N).reshape(N, *[1] * (coef.ndim - 1))
    return float(weight @ square / weight.sum() + 0.5 * (strength * coef**2).sum() + (l1 * np.abs(coef)).sum())


@pytest.mark.parametrize("solver", ["gd", "nesterov", "lbfgs", "newton"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("intercept", "standardize"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("passes", [1, 4, 30])
def test_bounds_of_ridge_hold(solver: str, weighted: bool, intercept: bool, standardize: bool, passes: int) -> None:
    l2 = np.array([0.5, 2, 0.3, 1, 1])
    weight = W if weighted else np.ones(M)
    seen: list[np.ndarray] = []
    options: dict[str, Any] = {"penalty": L2(l2), "solver": solver, "max_iter": passes, "tol": 0, "threads": 1}
    result = dgd.fit(
        X,
        Y,
        weight=weight,
        fit_intercept=intercept,
        standardize=standardize,
        callbacks=[lambda record: seen.append(record.theta)],
        **options,
    )
    best = ridge(l2, intercept=intercept, weight=weight)
    sides = {"intercept": intercept, "weight": weight}
    gap = objective(seen[-1], l2, 0, **sides) - objective(best, l2, 0, **sides)
    distance = np.linalg.norm((seen[-1] - best)[int(intercept) :])
    certificate = result.certificate
    assert certificate is not None
    assert distance <= certificate.distance * (1 + 1e-9) + 1e-10
    assert gap <= certificate.gap * (1 + 1e-9) + 1e-10
    if solver == "newton":  # no bound but the distance itself
        assert distance == pytest.approx(certificate.distance, rel=1e-6, abs=1e-10)
        assert gap == pytest.approx(certificate.gap, rel=1e-6, abs=1e-10)


def test_a_bound_is_not_far_from_what_it_bounds() -> None:
    """With one curvature in every direction ‖s‖/μ is the distance: the constants are the smallest."""
    U, _ = np.linalg.qr(np.column_stack([np.ones(40), RNG.normal(size=(40, 3))]))
    columns, y = 1e-6 * U[:, 1:], RNG.normal(size=40) * 1e6
    result = dgd.fit(columns, y, penalty=L2(0.7), solver="gd", max_iter=2, tol=0, theta0=[0, 9, 9, 9], threads=1)
    seen: list[np.ndarray] = []
    dgd.fit(
        columns,
        y,
        penalty=L2(0.7),
        solver="gd",
        max_iter=2,
        tol=0,
        theta0=[0, 9, 9, 9],
        callbacks=[lambda record: seen.append(record.theta)],
    )
    best = 2 / 40 * columns.T @ y / 0.7
    assert result.certificate is not None
    assert result.certificate.distance == pytest.approx(np.linalg.norm(seen[-1][1:] - best), rel=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("passes", [2, 12, 80])
@pytest.mark.parametrize("solver", ["gd", "fista"])
def test_bounds_of_the_elastic_net_hold(intercept: bool, passes: int, solver: str) -> None:
    l1, l2 = 0.4, 0.3
    options: dict[str, Any] = {"penalty": ElasticNet(l1=l1, l2=l2), "fit_intercept": intercept, "threads": 1}
    best = dgd.fit(X, Y, tol=1e-13, max_iter=20_000, **options)
    seen: list[np.ndarray] = []
    result = dgd.fit(
        X,
        Y,
        solver=solver,
        max_iter=passes,
        tol=0,
        callbacks=[lambda record: seen.append(record.theta)],
        **options,
    )
    assert result.certificate is not None
    weight = np.ones(M)
    gap = objective(seen[-1], l2, l1, intercept=intercept, weight=weight) - best.loss
    assert np.linalg.norm((seen[-1] - best.theta)[int(intercept) :]) <= result.certificate.distance + 1e-9
    assert gap <= result.certificate.gap + 1e-9


@pytest.mark.parametrize("passes", [1, 2, 5, 30])
def test_bounds_within_a_box_hold(passes: int) -> None:
    """The active bounds' pull is no slope."""
    options: dict[str, Any] = {"penalty": Box(lower=-0.2, upper=0.3, l2=0.5), "threads": 1}
    best = dgd.fit(X, Y, tol=1e-13, max_iter=20_000, **options)
    seen: list[np.ndarray] = []
    result = dgd.fit(X, Y, max_iter=passes, tol=0, callbacks=[lambda record: seen.append(record.theta)], **options)
    assert (best.coef_ == np.clip(best.coef_, -0.2, 0.3)).all()
    assert result.certificate is not None
    assert np.linalg.norm(seen[-1][1:] - best.coef_) <= result.certificate.distance + 1e-9


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("target", ["one", "two"])
def test_a_quadratic_whose_hessian_is_known_tells_the_distance(standardize: bool, target: str) -> None:
    y = Y if target == "one" else Q
    theta0 = np.full((N + 1, *y.shape[1:]), 0.1)
    result = dgd.fit(
        X, y, weight=W, solver="newton", standardize=standardize, max_iter=1, tol=0, theta0=theta0, threads=1
    )
    best = ridge(0.0, intercept=True, weight=W, y=y)
    sides: dict[str, Any] = {"intercept": True, "weight": W, "y": y}
    assert result.certificate is not None
    assert result.certificate.distance == pytest.approx(np.linalg.norm((theta0 - best)[1:]), rel=1e-7)
    gap = objective(theta0, 0, 0, **sides) - objective(best, 0, 0, **sides)
    assert result.certificate.gap == pytest.approx(gap, rel=1e-7)


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
def test_bounds_of_other_losses_hold_without_an_intercept(loss: str) -> None:
    scaled = X / np.abs(X).max(axis=0)
    y = CLASSES if loss != "poisson" else np.abs(np.round(Y))
    options: dict[str, Any] = {"loss": loss, "penalty": L2(0.05), "fit_intercept": False, "threads": 1}
    best = dgd.fit(scaled, y, tol=1e-13, **options)
    for passes in (1, 3, 6):
        seen: list[np.ndarray] = []
        result = dgd.fit(
            scaled,
            y,
            solver="lbfgs",
            max_iter=passes,
            tol=0,
            callbacks=[lambda record, seen=seen: seen.append(record.theta)],
            **options,
        )
        assert result.certificate is not None
        assert np.linalg.norm(seen[-1] - best.theta) <= result.certificate.distance
        assert result.history[-1].loss - best.loss <= result.certificate.gap


UNKNOWN: dict[str, dict[str, Any]] = {
    "no penalty": {"solver": "lbfgs"},
    "l1 alone": {"penalty": L1(0.1)},
    "one coefficient free": {"penalty": L2([0.1, 0, 0.1, 0.1, 0.1]), "solver": "lbfgs"},
    "an intercept that is not centred": {"penalty": L2(0.1), "solver": "lbfgs", "standardize": False},
    "an intercept beside another loss": {"penalty": L2(0.1), "solver": "lbfgs", "loss": "huber"},
    "an epoch of steps": {"penalty": L2(0.1), "solver": "minibatch", "max_iter": 3},
    "newton on what is no quadratic": {"solver": "newton", "loss": "logistic"},
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_none_where_nothing_is_known(case: str) -> None:
    result = dgd.fit(X, CLASSES, threads=1, **{"max_iter": 5, **UNKNOWN[case]})
    assert result.certificate is None
    assert "none" in result.summary()


def test_none_where_the_hessian_is_singular_or_the_loss_overflows() -> None:
    twice = np.column_stack([X, X[:, 0]])
    assert dgd.fit(twice, Y, solver="newton").certificate is None
    options: dict[str, Any] = {"penalty": L2(1.0), "fit_intercept": False, "solver": "gd"}
    assert dgd.fit(X, Y, theta0=np.full(N, 1e200), standardize=False, **options).certificate is None


def test_after_divergence_it_is_that_of_the_last_finite_point() -> None:
    result = dgd.fit(X, Y, learning_rate=1e200, penalty=L2(1.0), fit_intercept=False)
    assert result.status is dgd.Status.DIVERGED
    assert (result.theta == 0).all()
    assert result.certificate is not None
    assert np.linalg.norm(ridge(1.0, intercept=False, weight=np.ones(M))) <= result.certificate.distance


def test_an_intercept_that_is_off_counts_in_the_gap() -> None:
    """F falls by its square; the coefficients are where they should be."""
    best = ridge(0.3, intercept=True, weight=np.ones(M))
    options: dict[str, Any] = {"penalty": L2(0.3), "solver": "lbfgs", "max_iter": 1, "threads": 1}
    certificate = dgd.fit(X, Y, theta0=best + np.eye(N + 1)[0] * 3, **options).certificate
    assert certificate is not None
    assert certificate.distance < 1e-8
    assert certificate.gap == pytest.approx(9)


@pytest.mark.parametrize(
    "penalty", [L2(0.3), ElasticNet(l1=0.4, l2=0.3), Box(lower=-0.2, upper=0.3, l2=0.5)], ids=lambda p: p.name
)
def test_at_the_optimum_the_bounds_are_nearly_nothing(penalty: Any) -> None:
    dataset = dgd.Dataset(X=MemoryChunks("X", X, [0, 40, M]), y=MemoryChunks("y", Y, [0, 40, M]))
    result = dgd.fit(dataset, penalty=penalty, tol=1e-12, max_iter=5000)
    assert result.converged
    assert result.certificate is not None
    assert result.certificate.distance < 1e-7 * np.linalg.norm(result.coef_)
    assert 0 <= result.certificate.gap < 1e-12
    assert str(result.certificate) in result.summary()


@pytest.mark.parametrize("n", [1, 2, 40, 200])
def test_what_is_said_to_be_definite_is(n: int) -> None:
    """A Cholesky factor in the place of eigenvalues: never where one is below the part, always where all are above."""
    rng = np.random.default_rng(n)
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    for part in (1e-13, 1e-9, 1e-6):
        values = rng.random(n) + 0.5
        trace = values.sum()
        for least, expected in ((8 * part + 4 * n * 2.3e-16, True), (part / 2, False), (0.0, False), (-part, False)):
            values[0] = least * trace
            H = (Q * values) @ Q.T
            assert exceeds_trace((H + H.T) / 2, part) is (expected if n > 1 else least > 0)
    assert not exceeds_trace(np.full((n, n), np.nan), 1e-9)
    assert not exceeds_trace(np.zeros((0, 0)), 1e-9)
