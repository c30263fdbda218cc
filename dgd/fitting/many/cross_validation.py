"""What a cross-validation has found: a loss for each penalty and fold, the choice, and its fit of all rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.errors.words import finite_or_none
from dgd.fitting.many.spaced import spaced
from dgd.fitting.result import Result
from dgd.penalties import Penalty


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Held-out losses of L penalties and F folds, the choice among them, and the fit of all rows by it.

    `fold_losses` (L, F) are mean losses, weights included, on the rows of each fold by the fit of all others; of the
    squared loss the mean squared error. `mean` and `standard_error` are over folds.
    """

    penalties: tuple[Penalty, ...]
    strengths: Vector
    """How strong each penalty is, (L,): λ where they are of one kind."""
    fold_losses: Vector
    best: int
    """The penalty of the least mean."""
    one_standard_error: int
    """The strongest penalty whose mean is within one standard error of the least."""
    chosen: int
    """Which of the two, or what was asked for."""
    result: Result
    """The fit of all rows by the chosen penalty."""
    fold_thetas: Vector = field(repr=False)
    """(L, F, n + 1) or (L, F, n + 1, q); without an intercept n in the place of n + 1."""
    passes: int = 0
    """Passes over the data, the refit's among them."""
    models: tuple[int, ...] = ()
    """How many models took part in each."""
    bytes_read: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> Vector:
        """The mean over folds, (L,)."""
        mean: Vector = self.fold_losses.mean(axis=1)
        return mean

    @property
    def standard_deviation(self) -> Vector:
        """Over folds, (L,), by F − 1."""
        deviation: Vector = self.fold_losses.std(axis=1, ddof=1)
        return deviation

    @property
    def standard_error(self) -> Vector:
        """Of the mean, (L,)."""
        error: Vector = self.standard_deviation / np.sqrt(self.fold_losses.shape[1])
        return error

    @property
    def penalty(self) -> Penalty:
        """The chosen one."""
        return self.penalties[self.chosen]

    def table(self) -> str:
        """A line for each penalty: its strength, the mean, standard deviation and standard error, the choices."""
        lines = [f"{'':2}{'strength':>12}{'mean loss':>16}{'sd':>12}{'se':>12}"]
        marks = {self.best: "least mean", self.one_standard_error: "within 1 se"}
        if self.best == self.one_standard_error:
            marks = {self.best: "least mean, within 1 se"}
        shown = spaced(len(self.penalties), {self.best, self.one_standard_error, self.chosen})
        for k in shown:
            mark = ">" if k == self.chosen else " "
            numbers = f"{self.mean[k]:>16.9g}{self.standard_deviation[k]:>12.4g}{self.standard_error[k]:>12.4g}"
            lines.append(f"{mark:2}{self.strengths[k]:>12.6g}{numbers}  {marks.get(k, '')}".rstrip())
        if len(shown) < len(self.penalties):
            lines.append(f"  … {len(shown)} of {len(self.penalties)} penalties")
        return "\n".join(lines)

    def summary(self) -> str:
        """The table, what was chosen, and what it cost."""
        folds, seconds = self.fold_losses.shape[1], self.seconds
        most = max(self.models, default=0)
        return "\n".join(
            [
                f"{len(self.penalties)} penalties × {folds} folds: mean loss on the rows held out",
                self.table(),
                f"chosen        {self.penalty!r}",
                f"passes        {self.passes}, of up to {most} models each; {seconds:.3f} s",
            ]
        )

    def __str__(self) -> str:
        return self.summary()

    def as_json(self) -> dict[str, Any]:
        """Everything as plain numbers."""
        rows = zip(self.strengths, self.mean, self.standard_deviation, self.standard_error, strict=True)
        return {
            "table": [
                {
                    "penalty": repr(penalty),
                    "strength": float(strength),
                    "mean": finite_or_none(float(mean)),
                    "sd": finite_or_none(float(deviation)),
                    "se": finite_or_none(float(error)),
                    "folds": [finite_or_none(float(loss)) for loss in losses],
                }
                for penalty, (strength, mean, deviation, error), losses in zip(
                    self.penalties, rows, self.fold_losses, strict=True
                )
            ],
            "best": self.best,
            "one_standard_error": self.one_standard_error,
            "chosen": self.chosen,
            "passes": self.passes,
            "models": list(self.models),
            "bytes_read": self.bytes_read,
            "seconds": self.seconds,
            "result": self.result.as_json(),
        }


def choices(fold_losses: Vector, strengths: Vector) -> tuple[int, int]:
    """The penalty of the least mean loss, and the strongest within one standard error of it; NaN counts as endless.

    Of equal ones the strongest. Breiman, Friedman, Olshen, Stone (1984), Classification and Regression Trees, §3.4.3.
    """
    means = np.where(np.isfinite(fold_losses).all(axis=1), fold_losses.mean(axis=1), np.inf)
    order = np.argsort(-strengths, kind="stable")
    best = int(order[int(np.argmin(means[order]))])
    folds = fold_losses.shape[1]
    error = float(fold_losses[best].std(ddof=1)) / np.sqrt(folds) if np.isfinite(means[best]) else 0.0
    within = [int(k) for k in order if means[k] <= means[best] + error]
    return best, within[0] if within else best
