"""What a fit does with a sample: after the first pass it goes to the sample's minimum, and stays or turns back.

    pass 1    the best constant: a gradient, and rows copied aside
    between   Newton's steps on the sample, here
    pass 2    θ_s, with a Hessian. Taken if F is below that at the best constant and λ² = ∇FᵀM⁻¹∇F is what the sample
              makes expect, M its Hessian; else the fit begins at the best constant, a pass or two late

F(θ_s) < F(constant) alone is no test: it holds where rare columns have run off to where the loss is flat. The
rehearsal (`start`) finds these before a pass is made there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dgd._typing import Vector
from dgd.fitting.known import Pass
from dgd.fitting.objective import Objective
from dgd.fitting.sampled.start import CLOSE, SampledStart, decrement, sampled_start
from dgd.fitting.sampled.wide import sampled_metric
from dgd.fitting.state import FitState
from dgd.solvers import LBFGS, ConjugateGradient, Solver
from dgd.solvers.base import State


def told(state: FitState, found: Pass, solver: Solver, objective: Objective, tol: float) -> Solver:
    """Tell the solver what a pass found, and set its state; the solver that goes on, which may be another one."""
    if found.sample is not None and isinstance(solver, (LBFGS, ConjugateGradient)):
        state.solver = _with_metric(state, found, solver, objective)
        return solver
    if found.sample is not None:
        state.solver = replace(solver.init(_begin(state, found, objective), tol=tol), accepted=False)
        return solver
    start, state.sampled = state.sampled, None
    if start is not None:
        against = _against(start, found, objective)
        if against:
            state.sample += f" and gone back from: {against}"
            state.solver = replace(solver.init(state.start, tol=tol), accepted=False)
            return solver
        first, then = start.steps
        state.sample += f", whose minimum is where pass 2 began: of {first} steps of Newton's it takes {then} to go on"
        if start.then is not None:
            solver, state.handed_over = start.then, True
            state.sample += f", by {solver.name}"
            state.solver = solver.init(start.point, tol=tol)
    state.solver = solver.tell(state.solver, found.evaluation, objective.prox(found.known))
    return solver


def _with_metric(state: FitState, found: Pass, solver: Any, objective: Objective) -> State:
    """The state after the first pass, with the metric of the sample where that is worth its making.

    solver: `LBFGS` or `ConjugateGradient`.
    """
    told_so: State = solver.tell(state.solver, found.evaluation)
    at_rest = objective.grad_norm(found.evaluation, found.known) <= state.threshold
    if told_so.status is not None or at_rest:
        return told_so
    metric = sampled_metric(objective, found, solver)
    state.sample = _copied(found)
    if isinstance(metric, str):
        state.sample += f", and not used: {metric}"
        return told_so
    state.sample += ", and steps are turned by its Hessian"
    turned: State = solver.with_metric(state.solver, found.evaluation, metric)
    return turned


def _begin(state: FitState, found: Pass, objective: Objective) -> Vector:
    """Where the second pass is made: at the sample's minimum, if that is worth a pass."""
    if objective.grad_norm(found.evaluation, found.known) <= state.threshold or not found.evaluation.finite:
        return state.start
    began = sampled_start(objective, found)
    if isinstance(began, str):
        state.sample = f"{_copied(found)} and not begun from: {began}"
        return state.start
    state.sample, state.sampled = _copied(found), began
    return began.point


def _against(start: SampledStart, found: Pass, objective: Objective) -> str:
    """What speaks against the start after a pass there; nothing if it is taken."""
    evaluation = found.evaluation
    if not evaluation.finite:
        return "the loss there is not finite"
    if not evaluation.value < start.value:
        return "the loss there is above that at the best constant"
    left = decrement(evaluation, start.metric, objective.prox(found.known))
    if left > start.limit:
        return (
            f"its minimum is {left / start.limit * CLOSE:.2g} times as far from the data's as samples of its size are"
        )
    return ""


def _copied(found: Pass) -> str:
    assert found.sample is not None
    return f"a sample of {len(found.sample):,} rows was copied aside in the first pass"
