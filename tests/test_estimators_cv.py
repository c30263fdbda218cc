"""Estimators that choose their strength or are fitted in parts: scikit-learn's numbers, and its checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.base import clone
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils.estimator_checks import parametrize_with_checks

import dgd
from dgd.errors import ConfigurationError
from dgd.estimators import (
    ElasticNetCV,
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
    ZarrDesign,
)
from dgd.passes.threads import ThreadExecutor

RNG = np.random.default_rng(8)
X = RNG.normal(size=(120, 5)) + RNG.normal(size=5)
Y = X @ [1, 2, 0, 0, 0.5] + RNG.normal(size=120)
TWO = np.column_stack([Y, 0.1 * X[:, 0] + RNG.normal(size=120)])
ALPHAS = np.logspace(-2, 3, 12)


@pytest.mark.each(30)
@parametrize_with_checks([RidgeCV(), LassoCV(), ElasticNetCV(), LogisticRegressionCV(Cs=3, cv=2)])
def test_scikit_learn_finds_nothing(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)


def test_lasso_and_elastic_net():
    ours = LassoCV(cv=4, alphas=30).fit(X, Y)
    theirs = linear_model.LassoCV(cv=4, alphas=ours.alphas_, tol=1e-12).fit(X, Y)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-8)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    np.testing.assert_allclose(ours.alphas_[0], abs((X - X.mean(0)).T @ (Y - Y.mean())).max() / 120, rtol=1e-12)
    weight = RNG.integers(1, 4, 120).astype(float)
    ours = ElasticNetCV(cv=KFold(3), l1_ratio=[0.2, 0.9], alphas=ALPHAS, positive=True).fit(X, Y, weight)
    theirs = linear_model.ElasticNetCV(cv=KFold(3), l1_ratio=[0.2, 0.9], alphas=ALPHAS, positive=True, tol=1e-12)
    theirs.fit(X, Y, weight)
    assert (ours.alpha_, ours.l1_ratio_) == (theirs.alpha_, theirs.l1_ratio_)
    np.testing.assert_allclose(ours.mse_path_, theirs.mse_path_, rtol=1e-7)


def test_ridge_by_folds_and_by_gcv():
    ours = RidgeCV(ALPHAS, cv=4).fit(X, Y)
    theirs = linear_model.RidgeCV(ALPHAS, cv=4, scoring="neg_mean_squared_error").fit(X, Y)
    assert ours.alpha_ == theirs.alpha_
    np.testing.assert_allclose(ours.best_score_, theirs.best_score_, rtol=1e-11)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9)
    ours = RidgeCV(ALPHAS, alpha_per_target=True).fit(X, TWO)
    centred, targets = X - X.mean(axis=0), TWO - TWO.mean(axis=0)
    for k, alpha in enumerate(ALPHAS):
        hat = centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(5), centred.T)
        residual = targets - hat @ targets
        expected = (residual**2).mean(axis=0) / (1 - (np.trace(hat) + 1) / 120) ** 2
        np.testing.assert_allclose(ours.cv_values_[k], expected, rtol=1e-10)
    np.testing.assert_array_equal(ours.alpha_, ALPHAS[ours.cv_values_.argmin(axis=0)])
    np.testing.assert_allclose(ours.coef_, linear_model.Ridge(alpha=ours.alpha_).fit(X, TWO).coef_, rtol=1e-9)


def test_logistic_regression():
    classes = np.where(Y > 1, "yes", "no")
    Cs = np.logspace(-3, 1, 4)
    ours = LogisticRegressionCV(Cs=Cs, cv=4).fit(X, classes)
    single = linear_model.LogisticRegression(C=ours.C_, tol=1e-10, max_iter=10_000).fit(X, classes)
    np.testing.assert_allclose(ours.coef_, single.coef_, atol=1e-6)
    assert ours.scores_.shape == (4, 4)
    assert Cs[ours.scores_.mean(axis=0).argmax()] == ours.C_


def test_class_weights():
    classes = np.where(Y > 2, "yes", "no")
    for weights in ({"yes": 5.0}, "balanced"):
        ours = LogisticRegression(class_weight=weights).fit(X, classes)
        theirs = linear_model.LogisticRegression(class_weight=weights, tol=1e-10, max_iter=10_000).fit(X, classes)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-6)
    with pytest.raises(ConfigurationError, match="a dictionary or 'balanced'"):
        LogisticRegression(class_weight="even").fit(X, classes)


def test_an_alpha_for_each_target_and_fits_in_parts():
    ours = Ridge(alpha=[1.0, 50.0]).fit(X, TWO)
    np.testing.assert_allclose(ours.coef_, linear_model.Ridge(alpha=[1.0, 50.0]).fit(X, TWO).coef_, rtol=1e-11)
    weight = RNG.integers(0, 3, 120).astype(float)
    for mine, theirs in ((Ridge(), linear_model.Ridge()), (LinearRegression(), linear_model.LinearRegression())):
        for part in (slice(0, 1), slice(1, 70), slice(70, 120)):
            mine.partial_fit(X[part], Y[part], weight[part] + 1)
        theirs.fit(X, Y, weight + 1)
        np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-10)
        np.testing.assert_allclose(mine.intercept_, theirs.intercept_, rtol=1e-9)
        with pytest.raises(ValueError, match="features"):
            mine.partial_fit(X[:, :3], Y)
        np.testing.assert_allclose(mine.fit(X[:50], Y[:50]).coef_, theirs.fit(X[:50], Y[:50]).coef_, rtol=1e-9)


def test_lazy_data_and_what_is_refused(store):
    design = ZarrDesign(store)
    found = LassoCV(cv=4, alphas=5).fit(design)
    folds = dgd.cross_validate(store, penalties=[dgd.penalties.L1(2 * float(a)) for a in found.alphas_], folds=4)
    np.testing.assert_allclose(found.mse_path_, folds.fold_losses, rtol=1e-10)
    with pytest.raises(ConfigurationError, match=r"in no test set|in several test sets"):
        LassoCV(cv=ShuffleSplit(3, random_state=0)).fit(X, Y)
    with pytest.raises(ConfigurationError, match="numbers above 0"):
        RidgeCV(alphas=[0.0]).fit(X, Y)
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        LogisticRegression(class_weight="balanced").fit(design)
    with pytest.raises(ConfigurationError, match="use RidgeCV"):
        ElasticNetCV(l1_ratio=0).fit(X, Y)
    with pytest.raises(ConfigurationError, match="numbers above 0"):
        LogisticRegressionCV(Cs=[-1.0]).fit(X, Y > 1)


@pytest.mark.parametrize(
    "estimator",
    [LinearRegression(), Ridge(), Lasso(), RidgeCV(), LassoCV(alphas=3), LogisticRegressionCV(Cs=2, cv=2)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_jobs_change_no_bit(estimator: Any, monkeypatch: pytest.MonkeyPatch, tiny_data_are_divided_too: None) -> None:
    y = Y > 1 if isinstance(estimator, LogisticRegression) else Y
    used: list[Any] = []
    make = ThreadExecutor.__init__

    def noted(self: ThreadExecutor, threads: Any = None, **options: Any) -> None:
        used.append(threads)
        make(self, threads, **options)

    monkeypatch.setattr(ThreadExecutor, "__init__", noted)
    monkeypatch.setattr("dgd.data.arrays.memory_rows.MEMORY_CHUNK_BYTES", 8 * 5 * 11)
    found = [clone(estimator).set_params(n_jobs=jobs).fit(X, y).coef_ for jobs in (None, 1, 3, -1)]
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    for jobs in (0, 1.5, True):
        with pytest.raises(ConfigurationError, match="a number of threads, or -1"):
            clone(estimator).set_params(n_jobs=jobs).fit(X, y)
    assert {1, 3} <= set(used)
