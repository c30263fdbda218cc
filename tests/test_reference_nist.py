"""NIST StRD linear least squares of higher difficulty: longley, wampler1 and wampler2, against certified parameters."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DATA, read_csv, read_json

import dgd

DIGITS = {"longley": 6, "wampler1": 5, "wampler2": 5}
BY_DEFAULT = {
    "newton": {"longley": (8, 2), "wampler1": (9, 3), "wampler2": (9, 2)},
    "auto": {"longley": (11, 1), "wampler1": (9, 2), "wampler2": (12, 2)},
}
"""Digits and passes, by solver."""


def nist(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X, y and the certified θ; the wamplers are polynomials of degree 5."""
    columns = read_csv(DATA / "nist" / f"{name}.csv")
    case = read_json(DATA / "nist" / f"{name}.json")
    y = columns.pop("y")
    features = [columns["x"] ** power for power in range(1, case["degree"] + 1)] if case["degree"] else columns.values()
    return np.column_stack(list(features)), y, np.array(case["certified"]["params"])


def digits(found: np.ndarray, certified: np.ndarray) -> float:
    """LRE: the correct digits of the worst coefficient."""
    error = np.abs(found - certified) / np.abs(certified)
    return float(-np.log10(np.maximum(error, 1e-16).max()))


@pytest.mark.parametrize("solver", ["newton", "auto"])
@pytest.mark.parametrize("name", DIGITS)
def test_newton(name: str, solver: str) -> None:
    """Two passes and the defaults are enough, or one; where the certificate is wide a third one refines."""
    X, y, certified = nist(name)
    result = dgd.fit(X, y, solver=solver)
    least, passes = BY_DEFAULT[solver][name]
    assert digits(result.theta, certified) >= least
    assert result.n_iter_ == passes
    assert result.certificate is not None
    assert result.certificate.distance >= 0.1 * np.linalg.norm(result.coef_ - certified[1:])


@pytest.mark.parametrize("solver", ["newton", "cg", "lbfgs"])
@pytest.mark.parametrize("name", DIGITS)
def test_a_tight_tolerance(name: str, solver: str) -> None:
    """At a condition near 10¹² (of XᵀX, standardised) the gradient has to fall by 10¹³ before the digits are there."""
    X, y, certified = nist(name)
    result = dgd.fit(X, y, solver=solver, tol=1e-13)
    assert result.status is dgd.Status.CONVERGED
    assert digits(result.theta, certified) >= DIGITS[name]


@pytest.mark.parametrize("solver", ["newton", "cg", "lbfgs"])
@pytest.mark.parametrize("name", DIGITS)
def test_rounding_level(name: str, solver: str) -> None:
    """tol = 0 ends by itself, with two digits more."""
    X, y, certified = nist(name)
    result = dgd.fit(X, y, solver=solver, tol=0)
    at_zero = result.converged and result.history[-1].grad_norm == 0
    assert result.status is dgd.Status.STALLED or at_zero
    assert digits(result.theta, certified) >= DIGITS[name] + 2


@pytest.mark.parametrize("solver", ["cg", "lbfgs"])
def test_longley_with_the_defaults(solver: str) -> None:
    X, y, certified = nist("longley")
    result = dgd.fit(X, y, solver=solver)
    assert result.status is dgd.Status.CONVERGED
    assert digits(result.theta, certified) >= 6


@pytest.mark.each(4)
@pytest.mark.parametrize("name", ["wampler1", "wampler2"])
@pytest.mark.parametrize("rate", ["auto", "exact"])
def test_steepest_descent_says_that_it_is_not_there(name: str, rate: str) -> None:
    """About 2.5e7 steps would be needed."""
    X, y, certified = nist(name)
    result = dgd.fit(X, y, solver="gd", learning_rate=rate, max_iter=500)
    assert result.status is dgd.Status.ITERATION_LIMIT
    assert not result.converged
    assert digits(result.theta, certified) < 2
