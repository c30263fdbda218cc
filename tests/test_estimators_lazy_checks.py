"""A dozen of scikit-learn's own checks again, with every input made lazy: Zarr and Dask arrays in chunks of 7 rows.

Each fit is made from memory as well, and both must have the same coefficients to 1e-12.
"""

from __future__ import annotations

from typing import Any, Self

import dask.array as da
import numpy as np
import pytest
import zarr
from sklearn.base import clone
from sklearn.utils import estimator_checks as checks

from dgd.estimators import LogisticRegression, Ridge

ROWS = 7


def as_zarr(values: Any) -> Any:
    """A zarr array in memory."""
    values = np.asarray(values)
    return zarr.create_array(
        zarr.storage.MemoryStore(),
        data=values,
        chunks=(ROWS, *values.shape[1:]),
        config={"write_empty_chunks": True},
    )


def as_dask(values: Any) -> Any:
    """A Dask array."""
    return da.from_array(np.asarray(values), chunks=(ROWS, *np.shape(values)[1:]))


class Lazily:
    """An estimator whose every array is made lazy on the way in."""

    lazy: Any

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        weight = None if sample_weight is None else self.lazy(sample_weight)
        super().fit(self.lazy(X), self.lazy(y), weight)  # type: ignore[misc]
        memory = next(c for c in type(self).__mro__[1:] if c.__module__.startswith("dgd."))(**self.get_params())  # type: ignore[attr-defined]
        memory.fit(np.asarray(X), np.asarray(y), sample_weight)
        scale = np.abs(memory.coef_).max()
        # Of float32 X in memory coef_ is float32.
        found = self.coef_.astype(memory.coef_.dtype)  # type: ignore[has-type]
        np.testing.assert_allclose(found, memory.coef_, rtol=1e-12, atol=1e-12 * scale)
        return self

    def predict(self, X: Any) -> Any:
        return super().predict(self.lazy(X))  # type: ignore[misc]


class LazilyClassified(Lazily):
    """The same for a classifier."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(self.lazy(X))  # type: ignore[misc]

    def decision_function(self, X: Any) -> Any:
        return super().decision_function(self.lazy(X))  # type: ignore[misc]


class ZarrRidge(Lazily, Ridge):
    lazy = staticmethod(as_zarr)


class DaskRidge(Lazily, Ridge):
    lazy = staticmethod(as_dask)


class ZarrLogisticRegression(LazilyClassified, LogisticRegression):
    lazy = staticmethod(as_zarr)


class DaskLogisticRegression(LazilyClassified, LogisticRegression):
    lazy = staticmethod(as_dask)


CHECKS = [
    checks.check_dict_unchanged,
    checks.check_estimators_dtypes,
    checks.check_estimators_fit_returns_self,
    checks.check_estimators_overwrite_params,
    checks.check_fit_check_is_fitted,
    checks.check_fit_idempotent,
    checks.check_fit_score_takes_y,
    checks.check_methods_sample_order_invariance,
    checks.check_methods_subset_invariance,
    checks.check_n_features_in,
    checks.check_parameters_default_constructible,
    checks.check_sample_weights_shape,
    checks.check_sample_weight_equivalence_on_dense_data,
]
ESTIMATORS = [
    ZarrRidge(),
    DaskRidge(),
    ZarrLogisticRegression(),
    DaskLogisticRegression(),
]


@pytest.mark.each(8)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_scikit_learn_finds_nothing_lazily_either(estimator: Any, check: Any) -> None:
    check(type(estimator).__name__, clone(estimator))
