"""Lasso: the absolute values of the coefficients, which makes many of them exactly 0.

    penalty     Σ l1ⱼ |bⱼ|
    prox        sign(b)·max(|b| − step·l1, 0)

Tibshirani (1996), Regression shrinkage and selection via the lasso. Other libraries' strengths are converted in
`elastic_net.py`.
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
    short,
)


@dataclass(frozen=True, eq=False)
class L1:
    """Σ l1ⱼ |bⱼ|."""

    l1: Numbers
    """One strength, or one per feature."""

    name: ClassVar[str] = "l1"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l1", checked_strength("L1(l1=...)", self.l1))

    def __repr__(self) -> str:
        return short(self)

    @property
    def is_smooth(self) -> bool:
        """Only where every l1 is 0."""
        return not np.any(self.l1)

    def value(self, b: Vector) -> float:
        """0."""
        return 0.0

    def gradient(self, b: Vector) -> Vector:
        """0 everywhere."""
        return np.zeros_like(b)

    def curvature(self, b: Vector) -> Vector:
        """0 everywhere."""
        return np.zeros_like(b)

    def nonsmooth_value(self, b: Vector) -> float:
        """Σ l1ⱼ |bⱼ|."""
        return absolutes(b, self.l1)

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """The soft threshold at step·l1."""
        return bounded_prox(b, step, l1=self.l1)

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """gradient ± l1 where b ≠ 0, the soft threshold of the gradient at l1 where b = 0."""
        return least_subgradient(b, gradient, l1=self.l1)

    def scaled(self, scale: Vector) -> Self:
        """l1/scale on z = b·scale."""
        return replace(self, l1=self.l1 / scale)

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless l1 is one number or `n_features` of them."""
        check_length("L1(l1=...)", self.l1, n_features)
