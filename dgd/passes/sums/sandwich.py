"""The meat of a sandwich covariance: what each row's score adds, by row or by group of rows.

    s = ψ·xᵀA      h = w·l″·‖xᵀA‖²      M = Σ (w s)(w s)ᵀ / (1 − h)ᵉ      groups: M = Σ_g (Σ w s)(Σ w s)ᵀ

x has the intercept's 1 first. With A = R⁻¹ for an information RᵀR = Σ w·l″·xxᵀ, A M Aᵀ is the covariance, and h is the
row's leverage. Where weights are frequencies, a row stands for w of them: M = Σ w ssᵀ/(1 − h)ᵉ with h = l″·‖xᵀA‖². With
outputs that depend on each other (classes) s is the sum over them. White (1980); MacKinnon and White (1985); Liang and
Zeger (1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.moments import columns
from dgd.passes.sums.row_sums import Part


@dataclass(frozen=True, slots=True)
class Meat:
    """M of each equation, (E, k, k), how many rows it is of, and the greatest leverage among them."""

    values: Vector
    rows: int
    leverage: float = 0.0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.values + other.values, self.rows + other.rows, max(self.leverage, other.leverage))


@dataclass(frozen=True, slots=True)
class GroupScores:
    """Σ w s of each group, (E, groups, k), by the groups' labels in ascending order."""

    labels: Array
    scores: Vector
    rows: int

    def __add__(self, other: Self) -> Self:
        labels = np.union1d(self.labels, other.labels)
        scores = np.zeros((len(self.scores), len(labels), self.scores.shape[2]))
        for each in (self, other):
            scores[:, np.searchsorted(labels, each.labels)] += each.scores
        return type(self)(labels, scores, self.rows + other.rows)

    @property
    def meat(self) -> Vector:
        """M, (E, k, k)."""
        return np.stack([scores.T @ scores for scores in self.scores])


@dataclass(frozen=True)
class Sandwich(Part):
    """The scores of rows or groups at θ.

    bread: A, (q, p, k), a matrix for each output; joint: whether scores are summed over the outputs; leverage: e;
    frequency: whether a weight is a number of rows; by_group: whether rows are summed by group first.
    """

    bread: Vector
    joint: bool = False
    leverage: int = 0
    frequency: bool = False
    by_group: bool = False

    def __call__(self, block: Block, loss: Loss) -> Meat | GroupScores:
        psi = columns(loss.derivative(block.raw, block.y))
        outputs = range(len(self.bread))
        parts = [block.columns.product(A[1:]) + A[0] for A in self.bread]
        scores = [psi[:, k, None] * parts[k] for k in outputs]
        if self.joint:
            scores = [np.sum(scores, axis=0)]
        if self.by_group:
            return _by_group(block, [_times(score, block.weight) for score in scores])
        greatest, w = 0.0, block.weight
        if self.leverage:
            second = np.ones_like(psi) if loss.quadratic else columns(loss.second_derivative(block.raw, block.y))
            own = second if w is None or self.frequency else second * w[:, None]
            h = [own[:, k] * np.einsum("ij,ij->i", parts[k], parts[k]) for k in outputs]
            greatest = max(float(each.max(initial=0)) for each in h)
            with np.errstate(divide="ignore", invalid="ignore"):
                scores = [s / ((1 - each) ** (self.leverage / 2))[:, None] for s, each in zip(scores, h, strict=True)]
        factor = None if w is None else np.sqrt(w) if self.frequency else w
        scores = [_times(score, factor) for score in scores]
        return Meat(np.stack([score.T @ score for score in scores]), len(psi), greatest)

    def finite(self, total: Any) -> bool:
        """Whether it is finite; a leverage may be 1, and is looked at later."""
        if isinstance(total, GroupScores):
            return bool(np.isfinite(total.scores).all())
        return self.leverage > 0 or bool(np.isfinite(total.values).all())


def _by_group(block: Block, scores: list[Array]) -> GroupScores:
    assert block.groups is not None
    labels, index = np.unique(block.groups, return_inverse=True)
    found = np.zeros((len(scores), len(labels), scores[0].shape[1]))
    for total, score in zip(found, scores, strict=True):
        np.add.at(total, index, score)
    return GroupScores(labels, found, len(index))


def _times(scores: Array, factor: Array | None) -> Array:
    return scores if factor is None else scores * factor[:, None]
