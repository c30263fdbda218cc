"""Ridge: the squares of the coefficients.

    penalty     ½ Σ l2ⱼ bⱼ²
    gradient    l2ⱼ bⱼ
    curvature   l2ⱼ

Hoerl and Kennard (1970), Ridge regression. Other libraries' strengths are converted in `elastic_net.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Vector
from dgd.penalties.separable import Numbers, check_length, checked_strength, per_coefficient, short, squares


@dataclass(frozen=True, eq=False)
class L2:
    """½ Σ l2ⱼ bⱼ²."""

    l2: Numbers
    """One strength, or one per feature."""

    name: ClassVar[str] = "l2"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l2", checked_strength("L2(l2=...)", self.l2))

    def __repr__(self) -> str:
        return short(self)

    @property
    def is_smooth(self) -> bool:
        """Always."""
        return True

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
        """0."""
        return 0.0

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """b."""
        return b.copy()

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """The gradient."""
        return gradient.copy()

    def scaled(self, scale: Vector) -> Self:
        """l2/scale² on z = b·scale."""
        return replace(self, l2=self.l2 / scale / scale)

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless l2 is one number or `n_features` of them."""
        check_length("L2(l2=...)", self.l2, n_features)
