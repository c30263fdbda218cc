"""Least squares in one pass: from centred products of columns and targets, which hold all that a squared loss asks for.

    ∇F(θ) = H θ − c        H, c: sums over the rows        θ* = H⁻¹ c, or with l1 or bounds by `quadratic_model`

It is Newton's method from the best constant: one step, to the minimum. The gradient there follows from H and c as
well, so that a second pass is made only where rounding of these sums would matter, at nearly dependent columns or at
residuals that nearly vanish; from then on it is `Newton` to the letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dgd.solvers.newton import Newton


@dataclass(frozen=True, slots=True)
class FromSummary(Newton):
    """The normal equations from centred sums, and Newton's refinement where they are not precise enough."""

    name: ClassVar[str] = "summary"
    quadratic_only: ClassVar[bool] = True
    wants_products: ClassVar[bool] = True
