"""Tails of the normal, t, F and χ² distributions, and their quantiles, to 1e-13 of the tail itself.

    normal  P(|Z| > z) = erfc(z/√2)              t   P(|T| > t) = I_x(ν/2, ½),    x = ν/(ν + t²)
    χ²      P(X > x)   = Q(k/2, x/2)             F   P(F > f)   = I_x(d/2, n/2),  x = d/(d + n f)

I is the regularised incomplete beta function, by the continued fraction of Algorithm 708, and Q the upper incomplete
gamma function (Press et al., Numerical Recipes, 3rd ed., 6.2). Their factors are made from what Stirling's formula
leaves, so that no digit is lost at 1e9 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

TINY = 1e-300
EPSILON = 1e-16
MOST_TERMS = 1_000_000
STIRLING_FROM = 10.0
SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
"""Of log Γ(x), what Stirling's formula leaves, by 1/x, 1/x³, …"""


def normal_tail(z: float) -> float:
    """P(|Z| > |z|)."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_tail(t: float, df: float) -> float:
    """P(|T| > |t|) with `df` degrees of freedom; of the normal distribution where they are infinite."""
    if math.isinf(df) or math.isnan(t):
        return normal_tail(t)
    return _beta_ratio(t * t / df, df / 2, 0.5) if t else 1.0


def f_tail(f: float, numerator: float, denominator: float) -> float:
    """P(F > f)."""
    if math.isinf(denominator):
        return chi2_tail(numerator * f, numerator)
    if math.isnan(f):
        return math.nan
    return _beta_ratio(numerator * f / denominator, denominator / 2, numerator / 2) if f > 0 else 1.0


def chi2_tail(x: float, df: float) -> float:
    """P(X > x)."""
    if math.isnan(x):
        return math.nan
    a, half = df / 2, x / 2
    if half <= 0:
        return 1.0
    if math.isinf(half):
        return 0.0
    return 1 - _gamma_series(a, half) if half < a + 1 else _gamma_fraction(a, half)


def t_quantile(tail: float, df: float) -> float:
    """The t with P(|T| > t) = tail: what an interval of confidence 1 − tail is that many standard errors wide."""
    start = -NormalDist().inv_cdf(tail / 2)
    if math.isinf(df):
        return _root(normal_tail, tail, start)
    return _root(lambda t: t_tail(t, df), tail, start)


def _root(tail_of: Callable[[float], float], tail: float, start: float) -> float:
    """Where a falling function has that value: between bounds that are doubled, then halved and met by a secant."""
    low, high = 0.0, max(start, 1e-8)
    while tail_of(high) > tail:
        low, high = high, 2 * high
    for _ in range(200):
        middle = 0.5 * (low + high)
        if not low < middle < high or high - low <= 4e-16 * high:
            break
        if tail_of(middle) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _beta_ratio(odds: float, a: float, b: float) -> float:
    """I_x(a, b) for x = 1/(1 + odds): neither x nor 1 − x is rounded before its logarithm is taken."""
    if math.isinf(odds):
        return 0.0
    x, y = 1 / (1 + odds), odds / (1 + odds)
    log_factor = -a * math.log1p(odds) + b * (math.log(odds) - math.log1p(odds)) - _log_beta(a, b)
    factor = math.exp(log_factor)
    if a * odds >= b:
        return factor * _beta_fraction(x, y, a, b)
    return 1 - factor * _beta_fraction(y, x, b, a)


def _beta_fraction(x: float, y: float, a: float, b: float) -> float:
    """I_x(a, b) B(a, b) / xᵃ yᵇ for x ≤ a/(a + b) and y = 1 − x, as a continued fraction.

    DiDonato and Morris (1992), Algorithm 708, formula 5: x close to 1 costs no digits, for y is given as well.
    """
    above = 1 + (a - (a + b) * x if x < y else (a + b) * y - b)
    found = _not_zero(a / (a + 1) * above)
    c, d = found, 0.0
    for n in range(1, MOST_TERMS):
        step = a + 2 * n - 1
        numerator = (a + n - 1) * (a + b + n - 1) / step**2 * n * (b - n) * x * x
        denominator = n + n * (b - n) * x / step + (a + n) / (step + 2) * (above + n * (1 + y))
        d = 1 / _not_zero(denominator + numerator * d)
        c = _not_zero(denominator + numerator / c)
        found *= c * d
        if abs(c * d - 1) < 2 * EPSILON:
            break
    return 1 / found


def _gamma_fraction(a: float, x: float) -> float:
    """Q(a, x) for x ≥ a + 1."""
    b = x + 1 - a
    c, d = 1 / TINY, 1 / b
    found = d
    for i in range(1, MOST_TERMS):
        term = -i * (i - a)
        b += 2
        d = 1 / _not_zero(term * d + b)
        c = _not_zero(b + term / c)
        found *= c * d
        if abs(c * d - 1) < 2 * EPSILON:
            break
    return _gamma_factor(a, x) * found


def _gamma_series(a: float, x: float) -> float:
    """P(a, x) = 1 − Q(a, x) for x < a + 1."""
    term = total = 1 / a
    for i in range(1, MOST_TERMS):
        term *= x / (a + i)
        total += term
        if term < EPSILON * total:
            break
    return _gamma_factor(a, x) * total


def _gamma_factor(a: float, x: float) -> float:
    """xᵃ e⁻ˣ / Γ(a)."""
    if a < STIRLING_FROM:
        return math.exp(a * math.log(x) - x - math.lgamma(a))
    # a log x − x − log Γ(a), with log(x/a) − (x − a)/a small where both are large.
    step = (x - a) / a
    return math.exp(a * (math.log1p(step) - step) - _stirling_rest(a)) * math.sqrt(a / (2 * math.pi))


def _log_beta(a: float, b: float) -> float:
    """log B(a, b)."""
    small, large = min(a, b), max(a, b)
    if large < STIRLING_FROM:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    total = a + b
    ratio = small / large
    if small < STIRLING_FROM:
        # log Γ(large) − log Γ(large + small)
        rest = _stirling_rest(large) - _stirling_rest(total)
        return math.lgamma(small) + small - (large - 0.5) * math.log1p(ratio) - small * math.log(total) + rest
    rest = _stirling_rest(small) + _stirling_rest(large) - _stirling_rest(total)
    logs = (small - 0.5) * (math.log(small) - math.log(total)) - (large - 0.5) * math.log1p(ratio)
    return 0.5 * (math.log(2 * math.pi) - math.log(total)) + logs + rest


def _stirling_rest(x: float) -> float:
    """log Γ(x) − (x − ½) log x + x − ½ log 2π, for x ≥ 10."""
    inverse, square = 1 / x, 1 / (x * x)
    total = 0.0
    for coefficient in reversed(SERIES):
        total = total * square + coefficient
    return total * inverse


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
