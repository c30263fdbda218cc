"""Paths against those of glmnet (tests/data/glmnet): the grid of strengths, and the coefficients at each of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from conftest import DATA, read_csv, read_json

import dgd
from dgd.penalties import ElasticNet


@cache
def reference() -> dict[str, Any]:
    return dict(read_json(DATA / "glmnet" / "reference.json"))


@cache
def data() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """As make_reference.py has them."""
    table = read_csv(DATA / "gd" / "diabetes.csv")
    y = table.pop("y")
    X = np.column_stack(list(table.values()))
    targets = {"squared": y, "logistic": (y > 140).astype(float), "poisson": np.floor(y / 50)}
    return (X - X.mean(axis=0)) / X.std(axis=0), targets


@pytest.mark.parametrize("kind", ["lasso", "elastic net", "nearly ridge"])
@pytest.mark.parametrize(
    ("family", "loss"), [("gaussian", "squared"), ("binomial", "logistic"), ("poisson", "poisson")]
)
def test_strengths_and_coefficients_are_those_of_glmnet(family: str, loss: str, kind: str) -> None:
    known = reference()[f"{family} {kind}"]
    (X, targets), ratio = data(), known["alpha"]
    # dgd's squared loss has no ½; and glmnet scales a number's target to variance 1 before it adds the ridge.
    l1 = np.array(known["strengths"]) * ratio * (2 if loss == "squared" else 1)
    l2 = l1 / ratio * (1 - ratio) / (targets[loss].std() if loss == "squared" else 1)
    penalties = [ElasticNet(l1=float(a), l2=float(b)) for a, b in zip(l1, l2, strict=True)]
    found = dgd.path(X, targets[loss], loss=loss, penalty=penalties, tol=1e-13)
    coefs = np.array(known["coefs"])
    np.testing.assert_allclose(found.coefs, coefs, rtol=0, atol=1e-9 * np.abs(coefs).max())
    np.testing.assert_allclose(found.intercepts, known["intercepts"], rtol=1e-10, atol=1e-10)
    # At the first strength a coefficient is at the edge of 0, by the digits that are stored.
    np.testing.assert_array_equal(found.nonzero[1:], np.count_nonzero(coefs, axis=1)[1:])
    grid = dgd.path(X, targets[loss], loss=loss, penalty=ratio, n_lambdas=len(l1))
    np.testing.assert_allclose(grid.strengths * ratio, l1, rtol=1e-11)
