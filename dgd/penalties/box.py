"""Coefficients between bounds, with or without a ridge and a lasso.

    penalty     Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²    with    lowerⱼ ≤ bⱼ ≤ upperⱼ
    prox        clip(sign(b)·max(|b| − step·l1, 0), lower, upper)

Equal bounds hold a coefficient at that number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Vector
from dgd.penalties.separable import (
    Numbers,
    absolutes,
    bounded_prox,
    check_length,
    check_order,
    checked_lower,
    checked_strength,
    checked_upper,
    least_subgradient,
    per_coefficient,
    short,
    squares,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Box:
    """lowerⱼ ≤ bⱼ ≤ upperⱼ, and Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ² within."""

    lower: Numbers = -np.inf
    """One bound, or one per feature; −∞ for none."""
    upper: Numbers = np.inf
    """One bound, or one per feature; ∞ for none."""
    l1: Numbers = 0.0
    """One strength, or one per feature."""
    l2: Numbers = 0.0
    """One strength, or one per feature."""

    name: ClassVar[str] = "box"

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", checked_lower("Box(lower=...)", self.lower))
        object.__setattr__(self, "upper", checked_upper("Box(upper=...)", self.upper))
        object.__setattr__(self, "l1", checked_strength("Box(l1=...)", self.l1))
        object.__setattr__(self, "l2", checked_strength("Box(l2=...)", self.l2))
        check_order("Box(lower=..., upper=...)", self.lower, self.upper)

    def __repr__(self) -> str:
        return short(self)

    @property
    def is_smooth(self) -> bool:
        """Only where every l1 is 0 and no bound is finite."""
        return not (np.any(self.l1) or np.any(np.isfinite(self.lower)) or np.any(np.isfinite(self.upper)))

    def value(self, b: Vector) -> float:
        """½ Σ l2ⱼ bⱼ²."""
        return squares(b, self.l2)

    def gradient(self, b: Vector) -> Vector:
        """l2ⱼ bⱼ."""
        return per_coefficient(self.l2, b) * b

    def curvature(self, b: Vector) -> Vector:
        """l2ⱼ."""
        return np.full(b.shape, per_coefficient(self.l2, b))

    def nonsmooth_value(self, b: Vector) -> float:
        """Σ l1ⱼ |bⱼ|, within the bounds or not."""
        return absolutes(b, self.l1)

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """The soft threshold at step·l1, brought within the bounds."""
        return bounded_prox(b, step, l1=self.l1, lower=self.lower, upper=self.upper)

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """As without bounds, and 0 at a bound where descent would lead out."""
        return least_subgradient(b, gradient, l1=self.l1, lower=self.lower, upper=self.upper)

    def scaled(self, scale: Vector) -> Self:
        """Bounds times scale, l1/scale and l2/scale² on z = b·scale."""
        return replace(
            self,
            lower=self.lower * scale,
            upper=self.upper * scale,
            l1=self.l1 / scale,
            l2=self.l2 / scale / scale,
        )

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless every bound and strength is one number or `n_features` of them."""
        check_length("Box(lower=...)", self.lower, n_features)
        check_length("Box(upper=...)", self.upper, n_features)
        check_length("Box(l1=...)", self.l1, n_features)
        check_length("Box(l2=...)", self.l2, n_features)
