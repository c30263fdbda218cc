"""Fits of other programs: R, R glmnet and Stata, as statsmodels keeps them; and harder ones against an oracle."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import DATA, read_csv, read_json

import dgd
from dgd.penalties import L2, ElasticNet

CASES = {case["id"]: case for case in read_json(DATA / "statsmodels" / "cases.json")["cases"]}
WITHOUT_CENTRING = ("sm-spector-logit-l1-sweep0", "sm-spector-logit-l1-sweep1", "sm-spector-logit-l1-sweep2")
"""A column of ones beside others that are not centred: gd needs more than 1,000 passes."""


def solvers_for(loss: str, l1: Any) -> list[str]:
    if np.any(l1):
        return ["auto", "fista", "gd"]
    return ["auto", "newton", "lbfgs", "barzilai-borwein", "gd", *(["cg"] if loss == "squared" else [])]


def fits() -> list[Any]:
    return [
        pytest.param(name, solver, id=f"{name}-{solver}")
        for name, case in CASES.items()
        for solver in solvers_for(case["loss"], case["penalty"]["l1"])
        if solver != "gd" or name not in WITHOUT_CENTRING
    ]


@cache
def columns_of(path: str) -> dict[str, np.ndarray]:
    return read_csv(DATA / path)


def fit_case(case: dict[str, Any], **options: Any) -> dgd.Result:
    """The case's ½(y − ŷ)² is half our squared loss, whose penalties are then twice as strong."""
    assert case["weight"] is None
    assert case["offset"] is None
    columns = columns_of(case["data"])
    factor = 2 if case["loss"] == "squared" else 1
    l1, l2 = (factor * np.array(case["penalty"][name]) for name in ("l1", "l2"))
    return dgd.fit(
        np.column_stack([columns[name] for name in case["X"]]),
        columns[case["y"]],
        loss=case["loss"],
        penalty=ElasticNet(l1=l1, l2=l2),
        fit_intercept=case["fit_intercept"],
        threads=1,
        **options,
    )


def parameters(intercept: Any, coef: Any) -> np.ndarray:
    """(outputs, 1 + n)."""
    return np.column_stack([np.atleast_1d(intercept), np.atleast_2d(coef)])


def relative_error(found: np.ndarray, optimum: np.ndarray) -> float:
    """Of the worst parameter; a zero of the optimum must be found exactly."""
    assert not found[optimum == 0].any()
    error = np.abs(found - optimum)[optimum != 0] / np.abs(optimum[optimum != 0])
    return float(error.max(initial=0))


def check_case(case: dict[str, Any], result: dgd.Result) -> None:
    found = parameters(result.intercept_, result.coef_)
    optimum, expected = (parameters(case[what]["intercept"], case[what]["coef"]) for what in ("optimum", "expected"))
    if "compare" in case:
        assert case["compare"].startswith("contrasts with class 0")
        np.testing.assert_allclose(found, optimum, rtol=0, atol=1e-7 * np.abs(optimum).max())
        found, optimum, expected = (values - values[0] for values in (found, optimum, expected))
    assert np.abs(found - expected).max() <= case["advised_tolerance"]["abs_vs_expected"]
    assert relative_error(found, optimum) <= case["advised_tolerance"]["rel_vs_optimum"]
    factor = 2 if case["loss"] == "squared" else 1
    assert result.loss == pytest.approx(factor * case["optimum"]["objective"], rel=1e-12)


@pytest.mark.parametrize(("name", "solver"), fits())
def test_a_fit_of_another_program(name: str, solver: str) -> None:
    """With the defaults: the printed figures, the optimum to 1e-7 in every coefficient, and its objective."""
    result = fit_case(CASES[name], solver=solver)
    assert result.status is dgd.Status.CONVERGED
    assert solver != "newton" or result.n_iter_ <= 10
    check_case(CASES[name], result)


@pytest.mark.parametrize("name", CASES)
def test_a_tolerance_beyond_rounding(name: str) -> None:
    """tol = 0 ends by itself, at rounding level, with the same answer."""
    result = fit_case(CASES[name], tol=0, max_iter=2000)
    assert result.status in (dgd.Status.CONVERGED, dgd.Status.STALLED)
    check_case(CASES[name], result)


@pytest.mark.parametrize("name", WITHOUT_CENTRING)
def test_slow_descent_is_not_called_converged(name: str) -> None:
    result = fit_case(CASES[name], solver="gd", max_iter=200)
    assert result.status is dgd.Status.ITERATION_LIMIT


@dataclass(frozen=True)
class Hard:
    """A problem of our own: 6 columns, penalties per feature in units of each column."""

    loss: str
    scales: str
    part: str

    @property
    def data(self) -> dict[str, Any]:
        rng = np.random.default_rng(11)
        X = rng.normal(size=(150, 6))
        raw = X @ [1.0, -0.5, 0.3, 0.0, -1.0, 0.2] / 2
        y = {
            "squared": raw + rng.normal(size=150),
            "logistic": (rng.random(150) < 1 / (1 + np.exp(-raw))).astype(float),
            "poisson": rng.poisson(np.exp(raw)).astype(float),
        }[self.loss]
        size = 10.0 ** np.array([-6, -3, 0, 2, 4, 6]) if self.scales == "scaled" else np.ones(6)
        shift = [3, 0, -20, 0, 1, 100] if self.scales == "scaled" and self.part != "no intercept" else np.zeros(6)
        return {
            "X": (X + shift) * size,
            "y": y,
            "weight": None if self.part == "l1" else rng.choice([0, 0.5, 1, 20], size=150),
            "offset": rng.normal(size=150) if self.part in ("offset", "l1") else np.zeros(150),
            "fit_intercept": self.part != "no intercept",
            "l1": np.array([0, 0.05, 0.1, 0.8, 0.02, 0.6]) * size * self.part.startswith("l1"),
            "l2": np.array([0, 0.1, 1, 0, 3, 0.01]) * size**2 * (self.part != "l1"),
        }


HARD = [
    Hard(loss, scales, part)
    for loss in ("squared", "logistic", "poisson")
    for scales in ("alike", "scaled")
    for part in ("weight", "offset", "no intercept", "l1", "l1 and weight")
]


def slope_and_bend(loss: str, raw: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative by the raw prediction, in the plain formulas."""
    if loss == "squared":
        return 2 * (raw - y), np.full_like(raw, 2)
    if loss == "poisson":
        return np.exp(raw) - y, np.exp(raw)
    p = 1 / (1 + np.exp(-raw))
    return p - y, p * (1 - p)


def oracle(loss: str, data: dict[str, Any]) -> np.ndarray:
    """θ by Newton's method in extended precision, each parabola minimised a coordinate at a time; its KKT are checked.

    bⱼ ← soft(bⱼ − rⱼ/Hⱼⱼ, l1ⱼ/Hⱼⱼ)        r = g + H(b − b_old)
    """
    X, intercept = data["X"], int(data["fit_intercept"])
    w = np.ones(len(X)) if data["weight"] is None else data["weight"]
    w = (w / w.sum()).astype(np.longdouble)
    mean = w @ X * intercept
    scale = np.sqrt(w @ (X - mean) ** 2)
    A = np.hstack([np.ones((len(X), intercept)), (X - mean) / scale])
    l1, l2 = (np.concatenate([np.zeros(intercept), data[p] / scale**q]) for p, q in (("l1", 1), ("l2", 2)))
    b = np.zeros(A.shape[1], np.longdouble)
    for _ in range(30):
        slope, bend = slope_and_bend(loss, A @ b + data["offset"], data["y"])
        g, H = A.T @ (w * slope) + l2 * b, (A.T * (w * bend)) @ A + np.diag(l2)
        kkt = np.where(b != 0, np.abs(g + l1 * np.sign(b)), np.maximum(np.abs(g) - l1, 0)).max()
        if kkt < 1e-17:
            break
        start = b.copy()
        for _ in range(10):
            for j in range(len(b)):
                free = b[j] - (g[j] + H[j] @ (b - start)) / H[j, j]
                b[j] = np.sign(free) * max(abs(free) - l1[j] / H[j, j], 0)
    assert kkt < 1e-15
    coef = b[intercept:] / scale
    return np.concatenate([b[:intercept] - mean @ coef, coef] if intercept else [coef]).astype(np.float64)


@pytest.mark.parametrize("hard", HARD, ids=str)
def test_a_harder_problem(hard: Hard) -> None:
    """Weights, offsets, strengths per feature, no intercept, columns from 1e-6 to 1e6, with the defaults."""
    data = hard.data
    expected = oracle(hard.loss, data)
    X, y, l1, l2 = (data.pop(name) for name in ("X", "y", "l1", "l2"))
    assert (expected == 0).any() == bool(l1.any())
    for solver in sorted({*solvers_for(hard.loss, l1)} - {"gd"}):
        penalty = ElasticNet(l1=l1, l2=l2)
        result = dgd.fit(X, y, **data, loss=hard.loss, penalty=penalty, solver=solver, threads=1)
        assert result.status is dgd.Status.CONVERGED, solver
        assert relative_error(result.theta, expected) <= 1e-7, solver


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("l2", [1e-3, 1e-5, 1e-7])
def test_separable_classes(l2: float, solver: str) -> None:
    """Classes that a plane separates: only the penalty keeps the coefficients finite, and they are large."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    y = (X @ [3, -2, 1] > 0).astype(float)
    data = {"X": X, "y": y, "weight": None, "offset": 0, "fit_intercept": True, "l1": np.zeros(3), "l2": np.full(3, l2)}
    expected = smooth_oracle(data)
    result = dgd.fit(X, y, loss="logistic", penalty=L2(l2), solver=solver, threads=1)
    assert relative_error(result.theta, expected) <= 1e-7


def smooth_oracle(data: dict[str, Any]) -> np.ndarray:
    """Logistic θ by Newton's method with halved steps, in the plain formulas."""
    A = np.column_stack([np.ones(len(data["X"])), data["X"]])
    l2, y = np.concatenate([[0], data["l2"]]), data["y"]

    def value(theta: np.ndarray) -> float:
        return float(np.mean(np.logaddexp(0, A @ theta) - y * (A @ theta)) + l2 @ theta**2 / 2)

    theta = np.zeros(4)
    for _ in range(100):
        slope, bend = slope_and_bend("logistic", A @ theta, y)
        g = A.T @ slope / len(y) + l2 * theta
        step = np.linalg.solve((A.T * bend) @ A / len(y) + np.diag(l2), g)
        t = next(t for t in 0.5 ** np.arange(60) if value(theta - t * step) <= value(theta) * (1 + 1e-14))
        theta = theta - t * step
    assert np.abs(g).max() < 1e-14
    return theta


def test_two_classes_by_softmax_are_the_logistic() -> None:
    """b₁ − b₀ of a softmax with l2 is the logistic's b with half that l2: both coefficients are b/2."""
    data = Hard("logistic", "scaled", "offset").data
    X, y, size = data["X"], data["y"], data["X"].std(axis=0)
    two = dgd.fit(X, y, loss="softmax", weight=data["weight"], penalty=L2(0.2 * size**2), threads=1)
    one = dgd.fit(X, y, loss="logistic", weight=data["weight"], penalty=L2(0.1 * size**2), threads=1)
    np.testing.assert_allclose(two.coef_[1] - two.coef_[0], one.coef_, rtol=1e-9)
    np.testing.assert_allclose(np.diff(two.intercept_), one.intercept_, rtol=1e-9)
    assert (np.abs(two.coef_.sum(axis=0)) * size).max() <= 1e-9


@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_softmax_is_optimal(l1: float) -> None:
    """0 ∈ ∂F at the seven parties' penalised fit: class by class, feature by feature, in plain formulas."""
    columns = read_csv(DATA / "statsmodels" / "anes96.csv")
    y = columns.pop("PID")
    X = np.column_stack(list(columns.values()))
    size, weight = X.std(axis=0), 1 + np.arange(len(y)) % 3
    l1_each, l2_each = l1 * size * [0, 1, 1, 2, 0.5], 0.01 * size**2 * [1, 0.1, 3, 1, 1]
    result = dgd.fit(X, y, weight=weight, loss="softmax", penalty=ElasticNet(l1=l1_each, l2=l2_each), threads=1)
    raw = X @ result.coef_.T + result.intercept_
    p = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
    r = (p - (y[:, None] == np.arange(7))) * weight[:, None] / weight.sum()
    g, b = r.T @ X + l2_each * result.coef_, result.coef_
    kkt = np.where(b != 0, np.abs(g + l1_each * np.sign(b)), np.maximum(np.abs(g) - l1_each, 0))
    assert (kkt / (size + np.abs(X.mean(axis=0)))).max() < 1e-10
    assert np.abs(r.sum(axis=0)).max() < 1e-10
    assert (b == 0).any() == (l1 > 0)
