"""Paths and cross-validation of the squared loss from one pass, and paths of other losses in lock-step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import ElasticNetCV, LassoCV, RidgeCV, enet_path
from sklearn.model_selection import PredefinedSplit

import dgd
from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError, DataError
from dgd.fitting.many import gram_path
from dgd.fitting.many.exact_null import exact_null
from dgd.fitting.many.gram_path import losses, path_of
from dgd.fitting.null_model import null_model
from dgd.losses import Gamma, Huber, Logistic, Poisson, Quantile, Softmax
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L1, L2, Box, ElasticNet
from dgd.testing import CountingRows, MemoryChunks

RNG = np.random.default_rng(5)
M, N = 300, 12
X = RNG.normal(size=(M, N)) @ (np.eye(N) + RNG.normal(size=(N, N)) / 4) + RNG.normal(size=N)
Y = X[:, :4] @ [2, -1, 1, 0.5] + 3 + 2 * RNG.normal(size=M)
FOLD = np.arange(M) % 4
STRENGTHS = np.logspace(0.5, -3, 20)


def data(y: np.ndarray = Y, X: np.ndarray = X, **more: np.ndarray) -> Dataset:
    bounds = [0, 1, 120, 250, M]
    given = {"X": X, "y": y, **more}
    return Dataset(**{name: MemoryChunks(name, array, bounds) for name, array in given.items()})


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("kind", ["l2", "l1", "elastic net", "box", "a strength per column"])
def test_fits_from_products_are_those_of_fit(kind, intercept):
    made = {
        "l2": L2,
        "l1": L1,
        "elastic net": lambda s: ElasticNet(l1=s, l2=s),
        "box": lambda s: Box(lower=-0.1, upper=0.2, l1=s),
        "a strength per column": lambda s: L2(np.linspace(s, 2 * s, N)),
    }[kind]
    penalties = [made(float(s)) for s in STRENGTHS]
    weight = RNG.integers(0, 3, M).astype(float)
    summary = dgd.summarize(data(weight=weight))
    thetas = path_of(summary.total, penalties, fit_intercept=intercept)
    means = losses(summary.total, thetas, fit_intercept=intercept)
    for k in (0, 7, 19):
        lone = dgd.fit(data(weight=weight), penalty=penalties[k], fit_intercept=intercept)
        np.testing.assert_allclose(thetas[k, :, 0], lone.theta, rtol=1e-9, atol=1e-9)
        residual = Y - X @ lone.coef_ - lone.intercept_
        np.testing.assert_allclose(means[k, 0], np.average(residual**2, weights=weight), rtol=1e-12)


def test_a_path_of_the_squared_loss_is_that_of_scikit_learn_from_one_pass():
    counting = Dataset(*(CountingRows(rows) for rows in data().arrays))
    found = dgd.path(counting, penalty=0.5)
    assert len(counting.X.reads) == counting.n_chunks
    assert len(counting.y.reads) == counting.n_chunks
    centred = X - X.mean(axis=0)
    # dgd's mean squared error has no ½.
    _, coefs, _ = enet_path(centred, Y - Y.mean(), l1_ratio=0.5, alphas=found.strengths / 2, tol=1e-13)
    top = 2 * abs(centred.T @ Y).max() / M / 0.5
    np.testing.assert_allclose(found.strengths, top * 1e-4 ** (np.arange(100) / 99), rtol=2e-12)
    np.testing.assert_allclose(found.coefs, coefs.T, atol=1e-8)
    assert found.passes == 1
    assert found.nonzero[0] == 0
    assert found.nonzero[-1] == N
    assert "25 of 100 strengths" in str(found)
    np.testing.assert_allclose(found.models[50].predict(X), X @ coefs[:, 50] + found.intercepts[50], atol=1e-7)


def test_a_path_in_lockstep_takes_the_passes_of_its_hardest_fit():
    y = (Y > 3).astype(float)
    found = dgd.path(data(y), loss="logistic", penalty="l1", n_lambdas=8, tol=1e-12)
    lone = [dgd.fit(data(y), loss="logistic", penalty=penalty) for penalty in found.penalties]
    for k, result in enumerate(lone):
        np.testing.assert_allclose(found.thetas[k], result.theta, rtol=1e-8, atol=1e-9)
    assert found.passes <= 1.5 * max(result.n_iter_ for result in lone)
    assert found.passes < sum(result.n_iter_ for result in lone) / 4
    assert found.nonzero[0] == 0
    assert found.converged.all()
    value = np.logaddexp(0, X @ found.coefs[5] + found.intercepts[5]) - y * (X @ found.coefs[5] + found.intercepts[5])
    np.testing.assert_allclose(found.losses[5], value.mean(), rtol=1e-10)


def test_cross_validation_of_lasso_and_elastic_net_is_that_of_scikit_learn():
    split = PredefinedSplit(FOLD)
    for ratio, theirs in (
        (1.0, LassoCV(alphas=STRENGTHS / 2, cv=split, tol=1e-12, max_iter=100_000)),
        (0.3, ElasticNetCV(alphas=STRENGTHS / 2, l1_ratio=0.3, cv=split, tol=1e-12, max_iter=100_000)),
    ):
        theirs.fit(X, Y)
        penalties = [ElasticNet(l1=ratio * s, l2=(1 - ratio) * s) for s in STRENGTHS]
        found = dgd.cross_validate(data(), penalties=penalties, folds=4, by=FOLD)
        np.testing.assert_allclose(found.fold_losses, theirs.mse_path_, rtol=1e-7)
        np.testing.assert_allclose(found.penalty.l1, ratio * 2 * theirs.alpha_)
        np.testing.assert_allclose(found.result.coef_, theirs.coef_, atol=1e-6)
        assert found.passes == 1


def test_cross_validation_of_ridge_is_exact_reads_once_and_has_the_same_bits_on_threads(tiny_data_are_divided_too):
    targets = np.column_stack([Y, X @ RNG.normal(size=N)])
    penalties = [L2(float(s)) for s in STRENGTHS]
    runs = []
    for threads in (1, 3):
        counting = Dataset(*(CountingRows(rows) for rows in data(targets).arrays))
        runs.append(dgd.cross_validate(counting, penalties=penalties, folds=3, threads=threads))
        assert len(counting.X.reads) == counting.n_chunks
    np.testing.assert_array_equal(runs[0].fold_losses, runs[1].fold_losses)
    np.testing.assert_array_equal(runs[0].result.theta, runs[1].result.theta)
    found = dgd.cross_validate(data(), penalties=penalties, folds=4, by=FOLD)
    for k, fold in ((0, 0), (10, 3), (19, 1)):
        kept = fold != FOLD
        lone = dgd.fit(X[kept], Y[kept], penalty=penalties[k])
        np.testing.assert_allclose(found.fold_thetas[k, fold], lone.theta, rtol=1e-9)
        residual = Y[~kept] - X[~kept] @ lone.coef_ - lone.intercept_
        np.testing.assert_allclose(found.fold_losses[k, fold], np.mean(residual**2), rtol=1e-11)
    # scikit-learn's alpha is Σw times half of dgd's l2, and so differs from fold to fold: one alpha is compared.
    theirs = RidgeCV(alphas=[M * 0.75 / 2], cv=PredefinedSplit(FOLD), scoring="neg_mean_squared_error").fit(X, Y)
    ours = dgd.cross_validate(data(), penalties=[L2(1.0)], folds=4, by=FOLD)
    np.testing.assert_allclose(ours.mean[0], -theirs.best_score_, rtol=1e-10)


def test_columns_of_very_different_scales_and_far_from_zero():
    scales = 10.0 ** np.linspace(-5, 5, N)
    moved = X * scales + 1e3 * scales
    penalties = [L2(float(s)) for s in (1e-3, 1e-6)]
    found = dgd.cross_validate(data(X=moved), penalties=penalties, folds=4, by=FOLD)
    kept = FOLD != 2
    lone = dgd.fit(moved[kept], Y[kept], penalty=penalties[1])
    np.testing.assert_allclose(found.fold_thetas[1, 2, 1:], lone.coef_, rtol=1e-5)


@pytest.mark.parametrize(
    ("loss", "outputs", "offset", "intercept"),
    [
        (Huber(0.5), 0, False, True),
        (Quantile(0.9, smoothing=0.01), 0, True, True),
        (Logistic(), 0, True, True),
        (Gamma(), 0, True, True),
        (Softmax(3), 3, True, True),
        (Softmax(3), 3, False, False),
        (Huber(1.0), 2, True, True),
    ],
    ids=lambda value: getattr(value, "name", None),
)
@pytest.mark.parametrize("ratio", [1.0, 0.3])
def test_the_largest_strength_is_that_of_the_best_constant_to_the_last_digits(loss, outputs, offset, intercept, ratio):
    y = {"logistic": Y > 3, "gamma": np.exp(Y / 9), "softmax": np.digitize(Y, [0, 5])}.get(loss.name, Y)
    y = np.column_stack([Y, -2 * Y]) if loss.name == "huber" and outputs else y
    beside: Any = {"weight": RNG.integers(0, 3, M).astype(float)}
    if offset:
        beside["offset"] = RNG.normal(size=(M, outputs) if outputs else M)
    counting = {name: CountingRows(rows) for name, rows in data(np.asarray(y) * 1, **beside).by_role.items()}
    found = dgd.path(
        Dataset(**counting),
        loss=loss,
        penalty=ratio,
        n_lambdas=3,
        fit_intercept=intercept,
        max_iter=30,
        execution=dgd.Execution(threads=1, resident=0),
    )
    assert len(counting["X"].reads) == found.passes * 4, "the constant is found from targets alone"
    alone = dgd.fit(np.zeros((M, 1)), y, loss=loss, tol=1e-14, **beside).intercept_ if intercept else 0.0
    eta = np.zeros((M, outputs) if outputs else M) + alone + beside.get("offset", 0.0)
    slope = loss.derivative(eta, loss.encode(np.asarray(y), np.dtype(np.float64)))
    gradient = X.T @ (slope.T * beside["weight"]).T / beside["weight"].sum()
    np.testing.assert_allclose(found.strengths[0], np.abs(gradient).max() / ratio, rtol=1e-9)
    # The column that comes in first may do so by a rounding of the strength.
    first, second = (np.abs(model.coef).max() for model in found.models[:2])
    assert first <= 1e-9 * second
    assert found.nonzero[0] <= 1 <= found.nonzero[1]


@pytest.mark.parametrize(("loss", "y"), [(Poisson(), np.zeros(M)), (Logistic(), np.ones(M))])
def test_where_no_constant_is_best_fits_begin_as_ever(loss, y):
    executor = InlineExecutor()
    null = null_model(data(y), loss, executor)
    assert exact_null(null, data(y), loss, executor) is null


def test_columns_are_screened_and_those_left_out_are_checked(monkeypatch):
    """The strong rule discards most columns, and where it is wrong the condition of the minimum says so."""
    rng = np.random.default_rng(2)
    wide = rng.normal(size=(60, 150)) + rng.normal(size=(60, 1))
    y = wide[:, :5] @ [3, -2, 1.5, 1, -1] + rng.normal(size=60)
    sizes: list[int] = []
    solve = gram_path.quadratic_minimum

    def counted(start: Any, *others: Any) -> Any:
        sizes.append(len(start))
        return solve(start, *others)

    monkeypatch.setattr(gram_path, "quadratic_minimum", counted)
    for ratio in (1.0, 0.5):
        sizes.clear()
        found = dgd.path(wide, y, penalty=ratio, n_lambdas=50)
        assert sum(sizes) < 50 * 150 / 2, "half of the columns and more are never looked at"
        assert len(sizes) < 60, "and few of them are let in again"
        for k, (strength, b) in enumerate(zip(found.strengths, found.coefs, strict=True)):
            residual = wide @ b + found.intercepts[k] - y
            slope = 2 * wide.T @ residual / 60 + strength * (1 - ratio) * b
            bound = strength * ratio
            assert np.abs(slope[b == 0]).max(initial=0) <= bound * (1 + 1e-7)
            np.testing.assert_allclose(slope[b != 0], -np.sign(b[b != 0]) * bound, rtol=1e-6)


def test_a_column_that_the_strong_rule_discards_wrongly_is_let_in(monkeypatch):
    """The second column has nothing to do with y, until the first is in the model."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 2))
    columns = np.column_stack([x.sum(axis=1), x[:, 1]])
    columns[:, 1] -= columns[:, 1].mean() + x[:, 0] * (x[:, 0] @ columns[:, 1]) / (x[:, 0] @ x[:, 0])
    sizes: list[int] = []
    solve = gram_path.quadratic_minimum
    monkeypatch.setattr(
        gram_path, "quadratic_minimum", lambda start, *others: sizes.append(len(start)) or solve(start, *others)
    )
    penalties = [ElasticNet(l1=0.3, l2=1e4), L1(0.3)]
    found = dgd.path(columns, x[:, 0], penalty=penalties)
    assert sizes == [1, 1, 2], "what violates its condition at 0; what the rule keeps; and what then violates its own"
    assert found.nonzero.tolist() == [1, 2]
    np.testing.assert_allclose(found.thetas[1], dgd.fit(columns, x[:, 0], penalty=L1(0.3)).theta, rtol=1e-8)


def test_what_a_path_cannot_be_is_refused():
    for options, said in (
        ({"penalty": "ridge"}, "path\\(penalty=...\\)` must be 'l1', 'l2'"),
        ({"penalty": 1.5}, "must be 'l1', 'l2'"),
        ({"penalty": None}, "must be a list of dgd.penalties"),
        ({"n_lambdas": 0}, "whole number of 1 or more"),
        ({"penalty": [L1(1.0)], "n_lambdas": 3}, "goes with a kind"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            dgd.path(data(), **options)
    with pytest.raises(DataError, match="fold 1 sum to 0"):
        dgd.cross_validate(data(weight=(FOLD != 1).astype(float)), folds=4, by=FOLD)
