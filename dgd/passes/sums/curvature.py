"""The sum of a loss's second derivatives, output by output."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part


class Curvature(Part):
    """Σ w l″(η, y), a number, or (q,) where outputs do not depend on each other."""

    def __call__(self, block: Block, loss: Loss) -> Any:
        second = loss.second_derivative(block.raw, block.y)
        if block.weight is not None:
            second = (second.T * block.weight).T
        return second.sum(axis=0, dtype=np.float64)
