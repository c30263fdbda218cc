"""The loop: ask θ → one pass → tell, until there is a reason to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.fitting.checkpoint.reached import Reached
from dgd.fitting.known import Pass, Validated
from dgd.fitting.objective import Objective
from dgd.fitting.question import Question
from dgd.fitting.record import Record, split_of
from dgd.fitting.sampled.taking import Copied, told
from dgd.fitting.state import FitState
from dgd.fitting.summary.hand_over import asks_for_factor, factor_question, from_factor
from dgd.fitting.summary.products import products_pass, products_question, without_a_pass
from dgd.fitting.verdict.certificate import Certificate
from dgd.fitting.verdict.collinear import stops_short
from dgd.fitting.verdict.expected_passes import expected_passes
from dgd.fitting.verdict.no_optimum import from_nearer, is_separated, needs_newton
from dgd.fitting.verdict.stopping import TOL, Callback, Stopping
from dgd.passes.executor import PassResult
from dgd.solvers import LBFGS, ConjugateGradient, Newton
from dgd.solvers.base import Epoch, Evaluation, Solver, State, Status


@dataclass(frozen=True)
class Run:
    """How a loop ended: the point that is its answer, in the solver's coordinates, and the state it ended in."""

    point: Vector
    loss: float
    status: Status
    state: FitState
    certificate: Certificate | None = None
    """Of sums that say more of the point than its evaluation does."""

    @property
    def loss_is_before_last_step(self) -> bool:
        """Whether `loss` is that of the point before the last step, because `point` was not evaluated."""
        ended_elsewhere = self.status in (Status.CONVERGED, Status.NO_OPTIMUM, Status.EARLY_STOPPED)
        return bool(self.history) and not ended_elsewhere and not self.state.solver.value_is_of_point

    @property
    def history(self) -> list[Record]:
        """A record for each pass."""
        return self.state.history


Descent = Generator[Question, PassResult[Any], Run]
"""A fit that is under way: it yields the sums it needs, is sent the result of the pass, and returns how it ended."""


def minimise(
    objective: Objective,
    solver: Solver,
    theta: Vector,
    *,
    standardize: bool,
    stopping: Stopping,
    callbacks: Sequence[Callback] = (),
    reached: Reached | None = None,
) -> Run:
    """Run a solver from θ (of `Objective.start`) until a status; one evaluation, one pass, one record.

    reached: what is told after each pass, and may hold a state to go on from in the place of θ.
    """
    descent = descend(
        objective,
        solver,
        theta,
        standardize=standardize,
        stopping=stopping,
        callbacks=callbacks,
        reached=reached or Reached(),
    )
    try:
        question = next(descent)
        while True:
            question = descent.send(objective.sweep(question))
    except StopIteration as end:
        ran: Run = end.value
        return ran


def descend(
    objective: Objective,
    solver: Solver,
    theta: Vector,
    *,
    standardize: bool,
    stopping: Stopping,
    callbacks: Sequence[Callback],
    reached: Reached,
) -> Descent:
    """The loop of `minimise`: it asks a question for each pass, and is sent the result by whoever makes that."""
    began = started = time.perf_counter()
    found, copied = None, Copied()
    if reached.state is not None:
        solver, state = reached.solver or solver, reached.going_on
        status = _limit(stopping, False, state, 0.0)
        if status is None and _needs_no_further_pass(state, solver, objective, stopping):
            status = Status.CONVERGED
        if status is not None and state.last is not None:
            return ended(status, state, state.last)
    else:
        if objective.products:
            found = products_pass(
                objective, theta, (yield products_question(objective, theta)), standardize=standardize
            )
        elif standardize:
            asked = objective.ask(theta, None, objective.unknown(), hessian=solver.wants_hessian)
            found = objective.answer(asked, (yield asked))
        known = found.known if found else objective.unknown()
        start = found.evaluation.point if found else known.coordinates.from_user(theta)
        state = FitState(solver.init(start, tol=stopping.tol), known, start)
    while True:
        factored = None
        if found is None and asks_for_factor(objective, state, stopping):
            factored = from_factor(objective, state, (yield factor_question(state)))
            found = factored.found
        found = found or (yield from _evaluated(objective, solver, state, reached, copied))
        last, state.epoch = state.last, None
        if factored is None:
            solver, converged = _tell(state, found, solver, objective, stopping, copied)
            successor = _successor(solver, state, last, found, objective, converged=converged)
        else:
            converged, successor = factored.taken_by(state), None
        if successor is not None:
            solver, begin = successor
            state.solver, state.handed_over, converged = solver.init(begin, tol=stopping.tol), True, False
        validation = _validate(state, found, objective, stopping)
        record = _record(objective, state, found, validation, time.perf_counter() - started)
        state.history.append(record)
        ends = converged or state.solver.status is not None or _idles(stopping, state)
        reached.pass_made(solver, state, found.evaluation, ends=ends)
        expected = expected_passes(solver, state.history, state.threshold, stopping, ends=ends)
        theta = objective.to_user(found.evaluation.point, state.known)
        stop = _call(callbacks, replace(record, theta=theta, passes_expected=expected))
        status = _ending(state.solver, objective, found) if converged else state.solver.status
        evaluation = found.evaluation
        if status is None and not stop and _needs_no_further_pass(state, solver, objective, stopping):
            status, evaluation = Status.CONVERGED, state.last or evaluation
        status = status or _limit(stopping, stop, state, time.perf_counter() - began)
        reached.between_passes(status)
        if status is not None:
            return replace(ended(status, state, evaluation), certificate=factored.certificate if factored else None)
        found, started = None, time.perf_counter()


def _needs_no_further_pass(state: FitState, solver: Solver, objective: Objective, stopping: Stopping) -> bool:
    """Whether the sums of the first pass say enough of where the second one would be; the state is then there."""
    asked = solver.ask(state.solver)
    if (
        not objective.products
        or objective.validation is not None
        or len(state.history) != 1
        or stopping.tol < TOL
        or isinstance(asked, Epoch)
    ):
        return False
    assert state.last is not None
    found = without_a_pass(objective, state.known, state.last, asked)
    if found is None:
        return False
    state.known, state.last = found.known, found.evaluation
    state.solver = solver.tell(state.solver, found.evaluation, objective.prox(found.known))
    return True


def _evaluated(
    objective: Objective, solver: Solver, state: FitState, reached: Reached, copied: Copied
) -> Generator[Question, PassResult[Any], Pass]:
    """What a pass finds at the point that the solver asks for. An epoch is run here: it is no sum."""
    asked = solver.ask(state.solver)
    if isinstance(asked, Epoch):
        return objective.epoch(asked, state.known, part=state.epoch, pause=reached.pause_of(solver, state))
    found = objective.without_pass(asked, state.known)
    if found is not None:
        return found
    theta = state.known.coordinates.to_user(asked)
    question = objective.ask(theta, asked, state.known, hessian=solver.asks_hessian(state.solver))
    question = question.copying(objective.sampling) if copied.is_lacking(state) else question
    return objective.answer(question, (yield question))


def _tell(
    state: FitState, found: Pass, solver: Solver, objective: Objective, stopping: Stopping, copied: Copied
) -> tuple[Solver, bool]:
    """Tell the solver what a pass found: what goes on, and whether the gradient is small enough, whatever that does."""
    evaluation = found.evaluation
    state.known = found.known
    if not state.history:
        known = found.known
        state.threshold = stopping.threshold(
            known.null_norm if known.null_norm or known.rounding else evaluation.grad_norm, known.rounding
        )
    if evaluation.finite or state.last is None or not state.last.finite:
        state.last = evaluation
    solver = told(state, found, solver, objective, stopping.tol, copied)
    small = evaluation.finite and objective.grad_norm(evaluation, found.known) <= state.threshold
    refines = stopping.refines and objective.precision == "double" and state.solver.status is None
    return solver, small and (state.solver.settled or not refines)


def _successor(
    solver: Solver, state: FitState, last: Evaluation | None, found: Pass, objective: Objective, *, converged: bool
) -> tuple[Solver, Vector] | None:
    """The method that goes on where this one can say no more, and from where; None while it can."""
    evaluation = found.evaluation
    if converged and needs_newton(objective, solver, last, evaluation):
        return Newton(), evaluation.point
    if converged and state.handed_over and from_nearer(state.solver, evaluation):
        return solver, evaluation.point / 2
    if not (converged or state.handed_over) and stops_short(objective, state.solver):
        # From the start, where the gradient is far above its rounding.
        state.before = state.solver
        return ConjugateGradient() if objective.loss.quadratic else LBFGS(), state.start
    return None


def _ending(solver: State, objective: Objective, found: Pass) -> Status:
    """What a small gradient means."""
    endless = solver.runs_away and not objective.loss.quadratic
    if endless or is_separated(objective, found.evaluation, found.known):
        return Status.NO_OPTIMUM
    return Status.CONVERGED


def _validate(state: FitState, found: Pass, objective: Objective, stopping: Stopping) -> Validated:
    """The objective on the validation rows, if there are any, and what it cost; the best one is remembered.

    With bounds or l1 only the iterate is feasible and sparse, not every point that is evaluated, and after an epoch it
    may be an average with earlier ones: then it is the iterate that is scored.
    """
    evaluation = found.evaluation
    scored = evaluation.point if evaluation.subgradient is None and not evaluation.steps else state.solver.point
    validation = objective.validate(scored, found)
    if validation.loss is not None:
        state.best = state.best.after(validation.loss, scored, evaluation.value, stopping.min_delta)
    return validation


def ended(status: Status, state: FitState, evaluation: Evaluation) -> Run:
    """The run, with the point that is its answer; the last evaluation was that."""
    if state.before is not None and status is not Status.CONVERGED and not state.before.value > state.solver.value:
        state.solver = state.before
    point, loss = state.solver.point, state.solver.value
    just_begun = math.isnan(state.solver.value) and evaluation.finite
    if just_begun or status in (Status.CONVERGED, Status.NO_OPTIMUM):
        point, loss = evaluation.point, evaluation.value
    elif status is Status.EARLY_STOPPED and state.best.point is not None:
        point, loss = state.best.point, state.best.value
    return Run(point, loss, status, state)


def _call(callbacks: Sequence[Callback], record: Record) -> bool:
    """Whether any of the callbacks, all of which are called, asks to stop."""
    answers = [callback(record) for callback in callbacks]
    return any(isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers)


def _limit(stopping: Stopping, stop: bool, state: FitState, seconds: float) -> Status | None:
    if stop:
        return Status.INTERRUPTED
    if _idles(stopping, state):
        return Status.EARLY_STOPPED
    if len(state.history) >= stopping.max_iter:
        return Status.ITERATION_LIMIT
    if stopping.max_seconds is not None and seconds >= stopping.max_seconds:
        return Status.TIME_LIMIT
    return None


def _idles(stopping: Stopping, state: FitState) -> bool:
    return stopping.patience is not None and state.best.idle >= stopping.patience


def _record(objective: Objective, state: FitState, found: Pass, validation: Validated, seconds: float) -> Record:
    return Record(
        iteration=len(state.history) + 1,
        loss=found.evaluation.value,
        grad_norm=found.evaluation.grad_norm,
        learning_rate=state.solver.learning_rate,
        seconds=seconds,
        rows_per_second=objective.dataset.shape[0] / max(seconds, 1e-9),
        bytes_read=found.bytes_read + validation.bytes_read,
        accepted=state.solver.accepted,
        resident_share=found.resident / objective.dataset.n_chunks,
        validation_loss=validation.loss,
        **split_of(found.times + validation.times),
    )
