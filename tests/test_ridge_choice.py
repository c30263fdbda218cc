"""The best ridge strength for each target, against formulas that look at every row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from test_summary import M, N, X, Y, chunked

import dgd
from dgd.data.folds import make_folds
from dgd.errors import ConfigurationError
from dgd.penalties import L2

NEAR = X - [0, 2000, 0, 0, 1e6, 0]
NOISY = Y + np.random.default_rng(1).normal(size=Y.shape) * [1, 30, 300] * 20
TRIED = [0.0, 0.01, 0.3, 10.0]


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_gcv_is_that_of_the_hat_matrix(fit_intercept: bool) -> None:
    found = dgd.summarize(chunked(NEAR, NOISY)).choose_ridge(TRIED, fit_intercept=fit_intercept)
    A, b = (NEAR - NEAR.mean(axis=0), NOISY - NOISY.mean(axis=0)) if fit_intercept else (NEAR, NOISY)
    expected = []
    for strength in TRIED:
        hat = A @ np.linalg.solve(A.T @ A + strength * M / 2 * np.eye(N), A.T)
        freedom = np.trace(hat) + fit_intercept
        expected.append(((b - hat @ b) ** 2).mean(axis=0) / (1 - freedom / M) ** 2)
    assert_allclose(found.errors, expected, rtol=1e-9)
    assert_array_equal(found.strengths, np.array(TRIED)[np.argmin(expected, axis=0)])
    assert len(set(found.strengths)) > 1


@pytest.mark.each(3)
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("by", ["rows", "chunks"])
def test_errors_of_folds_are_those_of_fits_without_them(by: Any, fit_intercept: bool) -> None:
    dataset = chunked(NEAR, NOISY)
    found = dgd.summarize(dataset, folds=4, by=by).choose_ridge(TRIED, by="folds", fit_intercept=fit_intercept)
    folds = make_folds("summarize", dataset, 4, by)
    fold = np.concatenate([folds.of(dataset.read(k)) for k in range(dataset.n_chunks)])
    for k, strength in enumerate(TRIED):
        errors = np.zeros(3)
        for held in range(4):
            rest = fold != held
            fitted = dgd.fit(NEAR[rest], NOISY[rest], penalty=L2(strength), fit_intercept=fit_intercept)
            errors += ((fitted.predict(NEAR[~rest]) - NOISY[~rest]) ** 2).sum(axis=0)
        assert_allclose(found.errors[k], errors / M, rtol=1e-8)


def test_the_choice_is_fitted() -> None:
    summary = dgd.summarize(NEAR, NOISY)
    choice = summary.choose_ridge(TRIED)
    fitted = summary.fit(penalty=choice.penalties)
    for k, strength in enumerate(choice.strengths):
        assert_allclose(fitted.coef_[k], dgd.fit(NEAR, NOISY[:, k], penalty=L2(strength)).coef_, rtol=1e-8)
    with pytest.raises(ConfigurationError, match="needs a summary of folds"):
        summary.choose_ridge(TRIED, by="folds")
    for wrong in ([], [-1.0], [np.inf], "x"):
        with pytest.raises(ConfigurationError, match="strengths"):
            summary.choose_ridge(wrong)  # type: ignore[arg-type]
