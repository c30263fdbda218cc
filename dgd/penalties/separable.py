"""The one penalty behind all of dgd's: a sum over single coefficients, each with its own strengths and bounds.

    smooth      ½ Σ l2ⱼ bⱼ²
    nonsmooth   Σ l1ⱼ |bⱼ|  with  lowerⱼ ≤ bⱼ ≤ upperⱼ
    prox        clip(sign(b)·max(|b| − step·l1, 0), lower, upper)

A strength or bound is one number, or one for each of n features; with coefficients of shape (n, q) a feature's number
holds for all its q outputs, unless there are (q, n) of them, or (q, 1), in the shape of `coef_`. The intercept has
none, unless it is given a penalty of its own. Parikh and Boyd (2014), Proximal Algorithms, §2 and §6.
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from dgd._typing import Vector
from dgd.errors import ConfigurationError
from dgd.penalties.base import Penalty
from dgd.penalties.strengths import (
    Numbers,
    check_length,
    check_order,
    check_shape,
    checked_lower,
    checked_strength,
    checked_upper,
)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Separable(Penalty):
    """Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ² with lowerⱼ ≤ bⱼ ≤ upperⱼ."""

    lower: Numbers = -np.inf
    upper: Numbers = np.inf
    l1: Numbers = 0.0
    l2: Numbers = 0.0
    intercept: Separable | None = None
    """That of the intercept: of one number, or of one for each output."""

    name: ClassVar[str] = "separable"
    arguments: ClassVar[tuple[str, ...]] = ("lower", "upper", "l1", "l2")
    """Those that the constructor takes."""

    def __post_init__(self) -> None:
        if self._is_plain():
            return
        for argument, check in _CHECKS.items():
            object.__setattr__(self, argument, check(self._call(argument), getattr(self, argument)))
        check_order(f"{type(self).__name__}(lower=..., upper=...)", self.lower, self.upper)
        check_intercept(self._call("intercept"), self.intercept)

    def _is_plain(self) -> bool:
        """Whether all are floats and right, so that nothing is to be converted or refused: a path makes hundreds."""
        lower, upper, l1, l2 = self.lower, self.upper, self.l1, self.l2
        if not (type(lower) is type(upper) is type(l1) is type(l2) is float):
            return False
        if self.intercept is not None:
            return False
        return bool(0 <= l1 < np.inf and 0 <= l2 < np.inf and lower <= upper and lower < np.inf and upper > -np.inf)

    def _call(self, argument: str) -> str:
        """The argument as an error quotes it, such as L1(l1=...)."""
        return f"{type(self).__name__}({argument}=...)"

    def __repr__(self) -> str:
        given = self.arguments if self.intercept is None else (*self.arguments, "intercept")
        values = ((name, getattr(self, name)) for name in given)
        options = (f"{name}=<{v.size} numbers>" if isinstance(v, np.ndarray) else f"{name}={v!r}" for name, v in values)
        return f"{type(self).__name__}({', '.join(options)})"

    @property
    def is_smooth(self) -> bool:
        """Whether every l1 is 0 and no bound is finite."""
        if self.intercept is not None and not self.intercept.is_smooth:
            return False
        return not (_any(self.l1) or _any_finite(self.lower) or _any_finite(self.upper))

    def value(self, b: Vector) -> float:
        """½ Σ l2ⱼ bⱼ²."""
        return 0.5 * float(np.sum(per_coefficient(self.l2, b) * b * b)) if _any(self.l2) else 0.0

    def gradient(self, b: Vector) -> Vector:
        """l2ⱼ bⱼ."""
        return per_coefficient(self.l2, b) * b if _any(self.l2) else np.zeros_like(b)

    def curvature(self, b: Vector) -> Vector:
        """l2ⱼ."""
        return _full(b.shape, per_coefficient(self.l2, b))

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
        l1, lower, upper = (_full(b.shape, per_coefficient(v, b)) for v in (self.l1, self.lower, self.upper))
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

    @property
    def by_output(self) -> bool:
        """Whether a strength or bound differs between outputs."""
        return any(np.ndim(getattr(self, argument)) == 2 for argument in self.arguments)

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless each strength and bound is one number or `n_features` of them."""
        if self.intercept is not None:
            raise ConfigurationError(f"`{self._call('intercept')}` is for `dgd.fit`; leave it out here")
        for argument in self.arguments:
            check_length(self._call(argument), getattr(self, argument), n_features)

    def check_outputs(self, n_features: int, outputs: int | None, *, intercept: bool) -> None:
        """The same, where there may be numbers for each output, and for the intercept if one is fitted."""
        for argument in self.arguments:
            check_shape(self._call(argument), getattr(self, argument), n_features, outputs)
        if self.intercept is None:
            return
        if not intercept:
            raise ConfigurationError(
                f"`{self._call('intercept')}` needs an intercept, and fit_intercept=False has none"
            )
        for argument in self.intercept.arguments:
            value, call = getattr(self.intercept, argument), f"{self._call('intercept')}, {argument}"
            if np.ndim(value) == 2 or (np.ndim(value) == 1 and np.size(value) != outputs):
                raise ConfigurationError(
                    f"`{call}` must be one number, or one for each output or class: {outputs or 1} here, got "
                    f"{np.shape(value)}"
                )

    def with_intercept(self, n_features: int) -> Separable:
        """The same of n + 1 coefficients, of which the intercept is the first."""
        own = Separable() if self.intercept is None else self.intercept
        found = Separable()
        for argument in ("lower", "upper", "l1", "l2"):
            first, rest = np.asarray(getattr(own, argument)), np.asarray(getattr(self, argument))
            rows = max(first.size, len(rest) if rest.ndim == 2 else 1)
            whole = np.empty((rows, n_features + 1))
            whole[:, 0], whole[:, 1:] = first, rest
            object.__setattr__(found, argument, whole if rows > 1 or rest.ndim == 2 else whole[0])
        return found

    def _bounds(self, b: Vector) -> tuple[Vector, Vector]:
        return per_coefficient(self.lower, b), per_coefficient(self.upper, b)


def check_intercept(call: str, intercept: Any) -> None:
    """Raise ConfigurationError unless it is None or a penalty without one of its own."""
    if intercept is not None and (not isinstance(intercept, Separable) or intercept.intercept is not None):
        raise ConfigurationError(f"`{call}` must be a penalty, such as Box(lower=0) or L2(0.1), got {intercept!r}")


def per_coefficient(value: Numbers, b: Vector) -> Vector:
    """A strength, bound or scale in a shape that goes with b: as it is, or (n, 1) where b is (n, q).

    Where b is of one output, and there are numbers for each, their mean: a scale for all.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.ndim == 2:
        return array.T if b.ndim == 2 else array.mean(axis=0)
    return array[:, np.newaxis] if array.ndim == 1 and b.ndim == 2 else array


def _any(value: Numbers) -> bool:
    """Whether a number, or one of several, is not 0; NumPy takes microseconds for one."""
    return value != 0 if type(value) is float else bool(np.any(value))


def _any_finite(value: Numbers) -> bool:
    """The same for a number that is finite."""
    return math.isfinite(value) if type(value) is float else bool(np.isfinite(value).any())


def _full(shape: tuple[int, ...], values: Vector) -> Vector:
    return np.broadcast_to(values, shape).copy()


_CHECKS = {"lower": checked_lower, "upper": checked_upper, "l1": checked_strength, "l2": checked_strength}
