"""The tail of the normal distribution, in every digit however far out it is.

    Φ(−a) = ½ erfcx(a/√2) e^(−a²/2)        erfcx(x) = e^(x²) erfc(x)        a ≥ 0

erfcx by three rational functions, of which the relative error is below 1e-15 in float64. Cody (1969), Rational
Chebyshev approximations for the error function, Mathematics of Computation 23, 631–637.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dgd._typing import FloatArray

NEAR, FAR = 0.46875, 4.0
"""Where one rational function takes over from the other."""
ROOT_HALF = math.sqrt(0.5)
ROOT_2_BY_PI = math.sqrt(2 / math.pi)
ROOT_PI = math.sqrt(math.pi)

NEAR_ABOVE = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
NEAR_BELOW = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
MIDDLE_ABOVE = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
MIDDLE_BELOW = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)
FAR_ABOVE = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
FAR_BELOW = (
    1.0,
    2.56852019228982242e0,
    1.87295284992346725e0,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)


def scaled_tail(a: FloatArray) -> FloatArray:
    """e^(a²/2) Φ(−a) for a ≥ 0, from ½ down to 1/(a √2π)."""
    x = a * ROOT_HALF
    found = 0.5 * _ratio(np.minimum(x, FAR), MIDDLE_ABOVE, MIDDLE_BELOW)
    if (near := x <= NEAR).any():
        small = x[near]
        square = small * small
        found[near] = 0.5 * np.exp(square) * (1 - small * _ratio(square, NEAR_ABOVE, NEAR_BELOW))
    if (far := x > FAR).any():
        with np.errstate(over="ignore"):
            found[far] = (1 - _gap(x[far]) / (x[far] * x[far])) / (2 * ROOT_PI * x[far])
    return found


def hazard(a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """h = φ(a)/Φ(−a) for a ≥ 0, from √(2/π) up to about a; and h (h − a), from 2/π up to 1."""
    h = (0.5 * ROOT_2_BY_PI) / scaled_tail(a)
    with np.errstate(over="ignore"):
        second = h * (h - a)
    if (far := a * ROOT_HALF > FAR).any():
        # h − a would be the difference of two large numbers. With the part ρ that 1/(a√2π) is too large: h = a/(1 − ρ).
        x = a[far] * ROOT_HALF
        with np.errstate(over="ignore"):
            gap = _gap(x)
            second[far] = 2 * gap / (1 - gap / (x * x)) ** 2
    return h, second


def _gap(x: FloatArray) -> FloatArray:
    """x² (1 − √π x erfcx(x)) for x > 4, about ½."""
    with np.errstate(over="ignore"):
        inverse = 1 / (x * x)
    return ROOT_PI * _ratio(inverse, FAR_ABOVE, FAR_BELOW)


def _ratio(x: FloatArray, above: Sequence[float], below: Sequence[float]) -> FloatArray:
    """A rational function, by Horner's scheme from the coefficient of the highest power down."""
    found: FloatArray = _polynomial(x, above) / _polynomial(x, below)
    return found


def _polynomial(x: FloatArray, coefficients: Sequence[float]) -> Any:
    found = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        found *= x
        found += coefficient
    return found
