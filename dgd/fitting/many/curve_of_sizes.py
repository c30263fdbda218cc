"""What a learning curve has found: losses for each number of rows and each fold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Integers, Vector
from dgd.errors.words import finite_or_none
from dgd.fitting.many.spaced import spaced
from dgd.penalties import Penalty


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Losses of fits to more and more rows, on these rows and on those of a fold that none of them has seen.

    `train_losses` and `validation_losses` (L, F) are mean squared errors, weights included, without the penalty.
    """

    penalty: Penalty
    sizes: Integers
    """The first rows that were taken, (L,)."""
    train_rows: Integers
    """Those of them that are not in the fold, (L, F)."""
    train_losses: Vector
    validation_losses: Vector
    converged: Vector
    """Whether 8 digits of each coefficient are sure, (L, F): not of fewer rows than columns, without a penalty."""
    thetas: Vector = field(repr=False)
    """(L, F, n + 1) or (L, F, n + 1, q); without an intercept n in the place of n + 1."""
    passes: int = 1
    bytes_read: int = 0
    rows_left_out: int = 0
    seconds: float = 0.0

    @property
    def train_sizes(self) -> Vector:
        """The rows that were fitted, their mean over folds, (L,)."""
        mean: Vector = self.train_rows.mean(axis=1)
        return mean

    @property
    def train_mean(self) -> Vector:
        """The training loss, its mean over folds, (L,)."""
        mean: Vector = self.train_losses.mean(axis=1)
        return mean

    @property
    def mean(self) -> Vector:
        """The validation loss, its mean over folds, (L,)."""
        mean: Vector = self.validation_losses.mean(axis=1)
        return mean

    @property
    def standard_error(self) -> Vector:
        """Of that mean, (L,), by F − 1."""
        folds = self.validation_losses.shape[1]
        error: Vector = self.validation_losses.std(axis=1, ddof=1) / np.sqrt(folds)
        return error

    def table(self) -> str:
        """A line for each size: rows that were fitted, the mean losses on them and on others, its standard error."""
        lines = [f"{'rows':>12}{'training loss':>18}{'validation loss':>18}{'se':>12}"]
        shown = spaced(len(self.sizes))
        for k in shown:
            mark = "" if self.converged[k].all() else "  few digits are sure"
            numbers = f"{self.train_mean[k]:>18.9g}{self.mean[k]:>18.9g}{self.standard_error[k]:>12.4g}"
            lines.append(f"{self.train_sizes[k]:>12,.0f}{numbers}{mark}")
        if len(shown) < len(self.sizes):
            lines.append(f"… {len(shown)} of {len(self.sizes)} sizes")
        return "\n".join(lines)

    def __str__(self) -> str:
        sizes, folds = self.train_rows.shape
        return f"{sizes} sizes × {folds} folds in {self.passes} pass, {self.seconds:.3f} s\n{self.table()}"

    def as_json(self) -> dict[str, Any]:
        """Everything but θ as plain numbers."""
        return {
            "penalty": repr(self.penalty),
            "sizes": self.sizes.tolist(),
            "train_rows": self.train_rows.tolist(),
            "train_losses": [[finite_or_none(each) for each in line] for line in self.train_losses.tolist()],
            "validation_losses": [[finite_or_none(each) for each in line] for line in self.validation_losses.tolist()],
            "converged": self.converged.tolist(),
            "passes": self.passes,
            "bytes_read": self.bytes_read,
            "rows_left_out": self.rows_left_out,
            "seconds": self.seconds,
        }
