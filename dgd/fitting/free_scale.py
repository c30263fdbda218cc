"""Minimising Huber's loss together with its scale σ.

θ is a matrix of two columns, (b₀, b) for η and (σ, 0) for the scale. Entries that are not free, the coefficients of σ
and an intercept that is not fitted, have their gradient set to 0, so that no solver moves them. Below a least σ the
objective is infinite, which is known without a pass: a line search takes a shorter step there.

The start is the least-squares solution with its root mean squared error as σ; the problem is convex, so that it changes
the passes and not the result. Data that lie on a plane have no minimum: the value falls with σ to 0. Once σ is far
below the targets' size it is fixed at the least, and the rest is minimised there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.known import Known, Pass
from dgd.fitting.loop import minimise
from dgd.fitting.null_model import NullModel, null_model
from dgd.fitting.objective import Objective
from dgd.fitting.problem import make_method
from dgd.fitting.record import Record
from dgd.fitting.verdict.stopping import Callback, Stopping
from dgd.losses import Squared
from dgd.losses.scaled_huber import ScaledHuber
from dgd.passes.blas import single_threaded_blas
from dgd.passes.plan import Need
from dgd.passes.session import Session
from dgd.passes.sums.gradient import NullSums
from dgd.passes.sums.moments import Moments
from dgd.penalties import L2
from dgd.solvers import Evaluation, Solver, Status

LEAST_SCALE = 1e-10
"""The least σ, as a part of the targets' spread: residuals of that size begin to be rounding."""
VANISHED = 10.0
"""σ below so many times the least is taken as vanishing."""

DAMPING = 1e-2
"""Added to the curvature by σ, in units of 1/σ. The loss is linear along rays from r = σ = 0, with no curvature there,
and a Newton step along them would be longer than σ by many orders."""


class ScaledStart(NamedTuple):
    """Where to begin: θ without σ, and σ."""

    theta: Vector
    scale: float


@dataclass(frozen=True)
class ScaleObjective(Objective):
    """The mean of `ScaledHuber` plus a penalty, in the free entries of θ alone."""

    free_intercept: bool = True
    least_scale: float = 0.0
    scale_is_fixed: bool = False

    @property
    def centres(self) -> bool:
        """Only if η has an intercept: that of σ does not count."""
        return self.free_intercept

    def to_user(self, point: Vector, known: Known) -> Vector:
        """θ for columns and targets as they are; σ has no centre."""
        theta = known.coordinates.to_user(point)
        if known.centre is not None:
            theta[:, 0] = known.centre.to_user(theta[:, 0])
        return theta

    def measured(self, known: Known, null: NullSums, gradient: Vector, scale: float) -> Known:
        if isinstance(null.gradient, np.ndarray):
            null.gradient[1:, 1] = 0
        return super().measured(known, null, gradient, scale)

    def standardised(self, sums: Moments) -> Coordinates:
        """Without an intercept the columns are divided by their root mean square and not centred."""
        found = Coordinates.standardising(sums, intercept=self.free_intercept, outputs=self.outputs)
        return replace(found, intercept=True)

    def without_pass(self, asked: Vector, known: Known) -> Pass | None:
        """Infinite below the least σ; rounding may move a σ that is fixed."""
        if not self.scale_is_fixed and asked.reshape(self.theta_shape)[0, 1] < self.least_scale:
            return Pass(Evaluation(point=asked, value=math.inf, gradient=np.zeros_like(asked)), known)
        return None

    def evaluation(self, point: Vector, mean: float, gradient: Vector, known: Known, *, hessian: bool) -> Evaluation:
        evaluation = super().evaluation(point, mean, gradient, known, hessian=hessian)
        free = np.ones(self.theta_shape, dtype=bool)
        free[1:, 1] = False
        free[0] = self.free_intercept, not self.scale_is_fixed
        fixed = np.flatnonzero(~free)
        evaluation.gradient[fixed] = 0
        if evaluation.hessian is not None:
            evaluation.hessian[fixed] = evaluation.hessian[:, fixed] = 0
            evaluation.hessian[fixed, fixed] = 1
            evaluation.hessian[1, 1] += DAMPING / point[1]
        return evaluation


def minimise_with_scale(
    running: Session,
    dataset: Dataset,
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
    passes = 0
    null = null_model(dataset, Squared(), running.executor)
    if not fit_intercept:
        null = NullModel(0.0, 0.0, null.spread)
    size = float(null.spread[0])
    least = LEAST_SCALE * size or LEAST_SCALE
    if start is None:
        start, passes = _least_squares(running, dataset, l2, null if fit_intercept else None, stopping.max_iter)
    theta = np.zeros((dataset.shape[1] + 1, 2))
    theta[int(not fit_intercept) :, 0] = start.theta
    theta[0, 0] -= null.level
    theta[0, 1] = max(start.scale, 2 * VANISHED * least)
    left = stopping.max_iter - passes
    if left < 1:
        theta[0, 0] += null.level
        return Status.ITERATION_LIMIT, theta, passes
    hessian_bytes = 8 * theta.size**2 * solver.wants_hessian
    objective = ScaleObjective(
        running.open(dataset, Need(outputs=2, hessian_bytes=hessian_bytes)),
        ScaledHuber(epsilon=epsilon),
        running.executor,
        penalty=L2(l2),
        free_intercept=fit_intercept,
        least_scale=least,
        null=NullModel(null.level, np.array([null.constant, size or 1.0]), null.spread),
    )
    with single_threaded_blas():
        status, theta, more = _until_vanished(objective, solver, theta, replace(stopping, max_iter=left), callback)
    return status, theta, passes + more


def _least_squares(
    running: Session, dataset: Dataset, l2: float, null: NullModel | None, max_iter: int
) -> tuple[ScaledStart, int]:
    """The least-squares solution with its root mean squared error, and the passes it took."""
    fit_intercept = null is not None
    method = make_method("squared", L2(l2), "auto", "auto", fit_intercept=fit_intercept, dataset=dataset)
    dataset = running.open(dataset, method.need(dataset, "double"))
    objective = Objective(
        dataset, method.loss, running.executor, penalty=method.penalty, fit_intercept=fit_intercept, null=null
    )
    with single_threaded_blas():
        stopping = Stopping(max_iter=max_iter)
        run = minimise(objective, method.solver, objective.start(None), standardize=True, stopping=stopping)
    theta = objective.to_user(run.point, run.state.known)
    return ScaledStart(theta, math.sqrt(max(run.loss, 0.0))), len(run.history)


def _until_vanished(
    objective: ScaleObjective, solver: Solver, theta: Vector, stopping: Stopping, callback: Callback
) -> tuple[Status, Vector, int]:
    """Minimise over all that is free; where σ vanishes, over the rest with σ fixed at the least."""

    def vanished(record: Record) -> bool:
        return record.accepted and record.theta is not None and record.theta[0, 1] < VANISHED * objective.least_scale

    def after_pass(record: Record) -> bool:
        return math.isfinite(record.loss) and bool(callback(record))

    run = minimise(objective, solver, theta, standardize=True, stopping=stopping, callbacks=[after_pass, vanished])
    known = run.state.known
    theta, passes = known.coordinates.to_user(run.point), known.passes
    if theta[0, 1] >= VANISHED * objective.least_scale:
        return run.status, objective.to_user(run.point, known), passes
    theta[0, 1] = objective.least_scale
    fixed = replace(objective, scale_is_fixed=True)
    rest = replace(stopping, max_iter=max(1, stopping.max_iter - len(run.history)))
    run = minimise(fixed, solver, theta, standardize=True, stopping=rest, callbacks=[after_pass])
    return run.status, fixed.to_user(run.point, run.state.known), passes + run.state.known.passes
