"""scikit-learn's names and habits: solvers, parameters without effect, penalties, attributes, dtypes, limits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import linear_model, svm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import dgd.estimators as ours
from dgd.errors import ConfigurationError
from dgd.estimators import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    sparse_regression,
)
from dgd.estimators.dual_gap import known_gap
from dgd.estimators.sklearn_names import SOLVER_NAMES, WITHOUT_EFFECT

RNG = np.random.default_rng(3)
X = RNG.normal(size=(80, 5))
NUMBER = X @ [1.0, -2.0, 0.5, 0.0, 0.0] + 1 + RNG.normal(size=80)
TWO = np.where(NUMBER > 1, "yes", "no")
THREE = np.digitize(NUMBER, [0.0, 2.0])
COUNTS = RNG.poisson(np.exp(0.3 * X[:, 0]))
W = RNG.uniform(0.5, 2, size=80)
THEIRS = {name: getattr(module, name) for module in (linear_model, svm) for name in module.__all__}
SHARED = sorted(set(ours.__all__) & set(THEIRS))
ELSEWHERE = {
    "LogisticRegressionCV": {"l1_ratios", "penalty", "scoring", "refit", "use_legacy_attributes"},
    "RidgeCV": {"scoring", "gcv_mode", "store_cv_results"},
}
"""Parameters that change what is found, or how, and are not here."""


@pytest.mark.parametrize("name", SHARED)
def test_all_of_scikit_learns_parameters_are_known(name: str) -> None:
    found, wanted = getattr(ours, name)().get_params(), THEIRS[name]().get_params()
    assert set(wanted) - set(found) == ELSEWHERE.get(name, set())
    for parameter in set(wanted) & set(WITHOUT_EFFECT):
        assert found[parameter] == wanted[parameter], parameter


@pytest.mark.parametrize("solver", SOLVER_NAMES)
def test_a_solver_of_scikit_learn_stands_for_auto(solver: str) -> None:
    for estimator, y in [(Ridge(), NUMBER), (LogisticRegression(), THREE), (PoissonRegressor(), COUNTS)]:
        chosen, named = clone(estimator).fit(X, y), clone(estimator).set_params(solver=solver).fit(X, y)
        assert_array_equal(named.coef_, chosen.coef_)
        assert named.solver_ == chosen.solver_ == ("summary" if y is NUMBER else "newton")
        assert named.solver == solver


def test_solver_says_what_ran() -> None:
    assert Ridge(solver="cg").fit(X, NUMBER).solver_ == "cg"
    assert Ridge(solver="lbfgs").fit(X, NUMBER).solver_ == "lbfgs"
    # What scikit-learn's lbfgs does there, dgd's does not.
    assert Ridge(solver="lbfgs", positive=True).fit(X, NUMBER).solver_ == "summary"
    assert LogisticRegression(solver="lbfgs", l1_ratio=1.0).fit(X, TWO).solver_ == "newton"
    assert Ridge(alpha=[1.0, 2.0]).fit(X, np.c_[NUMBER, NUMBER]).solver_ == "summary"
    assert LinearRegression().partial_fit(X, NUMBER).solver_ == "summary"
    assert ours.HuberRegressor().fit(X, NUMBER).solver_ == "newton"
    assert ours.QuantileRegressor(alpha=0.01, solver="highs").fit(X, NUMBER).solver_ != "highs"
    with pytest.raises(ConfigurationError, match=r"Ridge\(solver=\.\.\.\)` must be one of auto, .*sag"):
        Ridge(solver="nwton").fit(X, NUMBER)


CHANGED: dict[str, tuple[Any, Any]] = {
    "copy_X": (False, 3),
    "random_state": (7, -1),
    "selection": ("random", "some"),
    "verbose": (2, -1),
    "dual": (True, "yes"),
    "intercept_scaling": (100.0, True),
    "precompute": (True, "yes"),
    "n_jobs": (2, 0),
}
"""Parameters without effect: another value, and one that is refused."""


@pytest.mark.each(4)
@pytest.mark.parametrize("name", SHARED)
def test_parameters_without_effect(name: str) -> None:
    plain = getattr(ours, name)()
    small, y = X[:24, :2].copy(), TWO[:24] if "Logistic" in name or "SVC" in name else COUNTS[:24] + 1.0
    if "cv" in plain.get_params():
        plain.set_params(cv=2)
    changed = {parameter: new for parameter, (new, _) in CHANGED.items() if parameter in plain.get_params()}
    other = clone(plain).set_params(**changed)
    assert_array_equal(plain.fit(small, y).coef_, other.fit(small, y).coef_)
    assert_array_equal(small, X[:24, :2])
    for parameter in changed:
        with pytest.raises(ConfigurationError, match=rf"\({parameter}="):
            clone(plain).set_params(**{parameter: CHANGED[parameter][1]}).fit(small, y)


def test_a_gram_matrix_must_be_that_of_X() -> None:
    centred = X - X.mean(axis=0)
    plain = Lasso(0.1).fit(X, NUMBER)
    assert_allclose(Lasso(0.1, precompute=centred.T @ centred).fit(centred, NUMBER).coef_, plain.coef_, rtol=1e-9)
    weighted = X - np.average(X, axis=0, weights=W)
    gram = (weighted * (W / W.mean())[:, None]).T @ weighted
    assert_allclose(
        Lasso(0.1, precompute=gram).fit(weighted, NUMBER, W).coef_, Lasso(0.1).fit(X, NUMBER, W).coef_, rtol=1e-9
    )
    with pytest.raises(ValueError, match=r"Gram matrix.*did not pass validation"):
        Lasso(0.1, precompute=np.ones((5, 5))).fit(centred, NUMBER)
    with pytest.raises(ConfigurationError, match=r"shape \(5, 5\)"):
        Lasso(0.1, precompute=np.ones((4, 4))).fit(X, NUMBER)
    with pytest.warns(UserWarning, match="recomputing Gram matrix"):
        assert_array_equal(Lasso(0.1, precompute=X.T @ X).fit(X + 1, NUMBER).coef_, Lasso(0.1).fit(X + 1, NUMBER).coef_)


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
def test_penalties_by_name(y: Any) -> None:
    for named, plain in [
        ({"penalty": "l1"}, {"l1_ratio": 1.0}),
        ({"penalty": "l2", "C": 0.3}, {"C": 0.3}),
        ({"penalty": "elasticnet", "l1_ratio": 0.4}, {"l1_ratio": 0.4}),
        ({"penalty": None}, {"C": np.inf}),
        ({"l1_ratio": None}, {}),
    ]:
        expected = LogisticRegression(**plain).fit(X, y)
        assert_array_equal(LogisticRegression(**named).fit(X, y).coef_, expected.coef_)
    for arguments, words in [
        ({"penalty": None, "C": 4}, "Setting penalty=None will ignore the C"),
        ({"penalty": "l1", "l1_ratio": 0.5}, r"only used when penalty is 'elasticnet'. Got \(penalty=l1\)"),
        ({"penalty": "l2", "l1_ratio": 1.0}, "Inconsistent values: penalty=l2 with l1_ratio=1.0"),
    ]:
        with pytest.warns(UserWarning, match=words):
            LogisticRegression(**arguments).fit(X, y)
    for arguments in ({"penalty": "l3"}, {"penalty": "elasticnet", "l1_ratio": None}):
        with pytest.raises(ConfigurationError, match=r"penalty|l1_ratio"):
            LogisticRegression(**arguments).fit(X, y)


def test_what_does_not_converge_is_said_in_scikit_learns_words() -> None:
    for solver, words in [
        ("lbfgs", "lbfgs failed to converge"),
        ("newton-cg", "newton-cg failed to converge.* Increase the number of iterations."),
        ("sag", "The max_iter was reached which means the coef_ did not converge"),
        ("liblinear", "Liblinear failed to converge, increase the number of iterations."),
        ("newton-cholesky", "Newton solver did not converge after 2 iterations"),
    ]:
        with pytest.warns(ConvergenceWarning, match=words):
            found = LogisticRegression(solver=solver, max_iter=2).fit(X, TWO)
        assert_array_equal(found.n_iter_, [2])
    with pytest.warns(ConvergenceWarning, match="Objective did not converge. You might want to increase"):
        Lasso(0.1, solver="fista", max_iter=2).fit(X, NUMBER)
    with pytest.warns(UserWarning, match="With alpha=0, this algorithm .*LinearRegression"):
        found = Lasso(alpha=0).fit(X, NUMBER)
    assert_allclose(found.coef_, LinearRegression().fit(X, NUMBER).coef_, rtol=1e-10)


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (LinearRegression(), np.c_[NUMBER, NUMBER]),
        (Ridge(), NUMBER),
        (Lasso(), NUMBER),
        (ours.HuberRegressor(), NUMBER),
        (PoissonRegressor(), COUNTS),
        (LogisticRegression(), TWO),
        (LogisticRegression(fit_intercept=False), THREE),
    ],
    ids=["least squares", "ridge", "lasso", "huber", "poisson", "two classes", "three classes"],
)
def test_no_iteration_stays_where_it_begins(estimator: Any, y: Any) -> None:
    with pytest.warns(ConvergenceWarning):
        found = clone(estimator).set_params(max_iter=0).fit(X, y)
    assert np.max(found.n_iter_) == 0
    assert found.coef_.shape == clone(estimator).fit(X, y).coef_.shape
    assert not found.coef_.any()
    found.predict(X)
    if hasattr(estimator, "warm_start"):
        fitted = clone(estimator).set_params(warm_start=True).fit(X, y)
        before = fitted.coef_
        with pytest.warns(ConvergenceWarning):
            assert_allclose(fitted.set_params(max_iter=0).fit(X, y).coef_, before, rtol=1e-14)


def by_definition(estimator: Any, X: Any, y: Any, weight: Any, alpha: float, ratio: float) -> float:
    """The lasso's gap, the elastic net being one of more rows: b' = √β of each coefficient, targets 0."""
    weight = np.ones(len(y)) if weight is None else weight
    root = np.sqrt(weight / weight.sum())
    A, b = root[:, None] * X, root * (y - estimator.intercept_)
    coef = estimator.coef_
    r = b - A @ coef
    l1, l2 = alpha * ratio, alpha * (1 - ratio)
    g = A.T @ r
    primal = r @ r / 2 + l1 * abs(coef).sum() + l2 / 2 * coef @ coef
    if l2 == 0:
        r = r * min(1.0, l1 / abs(g).max())
        return float(primal - (b @ r - r @ r / 2))
    return float(primal - (b @ r - r @ r / 2 - (np.maximum(abs(g) - l1, 0) ** 2).sum() / (2 * l2)))


@pytest.mark.parametrize("weight", [None, W], ids=["plain", "weights"])
def test_the_dual_gap_is_a_bound(weight: Any) -> None:
    for estimator, ratio in [(Lasso(0.1), 1.0), (ElasticNet(0.1, l1_ratio=0.3), 0.3)]:
        found = clone(estimator).fit(X, NUMBER, weight)
        assert 0 <= found.dual_gap_ < 1e-12
        with pytest.warns(ConvergenceWarning):
            rough = clone(estimator).set_params(solver="fista", max_iter=4).fit(X, NUMBER, weight)
        assert_allclose(rough.dual_gap_, by_definition(rough, X, NUMBER, weight, 0.1, ratio), rtol=1e-9)

        def objective(model: Any, ratio: float = ratio) -> float:
            square = np.average((NUMBER - model.predict(X)) ** 2, weights=weight) / 2
            return float(square + 0.1 * (ratio * abs(model.coef_).sum() + (1 - ratio) / 2 * model.coef_ @ model.coef_))

        assert objective(rough) - objective(found) <= rough.dual_gap_
        several = clone(estimator).fit(X, np.c_[NUMBER, -NUMBER], weight)
        assert several.dual_gap_.shape == (2,)
        lazy = clone(estimator).set_params(solver="fista", max_iter=4)
        with pytest.warns(ConvergenceWarning):
            lazy.fit(ours.ZarrDesign(_dataset(weight)))
        assert_allclose(lazy.dual_gap_, rough.dual_gap_, rtol=1e-9)


def test_the_dual_gap_costs_a_pass_only_where_the_last_one_was_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(sparse_regression, "known_gap", lambda *given, **more: asked.append(known_gap(*given, **more)))
    cases = [
        {},
        {"solver": "newton"},
        {"positive": True},
        {"fit_intercept": False},
        {"solver": "fista", "tol": 1e-4},
    ]
    for estimator in (Lasso(0.1), ElasticNet(0.1, l1_ratio=0.3)):
        for case in cases:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                summed = clone(estimator).set_params(**case).fit(X + 2, NUMBER, W, 0.1 * X[:, 0]).dual_gap_
            assert_allclose(asked[-1], summed, rtol=1e-9, atol=1e-13)
    with pytest.warns(ConvergenceWarning):
        Lasso(0.1, solver="fista", max_iter=4).fit(X, NUMBER)
    Lasso(0.1).fit(X, np.c_[NUMBER, NUMBER])
    assert asked[-2:] == [None, None]


def _dataset(weight: Any) -> Any:
    import dgd

    return dgd.open_dataset(X, NUMBER, weight=weight)


def test_sparse_coefficients() -> None:
    lasso = Lasso(0.5).fit(X, NUMBER)
    assert sparse.issparse(lasso.sparse_coef_)
    assert_array_equal(lasso.sparse_coef_.toarray()[0], lasso.coef_)
    for y in (TWO, THREE):
        model = LogisticRegression(C=0.05, l1_ratio=1.0).fit(X, y)
        coef, expected = model.coef_, model.predict_proba(X)
        assert sparse.issparse(model.sparsify().coef_)
        assert_array_equal(model.predict_proba(X), expected)
        assert_array_equal(model.to_model().coef, coef if len(coef) > 1 else coef[0])
        assert_array_equal(model.densify().densify().coef_, coef)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_single_precision_stays(form: Any) -> None:
    single = form(X.astype(np.float32))
    for estimator, y in [
        (LinearRegression(), NUMBER),
        (Ridge(), np.c_[NUMBER, NUMBER]),
        (Lasso(0.1), NUMBER),
        (ours.HuberRegressor(), NUMBER),
        (PoissonRegressor(), COUNTS),
        (LogisticRegression(), TWO),
        (LogisticRegression(), THREE),
    ]:
        found, double = clone(estimator).fit(single, y), clone(estimator).fit(form(X), y)
        assert (found.coef_.dtype, double.coef_.dtype) == (np.float32, np.float64)
        assert_allclose(found.coef_, double.coef_, rtol=1e-4, atol=1e-5)
        if not isinstance(estimator, LogisticRegression):
            assert found.predict(single).dtype == np.float32
            assert found.predict(form(X)).dtype == double.predict(single).dtype == np.float64
        else:
            assert found.predict_proba(single).dtype == np.float32
            assert double.predict_proba(single).dtype == np.float64


def test_check_input_is_taken() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_array_equal(
            Lasso(0.1).fit(X, NUMBER, check_input=False).coef_, Lasso(0.1).fit(X, NUMBER, check_input=True).coef_
        )
