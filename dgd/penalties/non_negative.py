"""No coefficient below zero, with or without a ridge and a lasso.

    penalty     Σ l1ⱼ bⱼ + ½ Σ l2ⱼ bⱼ²    with    bⱼ ≥ 0
    prox        max(b − step·l1, 0)

Lawson and Hanson (1974), Solving Least Squares Problems, ch. 23.
"""

from __future__ import annotations

from dgd.penalties.separable import Separable
from dgd.penalties.strengths import Numbers


class NonNegative(Separable):
    """bⱼ ≥ 0, and Σ l1ⱼ bⱼ + ½ Σ l2ⱼ bⱼ² within; each strength is one number, one per feature, or (q, n) for q outputs.

    intercept: a penalty of its own for the intercept, such as NonNegative().
    """

    name = "non_negative"
    arguments = ("l1", "l2")

    def __init__(self, *, l1: Numbers = 0.0, l2: Numbers = 0.0, intercept: Separable | None = None) -> None:
        super().__init__(lower=0.0, l1=l1, l2=l2, intercept=intercept)
