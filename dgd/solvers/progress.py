"""Telling rounding level from slow descent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from dgd.solvers.base import Evaluation

PATIENCE = 50


@dataclass(frozen=True, slots=True)
class Progress:
    """Lowest loss and gradient norm seen, and the evaluations since either was lowered.

    Descent, however slow, lowers one of them again and again. Once neither has moved for `PATIENCE` evaluations,
    what is left of the gradient is rounding.
    """

    value: float = float("inf")
    grad_norm: float = float("inf")
    idle: int = 0

    def after(self, evaluation: Evaluation) -> Self:
        """The record with one more evaluation."""
        value, grad_norm = evaluation.value, evaluation.grad_norm
        if value < self.value or grad_norm < self.grad_norm:
            return replace(self, value=min(value, self.value), grad_norm=min(grad_norm, self.grad_norm), idle=0)
        return replace(self, idle=self.idle + 1)

    @property
    def stalled(self) -> bool:
        """Whether rounding hides any further descent."""
        return self.idle >= PATIENCE


NO_PROGRESS = Progress()
"""Before the first evaluation."""
