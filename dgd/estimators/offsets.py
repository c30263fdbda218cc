"""The offset of a fit: what is added to each row's raw prediction, such as the logarithm of an exposure."""

from __future__ import annotations

import math
import numbers
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.dataset import Dataset
from dgd.data.opening import open_beside
from dgd.data.reading import Reading
from dgd.data.rows import Rows
from dgd.errors import ConfigurationError
from dgd.estimators.design import ZarrDesign
from dgd.estimators.inputs import Training, is_lazy


def with_offset(training: Training, X: Any, offset: Any, *, subtracted: bool = False) -> Training:
    """The data with an offset: a number, an array with one for each row (and output), or a name beside a lazy X.

    subtracted: it is subtracted from y, which must be in memory: for a loss of η − y that has no place for an offset.
    """
    if offset is None:
        return training
    rows = _rows(training, X, offset)
    if not subtracted:
        return replace(training, dataset=replace(training.dataset, offset=rows))
    target = training.dataset.y
    if not isinstance(target, MemoryRows) or not isinstance(rows, MemoryRows):
        raise ConfigurationError("`fit(offset=...)` of this estimator is for y in memory; subtract it from y yourself")
    return replace(training, dataset=replace(training.dataset, y=MemoryRows("y", target.array - rows.array)))


def _rows(training: Training, X: Any, offset: Any) -> Rows:
    assert training.dataset.y is not None
    m, shape = training.dataset.shape[0], training.dataset.y.shape
    if isinstance(offset, str):
        if isinstance(X, (Dataset, ZarrDesign)) or not is_lazy(X):
            raise ConfigurationError(
                f"`fit(offset={offset!r})` names an array beside X, and X has none; give the array, or "
                f"`dgd.open_dataset(X, y, offset=...)` as X"
            )
        return open_beside(X, "offset", offset, Reading(), None)
    if is_lazy(offset):
        raise ConfigurationError("a lazy offset belongs into the dataset: `dgd.open_dataset(X, y, offset=...)`")
    if isinstance(offset, numbers.Real):
        if not math.isfinite(float(offset)):
            raise ConfigurationError(f"`fit(offset=...)` must be finite, got {offset!r}")
        return MemoryRows("offset", np.full(shape, float(offset)))
    array = check_array(offset, ensure_2d=False, dtype=np.float64, input_name="offset")
    if len(array) != m:
        raise ValueError(f"offset must have {m} rows, one for each row of X, got shape {array.shape}")
    if len(shape) == 2 and array.ndim == 1 and shape[1] == 1:
        array = array[:, None]
    return MemoryRows("offset", array if training.order is None else array[training.order])
