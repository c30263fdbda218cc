"""Minimising Huber's loss together with its scale σ.

θ is a matrix of two columns, (b₀, b) for η and (σ, 0) for the scale. Entries that are not free, the coefficients of σ
and an intercept that is not fitted, have their gradient set to 0, so that no solver moves them. Below a least σ the
objective is infinite, which is known without a pass: a line search turns back there.

The start is the least-squares solution with its root mean squared error as σ; the problem is convex, so that it changes
the passes and not the result. Data that lie on a plane have no minimum: the value falls with σ to 0. Once σ is far
below the targets' size it is held at the least, and the rest minimised there.
"""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dgd import api
from dgd._typing import Vector
from dgd.estimators.inputs import Training
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.loop import Callback, Run, Stopping, minimise
from dgd.fitting.objective import Objective
from dgd.fitting.record import Record
from dgd.losses.scaled_huber import ScaledHuber
from dgd.passes.blas import single_threaded_blas
from dgd.passes.choose import choose_executor
from dgd.passes.plan import affordable
from dgd.passes.sums.gradient import Partial
from dgd.penalties import L2
from dgd.solvers import Epoch, Evaluation, Solver, Status

LEAST_SCALE = 1e-10
"""The least σ, as a part of the targets' root mean square: residuals of that size begin to be rounding."""
VANISHED = 10.0
"""σ below so many times the least is on its way there."""

DAMPING = 1e-2
"""Added to the curvature by σ, in units of 1/σ. The loss is linear along rays from r = σ = 0, with no curvature there,
and a Newton step along them would be longer than σ by many orders."""


class ScaledStart(NamedTuple):
    """Where to begin: θ without σ, and σ."""

    theta: Vector
    scale: float


@dataclass
class ScaleObjective(Objective):
    """The mean of `ScaledHuber` plus a penalty, in the free entries of θ alone."""

    free_intercept: bool = True
    least_scale: float = 0.0
    held: bool = False
    """Whether σ is held where it is."""

    def standardise_at(self, theta: Vector, *, hessian: bool = False) -> Evaluation:
        """As always; without an intercept the columns are divided by their root mean square and not centred."""
        partial = self._sweep(theta, moments=True, hessian=hessian)
        assert partial.moments is not None
        found = Coordinates.standardising(partial.moments, intercept=self.free_intercept, outputs=self.outputs)
        self.coordinates = replace(found, intercept=True)
        self._penalty = self.penalty.scaled(self.coordinates.scale)
        return self._evaluation(self.coordinates.from_user(theta), partial, hessian=hessian)

    def evaluate(self, asked: Vector | Epoch, *, hessian: bool = False) -> Evaluation:
        """Infinite below the least σ, else what a pass finds; rounding may move a σ that is held."""
        assert not isinstance(asked, Epoch)
        if not self.held and asked.reshape(self.theta_shape)[0, 1] < self.least_scale:
            return Evaluation(point=asked, value=math.inf, gradient=np.zeros_like(asked))
        return super().evaluate(asked, hessian=hessian)

    def _evaluation(self, point: Vector, partial: Partial, *, hessian: bool) -> Evaluation:
        evaluation = super()._evaluation(point, partial, hessian=hessian)
        free = np.ones(self.theta_shape, dtype=bool)
        free[1:, 1] = False
        free[0] = self.free_intercept, not self.held
        fixed = np.flatnonzero(~free)
        evaluation.gradient[fixed] = 0
        if evaluation.hessian is not None:
            evaluation.hessian[fixed] = evaluation.hessian[:, fixed] = 0
            evaluation.hessian[fixed, fixed] = 1
            evaluation.hessian[1, 1] += DAMPING / point[1]
        return evaluation


def minimise_with_scale(
    training: Training,
    *,
    epsilon: float,
    l2: float,
    fit_intercept: bool,
    solver: Solver,
    start: ScaledStart | None,
    stopping: Stopping,
    callback: Callback,
) -> tuple[Status, Vector, int]:
    """Why it ended, θ (n + 1, 2) in the user's coordinates, and all passes that were made."""
    dataset, passes = training.dataset, 0
    least = LEAST_SCALE * training.target_size or LEAST_SCALE
    if start is None:
        squared = api.fit(
            dataset, penalty=L2(l2), fit_intercept=fit_intercept, max_iter=stopping.max_iter, threads=training.threads
        )
        start, passes = ScaledStart(squared.theta, math.sqrt(max(squared.loss, 0.0))), squared.n_iter_
    theta = np.zeros((dataset.shape[1] + 1, 2))
    theta[int(not fit_intercept) :, 0] = start.theta
    theta[0, 1] = max(start.scale, 2 * VANISHED * least)
    with closing(choose_executor(None, training.threads)) as executor:
        hessian_bytes = 8 * theta.size**2 * solver.wants_hessian
        dataset = affordable(dataset, executor.resources(dataset), outputs=2, hessian_bytes=hessian_bytes)
        objective = ScaleObjective(
            dataset,
            ScaledHuber(epsilon=epsilon),
            executor,
            penalty=L2(l2),
            free_intercept=fit_intercept,
            least_scale=least,
        )
        with single_threaded_blas():
            run, theta = _until_vanished(objective, solver, theta, stopping, callback)
    return run.status, theta, passes + objective.passes


def _until_vanished(
    objective: ScaleObjective, solver: Solver, theta: Vector, stopping: Stopping, callback: Callback
) -> tuple[Run, Vector]:
    """Minimise over all that is free; where σ vanishes, over the rest with σ held at the least."""

    def vanished(record: Record) -> bool:
        return record.accepted and record.theta is not None and record.theta[0, 1] < VANISHED * objective.least_scale

    def after_pass(record: Record) -> bool:
        return math.isfinite(record.loss) and bool(callback(record))

    run = minimise(objective, solver, theta, standardize=True, stopping=stopping, callbacks=[after_pass, vanished])
    theta = objective.coordinates.to_user(run.point)
    if theta[0, 1] >= VANISHED * objective.least_scale:
        return run, theta
    theta[0, 1] = objective.least_scale
    objective.held = True
    rest = replace(stopping, max_iter=max(1, stopping.max_iter - len(run.history)))
    run = minimise(objective, solver, theta, standardize=True, stopping=rest, callbacks=[after_pass])
    return run, objective.coordinates.to_user(run.point)
