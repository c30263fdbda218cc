"""Coefficients between bounds, with or without a ridge and a lasso.

    penalty     Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ²    with    lowerⱼ ≤ bⱼ ≤ upperⱼ
    prox        clip(sign(b)·max(|b| − step·l1, 0), lower, upper)

Equal bounds hold a coefficient at that number.
"""

from __future__ import annotations

import numpy as np

from dgd.penalties.separable import Separable
from dgd.penalties.strengths import Numbers


class Box(Separable):
    """lowerⱼ ≤ bⱼ ≤ upperⱼ, and Σ l1ⱼ |bⱼ| + ½ Σ l2ⱼ bⱼ² within.

    Each bound and strength is one number, one per feature, or (q, n) for q outputs or classes; −∞ and ∞ are no bounds.
    intercept: a penalty of its own for the intercept, such as Box(lower=0).
    """

    name = "box"
    arguments = ("lower", "upper", "l1", "l2")

    def __init__(
        self,
        *,
        lower: Numbers = -np.inf,
        upper: Numbers = np.inf,
        l1: Numbers = 0.0,
        l2: Numbers = 0.0,
        intercept: Separable | None = None,
    ) -> None:
        super().__init__(lower=lower, upper=upper, l1=l1, l2=l2, intercept=intercept)
