"""The labels that a target holds, where a loss of classes was not told them: one reading of y alone, X untouched."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.data.buffers import Buffers
from dgd.data.rows import Rows
from dgd.errors import ConfigurationError, DataError
from dgd.losses import Logistic, Loss, Softmax

MOST_CLASSES = 10_000


def with_labels(loss: Loss, y: Rows) -> Loss:
    """The loss with its classes, taken from y in ascending order if it was not told them and needs to be.

    The logistic loss needs it only for strings: numbers from 0 to 1 are targets as they are.
    """
    if isinstance(loss, Softmax) and loss.classes is None:
        return loss.with_classes(distinct(y))
    if isinstance(loss, Logistic) and loss.classes is None and y.dtype.kind in "US":
        return loss.with_classes(distinct(y))
    return loss


def distinct(y: Rows) -> list[Any]:
    """The different values of an array, ascending, read chunk by chunk."""
    if len(y.shape) != 1:
        raise ConfigurationError(f"class labels are one column, and array {y.name!r} has shape {y.shape}")
    buffers = Buffers()
    found = np.empty(0, dtype=y.dtype)
    for start, stop in zip(y.bounds[:-1], y.bounds[1:], strict=True):
        values, _ = y.read(int(start), int(stop), buffers)
        found = np.union1d(found, np.unique(values))
        if len(found) > MOST_CLASSES:
            raise DataError(
                f"array {y.name!r} has more than {MOST_CLASSES:,} different values: it holds no class labels; take "
                f"another loss, or another target",
                array=y.name,
            )
    if len(found) < 2:
        raise DataError(f"array {y.name!r} holds one label only, expected two classes or more", array=y.name)
    return list(found.tolist())


def classes_of(loss: Loss) -> tuple[Any, ...] | None:
    """The labels of a loss of classes, None for any other; 0 and 1 where a logistic loss was told none."""
    if isinstance(loss, (Logistic, Softmax)):
        return (0, 1) if loss.classes is None else tuple(loss.classes)
    return None
