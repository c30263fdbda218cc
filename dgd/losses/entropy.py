"""Entropies, the loss of a prediction that equals the target; and log y!, what a count's likelihood has besides."""

from __future__ import annotations

import numpy as np

from dgd._typing import FloatArray

FROM = 16
"""From here on Stirling's series gives all digits of a factorial."""


def y_log_y(y: FloatArray) -> FloatArray:
    """y log y for y ≥ 0, with its limit 0 at y = 0."""
    return y * np.log(np.maximum(y, np.finfo(y.dtype).smallest_subnormal))


def binary_entropy(y: FloatArray) -> FloatArray:
    """−y log y − (1 − y) log(1 − y) for y in [0, 1]; labels that are 0 or 1 need no logarithm."""
    if not np.vdot(y, 1 - y):
        return np.zeros_like(y)
    return -y_log_y(y) - y_log_y(1 - y)


def log_factorial(y: FloatArray) -> FloatArray:
    """log y! = log Γ(y + 1) for y ≥ 0, elementwise: Stirling's series at y + 16, divided by the factors in between."""
    y = np.asarray(y, dtype=np.float64)
    shifted = np.where(y < FROM, y + FROM, y)
    factors = np.ones_like(y)
    small = y < FROM
    for step in range(1, FROM + 1):
        factors[small] *= y[small] + step
    x = shifted + 1
    square = 1 / (x * x)
    rest = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / x
    found: FloatArray = (x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + rest - np.log(factors)
    return found
