"""Whether there is an optimum at all: classes that a plane separates, counts that are all zero.

There the loss falls for ever along some direction d of the coefficients, and its gradient vanishes on the way, so that
any tolerance is met. The mark of it is Newton's: near a minimum its steps shrink quadratically, near an infimum at
infinity they stay the same, of a length by which F's distance to the infimum falls to 1/e. Albert and Anderson (1984),
On the existence of maximum likelihood estimates in logistic regression models.
"""

from __future__ import annotations

import math

import numpy as np

from dgd._typing import Vector
from dgd.fitting.known import Known
from dgd.fitting.objective import Objective
from dgd.penalties import NoPenalty
from dgd.solvers import Solver
from dgd.solvers.base import Evaluation, State, vector_norm
from dgd.solvers.newton import Newton, NewtonState

MOST_PARAMETERS = 300
"""For which Newton's steps are asked for, where another solver has made the fit."""
MOVED = 1e-3
"""A last step that is longer, as a part of θ, is not that of a fit which has converged to a minimum."""
WEIGHTED = 1e-6
SHOWN = 3
SHARE = 0.3
"""A column is named if its part of d is at least this part of the largest."""


def needs_newton(objective: Objective, solver: Solver, last: Evaluation | None, evaluation: Evaluation) -> bool:
    """Whether a small gradient says nothing yet, and Newton's steps from there would."""
    loss, penalty, point = objective.loss, objective.penalty, evaluation.point
    if loss.quadratic or loss.of_difference or isinstance(solver, Newton) or solver.is_stochastic or last is None:
        return False
    if (
        not penalty.is_smooth
        or point.size > MOST_PARAMETERS
        or np.any(penalty.curvature(np.zeros(objective.dataset.shape[1])))
    ):
        return False
    return vector_norm(point - last.point) > MOVED * vector_norm(point)


def from_nearer(solver: State, evaluation: Evaluation) -> bool:
    """Whether the curvature has vanished where Newton's steps were to begin: from half as far they will tell more."""
    return isinstance(solver, NewtonState) and solver.steps == 0 and solver.rank < evaluation.point.size


def is_separated(objective: Objective, evaluation: Evaluation, known: Known) -> bool:
    """Whether every row's class has a probability above ½, so that a plane separates the classes.

    Where Σ loss < log 2 each row's own loss is, for none is negative. With weights a margin stands for the least one.
    """
    if objective.loss.labels is None or not isinstance(objective.penalty, NoPenalty) or known.targets is None:
        return False
    margin = 1.0 if objective.dataset.weight is None else WEIGHTED
    total = evaluation.value * known.targets.moments.weight
    return known.targets.saturated == 0 and total < margin * math.log(2)


def what_separates(objective: Objective, known: Known, step: Vector | None) -> str:
    """The columns, or the classes, along whose coefficients the loss falls for ever, by name."""
    if step is None:
        return "a plane separates the classes"
    part = np.abs(known.coordinates.coef_part(step))
    size = part if part.ndim == 1 else part.max(axis=1)
    rest = np.abs(step[: step.size - part.size])
    labels = objective.loss.labels
    if rest.size and rest.max() > size.max() / SHARE:
        if labels is not None and rest.size > 1:
            return f"class {labels[int(rest.argmax())]!r} has no rows, or next to none"
        return "all targets are alike: " + ("one class only" if labels is not None else "all counts are 0")
    names = objective.dataset.feature_names
    order = [int(j) for j in np.argsort(-size)[:SHOWN] if size[j] >= SHARE * size.max()]
    shown = ", ".join(repr(names[j]) if names else str(j) for j in order)
    return f"what separates the targets: column{'s' * (len(order) > 1)} {shown}"
