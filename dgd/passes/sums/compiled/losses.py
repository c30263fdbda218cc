"""Value and derivatives of rows, loss by loss.

The formulas are those of `dgd.losses`. Loops are such that the compiler takes as many rows side by side as the
processor can: without a call, and with both sides of a choice.
"""

from __future__ import annotations

from dgd.passes.sums.compiled.exponential import exp
from dgd.passes.sums.compiled.kinds import GAMMA, HUBER, LOGISTIC, POISSON, SQUARED
from dgd.passes.sums.compiled.machine_code import exact

TOO_LARGE = 1000.0
"""e^η is infinite there, and y η finite: their difference is not ∞ − ∞."""


@exact
def each_row(kind, parameter, eta, y, derivative, second, value, small, power, bits):  # type: ignore[no-untyped-def]
    """Value and derivatives of each row, as the class of the loss defines them."""
    zero, one, two = eta.dtype.type(0), eta.dtype.type(1), eta.dtype.type(2)
    count = len(y)
    if kind in (LOGISTIC, POISSON, GAMMA):
        for i in range(count):
            small[i] = eta[i] if kind == POISSON else (-eta[i] if kind == GAMMA else -abs(eta[i]))
        exp(small, count, power, bits)
    if kind == SQUARED:
        for i in range(count):
            r = eta[i] - y[i]
            derivative[i] = r
            second[i] = one
            value[i] = r * r
    elif kind == HUBER:
        delta, half = eta.dtype.type(parameter), eta.dtype.type(0.5)
        for i in range(count):
            r = eta[i] - y[i]
            clipped = delta if r > delta else (-delta if r < -delta else r)
            derivative[i] = clipped
            second[i] = one if abs(r) <= delta else zero
            value[i] = clipped * (r - half * clipped)
    elif kind == LOGISTIC:
        for i in range(count):
            t = small[i]
            other = one / (one + t)
            share = t * other
            residual = (one if eta[i] > zero else zero) - y[i]
            derivative[i] = residual - share if eta[i] > zero else residual + share
            second[i] = share * other
            value[i] = eta[i] * residual
            small[i] = t / (two + t)
        _add_log1p(small, count, value)
    elif kind == POISSON:
        large = eta.dtype.type(TOO_LARGE)
        for i in range(count):
            second[i] = small[i]
            derivative[i] = small[i] - y[i]
            value[i] = small[i] - y[i] * (large if eta[i] > large else eta[i])
    elif kind == GAMMA:
        for i in range(count):
            ratio = y[i] * small[i]
            derivative[i] = one - ratio
            second[i] = ratio
            value[i] = ratio + eta[i]
    else:
        for i in range(count):
            sign = two * y[i] - one
            short = one - sign * eta[i]
            second[i] = one if short > zero else zero
            short = zero if short < zero else short
            derivative[i] = -sign * short
            value[i] = short * short


@exact
def _add_log1p(ratio, count, value):  # type: ignore[no-untyped-def]
    """Add log(1 + t) = 2 artanh s = 2 s (1 + s²/3 + s⁴/5 + …) to each value, from s = t/(2 + t) ≤ 1/3.

    The first term that is left out is 2e-8 of the sum in float32, 2e-17 in float64.
    """
    kind = value.dtype.type
    for i in range(count):
        s = ratio[i]
        square = s * s
        if value.itemsize == 4:
            series = kind(1 / 13)
        else:
            series = kind(1 / 31)
            series = series * square + kind(1 / 29)
            series = series * square + kind(1 / 27)
            series = series * square + kind(1 / 25)
            series = series * square + kind(1 / 23)
            series = series * square + kind(1 / 21)
            series = series * square + kind(1 / 19)
            series = series * square + kind(1 / 17)
            series = series * square + kind(1 / 15)
            series = series * square + kind(1 / 13)
        series = series * square + kind(1 / 11)
        series = series * square + kind(1 / 9)
        series = series * square + kind(1 / 7)
        series = series * square + kind(1 / 5)
        series = series * square + kind(1 / 3)
        series = series * square + kind(1)
        value[i] += kind(2) * s * series
