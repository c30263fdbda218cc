"""The one penalty behind all of dgd's: a sum over single coefficients, each with its own strengths and bounds.

    smooth      ½ Σ l2ⱼ bⱼ²
    nonsmooth   Σ l1ⱼ |bⱼ|  with  lowerⱼ ≤ bⱼ ≤ upperⱼ
    prox        clip(sign(b)·max(|b| − step·l1, 0), lower, upper)

A strength or bound is one number, or one for each of n features; with coefficients of shape (n, q) a feature's number
holds for all its q outputs. Parikh and Boyd (2014), Proximal Algorithms, §2 and §6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.penalties.base import Penalty

Numbers = float | Sequence[float] | NDArray[Any]
"""What a strength or bound may be given as; it is kept as a float or as a read-only array of shape (n,)."""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Separable(Penalty):
    """Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ² with lowerⱼ ≤ bⱼ ≤ upperⱼ."""

    lower: Numbers = -np.inf
    upper: Numbers = np.inf
    l1: Numbers = 0.0
    l2: Numbers = 0.0

    name: ClassVar[str] = "separable"
    arguments: ClassVar[tuple[str, ...]] = ("lower", "upper", "l1", "l2")
    """Those that the constructor takes."""

    def __post_init__(self) -> None:
        if self._is_plain():
            return
        for argument, check in _CHECKS.items():
            object.__setattr__(self, argument, check(self._call(argument), getattr(self, argument)))
        check_order(f"{type(self).__name__}(lower=..., upper=...)", self.lower, self.upper)

    def _is_plain(self) -> bool:
        """Whether all are floats and right, so that nothing is to be converted or refused: a path makes hundreds."""
        lower, upper, l1, l2 = self.lower, self.upper, self.l1, self.l2
        if not (type(lower) is type(upper) is type(l1) is type(l2) is float):
            return False
        return bool(0 <= l1 < np.inf and 0 <= l2 < np.inf and lower <= upper and lower < np.inf and upper > -np.inf)

    def _call(self, argument: str) -> str:
        """The argument as an error quotes it, such as L1(l1=...)."""
        return f"{type(self).__name__}({argument}=...)"

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in self.arguments)
        options = (f"{name}=<{v.size} numbers>" if isinstance(v, np.ndarray) else f"{name}={v!r}" for name, v in values)
        return f"{type(self).__name__}({', '.join(options)})"

    @property
    def is_smooth(self) -> bool:
        """Whether every l1 is 0 and no bound is finite."""
        return not (_any(self.l1) or _any_finite(self.lower) or _any_finite(self.upper))

    def value(self, b: Vector) -> float:
        """½ Σ l2ⱼ bⱼ²."""
        return 0.5 * float(np.sum(per_coefficient(self.l2, b) * b * b)) if _any(self.l2) else 0.0

    def gradient(self, b: Vector) -> Vector:
        """l2ⱼ bⱼ."""
        return per_coefficient(self.l2, b) * b if _any(self.l2) else np.zeros_like(b)

    def curvature(self, b: Vector) -> Vector:
        """l2ⱼ."""
        return np.full(b.shape, per_coefficient(self.l2, b))

    def nonsmooth_value(self, b: Vector) -> float:
        """Σ l1ⱼ |bⱼ|, within the bounds or not."""
        return float(np.sum(per_coefficient(self.l1, b) * np.abs(b))) if _any(self.l1) else 0.0

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """The soft threshold at step·l1, brought within the bounds.

        In one dimension a convex function falls up to its minimiser and rises after it, so that over an interval the
        point nearest to that minimiser is the best. A step of the shape of b has one for each coefficient.
        """
        threshold = step * per_coefficient(self.l1, b)
        return np.clip(b - np.clip(b, -threshold, threshold), *self._bounds(b))

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """The element of gradient + ∂(l1|b|) + N(b) of least absolute value, coefficient by coefficient.

            ∂(l1|b|)   {l1} for b > 0,  {−l1} for b < 0,  [−l1, l1] at 0
            N(b)       (−∞, 0] at the lower bound,  [0, ∞) at the upper one,  both where they are equal,  {0} between

        A coefficient outside its bounds counts as the bound.
        """
        strength, (low, high) = per_coefficient(self.l1, b), self._bounds(b)
        b = np.clip(b, low, high)
        least = np.where(b <= low, -np.inf, np.where(b > 0, strength, -strength))
        most = np.where(b >= high, np.inf, np.where(b < 0, -strength, strength))
        return gradient + np.clip(-gradient, least, most)

    @property
    def has_kinks(self) -> bool:
        """Always."""
        return True

    def kinks(self, b: Vector) -> tuple[Vector, Vector, Vector]:
        """l1, lower and upper of each coefficient."""
        l1, lower, upper = (np.full(b.shape, per_coefficient(v, b)) for v in (self.l1, self.lower, self.upper))
        return l1, lower, upper

    def scaled(self, scale: Vector) -> Self:
        """Bounds times scale, l1/scale and l2/scale² on z = b·scale."""
        scaled = copy(self)
        for argument, power in (("lower", 1), ("upper", 1), ("l1", -1), ("l2", -2)):
            value: Any = getattr(self, argument)
            if np.ndim(value) or (value != 0 and np.isfinite(value)):
                value = value * scale if power == 1 else value / scale if power == -1 else value / scale / scale
            object.__setattr__(scaled, argument, value)
        return scaled

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless each strength and bound is one number or `n_features` of them."""
        for argument in self.arguments:
            check_length(self._call(argument), getattr(self, argument), n_features)

    def _bounds(self, b: Vector) -> tuple[Vector, Vector]:
        return per_coefficient(self.lower, b), per_coefficient(self.upper, b)


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


def _any(value: Numbers) -> bool:
    """Whether a number, or one of several, is not 0; NumPy takes microseconds for one."""
    return value != 0 if type(value) is float else bool(np.any(value))


def _any_finite(value: Numbers) -> bool:
    """The same for a number that is finite."""
    return math.isfinite(value) if type(value) is float else bool(np.isfinite(value).any())


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


_CHECKS = {"lower": checked_lower, "upper": checked_upper, "l1": checked_strength, "l2": checked_strength}
