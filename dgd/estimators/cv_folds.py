"""The folds that scikit-learn's argument `cv` stands for, as those of one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.folds import Folds, make_folds
from dgd.errors import ConfigurationError
from dgd.estimators.inputs import Training

FOLDS = 5


def folds_of(name: str, cv: Any, training: Training, *, classifier: bool = False) -> Folds:
    """A number of folds, a splitter or a list of splits, each row being in one test set.

    A number is that of scikit-learn's folds, in order and for a classifier stratified; of lazy data that of `dgd`'s,
    whose rows need not be known. Raises ConfigurationError where rows are in no test set, or in several.
    """
    dataset, rows = training.dataset, training.dataset.shape[0]
    if training.lazy and (cv is None or isinstance(cv, int)):
        return make_folds(f"{name}.fit", dataset, FOLDS if cv is None else cv)
    y = dataset.y.array if isinstance(dataset.y, MemoryRows) else None
    splitter = check_cv(FOLDS if cv is None else cv, y, classifier=classifier)
    of_row = np.full(rows, -1)
    count = 0
    for count, (_, test) in enumerate(splitter.split(np.zeros((rows, 1)), y), 1):
        if (of_row[test] >= 0).any():
            raise ConfigurationError(f"`{name}(cv={cv!r})` has rows in several test sets; take folds, such as KFold")
        of_row[test] = count - 1
    if (of_row < 0).any():
        raise ConfigurationError(f"`{name}(cv={cv!r})` has rows in no test set; take folds, such as KFold")
    of_row = of_row if training.order is None else of_row[training.order]
    return make_folds(f"{name}.fit", dataset, count, of_row)
