"""The elastic net: absolute values and squares together, so that correlated features enter as a group.

    penalty     Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²

The objective is mean loss + penalty, and the mean squared loss is the MSE, 1/m Σ (ŷ − y)² without a ½. Others halve it,
or leave the sum undivided; their strengths, for m rows without weights and coefficients as they are, become:

    scikit-learn Ridge(alpha=a)                               l1 = 0         l2 = 2a/m
    scikit-learn Lasso(alpha=a)                               l1 = 2a        l2 = 0
    scikit-learn ElasticNet(alpha=a, l1_ratio=ρ)              l1 = 2aρ       l2 = 2a(1 − ρ)
    glmnet(lambda=a, alpha=ρ, standardize=FALSE)              l1 = 2aρ       l2 = 2a(1 − ρ)/sd(y)
    Spark regParam=a, elasticNetParam=ρ, standardization=False    as glmnet

glmnet and Spark divide y by its standard deviation first, which leaves l1 alone and not l2. The losses that are a
negative log-likelihood have no ½ to convert: l1 = aρ and l2 = a(1 − ρ), and scikit-learn's LogisticRegression(C=c) is
l2 = 1/(c·m).

Zou and Hastie (2005), Regularization and variable selection via the elastic net.
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
class ElasticNet:
    """Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²."""

    l1: Numbers
    """One strength, or one per feature."""
    l2: Numbers
    """One strength, or one per feature."""

    name: ClassVar[str] = "elastic_net"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l1", checked_strength("ElasticNet(l1=...)", self.l1))
        object.__setattr__(self, "l2", checked_strength("ElasticNet(l2=...)", self.l2))

    def __repr__(self) -> str:
        return short(self)

    @property
    def is_smooth(self) -> bool:
        """Only where every l1 is 0."""
        return not np.any(self.l1)

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
        """Σ l1ⱼ |bⱼ|."""
        return absolutes(b, self.l1)

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """The soft threshold at step·l1."""
        return bounded_prox(b, step, l1=self.l1)

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """gradient ± l1 where b ≠ 0, the soft threshold of the gradient at l1 where b = 0."""
        return least_subgradient(b, gradient, l1=self.l1)

    def scaled(self, scale: Vector) -> Self:
        """l1/scale and l2/scale² on z = b·scale."""
        return replace(self, l1=self.l1 / scale, l2=self.l2 / scale / scale)

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless l1 and l2 are one number or `n_features` of them."""
        check_length("ElasticNet(l1=...)", self.l1, n_features)
        check_length("ElasticNet(l2=...)", self.l2, n_features)
