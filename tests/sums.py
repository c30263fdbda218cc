"""The sums of a pass, for tests."""

from __future__ import annotations

from typing import Any

from dgd.losses import Loss
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.row_sums import Part, RowSums


def gradient_sum(loss: Loss, intercept: Any, coef: Any, *parts: Part, precision: str = "double") -> RowSums:
    """Loss and gradient, and more parts after them."""
    return RowSums(loss, intercept, coef, (LossAndGradient(), *parts), precision)
