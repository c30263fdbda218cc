"""What a fit does with a sample: after the first pass it goes to the sample's minimum, and stays or turns back.

    pass 1    the best constant: a gradient, up to 64 parameters a Hessian, and rows copied aside
    between   Newton's steps on the sample, here
    pass 2    θ_s, with a Hessian. Taken if F is below that at the best constant and λ² = ∇FᵀM⁻¹∇F is what the sample
              makes expect, M its Hessian; else the fit goes on from the best constant, a pass late
    then      each step is to the minimum of the loss over the sample, corrected by the pass (`surrogate`)

F(θ_s) < F(constant) alone is no test: it holds where rare columns have run off to where the loss is flat. The
rehearsal (`start`) finds these before a pass is made there: the fit then goes on as if no sample had been taken
(`first_step`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from dgd.data.dataset import Dataset
from dgd.fitting.known import Pass
from dgd.fitting.objective import Objective
from dgd.fitting.sampled.columns import by_columns
from dgd.fitting.sampled.first_step import first_step
from dgd.fitting.sampled.metric import sampled_metric
from dgd.fitting.sampled.start import CLOSE, SampledStart, decrement, on_rows, sampled_start
from dgd.fitting.sampled.surrogate import Surrogate
from dgd.fitting.state import FitState
from dgd.solvers import LBFGS, ConjugateGradient, Fista, Newton, QuasiNewton, Solver
from dgd.solvers.base import State
from dgd.solvers.quasi_newton import QuasiNewtonState, renewed
from dgd.solvers.steps.metric import DenseMetric, ProductMetric

QUICK = 20.0
"""A step by the sample's loss is to make the gradient so many times smaller: where `SLOW_STEPS` of them or more have
not, another Hessian is summed.
"""
SLOW_STEPS = 2


@dataclass
class Copied:
    """The sample in memory, for as long as a fit uses it; it is no part of its state."""

    rows: Dataset | None = None

    def is_lacking(self, state: FitState) -> bool:
        """Whether the next pass must copy it once more: another run has made the passes so far."""
        return self.rows is None and (state.sampled is not None or state.lacking is not None)


def told(state: FitState, found: Pass, solver: Solver, objective: Objective, tol: float, copied: Copied) -> Solver:
    """Tell the solver what a pass found, and set its state; the solver that goes on, which may be another one."""
    if found.sample is not None and not state.history and isinstance(solver, (LBFGS, ConjugateGradient, Fista)):
        return _with_metric(state, found, solver, objective, tol)
    if found.sample is not None:
        copied.rows = found.sample.dataset(objective.dataset)
        if not state.history:
            _begin(state, found, solver, objective, tol, copied)
            return solver
    start, state.sampled = state.sampled, None
    if start is not None:
        left = decrement(found.evaluation, start.metric, objective.prox(found.known))
        against = _against(start, found, left)
        if against:
            state.sample += f" and gone back from: {against}"
            _from_constant(state, start.begun, found, solver, objective, tol, copied)
            return solver
        saved = max(0, start.steps_as_near(left) - 1)
        passes = "no pass is" if not saved else "1 pass is" if saved == 1 else f"{saved} passes are"
        state.sample += f", whose minimum is where pass 2 began: by the rehearsal on a part of it {passes} saved"
        if start.then is not None:
            solver, state.handed_over = start.then, True
            state.sample += f", and by {solver.name} most Hessians"
            state.solver = solver.init(start.point, tol=tol)
    state.solver = solver.tell(state.solver, found.evaluation, objective.prox(found.known))
    if copied.rows is not None:
        state.solver = _towards_minimum(state, found, solver, objective, copied)
        copied.rows = None if state.lacking is None else copied.rows
    return solver


def _begin(state: FitState, found: Pass, solver: Solver, objective: Objective, tol: float, copied: Copied) -> None:
    """After the first pass: the second one is made at the sample's minimum, if that is worth a pass."""
    begun = found.evaluation
    at_rest = objective.grad_norm(begun, found.known) <= state.threshold
    if at_rest and begun.hessian is None:
        copied.rows, state.solver = None, replace(state.solver, accepted=False)
        return
    if at_rest or not begun.finite:
        _from_constant(state, begun, found, solver, objective, tol, copied)
        return
    assert copied.rows is not None
    began = sampled_start(objective, found, copied.rows)
    if isinstance(began, str):
        state.sample = f"{_copied(found)} and not begun from: {began}"
        _from_constant(state, begun, found, solver, objective, tol, copied)
        return
    state.sample, state.sampled = _copied(found), began
    state.solver = replace(solver.init(began.point, tol=tol), accepted=False)


def _from_constant(
    state: FitState, begun: Any, found: Pass, solver: Solver, objective: Objective, tol: float, copied: Copied
) -> None:
    """The fit goes on from the best constant, and does without the sample."""
    assert copied.rows is not None
    sample = on_rows(objective, copied.rows)
    copied.rows, state.solver = None, first_step(sample, begun, found.known, objective, solver, tol)


def _towards_minimum(state: FitState, found: Pass, solver: Solver, objective: Objective, copied: Copied) -> State:
    """The state with its next trial at the minimum over the sample, corrected by this pass."""
    evaluation, known, told_so = found.evaluation, found.known, state.solver
    assert copied.rows is not None
    if not objective.penalty.is_smooth or not isinstance(solver, (Newton, QuasiNewton)):
        state.lacking = None
        return told_so
    small = objective.grad_norm(evaluation, known) <= state.threshold
    if small or told_so.status is not None or told_so.best is not evaluation:
        return told_so
    sample = on_rows(objective, copied.rows)
    surrogate = Surrogate.of(sample, known, evaluation, state.lacking)
    state.lacking = surrogate.lacks
    if isinstance(told_so, QuasiNewtonState):
        if told_so.since >= SLOW_STEPS and told_so.norm < QUICK**told_so.since * evaluation.grad_norm:
            told_so = renewed(told_so)
        assert isinstance(told_so.metric, DenseMetric)
        target = surrogate.minimum(told_so.metric, pairs=told_so.pairs)
    else:
        assert evaluation.hessian is not None
        target = surrogate.minimum(DenseMetric.of(evaluation.hessian))
    return told_so if target is None else solver.towards(told_so, target)  # type: ignore[arg-type]


def _with_metric(state: FitState, found: Pass, solver: Any, objective: Objective, tol: float) -> Solver:
    """After the first pass, what goes on with the metric of the sample where that is worth its making, and its state.

    solver: `LBFGS`, `ConjugateGradient`, or `Fista`, in the place of which comes what takes l1 and bounds.
    """
    prox, begun = objective.prox(found.known), found.evaluation
    state.solver = solver.tell(state.solver, begun, prox)
    if state.solver.status is not None or objective.grad_norm(begun, found.known) <= state.threshold:
        return cast(Solver, solver)
    metric = sampled_metric(objective, found, solver)
    state.sample = _copied(found)
    if isinstance(metric, str):
        state.sample += f", and not used: {metric}"
        return cast(Solver, solver)
    shared = by_columns(objective.loss, objective.outputs)
    state.sample += f", and steps are turned by {'the products of its columns' if shared else 'its Hessian'}"
    if objective.then is None:
        turning = metric if isinstance(metric, ProductMetric) else DenseMetric.of(metric)
        state.solver = solver.with_metric(solver.init(begun.point, tol=tol), begun, turning)
        return cast(Solver, solver)
    then = objective.then
    state.sample += f", with the penalty by {then.name}"
    first = then.init(begun.point, tol=tol)
    if isinstance(metric, ProductMetric):
        assert isinstance(then, QuasiNewton)
        state.solver = then.with_metric(first, begun, metric, prox)
    else:
        state.solver = then.tell(first, replace(begun, hessian=metric), prox)
    state.handed_over = True
    return then


def _against(start: SampledStart, found: Pass, left: float) -> str:
    """What speaks against the start after a pass there; nothing if it is taken. left: λ² by the sample's metric."""
    evaluation = found.evaluation
    if not evaluation.finite:
        return "the loss there is not finite"
    if not evaluation.value < start.begun.value:
        return "the loss there is above that at the best constant"
    if left > start.limit:
        return (
            f"its minimum is {left / start.limit * CLOSE:.2g} times as far from the data's as samples of its size are"
        )
    return ""


def _copied(found: Pass) -> str:
    assert found.sample is not None
    return f"a sample of {len(found.sample):,} rows was copied aside in the first pass"
