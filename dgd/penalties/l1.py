"""Lasso: the absolute values of the coefficients, which makes many of them exactly 0.

    penalty     Σ l1ⱼ |bⱼ|
    prox        sign(b)·max(|b| − step·l1, 0)

Tibshirani (1996), Regression shrinkage and selection via the lasso. Other libraries' strengths are converted in
`elastic_net.py`.
"""

from __future__ import annotations

from dgd.penalties.separable import Separable
from dgd.penalties.strengths import Numbers


class L1(Separable):
    """Σ l1ⱼ |bⱼ|; l1: one strength, one per feature, or (q, n) for q outputs; intercept: a penalty of its own."""

    name = "l1"
    arguments = ("l1",)

    def __init__(self, l1: Numbers, *, intercept: Separable | None = None) -> None:
        super().__init__(l1=l1, intercept=intercept)
