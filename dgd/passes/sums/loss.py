"""The loss alone of one chunk at one θ: for rows that are scored and not fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from dgd._typing import Vector
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.losses import Loss
from dgd.passes.sums.bad_rows import block_weight, check_finite, check_targets
from dgd.passes.sums.gradient import as_block, block_rows, encoded, raw_prediction


@dataclass(frozen=True, slots=True)
class LossPartial:
    """The loss and weight sums of some rows."""

    loss_sum: float
    weight_sum: float

    def __add__(self, other: Self) -> Self:
        return type(self)(self.loss_sum + other.loss_sum, self.weight_sum + other.weight_sum)


@dataclass(frozen=True)
class LossSum:
    """The summand of a validation: the loss alone, at one θ, in float64."""

    loss: Loss
    intercept: float | Vector
    coef: Vector

    def __call__(self, chunk: Chunk, buffers: Buffers) -> LossPartial:
        total = LossPartial(0.0, 0.0)
        dtype = np.dtype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            rows, n = chunk.X.shape
            step = block_rows(n, chunk.X.dtype, dtype, outputs=math.prod(self.coef.shape[1:]))
            for start in range(0, rows, step):
                stop = min(start + step, rows)
                block = as_block(chunk.X[start:stop], dtype, buffers)
                raw = raw_prediction(block, self.coef, self.intercept, chunk, start, buffers)
                value = self.loss.value(raw, encoded(self.loss, chunk, start, stop, dtype))
                w = block_weight(chunk, start, stop, dtype)
                weight = float(stop - start) if w is None else float(w.sum())
                total += LossPartial(float(value.sum() if w is None else (value * w).sum()), weight)
        if not math.isfinite(total.loss_sum):
            check_finite(chunk)
            check_targets(chunk, self.loss)
        return total
