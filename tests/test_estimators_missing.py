"""Estimators of a design that leaves out rows with a missing cell are those of the other rows alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import dgd
from dgd.estimators import HuberRegressor, Lasso, LinearRegression, LogisticRegression, PoissonRegressor, Ridge
from dgd.estimators.design import ZarrDesign

ROWS = 120
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 3))
HOLES = X.copy()
HOLES[:70, 1] = np.nan
NUMBER = X @ [1.0, -2.0, 0.5] + RNG.normal(size=ROWS)
WEIGHT = RNG.integers(1, 4, ROWS).astype(float)
WEIGHT[80] = np.nan
TEXT = np.where(NUMBER > 1, "high", np.where(NUMBER < -1, "low", "mid"))
TEXT[90] = ""
KINDS = {
    "least squares": (LinearRegression(), NUMBER),
    "ridge": (Ridge(alpha=5.0), NUMBER),
    "lasso": (Lasso(alpha=0.1, tol=1e-10), NUMBER),
    "huber": (HuberRegressor(alpha=5.0), NUMBER),
    "poisson": (PoissonRegressor(alpha=0.1), np.round(np.exp(X[:, 0]))),
    "two classes": (LogisticRegression(), (NUMBER > 0).astype(int)),
    "three classes": (LogisticRegression(tol=1e-10), TEXT),
}


@pytest.mark.each(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_and_its_score_are_those_of_the_complete_rows(kind: str, weighted: bool) -> None:
    estimator, y = KINDS[kind]
    kept = ~np.isnan(HOLES).any(axis=1) & (y != "" if y.dtype.kind == "U" else True)
    scored = kept
    kept = kept & ~np.isnan(WEIGHT) if weighted else kept
    design = ZarrDesign(HOLES, y, missing="drop", weight=WEIGHT if weighted else None)
    weight = (WEIGHT[kept],) if weighted else ()
    expected, found = clone(estimator).fit(X[kept], y[kept], *weight), clone(estimator).fit(design)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.intercept_, expected.intercept_, rtol=1e-5, atol=1e-7)
    assert found.score(design) == pytest.approx(expected.score(X[scored], y[scored]), abs=1e-6)


def test_a_row_with_a_missing_cell_has_no_prediction() -> None:
    design = ZarrDesign(HOLES, missing="drop")
    for y, nothing in ((TEXT, ""), (np.where(TEXT == "low", 1, 2), np.nan)):
        found = LogisticRegression().fit(ZarrDesign(HOLES, y, missing="drop")).predict(design)
        gone = found == nothing if nothing == "" else np.isnan(found)
        np.testing.assert_array_equal(gone, np.isnan(HOLES[:, 1]))
        assert set(found[~gone]) <= set(y)


def test_a_list_of_stores_is_one_design(tmp_path: Path) -> None:
    paths = []
    for k, (start, stop) in enumerate([(0, 50), (50, ROWS)]):
        paths.append(str(tmp_path / f"{k}.zarr"))
        with dgd.DatasetWriter(paths[-1], chunk_rows=20) as writer:
            writer.append(X[start:stop], NUMBER[start:stop])
    found = LinearRegression().fit(paths)
    np.testing.assert_allclose(found.coef_, LinearRegression().fit(X, NUMBER).coef_, rtol=1e-9)
    assert found.score(paths) == pytest.approx(found.score(X, NUMBER))
