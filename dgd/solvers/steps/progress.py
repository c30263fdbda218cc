"""Telling rounding level from slow descent, and divergence from a rise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from dgd.solvers.base import Evaluation

PATIENCE = 50
SUSTAINED_RISES = 20
LEAST_RISE = 1e-6


def rose(value: float, reference: float, rounding: float) -> bool:
    """Whether a loss is higher than the reference by more than rounding, which is relative."""
    return value > reference + rounding * abs(reference)


@dataclass(frozen=True, slots=True)
class Progress:
    """Lowest loss and gradient norm seen, and the evaluations since either was lowered.

    Descent, however slow, lowers one of them again and again. Once neither has moved for `patience` evaluations,
    what is left of the gradient is rounding. Methods whose loss goes up and down by nature need more patience.
    """

    value: float = float("inf")
    grad_norm: float = float("inf")
    idle: int = 0
    patience: int = PATIENCE

    def after(self, evaluation: Evaluation) -> Self:
        """The record with one more evaluation."""
        value, grad_norm = evaluation.value, evaluation.grad_norm
        if value < self.value or grad_norm < self.grad_norm:
            return replace(self, value=min(value, self.value), grad_norm=min(grad_norm, self.grad_norm), idle=0)
        return replace(self, idle=self.idle + 1)

    @property
    def stalled(self) -> bool:
        """Whether rounding hides any further descent."""
        return self.idle >= self.patience


NO_PROGRESS = Progress()
"""Before the first evaluation."""


@dataclass(frozen=True, slots=True)
class Rises:
    """Evaluations in a row at which the loss was higher than at the one before, and the loss before those."""

    count: int = 0
    start: float = float("inf")

    def after(self, before: float, value: float) -> Self:
        """The record with one more evaluation."""
        if value > before:
            return replace(self, count=self.count + 1, start=min(self.start, before))
        return replace(self, count=0, start=float("inf"))

    def diverged(self, value: float, patience: int = SUSTAINED_RISES) -> bool:
        """Whether the loss has risen for so long, and by so much, that this is no rounding."""
        return self.count >= patience and value - self.start > LEAST_RISE * abs(self.start)


NO_RISES = Rises()
"""Before the first evaluation."""
