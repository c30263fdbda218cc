"""No penalty: 0 for every b."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from dgd._typing import Vector


@dataclass(frozen=True)
class NoPenalty:
    """0 for every b: the plain mean loss."""

    name: ClassVar[str] = "none"

    @property
    def is_smooth(self) -> bool:
        """Always."""
        return True

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
        """0."""
        return 0.0

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """b."""
        return b.copy()

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """The gradient."""
        return gradient.copy()

    def scaled(self, scale: Vector) -> Self:
        """Itself."""
        return self

    def check(self, n_features: int) -> None:
        """There is no strength."""
