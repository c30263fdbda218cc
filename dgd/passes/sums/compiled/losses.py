"""Value and derivatives of rows, loss by loss, and the exponentials and logarithms that they are made of.

The formulas are those of `dgd.losses`. Loops are such that the compiler takes as many rows side by side as the
processor can: without a call, and with both sides of a choice.
"""

from __future__ import annotations

import math

import numpy as np

from dgd.passes.sums.compiled.kinds import GAMMA, HUBER, LOGISTIC, POISSON, SQUARED
from dgd.passes.sums.compiled.machine_code import exact

LOG2_E = 1 / math.log(2)
TOO_LARGE = 1000.0
"""e^η is infinite there, and y η finite: their difference is not ∞ − ∞."""


@exact
def each_row(kind, parameter, eta, y, derivative, second, value, small, power, bits):  # type: ignore[no-untyped-def]
    """Value and derivatives of each row, as the class of the loss defines them."""
    zero, one, two = eta.dtype.type(0), eta.dtype.type(1), eta.dtype.type(2)
    count = len(y)
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
            small[i] = -abs(eta[i])
        _exp(small, count, power, bits)
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
            second[i] = eta[i]
        _exp(second, count, power, bits)
        for i in range(count):
            derivative[i] = second[i] - y[i]
            value[i] = second[i] - y[i] * (large if eta[i] > large else eta[i])
    elif kind == GAMMA:
        for i in range(count):
            second[i] = -eta[i]
        _exp(second, count, power, bits)
        for i in range(count):
            ratio = y[i] * second[i]
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


@exact
def _exp(x, count, power, bits):  # type: ignore[no-untyped-def]
    """Each x becomes eˣ, to two roundings; infinite above 88.37 or 709.43, and 0 below −87 or −708.

    eˣ = 2ᵏ eʳ with whole k, |r| ≤ ½ log 2. Cody and Waite (1980), Software Manual for the Elementary Functions, chapter
    6: log 2 in two parts, of which the first times k is exact. x times log₂e, added to 1.5 times the power of two whose
    last digit is a one, has k in its last bits. eʳ is Taylor's polynomial.
    """
    if x.itemsize == 4:
        _exp_single(x, count, power, bits)
    else:
        _exp_double(x, count, power, bits)


@exact
def _exp_single(x, count, power, bits):  # type: ignore[no-untyped-def]
    f = np.float32
    for i in range(count):
        v = x[i]
        overflows, vanishes = v > f(88.37626), v < f(-87.0)
        v = f(-87.0) if vanishes else (f(88.37626) if overflows else v)
        shifted = v * f(LOG2_E) + f(12582912.0)
        k = shifted - f(12582912.0)
        r = v - k * f(0.693359375)
        r = r - k * f(-2.12194440e-4)
        p = f(1 / 5040)
        p = p * r + f(1 / 720)
        p = p * r + f(1 / 120)
        p = p * r + f(1 / 24)
        p = p * r + f(1 / 6)
        p = p * r + f(1 / 2)
        p = p * r + f(1)
        p = p * r + f(1)
        power[i] = shifted
        x[i] = f(np.inf) if overflows else (f(0) if vanishes else p)
    for i in range(count):
        bits[i] = (bits[i] + np.int32(127)) << np.int32(23)
    for i in range(count):
        x[i] *= power[i]


@exact
def _exp_double(x, count, power, bits):  # type: ignore[no-untyped-def]
    for i in range(count):
        v = x[i]
        overflows, vanishes = v > 709.43, v < -708.0
        v = -708.0 if vanishes else (709.43 if overflows else v)
        shifted = v * LOG2_E + 6755399441055744.0
        k = shifted - 6755399441055744.0
        r = v - k * 6.93147180369123816490e-01
        r = r - k * 1.90821492927058770002e-10
        p = 1 / 6227020800
        p = p * r + 1 / 479001600
        p = p * r + 1 / 39916800
        p = p * r + 1 / 3628800
        p = p * r + 1 / 362880
        p = p * r + 1 / 40320
        p = p * r + 1 / 5040
        p = p * r + 1 / 720
        p = p * r + 1 / 120
        p = p * r + 1 / 24
        p = p * r + 1 / 6
        p = p * r + 1 / 2
        p = p * r + 1.0
        p = p * r + 1.0
        power[i] = shifted
        x[i] = np.inf if overflows else (0.0 if vanishes else p)
    for i in range(count):
        bits[i] = (bits[i] + np.int64(1023)) << np.int64(52)
    for i in range(count):
        x[i] *= power[i]
