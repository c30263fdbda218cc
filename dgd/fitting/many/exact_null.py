"""The best constant to the last digits, from targets alone: what the largest strength of a path depends on.

A null model has it at once where it is a function of means. By the other losses (huber, quantile), and with offsets by
most, it is an approximation, from which Newton's method finds it; each step reads targets, weights and offsets, not X.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dgd._typing import Vector
from dgd.data.centre import Centre
from dgd.data.dataset import Dataset
from dgd.fitting.null_model import NullModel, sweep_targets
from dgd.losses import Loss
from dgd.passes.executor import Executor
from dgd.passes.sums.gradient import LossAndGradient
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.row_sums import RowSums

STEPS, ROUNDING = 60, 1e-13
FARTHEST = 25.0
"""From the null model's constant, in the units of a link: beyond, as with one class only, the loss falls for ever."""


def exact_null(null: NullModel, dataset: Dataset, loss: Loss, executor: Executor) -> NullModel:
    """The null model with a constant at which the loss's derivative is 0; as it was where there is none."""
    search = _Search(np.atleast_1d(np.asarray(null.constant, dtype=np.float64)), loss.shift_is_free)
    for _ in range(STEPS):
        c = search.c
        if not loss.of_difference and np.abs(c - null.constant).max() > FARTHEST:
            return null
        coef, at = (np.zeros(1), float(c[0])) if np.ndim(null.constant) == 0 else (np.zeros((1, len(c))), c)
        parts = (LossAndGradient(), Hessian())
        sums = sweep_targets(dataset, executor, RowSums(loss, at, coef, parts, centre=Centre(level=null.level))).value
        slope, second = sums.parts[0].gradient[0], sums.parts[1].values[..., 0, 0]
        if not (np.isfinite(slope).all() and np.isfinite(second).all()):
            return null
        if search.ends(np.atleast_1d(slope) / sums.weight, second / sums.weight):
            return replace(null, constant=float(c[0]) if np.ndim(null.constant) == 0 else c)
    return null


class _Search:
    """Newton's steps for one number, for each of several, or for K classes together; kept between what is known.

    Along each number the derivative grows, so that the root is between where it is below 0 and where it is above.
    """

    def __init__(self, c: Vector, joint: bool) -> None:
        self.c, self._joint = c, joint
        self._low, self._high = np.full_like(c, -np.inf), np.full_like(c, np.inf)
        self._reach = np.ones_like(c)

    def ends(self, slope: Vector, second: Vector) -> bool:
        """Whether c is the root; if not, c has moved on."""
        if self._joint:
            newton = -np.linalg.lstsq(second, slope, rcond=1e-10)[0].astype(np.float64)
            # Newton's decrement bounds how far a step may be trusted.
            step: Vector = newton / (1 + np.sqrt(max(float(-newton @ slope), 0.0)))
            ends = self._is_small(step)
            self.c = self.c if ends else self.c + step
            return bool(ends)
        self._low, self._high = np.where(slope < 0, self.c, self._low), np.where(slope > 0, self.c, self._high)
        with np.errstate(divide="ignore", invalid="ignore"):
            new = np.where(slope == 0, self.c, self.c - slope / np.reshape(second, slope.shape))
            middle = (self._low + self._high) / 2
        beyond = self.c - np.sign(slope) * self._reach
        self._reach = 2 * self._reach
        outside = ~((new > self._low) & (new < self._high)) & (slope != 0)
        new = np.where(outside, np.where(np.isfinite(middle), middle, beyond), new)
        ends = self._is_small(new - self.c)
        self.c = self.c if ends else new
        return bool(ends)

    def _is_small(self, step: Vector) -> bool:
        return bool((np.abs(step) <= ROUNDING * np.maximum(np.abs(self.c), 1.0)).all())
