"""Offsets in every loss and every estimator: what is added to η is taken from θ, to the digits of the fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning

import dgd
from dgd import estimators
from dgd.errors import ConfigurationError
from dgd.losses import LOSSES

RNG = np.random.default_rng(11)
X = RNG.normal(size=(200, 2))
ETA = 0.3 + X @ [0.5, -0.4]
AMOUNT = np.exp(ETA) * RNG.gamma(3, 1 / 3, size=200) + 0.01
COUNT = RNG.poisson(np.exp(ETA)).astype(float)
SIGN = (ETA + RNG.logistic(size=200) > 0).astype(float)
TARGETS: dict[str, np.ndarray] = {
    **dict.fromkeys(("logistic", "probit", "cloglog", "squared_hinge"), SIGN),
    **dict.fromkeys(("poisson", "negative_binomial", "tweedie"), COUNT),
    "softmax": np.argmax(np.c_[0 * ETA, ETA, -ETA] + RNG.gumbel(size=(200, 3)), axis=1),
    "binomial": np.c_[SIGN + 2 * COUNT, 3 - SIGN + AMOUNT],
}
SHIFT = np.array([0.7, -0.2, 0.3])


@pytest.mark.parametrize("name", LOSSES)
def test_what_an_offset_adds_is_taken_from_theta(name: str) -> None:
    """F(θ; offset + Xd + c) = F(θ + (c, d); offset): of each loss, whatever its minimum is."""
    y = TARGETS.get(name, AMOUNT)
    design = np.c_[np.ones(200), X]
    shift = np.outer(SHIFT, [1.0, -0.5, -0.5]) if name == "softmax" else SHIFT
    plain = dgd.fit(X, y, loss=name)
    found = dgd.fit(X, y, loss=name, offset=design @ shift)
    assert plain.converged
    assert found.converged
    np.testing.assert_allclose(found.theta + shift, plain.theta, rtol=1e-5, atol=1e-6)
    assert found.loss == pytest.approx(plain.loss, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "softmax"])
def test_a_number_is_an_offset_for_each_row(name: str) -> None:
    y = TARGETS.get(name, AMOUNT)
    found, each = (dgd.fit(X, y, loss=name, offset=offset) for offset in (0.7, np.full(200, 0.7)))
    assert (found.theta == each.theta).all()
    prediction = [dgd.predict(found.model, X[:5], offset=offset) for offset in (0.7, np.full(5, 0.7))]
    assert (prediction[0] == prediction[1]).all()


def test_a_number_that_is_none_is_refused() -> None:
    for wrong in (np.nan, np.inf):
        with pytest.raises(ConfigurationError, match=r"`offset` must be finite"):
            dgd.fit(X, COUNT, loss="poisson", offset=wrong)


ESTIMATORS: list[tuple[str, dict[str, Any], np.ndarray]] = [
    ("LinearRegression", {}, AMOUNT),
    ("LinearRegression", {"positive": True}, AMOUNT),
    ("Ridge", {"alpha": 3.0}, AMOUNT),
    ("Lasso", {"alpha": 0.05}, AMOUNT),
    ("ElasticNet", {"alpha": 0.05}, AMOUNT),
    ("HuberRegressor", {}, AMOUNT),
    ("QuantileRegressor", {"alpha": 0.01}, AMOUNT),
    ("LogisticRegression", {}, SIGN),
    ("PoissonRegressor", {}, COUNT),
    ("GammaRegressor", {}, AMOUNT),
    ("TweedieRegressor", {"power": 1.5}, COUNT),
    ("TweedieRegressor", {"power": 0}, COUNT),
    ("LinearSVC", {}, SIGN),
    ("LinearSVR", {"epsilon": 0.1}, AMOUNT),
]


@pytest.mark.each(4)
@pytest.mark.parametrize(("name", "parameters", "y"), ESTIMATORS)
def test_estimators_take_an_offset(name: str, parameters: dict[str, Any], y: np.ndarray) -> None:
    """A constant one moves the intercept alone; another one is that of `dgd.fit` with the same penalty."""
    made = getattr(estimators, name)
    plain, moved, number = (made(**parameters).fit(X, y, offset=offset) for offset in (None, np.full(200, 0.6), 0.6))
    np.testing.assert_allclose(moved.coef_, plain.coef_, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved.intercept_, np.asarray(plain.intercept_) - 0.6, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(number.coef_, moved.coef_)
    other = made(**parameters).fit(X, y, None, X[:, 0] * 0.3)
    assert abs(np.ravel(other.coef_)[0] - np.ravel(plain.coef_)[0]) > 1e-3 or name in ("Lasso", "ElasticNet")


def test_the_offset_of_an_exposure_is_its_logarithm() -> None:
    exposure = RNG.uniform(0.5, 2, size=200)
    counts = RNG.poisson(exposure * np.exp(ETA)).astype(float)
    found = estimators.PoissonRegressor(alpha=0.01).fit(X, counts, offset=np.log(exposure))
    rates = estimators.PoissonRegressor(alpha=0.01 / exposure.mean()).fit(X, counts / exposure, exposure)
    np.testing.assert_allclose(found.coef_, rates.coef_, rtol=1e-8)


def test_the_offset_of_a_lazy_x_is_a_name_or_an_array(tmp_path: Path) -> None:
    offset = X[:, 1] * 0.5
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=70) as writer:
        writer.append(X, COUNT)
    expected = estimators.PoissonRegressor().fit(X, COUNT, offset=offset).coef_
    design = estimators.ZarrDesign(str(tmp_path / "a.zarr"))
    found = estimators.PoissonRegressor().fit(design, offset=offset)
    np.testing.assert_allclose(found.coef_, expected, rtol=1e-9)
    rows = np.random.default_rng(0).permutation(200)
    shuffled = estimators.PoissonRegressor().fit(design[rows], COUNT[rows], offset=offset[rows])
    np.testing.assert_allclose(shuffled.coef_, expected, rtol=1e-9)
    named = estimators.PoissonRegressor().fit(str(tmp_path / "a.zarr"), offset="y")
    assert np.isfinite(named.coef_).all()
    for X_, given, message in (
        (X, "offset", r"names an array beside X, and X has none"),
        (X, offset[:3], r"offset must have 200 rows"),
        (X, np.inf, r"must be finite"),
    ):
        with pytest.raises((ConfigurationError, ValueError), match=message):
            estimators.PoissonRegressor().fit(X_, COUNT, offset=given)
    with pytest.raises(ConfigurationError, match=r"subtract it from y yourself"):
        estimators.HuberRegressor().fit(design, offset=offset)


def test_several_targets_have_an_offset_each() -> None:
    y = np.c_[AMOUNT, COUNT]
    offset = np.c_[X[:, 0], 0.2 + X[:, 1]]
    found = estimators.Ridge(alpha=0.0).fit(X, y, offset=offset)
    plain = estimators.Ridge(alpha=0.0).fit(X, y)
    np.testing.assert_allclose(found.coef_, plain.coef_ - np.eye(2), atol=1e-9)
    with pytest.warns(DataConversionWarning):
        column = estimators.PoissonRegressor().fit(X, COUNT[:, None], offset=X[:, 0])
    np.testing.assert_allclose(column.coef_, estimators.PoissonRegressor().fit(X, COUNT, offset=X[:, 0]).coef_)


@pytest.mark.parametrize("power", [0, 1, 1.5, 2, 3])
def test_the_deviance_that_dask_ml_has(power: float) -> None:
    """2 Σ w (ℓ − ℓ*), of the mean of a gamma 2 Σ w (y/μ − 1 − log(y/μ)), by its own name."""
    weight = RNG.uniform(0.5, 2, size=200)
    found = estimators.TweedieRegressor(power=power, alpha=0.01).fit(X, AMOUNT, weight)
    mean = found.predict(X)
    with np.errstate(invalid="ignore"):  # by power 0 a mean may be below 0, where the others have no logarithm
        expected = {
            0: (AMOUNT - mean) ** 2,
            1: 2 * (AMOUNT * np.log(AMOUNT / mean) - AMOUNT + mean),
            1.5: 4 * (np.sqrt(AMOUNT) - np.sqrt(mean)) ** 2 / np.sqrt(mean),
            2: 2 * (AMOUNT / mean - 1 - np.log(AMOUNT / mean)),
            3: (AMOUNT - mean) ** 2 / (AMOUNT * mean**2),
        }[power]
    assert found.get_deviance(X, AMOUNT, weight) == pytest.approx(weight @ expected, rel=1e-10)
    assert found.get_deviance(X, AMOUNT) == pytest.approx(expected.sum(), rel=1e-10)
