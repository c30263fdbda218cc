"""Coefficients, R² and the strength of each target, from its products with orthonormal columns.

    c = Σ w z (y − ȳ)       b(α) = V diag(s/(s² + α)) c       f = s²/(s² + α)       α = l2·Σw/2
    RSS(α) = Σ w (y − ȳ)² − Σ c² f (2 − f)                     R² = 1 − RSS / Σ w (y − ȳ)²
    GCV(α) = RSS/Σw / (1 − df/m)²,  df = Σ f, and 1 for the intercept

By folds: see `held_out`.
Golub, Heath and Wahba (1979), Generalized cross-validation as a method for choosing a good ridge parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dgd._typing import Array, Integers, Matrix, Vector
from dgd.errors import DataError
from dgd.errors.words import counted
from dgd.fitting.panels.basis import Factored
from dgd.fitting.panels.held_out import HeldOut
from dgd.fitting.panels.missing_cells import MissingCells
from dgd.fitting.panels.partial_targets import partial_targets


@dataclass(frozen=True, eq=False)
class Sums:
    """What was summed of some targets, by fold: Σ w (y − ℓ), Σ w z (y − ℓ), Σ w (y − ℓ)²."""

    products: Array
    """(K, 1 + r, w)."""
    squares: Matrix
    """(K, w)."""
    level: Vector
    """ℓ, (w,)."""
    missing: MissingCells | None = None
    """What each target lacks, where that is left out."""


@dataclass(frozen=True, eq=False)
class Solved:
    """Of some targets."""

    coef: Matrix
    """(n, w)."""
    intercept: Vector
    r2: Vector
    l2: Vector
    rows: Vector
    """Rows with a weight that each target has."""


@dataclass(frozen=True, eq=False)
class Solver:
    """Solves for targets by one decomposition. strengths: of l2, one, or those to choose among."""

    factored: Factored
    strengths: Vector
    folds: tuple[HeldOut, ...] = ()
    """By which a strength is chosen; without any it is by generalised cross-validation."""

    def __call__(self, sums: Sums) -> Solved:
        found = self.factored
        total, squares = sums.products.sum(axis=0), sums.squares.sum(axis=0)
        shift = total[0] / found.weight
        c, around = total[1:], np.maximum(squares - total[0] * shift, 0.0)
        whole = squares
        if found.fit_intercept:
            c, whole = c - np.outer(found.sums, shift), around
        f = self._kept
        left = np.maximum(whole - (f * (2 - f)) @ (c * c), 0.0)
        best = self._best(left, sums)
        coef = found.vectors @ (f[best].T * c / found.values[:, None])
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = 1 - np.take_along_axis(left, best[None], axis=0)[0] / around
        shift = shift if found.fit_intercept else np.zeros(len(shift))
        rows = np.full(len(shift), float(found.weighted))
        if sums.missing is not None:
            best = self._with_missing(sums, sums.missing, total, squares, (coef, shift, r2, rows), best)
        r2[~np.isfinite(r2)] = np.nan
        intercept = sums.level + shift - found.mean @ coef if found.fit_intercept else shift
        return Solved(coef, intercept, r2, np.where(np.isnan(intercept), np.nan, self.strengths[best]), rows)

    def _with_missing(
        self,
        sums: Sums,
        missing: MissingCells,
        total: Matrix,
        squares: Vector,
        solved: tuple[Matrix, Vector, Vector, Vector],
        best: Integers,
    ) -> Integers:
        """Put in what targets that lack rows have instead; the strengths' numbers."""
        coef, shift, r2, rows = solved
        rows[:] = missing.seen - missing.counts
        none = missing.counts == missing.seen
        coef[:, none] = shift[none] = r2[none] = np.nan
        some = np.flatnonzero((missing.counts > 0) & ~none)
        if not len(some):
            return best
        if len(self.strengths) > 1 and self.folds:
            raise DataError(
                f"{counted(len(some), 'target')} lack some of the rows, and folds are of rows that all targets have; "
                f"choose by='gcv', or fill these cells"
            )
        assert missing.pairs is not None
        found = partial_targets(
            self.factored, self.strengths, total[:, some], squares[some], missing.pairs[:, some], rows[some]
        )
        coef[:, some], own, r2[some], best[some] = found
        shift[some] = own
        return best

    @property
    def _kept(self) -> Matrix:
        """f for each strength, (k, r)."""
        d = self.factored.values**2
        return d / (d + self.strengths[:, None] * self.factored.weight / 2)

    def _best(self, left: Matrix, sums: Sums) -> Integers:
        """The strength of each target, by number."""
        if len(self.strengths) == 1:
            return np.zeros(left.shape[1], np.int64)
        errors = self._held_out(sums) if self.folds else self._generalised(left)
        best: Integers = errors.argmin(axis=0)
        return best

    def _generalised(self, left: Matrix) -> Matrix:
        found = self.factored
        share = 1 - (self._kept.sum(axis=1) + found.fit_intercept) / found.rows
        with np.errstate(divide="ignore", invalid="ignore"):
            errors: Matrix = left / found.weight / np.where(share > 0, share, np.nan)[:, None] ** 2
        return np.where(np.isnan(errors), np.inf, errors)

    def _held_out(self, sums: Sums) -> Matrix:
        errors = np.zeros((len(self.strengths), sums.products.shape[2]))
        for k, fold in enumerate(self.folds):
            others = sums.products[[j for j in range(len(self.folds)) if j != k]].sum(axis=0)
            errors += fold.errors(sums.products[k], others, sums.squares[k], self.strengths)
        return errors
