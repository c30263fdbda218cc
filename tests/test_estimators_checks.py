"""scikit-learn's own checks of an estimator, all of them, and none expected to fail."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from dgd.estimators import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LinearSVC,
    LinearSVR,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)

ESTIMATORS = [
    LinearRegression(),
    Ridge(),
    Lasso(),
    ElasticNet(),
    HuberRegressor(),
    LogisticRegression(),
    LinearSVC(),
    LinearSVR(epsilon=0.1),
    PoissonRegressor(),
    GammaRegressor(),
    TweedieRegressor(),
    TweedieRegressor(power=1.5),
    QuantileRegressor(alpha=0.01, smoothing=1e-2),
]


@pytest.mark.each(12)
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_finds_nothing(estimator: Any, check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without it the check with NumPy arrays under the array API's dispatch would skip itself.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)
