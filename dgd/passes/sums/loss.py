"""The loss alone, for rows that are scored and not fitted."""

from __future__ import annotations

import math
from typing import ClassVar

from dgd.losses import Loss
from dgd.losses.sums import weighted_sum
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part


class LossOnly(Part):
    """Σ w·value at θ."""

    of_sums: ClassVar[bool] = True

    def __call__(self, block: Block, loss: Loss) -> float:
        if (summed := block.summed(loss)) is not None:
            return summed.loss
        return weighted_sum(loss.value(block.raw, block.y), block.weight)

    def finite(self, total: float) -> bool:
        """Whether the loss is finite."""
        return math.isfinite(total)
