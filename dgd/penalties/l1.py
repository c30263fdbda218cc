"""Lasso: the absolute values of the coefficients, which makes many of them exactly 0.

    penalty     Σ l1ⱼ |bⱼ|
    prox        sign(b)·max(|b| − step·l1, 0)

Tibshirani (1996), Regression shrinkage and selection via the lasso. Other libraries' strengths are converted in
`elastic_net.py`.
"""

from __future__ import annotations

from dgd.penalties.separable import Numbers, Separable


class L1(Separable):
    """Σ l1ⱼ |bⱼ|; l1: one strength, or one per feature."""

    name = "l1"
    arguments = ("l1",)

    def __init__(self, l1: Numbers) -> None:
        super().__init__(l1=l1)
