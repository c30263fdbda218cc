"""The meat of a sandwich covariance: what each row's score adds, by row or by group of rows.

    s = ψ·xᵀA      h = w·l″·‖xᵀA‖²      M = Σ (w s)(w s)ᵀ / (1 − h)ᵉ      groups: M = Σ_g (Σ w s)(Σ w s)ᵀ

x has the intercept's 1 first. With A = R⁻¹ for an information RᵀR = Σ w·l″·xxᵀ, A M Aᵀ is the covariance, and h is the
row's leverage. Where weights are frequencies, a row stands for w of them: M = Σ w ssᵀ/(1 − h)ᵉ with h = l″·‖xᵀA‖². With
outputs that depend on each other (classes) s is the sum over them, and h a matrix (`class_leverage`). White (1980);
MacKinnon and White (1985); Liang and Zeger (1986).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array, Vector
from dgd.losses import Loss
from dgd.passes.sums.blocks import Block
from dgd.passes.sums.class_leverage import adjusted
from dgd.passes.sums.moments import columns
from dgd.passes.sums.row_sums import Part

PIECE_BYTES = 2**20
"""Of the scores of all classes of some rows."""


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
        if self.joint and self.leverage:
            return self._of_classes(block, loss)
        psi, second = columns(loss.derivative(block.raw, block.y)), self._second(block, loss)
        labels, index = (None, None) if block.groups is None else np.unique(block.groups, return_inverse=True)
        greatest, sums, of_classes = 0.0, [], None
        for k, A in enumerate(self.bread):
            score = block.columns.product(A[1:]) + A[0]
            residual = psi[:, k]
            if second is not None:
                h = second[:, k] * np.einsum("ij,ij->i", score, score)
                greatest = max(greatest, float(h.max(initial=0)))
                with np.errstate(divide="ignore", invalid="ignore"):
                    residual = residual / (1 - h) ** (self.leverage / 2)
            score *= residual[:, None]
            if self.joint:
                of_classes = score if of_classes is None else of_classes + score
            else:
                sums.append(self._summed(score, block.weight, index))
        if of_classes is not None:
            sums.append(self._summed(of_classes, block.weight, index))
        if labels is not None and self.by_group:
            return GroupScores(labels, np.stack(sums), len(psi))
        return Meat(np.stack(sums), len(psi), greatest)

    def _of_classes(self, block: Block, loss: Loss) -> Meat:
        """M of classes with leverages, some rows at a time."""
        psi, second = loss.derivative(block.raw, block.y), loss.second_derivative(block.raw, block.y)
        if block.weight is not None and not self.frequency:
            second = second * block.weight[:, None, None]
        q, _, k = self.bread.shape
        at_once, rows, greatest = max(1, PIECE_BYTES // (8 * q * k)), len(psi), 0.0
        scores = np.empty((rows, k))
        for start in range(0, rows, at_once):
            some = slice(start, min(start + at_once, rows))
            columns_of = block.columns.rows(some)
            B = np.stack([columns_of.product(A[1:]) + A[0] for A in self.bread], axis=1)
            residual, leverage = adjusted(psi[some], second[some], B, self.leverage)
            greatest = max(greatest, leverage)
            np.einsum("rq,rqk->rk", residual, B, out=scores[some])
        return Meat(self._summed(scores, block.weight, None)[None], rows, greatest)

    def _second(self, block: Block, loss: Loss) -> Array | None:
        """What ‖xᵀA‖² is multiplied with for a leverage, (rows, q); None where none is asked for."""
        if not self.leverage:
            return None
        second = np.ones_like(columns(block.raw))
        if not loss.quadratic:
            second = columns(loss.second_derivative(block.raw, block.y))
        return second if block.weight is None or self.frequency else second * block.weight[:, None]

    def _summed(self, score: Array, weight: Array | None, index: Array | None) -> Array:
        """M of one equation, (k, k), or the weighted sums of the groups, (groups, k)."""
        if weight is not None:
            score *= (np.sqrt(weight) if self.frequency and not self.by_group else weight)[:, None]
        if not self.by_group or index is None:
            return np.asarray(np.dot(score.T, score))
        found = np.zeros((int(index.max(initial=-1)) + 1, score.shape[1]))
        np.add.at(found, index, score)
        return found

    def finite(self, total: Any) -> bool:
        """Whether it is finite; a leverage may be 1, and is looked at later."""
        if isinstance(total, GroupScores):
            return bool(np.isfinite(total.scores).all())
        return self.leverage > 0 or bool(np.isfinite(total.values).all())
