"""The loop: ask θ → one pass → tell, until there is a reason to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dgd._typing import Vector
from dgd.fitting.objective import Objective
from dgd.fitting.record import Record
from dgd.solvers.base import Evaluation, Solver, State, Status, no_prox

Callback = Callable[[Record], object]
"""Called after every pass with its record, θ included; returning True asks the fit to stop there."""


@dataclass(frozen=True)
class Stopping:
    """When to stop: at ‖∇F(θ)‖ ≤ tol·‖∇F(0)‖, after `max_iter` passes, or after `max_seconds`.

    patience: with a validation set, stop when its loss has not fallen by more than `min_delta` for so many passes.
    """

    max_iter: int = 1000
    tol: float = 1e-12
    max_seconds: float | None = None
    patience: int | None = None
    min_delta: float = 0.0


@dataclass(frozen=True)
class Run:
    """How a loop ended, in the solver's coordinates."""

    point: Vector
    loss: float
    status: Status
    advice: str
    history: list[Record]
    last: Evaluation
    """The last evaluation that was finite; the ending's own but for a divergence beyond all numbers."""


@dataclass
class Best:
    """The lowest validation loss so far, and the passes since."""

    loss: float = float("inf")
    point: Vector | None = None
    value: float = float("nan")
    idle: int = 0

    def see(self, loss: float, point: Vector, value: float, min_delta: float) -> None:
        """One more validation."""
        if loss < self.loss - min_delta:
            self.loss, self.point, self.value, self.idle = loss, point, value, 0
        else:
            self.idle += 1


def minimise(
    objective: Objective,
    solver: Solver,
    theta: Vector,
    *,
    standardize: bool,
    stopping: Stopping,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Run a solver from θ (in the user's coordinates) until a status; one evaluation, one pass, one record."""
    began = time.monotonic()
    history: list[Record] = []
    best = Best()
    started = time.perf_counter()
    first = objective.standardise_at(theta, hessian=solver.wants_hessian) if standardize else None
    prox = no_prox if objective.penalty.is_smooth else objective.prox
    state: State = solver.init(objective.coordinates.from_user(theta), prox=prox, tol=stopping.tol)
    target = 0.0
    finite: Evaluation | None = None
    while True:
        evaluation = first or objective.evaluate(solver.ask(state), hessian=solver.wants_hessian)
        first = None
        if not history:
            target = stopping.tol * (objective.origin_norm or evaluation.grad_norm)
        finite = evaluation if evaluation.finite else finite or evaluation
        state, status = _advance(solver, state, evaluation, target)
        # With bounds or l1 it is the iterate that is feasible and sparse, and not every point that is evaluated; and an
        # epoch may be averaged with those before.
        scored = evaluation.point if evaluation.subgradient is None and not evaluation.steps else state.point
        validation = objective.validate(scored)
        if validation is not None:
            best.see(validation, scored, evaluation.value, stopping.min_delta)
        seconds = time.perf_counter() - started
        history.append(_record(objective, state, evaluation, validation, len(history) + 1, seconds))
        stop = _call(callbacks, replace(history[-1], theta=objective.coordinates.to_user(evaluation.point)))
        status = status or _limit(stopping, stop, best, len(history), time.monotonic() - began)
        if status is not None:
            return _ended(status, state, evaluation, best, history, finite)
        started = time.perf_counter()


def _ended(
    status: Status, state: State, evaluation: Evaluation, best: Best, history: list[Record], last: Evaluation
) -> Run:
    """The run with the point that its status makes the answer."""
    point, loss = state.point, state.value
    if status is Status.CONVERGED:
        point, loss = evaluation.point, evaluation.value
    elif status is Status.EARLY_STOPPED and best.point is not None:
        point, loss = best.point, best.value
    return Run(point, loss, status, state.advice, history, last)


def _call(callbacks: Sequence[Callback], record: Record) -> bool:
    """Whether any of the callbacks, all of which are called, asks to stop."""
    answers = [callback(record) for callback in callbacks]
    return any(isinstance(answer, (bool, np.bool_)) and bool(answer) for answer in answers)


def _advance(solver: Solver, state: State, evaluation: Evaluation, target: float) -> tuple[State, Status | None]:
    """Tell the solver; a point whose own gradient is small enough is an answer, whatever the solver would do next."""
    converged = evaluation.finite and evaluation.grad_norm <= target
    state = solver.tell(state, evaluation)
    return state, Status.CONVERGED if converged else state.status


def _limit(stopping: Stopping, stop: bool, best: Best, passes: int, seconds: float) -> Status | None:
    if stop:
        return Status.INTERRUPTED
    if stopping.patience is not None and best.idle >= stopping.patience:
        return Status.EARLY_STOPPED
    if passes >= stopping.max_iter:
        return Status.ITERATION_LIMIT
    if stopping.max_seconds is not None and seconds >= stopping.max_seconds:
        return Status.TIME_LIMIT
    return None


def _record(
    objective: Objective,
    state: State,
    evaluation: Evaluation,
    validation: float | None,
    number: int,
    seconds: float,
) -> Record:
    return Record(
        iteration=number,
        loss=evaluation.value,
        grad_norm=evaluation.grad_norm,
        learning_rate=state.learning_rate,
        seconds=seconds,
        rows_per_second=objective.dataset.shape[0] / max(seconds, 1e-9),
        bytes_read=objective.bytes_read,
        accepted=state.accepted,
        resident_share=objective.resident / objective.dataset.n_chunks,
        validation_loss=validation,
    )
