"""Inference against what others find: statsmodels on small data (tests/data/inference), and NIST's certified values."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import DATA, read_csv, read_json
from test_reference_nist import nist

import dgd
from dgd.losses import Huber, Softmax
from dgd.models.inference import Inference

TOLERANCE = 1e-8
FIGURES = ("r2", "adjusted_r2", "dispersion", "log_likelihood", "deviance", "null_deviance", "aic", "bic")
SQUARED = ("ols", "ols without intercept", "wls")
GENERALISED = [
    f"{loss}{kind}" for loss in ("logistic", "poisson") for kind in ("", " frequency", " precision", " offset")
]


@cache
def reference() -> dict[str, Any]:
    return dict(read_json(DATA / "inference" / "reference.json"))


def given(name: str) -> np.ndarray:
    return np.array(reference()["data"][name])


@cache
def fitted(case: str) -> dgd.Result:
    """The fit of a case, by Newton's method."""
    loss, _, kind = case.partition(" ")
    arguments: dict[str, Any] = {"loss": loss}
    if case in SQUARED:
        arguments = {"fit_intercept": "without" not in case, "weight": given("precision") if case == "wls" else None}
    elif kind in ("frequency", "precision"):
        arguments["weight"] = given(kind).astype(float)
    elif kind == "offset":
        arguments["offset"] = given("offset")
    y = given("squared" if case in SQUARED else loss)
    return dgd.fit(given("X"), y, solver="newton", tol=1e-14, **arguments)


def inference(case: str, cov: str) -> Inference:
    weights = "frequency" if case.endswith("frequency") else "precision"
    groups = given("groups") if cov == "cluster" else None
    if cov == "pearson":
        return fitted(case).inference(weights=weights, dispersion="pearson")
    return fitted(case).inference(cov, groups=groups, weights=weights)


def close(found: Any, expected: Any, what: str = "", tolerance: float = TOLERANCE) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1e-13, err_msg=what)


def compare(found: Inference, expected: dict[str, Any]) -> None:
    close(found.estimates, expected["params"], "params")
    for name in ("standard_errors", "t_values", "p_values", "intervals", "covariance"):
        close(getattr(found, name), expected[name], name)


@pytest.mark.parametrize("cov", ["classical", "HC0", "HC1", "HC2", "HC3", "cluster"])
@pytest.mark.parametrize("case", SQUARED)
def test_squared_as_statsmodels(case: str, cov: str) -> None:
    found, expected = inference(case, cov), reference()["cases"][case][cov]
    compare(found, expected)
    for name in ("r2", "adjusted_r2", "dispersion", "log_likelihood", "aic", "bic"):
        close(getattr(found, name), expected[name], name)
    for hypothesis in ("x0 = x1", "both"):
        asked = ["x0", "x2"] if hypothesis == "both" else hypothesis
        f, wald = found.f_test(asked), found.wald_test(asked)
        close([f.statistic, f.p_value, f.df_denominator], expected["tests"][hypothesis]["f"], hypothesis)
        close([wald.statistic, wald.p_value], expected["tests"][hypothesis]["wald"], hypothesis)
    contrast = found.contrast("x0 = x1")
    ours = (contrast.estimate, contrast.standard_error, contrast.t_value, contrast.p_value)
    close(np.ravel(ours), expected["tests"]["contrast"])


def test_of_the_linear_model_as_statsmodels() -> None:
    found, expected = inference("ols", "classical"), reference()["cases"]["ols"]
    ratio, slopes = found.likelihood_ratio_test(["x0", "x2"]), found.f_test()
    close([ratio.statistic, ratio.p_value], expected["likelihood ratio"])
    close([slopes.statistic, slopes.p_value], expected["all slopes"])
    close(found.vif, expected["vif"])


@pytest.mark.parametrize("cov", ["classical", "pearson", "HC0", "cluster"])
@pytest.mark.parametrize("case", GENERALISED)
def test_counts_and_classes_as_statsmodels(case: str, cov: str) -> None:
    found, expected = inference(case, cov), reference()["cases"][case][cov]
    if case.endswith("frequency") and cov == "cluster":
        # Its (m − 1)/(m − p) counts rows; ours counts what weights count, as the test with repeated rows wants it.
        m, rows = len(given("X")), found.statistics.rows
        close(found.covariance * ((m - 1) / (m - 4)) / ((rows - 1) / (rows - 4)), expected["covariance"])
        return
    compare(found, expected)
    close(found.deviance, expected["deviance"], "deviance")
    if cov == "pearson":
        close(found.dispersion, expected["dispersion"], "dispersion")
        return
    if "offset" not in case:
        close(found.null_deviance, expected["null_deviance"], "null_deviance")
    for name in ("log_likelihood", "aic"):
        close(getattr(found, name), expected[name], name)
    if cov == "classical":
        for hypothesis in ("x0 = x1", "both"):
            asked = ["x0", "x2"] if hypothesis == "both" else hypothesis
            wald = found.wald_test(asked)
            close([wald.statistic, wald.p_value], expected["tests"][hypothesis]["wald"], hypothesis)


@pytest.mark.parametrize("case", GENERALISED)
def test_the_likelihood_ratio_is_that_of_the_smaller_model(case: str) -> None:
    found = inference(case, "classical").likelihood_ratio_test(["x0", "x2"])
    (expected,) = reference()["cases"][case]["likelihood ratio"]
    close(found.statistic, expected)


def test_huber_as_statsmodels_h1() -> None:
    found = dgd.fit(given("X"), given("huber"), loss=Huber(1.5), tol=1e-13).inference()
    expected = reference()["cases"]["huber"]["classical"]
    for name in ("standard_errors", "p_values", "intervals"):
        close(getattr(found, name), expected[name], name)


def test_softmax_against_its_first_class_as_statsmodels() -> None:
    """The coefficients of MNLogit are the differences from the first class."""
    columns = read_csv(DATA / "statsmodels" / "anes96.csv")
    names = ["logpopul", "selfLR", "age", "educ", "income"]
    X = np.column_stack([columns[name] for name in names])
    result = dgd.fit(X, columns["PID"].astype(int), loss=Softmax(7), solver="newton", tol=1e-13)
    expected = reference()["cases"]["softmax"]
    found = result.inference()
    rows = [{f"{k}:{name}": 1, f"0:{name}": -1} for k in range(1, 7) for name in found.names]
    for cov, errors in (("classical", expected["standard_errors"]), ("HC0", expected["HC0"])):
        contrast = result.inference(cov).contrast(rows)
        close(contrast.standard_error.reshape(6, 6).T, errors, cov)
        close(contrast.estimate.reshape(6, 6).T, expected["params"], cov, 1e-7)
    close([found.log_likelihood, found.aic, found.bic], [expected["llf"], expected["aic"], expected["bic"]])


@pytest.mark.parametrize(("name", "digits"), [("longley", 10), ("wampler1", None), ("wampler2", None)])
def test_nist_certified_standard_errors(name: str, digits: int | None) -> None:
    """The wamplers are fitted exactly: their standard errors are 0."""
    X, y, _ = nist(name)
    certified = read_json(DATA / "nist" / f"{name}.json")["certified"]
    found = dgd.fit(X, y).inference()
    if digits is None:
        assert (found.standard_errors <= 1e-7 * np.abs(found.estimates)).all()
        return
    close(found.standard_errors, certified["sd_of_params"], tolerance=10.0**-digits)
    close([found.r2, np.sqrt(found.dispersion)], [certified["r_squared"], certified["residual_sd"]], tolerance=1e-10)
