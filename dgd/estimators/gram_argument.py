"""The Gram matrix that scikit-learn's `precompute` may hold. It is summed from X all the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dgd.data.arrays.memory_rows import MemoryRows
from dgd.errors import ConfigurationError
from dgd.errors.words import shown
from dgd.estimators.inputs import Training


def check_gram(name: str, precompute: Any, training: Training, *, fit_intercept: bool) -> None:
    """Raise ValueError for a Gram matrix of other columns: its shape, and for a dense X in memory one of its entries.

    Weighted, XᵀWX with weights of mean 1. Warns, as scikit-learn does, where an intercept is fitted and the columns
    are not centred: the matrix is then not the one that is needed.
    """
    if isinstance(precompute, (bool, np.bool_)) or (isinstance(precompute, str) and precompute == "auto"):
        return
    gram, n, X = np.asarray(precompute), training.dataset.shape[1], training.dataset.X
    if gram.dtype.kind not in "iuf" or gram.shape != (n, n):
        raise ConfigurationError(
            f"`{name}(precompute=...)` must be True, False or a Gram matrix of shape ({n}, {n}), got "
            f"{shown(precompute)}"
        )
    if not isinstance(X, MemoryRows):
        return
    weight = training.dataset.weight.array if isinstance(training.dataset.weight, MemoryRows) else None
    first, last = min(n - 1, n // 2 + 1), max(0, n // 2 - 1)
    pair = X.array[:, [first, last]].astype(np.float64)
    mean = np.average(pair, axis=0, weights=weight)
    if fit_intercept and (np.abs(mean) > 1e-5 * (np.abs(pair).max() or 1.0)).any():
        warnings.warn(
            "Gram matrix was provided but X was centered to fit intercept: recomputing Gram matrix.",
            UserWarning,
            stacklevel=4,
        )
        return
    factor = 1.0 if weight is None else weight / np.mean(weight)
    expected = float(np.sum(factor * pair[:, 0] * pair[:, 1]))
    size = float(np.sqrt(np.prod(np.sum(np.reshape(factor, (-1, 1)) * pair**2, axis=0))))
    rtol = 1e-4 if X.dtype == np.float32 else 1e-7
    if not abs(gram[first, last] - expected) <= rtol * size:
        raise ConfigurationError(
            f"Gram matrix passed in via `{name}(precompute=...)` did not pass validation when a single element was "
            f"checked: element ({first}, {last}) of the Gram matrix of X is {expected:.6g}, got "
            f"{gram[first, last]:.6g}; give that of X, or precompute=False"
        )
