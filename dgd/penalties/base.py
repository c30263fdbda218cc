"""What a penalty is: a function of the coefficients and of nothing else. The intercept has none but one of its own.

    objective  =  mean loss + penalty(b)        penalty(b) = smooth(b) + nonsmooth(b)

The smooth part has a gradient, the other one a prox. Everything here is separable: a sum over single coefficients, so
that a change of scale of a column (b = z/σ) gives a penalty of the same kind.
"""

from __future__ import annotations

from typing import ClassVar, Protocol, Self

from dgd._typing import Vector


class Penalty(Protocol):
    """One penalty on coefficients b of shape (n,), or (n, q) where there are q outputs."""

    name: ClassVar[str]

    @property
    def is_smooth(self) -> bool:
        """Whether there is no part that needs a prox."""
        ...

    def value(self, b: Vector) -> float:
        """The penalty's smooth part."""
        ...

    def gradient(self, b: Vector) -> Vector:
        """The gradient of the smooth part, of the shape of b."""
        ...

    def curvature(self, b: Vector) -> Vector:
        """The diagonal of the smooth part's Hessian, of the shape of b."""
        ...

    def nonsmooth_value(self, b: Vector) -> float:
        """The other part, finite values only: a bound counts as 0 where it is kept and where it is not."""
        ...

    def prox(self, b: Vector, step: float | Vector) -> Vector:
        """argmin_z nonsmooth(z) + Σ (z − b)²/(2·step), bounds included.

        step: one for all coefficients, or one for each, of the shape of b.
        """
        ...

    def subgradient(self, b: Vector, gradient: Vector) -> Vector:
        """The element of gradient + ∂nonsmooth(b) of least norm: zero where b is the best there is.

        gradient: that of everything smooth, the loss included.
        """
        ...

    @property
    def has_kinks(self) -> bool:
        """Whether what is not smooth is l1 and bounds, which `kinks` tells. Newton's method needs to know them."""
        return False

    def kinks(self, b: Vector) -> tuple[Vector, Vector, Vector] | None:
        """l1, lower and upper of each coefficient, of the shape of b; None without `has_kinks`."""
        return None

    def scaled(self, scale: Vector) -> Self:
        """The same penalty as a function of z = b·scale, for scales of shape (n,)."""
        ...

    def check(self, n_features: int) -> None:
        """Raise ConfigurationError unless a strength or bound is one number or `n_features` of them."""
        ...
