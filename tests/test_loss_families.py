"""Fits of generalised linear models and quantiles: what statsmodels and scikit-learn find, on any executor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import QuantileRegressor

import dgd
from dgd.errors import ValueRangeError

REFERENCE = json.loads((Path(__file__).parent / "data" / "losses" / "reference.json").read_text())
DATA = {name: np.array(values) for name, values in REFERENCE["data"].items()}
LOSSES: dict[str, Any] = {
    "gamma": dgd.losses.Gamma(),
    "inverse_gaussian": dgd.losses.InverseGaussian(),
    "tweedie": dgd.losses.Tweedie(1.4),
    "negative_binomial": dgd.losses.NegativeBinomial(0.7),
}
CASES = [case for case in REFERENCE["fits"] if case.split(", ")[0] in LOSSES]


@pytest.mark.parametrize("solver", ["auto", "lbfgs", "newton"])
@pytest.mark.parametrize("case", CASES)
def test_coefficients_and_deviance_of_statsmodels(case: str, solver: str) -> None:
    name, how = case.split(", ")
    y, weight = DATA[name], DATA["weight"] if how in ("weight", "both") else np.ones(120)
    offset = DATA["offset"] if how in ("offset", "both") else None
    loss, expected = LOSSES[name], REFERENCE["fits"][case]
    found = dgd.fit(DATA["X"], y, weight=weight, offset=offset, loss=loss, solver=solver)
    assert found.converged
    np.testing.assert_allclose(found.theta, expected["theta"], rtol=1e-9)
    deviance = 2 * (found.loss * weight.sum() - weight @ loss.saturated(y))
    assert deviance == pytest.approx(expected["deviance"], rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_bits_do_not_depend_on_threads(name: str) -> None:
    data = dgd.open_dataset(DATA["X"], DATA[name], weight=DATA["weight"])
    found = [dgd.fit(data, loss=LOSSES[name], threads=threads).theta for threads in (1, 2)]
    assert (found[0] == found[1]).all()


@pytest.mark.parametrize("name", ["gamma", "inverse_gaussian"])
def test_a_target_that_must_be_above_0_is_told_with_its_row(name: str) -> None:
    y = DATA[name].copy()
    y[7] = 0
    with pytest.raises(ValueRangeError, match=r"row 7.*expects a number above 0"):
        dgd.fit(DATA["X"], y, loss=name)


def test_quantiles_near_those_of_a_linear_program() -> None:
    """The least mean of the pinball loss lies within h/4 below that of the smoothed one, wherever its minimum is."""
    X, y = DATA["X"], DATA["gamma"]
    for quantile in (0.2, 0.5, 0.9):
        exact = QuantileRegressor(quantile=quantile, alpha=0).fit(X, y)
        found = dgd.fit(X, y, loss=dgd.losses.Quantile(quantile, 1e-4))
        assert found.converged
        pinball = [
            np.maximum(quantile * r, (quantile - 1) * r).mean()
            for r in (y - found.model.predict(X), y - exact.predict(X))
        ]
        assert pinball[1] <= pinball[0] * (1 + 1e-12)
        assert pinball[0] <= found.loss <= pinball[1] + 1e-4 / 4


def test_a_saved_model_predicts_through_its_link(tmp_path: Path) -> None:
    found = dgd.fit(DATA["X"], DATA["tweedie"], loss=LOSSES["tweedie"])
    found.model.save(tmp_path / "a.dgd")
    loaded = dgd.load_model(tmp_path / "a.dgd")
    expected = np.exp(found.intercept_ + DATA["X"] @ found.coef_)
    np.testing.assert_allclose(dgd.predict(loaded, DATA["X"]), expected, rtol=1e-14)
    assert loaded.provenance["loss"] == "Tweedie(power=1.4)"
