"""What fits of several penalties have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError
from dgd.fitting.many.fits import AtNull, ManyFits
from dgd.fitting.many.penalty_grid import Grid
from dgd.fitting.problem import Method, make_method
from dgd.fitting.verdict.stopping import Stopping
from dgd.losses import Loss
from dgd.penalties import Penalty


@dataclass(frozen=True)
class InCommon:
    """What the fits have in common."""

    dataset: Dataset
    loss: Any
    solver: Any
    fit_intercept: Any
    precision: str
    stopping: Stopping

    def __post_init__(self) -> None:
        design = self.dataset.design
        if design is not None and not design.intercept:
            object.__setattr__(self, "fit_intercept", False)

    def method(self, penalty: Penalty | None, loss: Loss | None = None) -> Method:
        """With one penalty; the labels of classes are read where the loss is not known yet."""
        method = make_method(
            loss or self.loss,
            penalty,
            self.solver,
            "auto",
            fit_intercept=self.fit_intercept,
            dataset=self.dataset,
            read_labels=loss is None,
        )
        if method.solver.is_stochastic:
            raise ConfigurationError(
                f"`{method.solver.argument}` takes steps within a pass, and fits in lock-step take one "
                f"for each pass; use solver='auto', 'lbfgs' or 'newton'"
            )
        return method

    def question(self, method: Method, penalties: Sequence[Penalty] | Grid | None) -> dict[str, Any]:
        """What is asked of the data, by the names of arguments, for a checkpoint."""
        return {
            "loss": method.loss,
            "penalties": list(penalties) if isinstance(penalties, Sequence) else penalties,
            "solver": method.solver,
            "fit_intercept": bool(self.fit_intercept),
            "precision": self.precision,
            "max_iter": self.stopping.max_iter,
            "tol": self.stopping,
        }


def refuse_checkpoint(call: str, checkpoint: Any) -> None:
    """Raise ConfigurationError where a checkpoint is asked for, and there is one pass."""
    if checkpoint is not None:
        raise ConfigurationError(
            f"`{call}(checkpoint=...)` keeps the passes of fits in lock-step, and the squared loss takes one, of which "
            f"there is nothing to keep before its end; leave it out, or save what the pass finds (dgd.summarize, "
            f"dgd summarize)"
        )


def on_grid(grid: Grid | None, fits: ManyFits) -> list[Penalty]:
    """The penalties of a grid, from what the first pass finds."""
    assert grid is not None
    null = fits.at_null()
    curvature = mean_curvature(null, fits.method.loss)
    return grid.penalties(grid.strengths(null.gradient, curvature, fits.dataset.shape[0]))


def mean_curvature(null: AtNull, loss: Loss) -> float:
    """Of the mean loss along a coefficient at the best constant, over the columns; offsets count as none."""
    raw = np.asarray(null.constant, dtype=np.float64)[None]
    second = loss.second_derivative(raw, raw)
    along = float(np.mean(second if second.ndim < 3 else np.diagonal(second, axis1=1, axis2=2)))
    return loss.gradient_scale * along * float(null.variance.mean())
