"""Exponentials of many numbers, as many side by side as the processor takes."""

from __future__ import annotations

import math

import numpy as np

from dgd.passes.sums.compiled.machine_code import exact

LOG2_E = 1 / math.log(2)


@exact
def exp(x, count, power, bits):  # type: ignore[no-untyped-def]
    """Each x becomes eˣ, to two roundings; infinite above 88.37 or 709.43, and 0 below −87 or −708.

    eˣ = 2ᵏ eʳ with whole k, |r| ≤ ½ log 2. Cody and Waite (1980), Software Manual for the Elementary Functions, chapter
    6: log 2 in two parts, of which the first times k is exact. x times log₂e, added to 1.5 times the power of two whose
    last digit is a one, has k in its last bits. eʳ is Taylor's polynomial.
    """
    if x.itemsize == 4:
        _single(x, count, power, bits)
    else:
        _double(x, count, power, bits)


@exact
def _single(x, count, power, bits):  # type: ignore[no-untyped-def]
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
def _double(x, count, power, bits):  # type: ignore[no-untyped-def]
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
