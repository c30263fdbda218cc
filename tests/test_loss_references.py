"""Each loss of generalised linear models beside R, statsmodels and glum: θ, deviances, dispersion, standard errors, p.

The numbers are in `data/losses`, with the scripts that made them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import dgd
from dgd.errors import ConfigurationError
from dgd.fitting.result import Result

FOLDER = Path(__file__).parent / "data" / "losses"
STATSMODELS = json.loads((FOLDER / "reference.json").read_text())
R = json.loads((FOLDER / "r.json").read_text())["fits"]
DATA = {name: np.array(values) for name, values in STATSMODELS["data"].items()}
LOSSES: dict[str, Any] = {
    "gamma": dgd.losses.Gamma(),
    "inverse_gaussian": dgd.losses.InverseGaussian(),
    "tweedie": dgd.losses.Tweedie(1.4),
    "negative_binomial": dgd.losses.NegativeBinomial(0.7),
    **{name: dgd.losses.LOSSES[name]() for name in ("squared", "poisson", "logistic", "probit", "cloglog", "binomial")},
}


def fitted(case: str, **options: Any) -> Result:
    name, how = case.split(", ")[:2]
    weight = DATA["weight"] if how in ("weight", "both") else None
    offset = DATA["offset"] if how in ("offset", "both") else None
    return dgd.fit(DATA["X"], DATA[name], weight=weight, offset=offset, loss=LOSSES[name], **options)


def close(found: Any, expected: Any, rel: float) -> None:
    np.testing.assert_allclose(found, expected, rtol=rel, atol=1e-12)


@pytest.mark.each(3)
@pytest.mark.parametrize("case", STATSMODELS["fits"])
def test_statsmodels_and_glum(case: str) -> None:
    expected, found = STATSMODELS["fits"][case], fitted(case)
    assert found.converged
    close(found.theta, expected["theta"], 1e-8)
    if "glum" in expected:
        close(found.theta, expected["glum"], 1e-7)
    inference = found.inference()
    close(inference.standard_errors, expected["standard_errors"], 1e-8)
    close(inference.statistics.deviance, expected["deviance"], 1e-9)
    if "offset" not in case and "both" not in case:
        close(inference.statistics.null_deviance, expected["null_deviance"], 1e-9)
    pearson = found.inference(dispersion="pearson") if case.split(",")[0] != "squared" else inference
    close(pearson.dispersion, expected["pearson"] / (120 - 4), 1e-8)
    if case.split(", ")[0] in ("poisson", "logistic", "probit", "cloglog", "binomial", "negative_binomial"):
        close(inference.log_likelihood, expected["log_likelihood"], 1e-9)


@pytest.mark.each(3)
@pytest.mark.parametrize("case", R)
def test_r(case: str) -> None:
    expected, with_intercept = R[case], case.endswith("1")
    found = fitted(case, fit_intercept=with_intercept)
    np.testing.assert_allclose(found.theta, expected["theta"], rtol=1e-6, atol=1e-7)  # R stops by the deviance
    inference = found.inference()
    close(inference.standard_errors, expected["standard_errors"], 1e-6)
    close(inference.p_values, expected["p_values"], 1e-5)
    close(inference.dispersion, expected["dispersion"], 1e-6)
    close(inference.statistics.deviance, expected["deviance"], 1e-9)


def test_the_observed_information_is_the_hessian_at_theta() -> None:
    """Of the gamma loss Σ w (y/μ) xxᵀ, where the expected one is Σ w xxᵀ; of a canonical link both are one."""
    X = np.c_[np.ones(120), DATA["X"]]
    found = fitted("gamma, plain")
    mu = np.exp(X @ found.theta)
    for information, weight in (("observed", DATA["gamma"] / mu), ("expected", np.ones(120))):
        inference = found.inference(information=information)
        covariance = inference.dispersion * np.linalg.inv(X.T @ (weight[:, None] * X))
        close(inference.standard_errors, np.sqrt(np.diag(covariance)), 1e-9)
    poisson = fitted("poisson, plain")
    both = [poisson.inference(information=each).standard_errors for each in ("observed", "expected")]
    assert (both[0] == both[1]).all()
    with pytest.raises(ConfigurationError, match=r"information"):
        found.inference(information="fisher")


def test_an_estimated_dispersion_means_t_and_no_likelihood() -> None:
    found = fitted("gamma, both").inference()
    p = 2 * stats.t.sf(np.abs(found.estimates / found.standard_errors), 116)
    close(found.p_values, p, 1e-10)
    assert found.log_likelihood is None
    with pytest.raises(ConfigurationError, match=r"dispersion was estimated; use `wald_test`"):
        found.likelihood_ratio_test("x0")
    assert found.f_test("x0").df == (1, 116) or found.f_test("x0").p_value == pytest.approx(found.p_values[1])


@pytest.mark.parametrize("name", ["gamma", "negative_binomial", "probit", "cloglog", "poisson"])
def test_an_interval_goes_through_the_link(name: str) -> None:
    inference = fitted(f"{name}, plain").inference()
    rows = np.array([[0.3, -1.0, 0.5], [0.0, 0.0, 0.0]])
    design = np.c_[np.ones(2), rows]
    eta = design @ inference.estimates
    error = np.sqrt(np.einsum("ij,jk,ik->i", design, inference.covariance, design))
    loss, h = LOSSES[name], 1e-5
    slope = (loss.response(eta + h) - loss.response(eta - h)) / (2 * h)
    classes = inference.model.classes is not None
    predict = inference.model.predict_proba if classes else inference.model.predict
    found = predict(rows, interval=0.9)[:, 1] if classes else predict(rows, interval=0.9)
    close(found[:, 0], loss.response(eta), 1e-12)
    close(found[:, 1], slope * error, 1e-7)


def test_the_dispersion_of_weights_that_are_rows() -> None:
    """A row of weight 3 by frequency is three rows: φ, its degrees of freedom and standard errors."""
    weight = DATA["weight"].astype(int)
    once = dgd.fit(DATA["X"], DATA["gamma"], weight=weight, loss="gamma").inference(weights="frequency")
    rows = np.repeat(np.arange(120), weight)
    each = dgd.fit(DATA["X"][rows], DATA["gamma"][rows], loss="gamma").inference()
    close(once.dispersion, each.dispersion, 1e-9)
    close(once.standard_errors, each.standard_errors, 1e-9)
    close(once.p_values, each.p_values, 1e-7)
