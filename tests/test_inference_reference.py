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
from dgd.models.inference.inference import Inference

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


@pytest.mark.each(2)
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


@pytest.mark.each(3)
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


@pytest.mark.each(3)
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
    for cov in ("classical", "HC0", "cluster"):
        groups = np.arange(len(X)) // 10 if cov == "cluster" else None
        contrast = result.inference(cov, groups=groups).contrast(rows)
        errors = expected["standard_errors" if cov == "classical" else cov]
        close(contrast.standard_error.reshape(6, 6).T, errors, cov)
        close(contrast.estimate.reshape(6, 6).T, expected["params"], cov, 1e-7)
    close([found.log_likelihood, found.aic, found.bic], [expected["llf"], expected["aic"], expected["bic"]])


def test_plants_as_r_prints_them() -> None:
    """R's own example of `lm`, summary(lm.D9): Annette Dobson (1990), page 9."""
    control = [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14]
    treated = [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69]
    found = dgd.fit(np.repeat([0.0, 1.0], 10)[:, None], np.array(control + treated)).inference()
    printed = np.column_stack([found.estimates, found.standard_errors]).round(4)
    assert printed.tolist() == [[5.0320, 0.2202], [-0.3710, 0.3114]]
    assert found.t_values.round(3).tolist() == [22.850, -1.191]
    assert f"{found.p_values[0]:.2e}" == "9.55e-15"
    assert round(found.p_values[1], 3) == 0.249
    assert round(np.sqrt(found.dispersion), 4) == 0.6964
    assert (round(found.r2, 5), round(found.adjusted_r2, 5)) == (0.07308, 0.02158)
    assert (round(found.f_test().statistic, 3), round(found.f_test().p_value, 3)) == (1.419, 0.249)


def test_counts_as_r_prints_them() -> None:
    """R's own example of `glm`, summary(glm.D93): Dobson (1990), page 93."""
    counts = np.array([18, 17, 15, 20, 10, 20, 25, 13, 12])
    outcome, treatment = np.tile([1, 2, 3], 3), np.repeat([1, 2, 3], 3)
    X = np.column_stack([outcome == 2, outcome == 3, treatment == 2, treatment == 3]).astype(float)
    found = dgd.fit(X, counts, loss="poisson", tol=1e-13).inference()
    assert [f"{each:.3e}" for each in found.estimates[:3]] == ["3.045e+00", "-4.543e-01", "-2.930e-01"]
    assert [f"{each:.3e}" for each in found.standard_errors] == [
        "1.709e-01", "2.022e-01", "1.927e-01", "2.000e-01", "2.000e-01",
    ]  # fmt: skip
    assert found.t_values.round(3)[:3].tolist() == [17.815, -2.247, -1.520]
    assert found.p_values.round(4)[1:3].tolist() == [0.0246, 0.1285]
    assert (round(found.null_deviance, 4), round(found.deviance, 4), round(found.aic, 2)) == (10.5814, 5.1291, 56.76)


def test_grades_as_stata_prints_them() -> None:
    """Spector and Mazzeo by Stata's logit, as statsmodels keeps it for its own tests."""
    columns = read_csv(DATA / "statsmodels" / "spector.csv")
    X = np.column_stack([columns[name] for name in ("gpa", "tuce", "psi")])
    found = dgd.fit(X, columns["grade"], loss="logistic", tol=1e-13).inference()
    expected = [4.93132462871, 1.26294114526, 0.141554207662, 1.06456430165]
    close(found.standard_errors, expected, tolerance=1e-6)  # Stata stopped there: θ has as many digits
    close(found.log_likelihood, -12.8896334653, tolerance=1e-7)


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
