"""The different values of an array, found by reading it once, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.rows import Rows
from dgd.data.transforms.missing import check_labels, missing_rows
from dgd.errors import ConfigurationError, DataError

MOST_CLASSES = 10_000


def distinct(y: Rows, *, missing: str = "error") -> list[Any]:
    """The different values of an array, ascending, read chunk by chunk; with missing="drop" those that are some."""
    if len(y.shape) != 1:
        raise ConfigurationError(f"class labels are one column, and array {y.name!r} has shape {y.shape}")
    buffers = Buffers()
    found = np.empty(0, dtype=y.dtype)
    for start, stop in zip(y.bounds[:-1], y.bounds[1:], strict=True):
        values, _ = y.read(int(start), int(stop), buffers)
        if missing == "error":
            check_labels(y.name, values, int(start))
        gone = missing_rows(values) if missing == "drop" else None
        found = np.union1d(found, np.unique(values if gone is None else values[~gone]))
        check_few(y.name, found)
    check_several(y.name, found)
    return list(found.tolist())


def check_few(name: str, labels: Array) -> None:
    """Raise DataError where an array has too many different values to be labels of classes."""
    if len(labels) > MOST_CLASSES:
        raise DataError(
            f"array {name!r} has more than {MOST_CLASSES:,} different values: it holds no class labels; take another "
            f"loss, or another target",
            array=name,
        )


def check_several(name: str, labels: Array) -> None:
    """Raise DataError where an array has one label."""
    if len(labels) < 2:
        raise DataError(f"array {name!r} holds one label only, expected two classes or more", array=name)
