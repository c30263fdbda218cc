"""Losses of two classes by other links, squared hinges, and counts of successes: digits in the tails, shapes, fits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from clusters import two_in_this_process
from scipy import special

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, ValueRangeError
from dgd.losses import LOSSES, Binomial, Cloglog, Logistic, Probit, SquaredEpsilonInsensitive, SquaredHinge
from dgd.losses.normal_tail import hazard, scaled_tail

TAILS = json.loads((Path(__file__).parent / "data" / "losses" / "tails.json").read_text())
ONE, ZERO = np.ones(1), np.zeros(1)


def away(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300)))


@pytest.mark.parametrize("name", ["probit", "cloglog"])
def test_every_digit_in_the_tails(name: str) -> None:
    """1e-14 where the derivative is computed as a difference, a few roundings elsewhere; e^η itself moves with η's."""
    loss, rows = LOSSES[name](), np.array(TAILS[name])
    eta, y = rows[:, 0].copy(), np.ones(len(rows))
    bound = 4e-16 * np.maximum(1, np.abs(eta).clip(0, 40) ** 2).max()
    for found, expected, most in (
        (loss.value(eta, y), rows[:, 1], 3e-15 if name == "probit" else bound),
        (loss.derivative(eta, y), rows[:, 2], bound),
        (loss.second_derivative(eta, y), rows[:, 3], bound),
    ):
        assert away(found, expected) < most
    if name == "probit":  # the first class is the second one of −η
        np.testing.assert_array_equal(loss.value(-eta, 0 * y), loss.value(eta, y))
        np.testing.assert_array_equal(loss.derivative(-eta, 0 * y), -loss.derivative(eta, y))


def test_the_normal_tail_is_scipys() -> None:
    a = np.concatenate([[0.0, 0.46875 * 2**0.5, 4 * 2**0.5], np.geomspace(1e-9, 1e8, 2000), np.linspace(0, 40, 4001)])
    assert away(scaled_tail(a), special.erfcx(a / 2**0.5) / 2) < 1.5e-15
    assert away(np.log(scaled_tail(a)) - a * a / 2, special.log_ndtr(-a)) < 3e-15
    h, second = hazard(a)
    assert (np.diff(np.sort(a)) >= 0).all()
    assert ((second >= 2 / np.pi * (1 - 1e-14)) & (second <= 1)).all()
    assert away(h[a < 1e3], np.exp(-special.log_ndtr(-a) - a * a / 2)[a < 1e3] / (2 * np.pi) ** 0.5) < 1e-9
    single = scaled_tail(a.astype(np.float32))
    assert single.dtype == np.float32
    assert away(single, scaled_tail(a)) < 5e-7


@pytest.mark.parametrize("name", ["logistic", "probit", "cloglog"])
def test_convex_for_every_share_of_both_classes(name: str) -> None:
    loss, eta = LOSSES[name](), np.linspace(-40, 6, 500)
    for share in (0.0, 0.3, 1.0):
        assert (loss.second_derivative(eta, np.full(500, share)) >= 0).all()


@pytest.mark.parametrize("name", list(LOSSES))
def test_the_slope_of_a_response_by_a_five_point_stencil(name: str) -> None:
    if name == "softmax" or name == "squared_hinge":
        return  # a matrix; a response that is cut off
    loss, eta, h = LOSSES[name](), np.linspace(-4, 3, 60), 1e-3
    at = [loss.response(eta + k * h) for k in (-2, -1, 1, 2)]
    stencil = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    np.testing.assert_allclose(loss.response_slope(eta), stencil, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["poisson", "negative_binomial", "gamma", "tweedie", "inverse_gaussian", "probit"])
def test_the_expected_curvature_is_a_mean_over_targets(name: str) -> None:
    """l″ is linear in y: of two targets with a mean of μ the mean of l″ is that at μ."""
    loss, eta = LOSSES[name](), np.linspace(-2, 1.5, 40)
    mean = loss.response(eta)
    ends = (0.5 * mean, 1.5 * mean) if name != "probit" else (0 * mean, 1 + 0 * mean)
    share = 0.5 if name != "probit" else mean
    expected = (1 - share) * loss.second_derivative(eta, ends[0]) + share * loss.second_derivative(eta, ends[1])
    np.testing.assert_allclose(loss.expected_curvature(eta, mean), expected, rtol=1e-13)


# Fits


def rows_of(m: int = 400, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(m, n)) * [1, 10, 0.1] + [0, 5, -3]
    eta = 0.3 + X @ [0.8, -0.1, 4.0] + 12
    return X, (eta + rng.logistic(size=m) > 0).astype(float)


@pytest.mark.parametrize("name", ["probit", "cloglog"])
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_the_gradient_is_0_at_the_fit(name: str, solver: str) -> None:
    X, y = rows_of()
    found = dgd.fit(X, y, loss=name, solver=solver)
    assert found.converged
    if solver == "newton":
        assert found.n_iter_ <= 12
    r = LOSSES[name]().derivative(found.intercept_ + X @ found.coef_, y)
    assert np.abs(np.c_[np.ones(len(X)), X].T @ r / np.abs(X).max(axis=0).max()).max() < 1e-6


def test_a_constant_is_the_share_through_the_link() -> None:
    y = rows_of()[1]
    for name in ("probit", "cloglog", "logistic"):
        found = dgd.fit(np.zeros((len(y), 1)), y, loss=name)
        assert LOSSES[name]().response(np.array([found.intercept_]))[0] == pytest.approx(y.mean(), rel=1e-12)


@pytest.mark.parametrize("name", ["probit", "cloglog", "squared_hinge"])
def test_classes_are_predicted_saved_and_scored(name: str, tmp_path: Path) -> None:
    X, y = rows_of()
    labels = np.array(["no", "yes"])[y.astype(int)]
    found = dgd.fit(X, labels, loss=name, penalty=dgd.penalties.L2(1e-4))
    found.model.save(tmp_path / "a.dgd")
    model = dgd.load_model(tmp_path / "a.dgd")
    p = dgd.predict(model, X, probabilities=True)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    predicted = dgd.predict(model, X)
    even = p[:, 0] != p[:, 1]
    assert (predicted == np.array(["no", "yes"])[(p[:, 1] > 0.5).astype(int)])[even].all()
    score = dgd.score(model, X, labels)
    assert score.accuracy == (predicted == labels).mean() > 0.7
    assert score.auc > 0.75
    assert np.isnan(score.log_loss) == (name == "squared_hinge")
    if name != "squared_hinge":
        own = np.where(y == 1, p[:, 1], p[:, 0])
        assert score.log_loss == pytest.approx(-np.log(own).mean(), rel=1e-9)


def test_a_loaded_model_has_the_parameters_of_its_loss(tmp_path: Path) -> None:
    X, y = rows_of()
    amounts = np.exp(y)
    fitted = dgd.fit(X, amounts, loss=dgd.losses.Tweedie(1.7))
    fitted.model.save(tmp_path / "a.dgd")
    before, after = (dgd.score(model, X, amounts) for model in (fitted.model, dgd.load_model(tmp_path / "a.dgd")))
    assert before == after


# Successes and failures


def trials() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(150, 2))
    n = rng.integers(0, 20, size=150)
    k = rng.binomial(n, special.expit(0.4 + X @ [1.0, -0.5]))
    return X, np.column_stack([k, n - k])


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_successes_and_failures_are_proportions_with_weights_and_rows_of_0_and_1(solver: str) -> None:
    X, y = trials()
    n = y.sum(axis=1)
    found = dgd.fit(X, y, loss="binomial", solver=solver)
    share = np.divide(y[:, 0], n, out=np.zeros(len(n)), where=n > 0)
    shares = dgd.fit(X, share, weight=n.astype(float), loss="logistic")
    each = np.repeat(np.arange(len(X)), n), np.concatenate([[1.0] * k + [0.0] * f for k, f in y])
    rows = dgd.fit(X[each[0]], each[1], loss="logistic")
    for other in (shares, rows):
        np.testing.assert_allclose(found.theta, other.theta, rtol=1e-9)
        assert found.loss * len(X) == pytest.approx(other.loss * n.sum(), rel=1e-12)
    assert found.explained == pytest.approx(shares.explained, rel=1e-10)
    a, b = found.inference(), rows.inference()
    np.testing.assert_allclose(a.standard_errors, b.standard_errors, rtol=1e-7)
    assert a.statistics.null_deviance is not None
    weighted = dgd.fit(X, y, weight=np.full(len(X), 3.0), loss="binomial")
    np.testing.assert_allclose(weighted.theta, found.theta, rtol=1e-9)


def test_the_score_of_successes_and_failures_is_that_of_proportions() -> None:
    X, y = trials()
    n = y.sum(axis=1).astype(float)
    found = dgd.fit(X, y, loss="binomial")
    share = np.divide(y[:, 0], n, out=np.zeros(len(n)), where=n > 0)
    expected = dgd.score(dgd.fit(X, share, weight=n, loss="logistic").model, X, share, weight=n)
    score = dgd.score(found.model, X, y)
    p = dgd.predict(found.model, X)
    assert p.shape == (150,)
    mse = (n * (p - share) ** 2).sum() / n.sum()
    assert score.mse == pytest.approx(mse, rel=1e-12)
    assert score.d2 == pytest.approx(found.explained, rel=1e-9)
    assert hasattr(expected, "accuracy") or score.d2 == pytest.approx(expected.d2, rel=1e-9)


@pytest.mark.parametrize(("row", "column", "wrong"), [(3, 1, -1.0), (4, 0, np.nan), (5, 0, np.inf)])
def test_more_successes_than_trials_are_told_with_their_row(row: int, column: int, wrong: float) -> None:
    X, y = trials()
    y = y.astype(float)
    y[row, column] = wrong
    with pytest.raises(ValueRangeError, match=rf"row {row}, column {column}.*"):
        dgd.fit(X, y, loss="binomial")


def test_one_column_for_binomial_says_how_to_make_two() -> None:
    X, y = trials()
    with pytest.raises(
        ConfigurationError,
        match=r"two columns, successes and failures.*column_stack.*the loss 'logistic'.*target 'k / n'",
    ):
        dgd.fit(X, y[:, 0], loss="binomial")


@pytest.mark.slow
def test_bits_on_workers_and_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ragged chunks; two columns of y; classes that are told from each other on the same passes."""
    X, y = trials()
    labels = np.arange(150) % 3
    for loss, target in (("binomial", y), ("squared_hinge", labels), ("probit", (y[:, 0] > y[:, 1]).astype(float))):
        store = tmp_path / f"{loss}.zarr"
        with dgd.DatasetWriter(store, chunk_rows=40) as writer:
            writer.append(X, target)
        common = {"loss": loss, "penalty": dgd.penalties.L2(0.01)}
        expected = dgd.fit(store, threads=1, **common).theta
        with two_in_this_process() as client:
            found = [dgd.fit(store, **common, **where).theta for where in ({"threads": 2}, {"client": client})]
        assert all((each == expected).all() for each in found)
        assert main(["fit", str(store), "--loss", loss, "--l2", "0.01", "--json", "--quiet"]) == 0
        assert json.loads(capsys.readouterr().out)["theta"] == expected.tolist()
    assert main(["fit", str(store), "--loss", "hinge"]) == 2
    assert "take 'squared_hinge': the hinge has no derivative" in capsys.readouterr().err


def test_binomial_bits_do_not_depend_on_threads_or_the_door() -> None:
    X, y = trials()
    found = [dgd.fit(X, y, loss="binomial", threads=threads).theta for threads in (1, 2)]
    assert (found[0] == found[1]).all()
    path = dgd.path(X, y, loss="binomial", penalty=[dgd.penalties.L1(s) for s in (1e-2, 1e-3)])
    one = dgd.fit(X, y, loss="binomial", penalty=dgd.penalties.L1(1e-3))
    np.testing.assert_allclose(path.thetas[1], one.theta, atol=1e-7)


# Many rows


def test_many_rows_begin_at_a_sample() -> None:
    """As large fits do: from the minimum over some of the rows, which Newton's method leaves for that of all."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(90_000, 50))
    n = rng.integers(0, 6, size=len(X))
    k = rng.binomial(n, special.expit(0.3 + X[:, 0] - 0.5 * X[:, 1]))
    found = dgd.fit(X, np.column_stack([k, n - k]), loss="binomial")
    assert found.converged
    residual = n * special.expit(found.intercept_ + X @ found.coef_) - k
    assert np.abs(X.T @ residual).max() < 1e-7 * len(X)


# Squared hinges


def test_squared_hinges_of_many_classes_are_each_against_the_others() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(300, 4))
    y = np.argmax(X[:, :3] + 0.5 * rng.normal(size=(300, 3)), axis=1)
    penalty = dgd.penalties.L2(0.01)
    found = dgd.fit(X, np.array(["a", "b", "c"])[y], loss="squared_hinge", penalty=penalty)
    assert found.coef_.shape == (3, 4)
    for k in range(3):
        one = dgd.fit(X, (y == k).astype(int), loss="squared_hinge", penalty=penalty)
        np.testing.assert_allclose(found.coef_[k], one.coef_, rtol=1e-6, atol=1e-9)
    hits = (dgd.predict(found.model, X) == np.array(["a", "b", "c"])[y]).mean()
    assert dgd.score(found.model, X, np.array(["a", "b", "c"])[y]).accuracy == pytest.approx(hits)
    p = dgd.predict(found.model, X, probabilities=True)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_epsilon_0_is_the_squared_loss() -> None:
    X, y = rows_of()
    found = dgd.fit(X, 3 * y + X[:, 0], loss=SquaredEpsilonInsensitive(0), penalty=dgd.penalties.L2(0.1))
    np.testing.assert_allclose(found.theta, dgd.fit(X, 3 * y + X[:, 0], penalty=dgd.penalties.L2(0.1)).theta, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "instead"),
    [("hinge", "squared_hinge"), ("epsilon_insensitive", "squared_epsilon_insensitive"), ("log_loss", "logistic")],
)
def test_losses_by_other_names_are_refused_with_the_one_to_take(name: str, instead: str) -> None:
    X, y = rows_of()
    with pytest.raises(ConfigurationError, match=rf"`fit\(loss='{name}'\)` is no loss of dgd; take loss='{instead}'"):
        dgd.fit(X, y, loss=name)


def test_wrong_parameters_are_refused() -> None:
    for wrong in (-0.1, np.nan, np.inf, "1"):
        with pytest.raises(ConfigurationError, match=r"`SquaredEpsilonInsensitive\(epsilon=...\)` must be"):
            SquaredEpsilonInsensitive(wrong)  # type: ignore[arg-type]
    for loss in (Probit, Cloglog, Logistic):
        with pytest.raises(ConfigurationError, match=rf"`{loss.__name__}\(classes=...\)` must be two labels, got 3"):
            loss(classes=["a", "b", "c"])
    with pytest.raises(ConfigurationError, match=r"at least two labels"):
        SquaredHinge(classes=["a"])
    assert Binomial() == Binomial()
