"""Ridge: the squares of the coefficients.

    penalty     ½ Σ l2ⱼ bⱼ²
    gradient    l2ⱼ bⱼ
    curvature   l2ⱼ

Hoerl and Kennard (1970), Ridge regression. Other libraries' strengths are converted in `elastic_net.py`.
"""

from __future__ import annotations

from dgd.penalties.separable import Separable
from dgd.penalties.strengths import Numbers


class L2(Separable):
    """½ Σ l2ⱼ bⱼ²; l2: one strength, one per feature, or (q, n) for q outputs; intercept: a penalty of its own."""

    name = "l2"
    arguments = ("l2",)

    def __init__(self, l2: Numbers, *, intercept: Separable | None = None) -> None:
        super().__init__(l2=l2, intercept=intercept)
