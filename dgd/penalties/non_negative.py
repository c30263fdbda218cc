"""No coefficient below zero, with or without a ridge and a lasso.

    penalty     Σ l1ⱼ bⱼ + ½ Σ l2ⱼ bⱼ²    with    bⱼ ≥ 0
    prox        max(b − step·l1, 0)

Lawson and Hanson (1974), Solving Least Squares Problems, ch. 23.
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
    checked_strength,
    least_subgradient,
    per_coefficient,
    short,
    squares,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class NonNegative:
    """bⱼ ≥ 0, and Σ l1ⱼ bⱼ + ½ Σ l2ⱼ bⱼ² within."""

    l1: Numbers = 0.0
    """One strength, or one per feature."""
    l2: Numbers = 0.0
    """One strength, or one per feature."""

    name: ClassVar[str] = "non_negative"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l1", checked_strength("NonNegative(l1=...)", self.l1))
        object.__setattr__(self, "l2", checked_strength("NonNegative(l2=...)", self.l2))

    def __repr__(self) -> str:
        return short(self)

    @property
    def is_smooth(self) -> bool:
        """Never: 0 is a bound."""
        return False

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
        """max(b − step·l1, 0)."""
        return bounded_prox(b, step, l1=self.l1, lower=0.0)

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """gradient + l1 where b > 0, min(gradient + l1, 0) where b = 0."""
        return least_subgradient(b, gradient, l1=self.l1, lower=0.0)

    def scaled(self, scale: Vector) -> Self:
        """l1/scale and l2/scale² on z = b·scale."""
        return replace(self, l1=self.l1 / scale, l2=self.l2 / scale / scale)

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless l1 and l2 are one number or `n_features` of them."""
        check_length("NonNegative(l1=...)", self.l1, n_features)
        check_length("NonNegative(l2=...)", self.l2, n_features)
