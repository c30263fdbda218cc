"""What the penalties share: sums over single coefficients, each with its own strength.

    smooth      ½ Σ l2ⱼ bⱼ²
    nonsmooth   Σ l1ⱼ |bⱼ|  with  lowerⱼ ≤ bⱼ ≤ upperⱼ

A strength or bound is one number, or one for each of n features; with coefficients of shape (n, q) a feature's number
holds for all its q outputs. Parikh and Boyd (2014), Proximal Algorithms, §2 and §6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Vector
from dgd.errors import ConfigurationError

Numbers = float | Sequence[float] | NDArray[Any]
"""What a strength or bound may be given as; it is kept as a float or as a read-only array of shape (n,)."""


def checked_strength(call: str, value: Numbers) -> float | Vector:
    """A strength: finite and 0 or more. `call` is the argument as an error quotes it, such as L1(l1=...)."""
    expected = "a number of 0 or more"
    strength = _numbers(call, value, expected)
    _refuse_where(~(np.isfinite(strength) & (np.asarray(strength) >= 0)), strength, call, expected)
    return strength


def checked_lower(call: str, value: Numbers) -> float | Vector:
    """A lower bound: any number, or −∞ for none."""
    expected = "a number, or -inf for no bound"
    lower = _numbers(call, value, expected)
    _refuse_where(np.isnan(lower) | np.isposinf(lower), lower, call, expected)
    return lower


def checked_upper(call: str, value: Numbers) -> float | Vector:
    """An upper bound: any number, or ∞ for none."""
    expected = "a number, or inf for no bound"
    upper = _numbers(call, value, expected)
    _refuse_where(np.isnan(upper) | np.isneginf(upper), upper, call, expected)
    return upper


def check_order(call: str, lower: Numbers, upper: Numbers) -> None:
    """Raise ConfigurationError unless lower ≤ upper for every feature."""
    low, high = np.asarray(lower), np.asarray(upper)
    if low.ndim == high.ndim == 1 and low.size != high.size:
        raise ConfigurationError(f"`{call}` must be of one length, got {low.size} and {high.size} numbers")
    wrong = np.atleast_1d(low > high)
    if wrong.any():
        j = int(np.argmax(wrong))
        low, high = np.broadcast_to(low, wrong.shape), np.broadcast_to(high, wrong.shape)
        where = f" for feature {j} (counted from 0)" if wrong.size > 1 else ""
        raise ConfigurationError(f"`{call}` must have lower <= upper, got {float(low[j])} > {float(high[j])}{where}")


def check_length(call: str, value: Numbers, n_features: int) -> None:
    """Raise ConfigurationError unless the strength or bound is one number or `n_features` of them."""
    size = np.size(value)
    if np.ndim(value) == 1 and size != n_features:
        raise ConfigurationError(f"`{call}` must be one number, or one per feature: {n_features} here, got {size}")


def per_coefficient(value: Numbers, b: Vector) -> Vector:
    """A strength, bound or scale in a shape that goes with b: as it is, or (n, 1) where b is (n, q)."""
    array = np.asarray(value, dtype=np.float64)
    return array[:, np.newaxis] if array.ndim == 1 and b.ndim == 2 else array


def squares(b: Vector, l2: Numbers) -> float:
    """½ Σ l2ⱼ bⱼ²."""
    return 0.5 * float(np.sum(per_coefficient(l2, b) * b * b))


def absolutes(b: Vector, l1: Numbers) -> float:
    """Σ l1ⱼ |bⱼ|."""
    return float(np.sum(per_coefficient(l1, b) * np.abs(b)))


def soft_threshold(b: Vector, threshold: Numbers) -> Vector:
    """sign(b)·max(|b| − t, 0), as b less its part within [−t, t]: the prox of t|b|."""
    t = per_coefficient(threshold, b)
    return b - np.clip(b, -t, t)


def bounded_prox(
    b: Vector, step: float | Vector, *, l1: Numbers, lower: Numbers = -np.inf, upper: Numbers = np.inf
) -> Vector:
    """clip(soft(b, step·l1), lower, upper), the argmin_z of l1|z| + 1/(2·step) (z − b)² over lower ≤ z ≤ upper.

    In one dimension a convex function falls up to its minimiser and rises after it, so that over an interval the point
    nearest to that minimiser is the best. A step of the shape of b has one for each coefficient.
    """
    free = soft_threshold(b, step * per_coefficient(l1, b))
    return np.clip(free, per_coefficient(lower, b), per_coefficient(upper, b))


def least_subgradient(
    b: Vector, gradient: Vector, *, l1: Numbers, lower: Numbers = -np.inf, upper: Numbers = np.inf
) -> Vector:
    """The element of gradient + ∂(l1|b|) + N(b) of least absolute value, coefficient by coefficient.

        ∂(l1|b|)   {l1} for b > 0,  {−l1} for b < 0,  [−l1, l1] at 0
        N(b)       (−∞, 0] at the lower bound,  [0, ∞) at the upper one,  both where they are equal,  {0} between

    A coefficient outside its bounds counts as the bound.
    """
    strength, low, high = (per_coefficient(value, b) for value in (l1, lower, upper))
    b = np.clip(b, low, high)
    least = np.where(b <= low, -np.inf, np.where(b > 0, strength, -strength))
    most = np.where(b >= high, np.inf, np.where(b < 0, -strength, strength))
    return gradient + np.clip(-gradient, least, most)


def short(penalty: Any) -> str:
    """A dataclass as the call that makes it, with arrays by their length."""
    values = ((field.name, getattr(penalty, field.name)) for field in fields(penalty))
    options = (f"{name}=<{v.size} numbers>" if isinstance(v, np.ndarray) else f"{name}={v!r}" for name, v in values)
    return f"{type(penalty).__name__}({', '.join(options)})"


def _numbers(call: str, value: Numbers, expected: str) -> float | Vector:
    """One real number as a float, or several as a read-only copy; anything else is refused."""
    try:
        given = np.asarray(value)
    except (TypeError, ValueError):
        given = np.asarray(None)
    flags = isinstance(value, (list, tuple)) and any(isinstance(entry, (bool, np.bool_)) for entry in value)
    if given.ndim > 1 or given.dtype.kind not in "iuf" or flags or isinstance(value, np.ma.MaskedArray):
        got = f"an array of shape {given.shape}" if given.ndim > 1 else repr(value)
        raise _refusal(call, expected, got if len(got) <= 60 else f"{got[:57]}...")
    if given.ndim == 0:
        return float(given)
    numbers = np.array(given, dtype=np.float64)
    numbers.flags.writeable = False
    return numbers


def _refuse_where(wrong: Any, value: float | Vector, call: str, expected: str) -> None:
    """Raise for the first number that is wrong, and say which it is."""
    if not np.any(wrong):
        return
    if np.ndim(value) == 0:
        raise _refusal(call, expected, f"{value}")
    j = int(np.argmax(wrong))
    raise _refusal(call, expected, f"{np.asarray(value)[j]} for feature {j} (counted from 0)")


def _refusal(call: str, expected: str, got: str) -> ConfigurationError:
    """The error that quotes the call, what it takes and what it got."""
    return ConfigurationError(f"`{call}` must be {expected}, or one per feature, got {got}")
