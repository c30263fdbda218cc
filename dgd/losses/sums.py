"""Sums over rows that are exact to the rounding of what they add, and cheap beside making it.

    Σ log(1 + tᵢ) = Σ log ∏ (1 + tᵢ)        over groups of 64 rows: one logarithm for each, of a product below 2⁶⁴

Each factor and each product is rounded, which is 2 roundings of 1 a row: of the sum, 20 at most where the rows' mean is
0.1 or more. Where it is less, a product is kept as what it has above 1, (1 + a)(1 + b) = 1 + (a + b(1 + a)): nothing is
subtracted, so that each of six steps adds at most three roundings to the relative error, however small the tᵢ are.
"""

from __future__ import annotations

import numpy as np

from dgd._typing import Array, FloatArray

GROUP = 64
"""Rows whose logarithms are one: beyond it the logarithms cost less than their factors."""
LARGE = 0.1
"""The mean logarithm from which products may be rounded."""
TOGETHER = 8
"""float32 numbers that are added as such, before their sum is added in float64."""


def total(values: Array) -> float:
    """Σ values, in float64."""
    values = values.reshape(-1)
    if values.dtype == np.float32:
        whole = len(values) // TOGETHER * TOGETHER
        few = np.add.reduce(values[:whole].reshape(TOGETHER, -1), axis=0)
        found = float(np.add.reduce(few, dtype=np.float64))
        return found if whole == len(values) else found + float(np.add.reduce(values[whole:], dtype=np.float64))
    return float(np.add.reduce(values, dtype=np.float64))


def weighted_sum(values: Array, weight: Array | None) -> float:
    """Σ w·values, in float64."""
    return total(values if weight is None else values * weight)


def sum_of_products(a: Array, b: Array) -> float:
    """Σ aᵢ bᵢ, in float64."""
    if a.dtype == np.float32:
        return total(a * b)
    return float(np.dot(a.reshape(-1), b.reshape(-1)))


def sum_of_log1p(t: FloatArray, above: FloatArray) -> float:
    """Σ log(1 + tᵢ) for 0 ≤ tᵢ ≤ 1, to 20 roundings of its value; NaN where one is. above: 1 + t, rounded."""
    t, above = t.reshape(-1), above.reshape(-1)
    whole = len(t) // GROUP * GROUP
    found = total(np.log(np.multiply.reduce(above[:whole].reshape(GROUP, -1), axis=0)))
    if found < LARGE * whole:
        found = _from_small(t[:whole].reshape(GROUP, -1))
    return found if whole == len(t) else found + total(np.log1p(t[whole:]))


def sum_of_logs(above: FloatArray, t: FloatArray) -> float:
    """Σ log(1 + tᵢ) for tᵢ ≥ 0, to 20 roundings of its value; NaN where one is. above: 1 + t, rounded."""
    found = total(np.log(above))
    return total(np.log1p(t)) if found < LARGE * len(t) else found


def _from_small(grouped: FloatArray) -> float:
    """The same of whole groups, a row for each place in a group, however small all are."""
    while len(grouped) > 1:
        half = len(grouped) // 2
        first, second = grouped[:half], grouped[half:]
        product = first + 1
        product *= second
        product += first
        grouped = product
    return total(np.log1p(grouped))
