"""Sums over rows that are exact to the rounding of what they add, and cheap beside making it.

    Σ log(1 + tᵢ) = Σ log ∏ (1 + tᵢ)        over groups of 64 rows: one logarithm for each

A product is kept as what it has above 1, (1 + a)(1 + b) = 1 + (a + b(1 + a)): nothing is subtracted, so that each of
six steps adds at most three roundings to the relative error, however small the tᵢ are. With t ≤ 1 it is below 2⁶⁴.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Array, FloatArray

GROUP = 64
"""Rows whose logarithms are one: beyond it the logarithms cost less than their factors."""
TOGETHER = 8
"""float32 numbers that are added as such, before their sum is added in float64."""


def total(values: Array) -> float:
    """Σ values, in float64."""
    values = values.reshape(-1)
    if values.dtype == np.float32:
        whole = len(values) // TOGETHER * TOGETHER
        few = np.add.reduce(values[:whole].reshape(TOGETHER, -1), axis=0)
        return float(np.add.reduce(few, dtype=np.float64) + np.add.reduce(values[whole:], dtype=np.float64))
    return float(np.add.reduce(values, dtype=np.float64))


def weighted_sum(values: Array, weight: Array | None) -> float:
    """Σ w·values, in float64."""
    return total(values if weight is None else values * weight)


def sum_of_products(a: Array, b: Array) -> float:
    """Σ aᵢ bᵢ, in float64."""
    if a.dtype == np.float32:
        return total(a * b)
    return float(np.dot(a.reshape(-1), b.reshape(-1)))


def sum_of_log1p(t: FloatArray) -> float:
    """Σ log(1 + tᵢ) for 0 ≤ tᵢ ≤ 1, to 20 roundings of its value; NaN where one is."""
    t = t.reshape(-1)
    whole = len(t) // GROUP * GROUP
    grouped = t[:whole].reshape(GROUP, -1)
    while len(grouped) > 1:
        half = len(grouped) // 2
        first, second = grouped[:half], grouped[half:]
        product = first + 1
        product *= second
        product += first
        grouped = product
    return total(np.log1p(grouped)) + total(np.log1p(t[whole:]))
