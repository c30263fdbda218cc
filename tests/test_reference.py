"""Results from outside: textbook trajectories, the book's figures, NIST, R."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from conftest import DATA, EXAMPLES, read_csv, read_json

import dgd

LONG = {"longley_standardised-0.1", "longley_standardised-0.2"}
TRAJECTORIES = read_json(DATA / "gd" / "trajectories.json")["problems"]


def standardised(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(axis=0)) / X.std(axis=0)


def trajectory_data(problem: str) -> tuple[np.ndarray, np.ndarray]:
    if problem.startswith("homl_linear100"):
        columns = read_csv(DATA / "homl" / "linear100.csv")
        return columns["x"][:, None], columns["y"]
    if problem == "longley_standardised":
        columns = read_csv(DATA / "nist" / "longley.csv")
        return standardised(np.column_stack([columns[name] for name in columns if name != "y"])), columns["y"]
    if problem == "norris_x_per_1000":
        columns = read_csv(DATA / "nist" / "norris.csv")
        return columns["x"][:, None] / 1000, columns["y"]
    columns = read_csv(DATA / "gd" / "diabetes.csv")
    return standardised(np.column_stack([columns[name] for name in columns if name != "y"])), columns["y"]


def runs(*, diverging: bool) -> list[Any]:
    return [
        pytest.param(name, run, id=f"{name}-{run['eta']}", marks=[pytest.mark.slow] * (f"{name}-{run['eta']}" in LONG))
        for name, entry in TRAJECTORIES.items()
        for run in entry["runs"]
        if run["diverges"] is diverging
    ]


def start(name: str) -> list[float]:
    return [float(t) for t in TRAJECTORIES[name]["theta0"]]


@pytest.mark.parametrize(("name", "run"), runs(diverging=False))
def test_trajectory(name: str, run: dict[str, Any]) -> None:
    """θₖ and the loss at θₖ agree with 60-digit arithmetic to 1e-12."""
    X, y = trajectory_data(name)
    tolerance = 1e-10 if name.startswith("longley") else 1e-12
    last = max(int(k) for k in run["iterates"])
    records: dict[str, dgd.Record] = {}

    def keep(record: dgd.Record) -> None:
        if str(record.iteration - 1) in run["iterates"]:
            records[str(record.iteration - 1)] = record

    options: dict[str, Any] = {"learning_rate": run["eta"], "theta0": start(name), "tol": 0, "threads": 1}
    result = dgd.fit(X, y, max_iter=last + 1, callbacks=[keep], **options)
    assert records.keys() == {k for k in run["iterates"] if int(k) < result.n_iter_}
    for k, expected in run["iterates"].items():
        # A descent that has come to its end before k stays where it is.
        found, loss = (records[k].theta, records[k].loss) if k in records else (result.theta, result.loss)
        theta = np.array([float(t) for t in expected["theta"]])
        assert np.abs(found - theta).max() <= tolerance * np.abs(theta).max()
        assert loss == pytest.approx(float(expected["loss"]), rel=tolerance, abs=1e-12)
    ended = dgd.fit(X, y, max_iter=5, **options)
    assert ended.theta.tobytes() == records["5"].theta.tobytes()


@pytest.mark.parametrize(("name", "run"), runs(diverging=True))
def test_divergence_is_reported(name: str, run: dict[str, Any]) -> None:
    """Up to its stop the diverging run is the textbook's; then it says so, with the largest safe learning rate."""
    X, y = trajectory_data(name)
    for k in (1, 2, 3, 5, 10, 20):
        expected = run["iterates"].get(str(k))
        result = dgd.fit(X, y, learning_rate=run["eta"], theta0=start(name), max_iter=k, tol=0)
        theta = np.array([float(t) for t in expected["theta"]])
        np.testing.assert_allclose(result.theta, theta, rtol=1e-12)
    result = dgd.fit(X, y, learning_rate=run["eta"], theta0=start(name), max_iter=1000)
    assert result.status is dgd.Status.DIVERGED
    assert f"{float(TRAJECTORIES[name]['eta_max']):.3g}" in result.message
    assert np.isfinite(result.theta).all()


@pytest.mark.slow
def test_the_books_batch_gradient_descent() -> None:
    """Chapter 4: η = 0.1, 1,000 steps from randn(2, 1) after seed 42, to the printed digit, in both editions."""
    X, y = trajectory_data("homl_linear100")
    for theta0 in ([0.4967141530112327, -0.13826430117118466], [0.01300189187790702, 1.4535340771573169]):
        result = dgd.fit(X, y, learning_rate=0.1, max_iter=1000, tol=0, theta0=theta0)
        assert [f"{t:.8f}" for t in result.theta] == ["4.21509616", "2.77011339"]


def digits(found: np.ndarray, certified: list[float]) -> float:
    """LRE: the correct digits of the worst coefficient."""
    error = np.abs(found - certified) / np.abs(certified)
    return float(-np.log10(np.maximum(error, 1e-16).max()))


@pytest.mark.parametrize("rule", ["auto", "exact", "given"])
@pytest.mark.parametrize(("name", "at_least"), [("norris", 9), ("noint1", 12), ("pontius", 8)])
def test_nist(name: str, at_least: float, rule: str) -> None:
    """NIST StRD linear least squares, certified parameters."""
    case = read_json(DATA / "nist" / f"{name}.json")
    columns = read_csv(DATA / "nist" / f"{name}.csv")
    X = np.column_stack([columns["x"] ** power for power in range(1, case["degree"] + 1)])
    result = dgd.fit(
        X,
        columns["y"],
        fit_intercept=case["fit_intercept"],
        learning_rate=0.5 if rule == "given" else rule,
        standardize=True,
        tol=1e-13,
        max_iter=20_000,
    )
    assert digits(result.theta, case["certified"]["params"]) >= at_least


def test_norris_without_standardising() -> None:
    """κ = 731,407: steepest descent with exact steps gets there on the raw columns too, in many passes."""
    columns = read_csv(DATA / "nist" / "norris.csv")
    result = dgd.fit(
        columns["x"][:, None], columns["y"], learning_rate="exact", standardize=False, tol=0, max_iter=20_000
    )
    assert digits(result.theta, read_json(DATA / "nist" / "norris.json")["certified"]["params"]) >= 9


@pytest.mark.each(2)
@pytest.mark.parametrize("rule", ["auto", "exact"])
def test_lm_of_the_flights(rule: str) -> None:
    """R: lm(arr_delay ~ dep_delay) on 327,346 flights."""
    with gzip.open(EXAMPLES / "data" / "flights.csv.gz", "rt") as file:
        header = file.readline().strip().split(",")
        columns = np.loadtxt(file, delimiter=",", usecols=[header.index(c) for c in ("dep_delay", "arr_delay")])
    case = read_json(DATA / "flights_case.json")["cases"][0]
    result = dgd.fit(columns[:, :1], columns[:, 1], learning_rate=rule, tol=1e-12)
    assert abs(result.intercept_ - case["expected"]["intercept"]) <= 5e-9
    assert abs(result.coef_[0] - case["expected"]["coef"][0]) <= 5e-9
    assert result.theta == pytest.approx([case["optimum"]["intercept"], *case["optimum"]["coef"]], rel=1e-12)


@pytest.mark.slow
def test_california_housing() -> None:
    """Chapter 2's design: the training RMSE is unique though θ is not (the one-hot columns sum to one)."""
    expected = read_json(DATA / "california" / "homl2_linear_expected.json")
    with np.load(DATA / "california" / "housing_prepared_homl2.npz") as data:
        X, y = data["X_train"], data["y_train"]
    result = dgd.fit(X, y, learning_rate="exact", tol=1e-9, max_iter=50_000)
    rmse = result.model.score(X, y).rmse
    assert rmse == pytest.approx(expected["recomputed"]["train_rmse"], rel=1e-10)
    predictions = result.model.predict(X[:5])
    assert predictions == pytest.approx(expected["recomputed"]["first_five_predictions"], abs=0.01)
