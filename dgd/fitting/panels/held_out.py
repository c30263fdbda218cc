"""The exact error of a fold's rows for coefficients of the other rows, for many targets and strengths.

    β(α) = (G + α diag(1/s²))⁻¹ c = diag(s) U (λ + α)⁻¹ Uᵀ diag(s) c      G, c of the other rows
    diag(s) G diag(s) = U diag(λ) Uᵀ
    error = Σ w y² − 2 βᵀ Σ w [1 z] y + βᵀ Σ w [1 z][1 z]ᵀ β    over the rows of the fold

All is turned into the coordinates of U once, so that a strength costs one product of the targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Array, Matrix, Vector
from dgd.fitting.panels.basis import Factored

NOTHING = 1e-14
"""Of the largest λ: less is rounding of 0."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One fold."""

    weight: float
    """Of the other rows."""
    border: Vector
    """Their Σ w z, (r,)."""
    turn: Matrix
    """[1 z] coefficients of turned ones, (1 + r, 1 + r)."""
    values: Vector
    """λ, (r,)."""
    products: Matrix
    """Σ w [1 z][1 z]ᵀ of the fold, turned."""
    fit_intercept: bool

    def errors(self, own: Matrix, others: Matrix, squares: Vector, strengths: Vector) -> Matrix:
        """(k, w), from Σ w [1 z] y of the fold and of the other rows, and Σ w y² of the fold."""
        shift = others[0] / self.weight if self.fit_intercept else np.zeros(others.shape[1])
        c = self.turn[1:, 1:].T @ (others[1:] - np.outer(self.border, shift))
        turned = self.turn.T @ own
        found = np.empty((len(strengths), len(squares)))
        beta = np.empty_like(own)
        beta[0] = shift
        for k, strength in enumerate(strengths):
            raised = self.values + strength * self.weight / 2
            there = raised > NOTHING * self.values.max(initial=0.0)
            beta[1:] = c * np.divide(1.0, raised, out=np.zeros_like(raised), where=there)[:, None]
            found[k] = squares + (beta * (self.products @ beta - 2 * turned)).sum(axis=0)
        return found


def held_out(found: Factored) -> tuple[HeldOut, ...]:
    """Each fold; nothing where there is but one."""
    folds: list[HeldOut] = []
    for k, own in enumerate(found.products if len(found.products) > 1 else ()):
        rest: Array = found.products[[j for j in range(len(found.products)) if j != k]].sum(axis=0)
        weight, border, G = float(rest[0, 0]), rest[0, 1:], rest[1:, 1:]
        if found.fit_intercept:
            G = G - np.outer(border, border) / weight
        values, vectors = np.linalg.eigh(found.values[:, None] * G * found.values)
        turn = np.zeros_like(own)
        turn[0, 0], turn[1:, 1:] = 1, found.values[:, None] * vectors
        if found.fit_intercept:
            turn[0, 1:] = -border @ turn[1:, 1:] / weight
        folds.append(HeldOut(weight, border, turn, np.maximum(values, 0.0), turn.T @ own @ turn, found.fit_intercept))
    return tuple(folds)
