"""Entropies: the loss of a prediction that equals the target."""

from __future__ import annotations

import numpy as np

from dgd._typing import FloatArray


def y_log_y(y: FloatArray) -> FloatArray:
    """y log y for y ≥ 0, with its limit 0 at y = 0."""
    return y * np.log(np.maximum(y, np.finfo(y.dtype).smallest_subnormal))


def binary_entropy(y: FloatArray) -> FloatArray:
    """−y log y − (1 − y) log(1 − y) for y in [0, 1]."""
    return -y_log_y(y) - y_log_y(1 - y)
