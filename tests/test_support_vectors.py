"""LinearSVC and LinearSVR beside scikit-learn's, which are liblinear's, and penalise the intercept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import svm
from sklearn.calibration import CalibratedClassifierCV

import dgd
from dgd.errors import ConfigurationError
from dgd.estimators import LinearSVC, LinearSVR

RNG = np.random.default_rng(4)
X = RNG.normal(size=(240, 4))
TWO = np.where(X @ [1.0, -2, 0.5, 0] + 0.7 * RNG.normal(size=240) > 0, "yes", "no")
THREE = np.argmax(X[:, :3] + 0.4 * RNG.normal(size=(240, 3)), axis=1) * 10
NUMBER = X @ [1.0, 0, 2, -1] + 0.3 * RNG.normal(size=240)
EXACT: dict[str, Any] = {"dual": False, "tol": 1e-12, "max_iter": 100_000, "fit_intercept": False}


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("options", [{"C": 0.3}, {"C": 5.0}, {"penalty": "l1", "C": 0.1}], ids=str)
def test_classes_of_liblinear(y: np.ndarray, options: dict[str, Any]) -> None:
    weight = RNG.uniform(0.2, 2, size=240)
    exact = {**EXACT, "tol": 1e-7} if "penalty" in options else EXACT
    expected = svm.LinearSVC(**exact, **options).fit(X, y, weight)
    found = LinearSVC(fit_intercept=False, **options).fit(X, y, weight)
    # liblinear's coordinate descent for l1 ends at a part of its first violation.
    close = {"rtol": 1e-3, "atol": 1e-4} if "penalty" in options else {"rtol": 1e-6, "atol": 1e-8}
    np.testing.assert_allclose(found.coef_, expected.coef_, **close)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))


def test_a_class_weight_is_that_of_its_rows() -> None:
    """Of more than two classes liblinear gives it to a class's rows in their own problem alone."""
    expected = svm.LinearSVC(**EXACT, class_weight="balanced").fit(X, TWO)
    np.testing.assert_allclose(
        LinearSVC(fit_intercept=False, class_weight="balanced").fit(X, TWO).coef_, expected.coef_, rtol=1e-6
    )
    counts = {label: (label == THREE).sum() for label in (0, 10, 20)}
    weight = np.array([240 / (3 * counts[label]) for label in THREE])
    found = LinearSVC(class_weight="balanced").fit(X, THREE)
    np.testing.assert_allclose(found.coef_, LinearSVC().fit(X, THREE, weight).coef_, rtol=1e-8)


def test_an_intercept_that_is_hardly_penalised() -> None:
    expected = svm.LinearSVC(dual=False, tol=1e-12, max_iter=100_000, intercept_scaling=300.0).fit(X, TWO)
    found = LinearSVC().fit(X, TWO)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-4)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("epsilon", [0.0, 0.2])
def test_numbers_of_liblinear(epsilon: float) -> None:
    common: dict[str, Any] = {"epsilon": epsilon, "C": 0.7, "loss": "squared_epsilon_insensitive"}
    weight = RNG.uniform(0.2, 2, size=240)
    expected = svm.LinearSVR(**EXACT, **common).fit(X, NUMBER, weight)
    found = LinearSVR(fit_intercept=False, **common).fit(X, NUMBER, weight)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-6)
    assert found.score(X, NUMBER) == pytest.approx(expected.score(X, NUMBER), rel=1e-8)


def test_newton_takes_few_passes_and_a_lazy_fit_is_the_same(tmp_path: Path) -> None:
    found = LinearSVC().fit(X, TWO)
    assert found.n_iter_ <= 12
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=70) as writer:
        writer.append(X, (TWO == "yes").astype(int))
    lazy = LinearSVC().fit(str(tmp_path / "a.zarr"))
    np.testing.assert_allclose(lazy.coef_, found.coef_, rtol=1e-8)


def test_margins_are_calibrated_and_models_saved(tmp_path: Path) -> None:
    for y in (TWO, THREE):
        found = LinearSVC().fit(X, y)
        assert not hasattr(found, "predict_proba")
        found.to_model().save(tmp_path / "a.dgd", overwrite=True)
        np.testing.assert_array_equal(dgd.predict(dgd.load_model(tmp_path / "a.dgd"), X), found.predict(X))
    p = CalibratedClassifierCV(LinearSVC(), cv=3).fit(X, TWO).predict_proba(X)
    assert ((p >= 0) & (p <= 1)).all()
    assert (p[:, 1] > 0.5).mean() == pytest.approx((TWO == "yes").mean(), abs=0.1)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (LinearSVC(loss="hinge"), r"no derivative at its kink.*take loss='squared_hinge'"),
        (LinearSVC(C=0), r"`LinearSVC\(C=...\)`"),
        (LinearSVC(penalty="l3"), r"`LinearSVC\(penalty=...\)`"),
        (LinearSVR(loss="epsilon_insensitive"), r"take loss='squared_epsilon_insensitive'"),
        (LinearSVR(epsilon=-1), r"`LinearSVR\(epsilon=...\)`"),
        (LinearSVR(C=-1), r"`LinearSVR\(C=...\)`"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(made: Any, message: str) -> None:
    y = NUMBER if isinstance(made, LinearSVR) else TWO
    with pytest.raises(ConfigurationError, match=message):
        made.fit(X, y)
