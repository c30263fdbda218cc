"""The different values of an array, found by reading it once, chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

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
        if len(found) > MOST_CLASSES:
            raise DataError(
                f"array {y.name!r} has more than {MOST_CLASSES:,} different values: it holds no class labels; take "
                f"another loss, or another target",
                array=y.name,
            )
    if len(found) < 2:
        raise DataError(f"array {y.name!r} holds one label only, expected two classes or more", array=y.name)
    return list(found.tolist())
