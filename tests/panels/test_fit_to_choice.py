"""A penalty for all targets, or the best one for each: what the summary of the same data says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from wide import problem, store, written

import dgd
from dgd.penalties import L2

pytestmark = pytest.mark.usefixtures("small_tiles")
X, Y, WEIGHT = problem()
NOISY = Y + np.random.default_rng(1).normal(size=Y.shape) * np.geomspace(1, 300, Y[0].size).reshape(Y[0].shape)
TRIED = [0.0, 0.01, 0.3, 10.0]


@pytest.mark.each(3)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_one_strength_is_that_of_a_fit(fit_intercept: bool, weighted: bool, tmp_path: Path) -> None:
    weight = {"weight": WEIGHT} if weighted else {}
    dgd.fit_to(X, tmp_path / "b.zarr", NOISY, penalty=L2(0.3), fit_intercept=fit_intercept, **weight)
    found = written(tmp_path / "b.zarr")
    assert "l2" not in found
    for place in [(0, 0), (5, 6), (12, 16)]:
        one = dgd.fit(X, NOISY[(slice(None), *place)], penalty=L2(0.3), fit_intercept=fit_intercept, **weight)
        assert_allclose(found["coef"][place], one.coef_, rtol=1e-8)
        assert_allclose(found["intercept"][place], one.intercept_, rtol=1e-8, atol=1e-12)


@pytest.mark.each(3)
@pytest.mark.parametrize("by", ["gcv", "folds"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_strength_of_each_target_is_that_of_the_summary(by: str, fit_intercept: bool, tmp_path: Path) -> None:
    flat = NOISY.reshape(len(X), -1).astype(np.float32)
    path = store(tmp_path / "a.zarr", X, flat, (40, 60), dims=None, x_rows=30, weight=WEIGHT)
    how: dict[str, Any] = {"weight": "weight", "seed": 3}
    summary = dgd.summarize(X, flat, weight=WEIGHT, folds=4, seed=3)
    choice = summary.choose_ridge(TRIED, by=by, fit_intercept=fit_intercept)
    bits = None
    for resident in ("auto", 0):
        out, where = tmp_path / f"{resident}.zarr", dgd.Execution(threads=2, resident=resident)
        dgd.fit_to(path, out, strengths=TRIED, by=by, folds=4, fit_intercept=fit_intercept, execution=where, **how)
        found = written(out)
        assert_array_equal(found["l2"], choice.strengths)
        bits = bits or found
        assert_array_equal(found["coef"], bits["coef"])
    assert len(set(choice.strengths)) > 1
    fitted = summary.fit(penalty=choice.penalties, fit_intercept=fit_intercept)
    assert_allclose(found["coef"], fitted.coef_, rtol=1e-7)
    assert_allclose(found["intercept"], fitted.intercept_, rtol=1e-7, atol=1e-9)


def test_groups_may_be_folds(tmp_path: Path) -> None:
    from dgd.data.folds import make_folds

    group = np.arange(len(X)) // 20
    folds = make_folds("fit_to", dgd.open_dataset(X, Y[:, 0, 0]), 3, group)
    dgd.fit_to(X, tmp_path / "b.zarr", NOISY[:, 4], strengths=TRIED, by="folds", folds=folds)
    expected = dgd.summarize(X, NOISY[:, 4], folds=3, by=group).choose_ridge(TRIED, by="folds").strengths
    assert_array_equal(written(tmp_path / "b.zarr")["l2"], expected)
