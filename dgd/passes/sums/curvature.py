"""The sum of a loss's second derivatives by what the columns predict."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.row_sums import Part


class Curvature(Part):
    """Σ w l″(η, y), (q, q): diagonal but for a softmax, Σ w (diag p − ppᵀ)."""

    def __call__(self, block: Block, loss: Loss) -> Any:
        weight = np.ones(len(block.raw)) if block.weight is None else block.weight
        if loss.shift_is_free:
            p = loss.response(block.raw)
            return np.diag(weight @ p) - (p.T * weight) @ p
        second = loss.second_derivative(block.raw, block.y)
        return np.diag(np.atleast_1d(weight @ second))
