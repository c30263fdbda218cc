"""The loop: ask θ → one pass → tell, until there is a reason to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dgd.objective import Objective
from dgd.result import Record
from dgd.solvers import Evaluation, Solver, State, Status, Vector

Callback = Callable[[Record], object]
"""Called after every pass with its record; returning True asks the fit to stop there."""


@dataclass(frozen=True)
class Stopping:
    """When to stop: at ‖∇f(θ)‖ ≤ tol·‖∇f(θ₀)‖, after `max_iter` passes, or after `max_seconds`."""

    max_iter: int = 1000
    tol: float = 1e-10
    max_seconds: float | None = None


@dataclass(frozen=True)
class Run:
    """How a loop ended, in the solver's coordinates."""

    point: Vector
    loss: float
    status: Status
    advice: str
    history: list[Record]


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
    first = None
    history: list[Record] = []
    started = time.perf_counter()
    if standardize:
        first = objective.standardise_at(theta)
    state: State = solver.init(objective.coordinates.from_user(theta))
    target = 0.0
    while True:
        evaluation = first or objective.evaluate(solver.ask(state))
        first = None
        if not history:
            target = stopping.tol * evaluation.grad_norm
        state, status = _advance(solver, state, evaluation, target)
        history.append(_record(objective, state, evaluation, len(history) + 1, time.perf_counter() - started))
        answers = [callback(history[-1]) for callback in callbacks]
        stop = any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers)
        status = status or _limit(stopping, stop, len(history), time.monotonic() - began)
        if status is Status.CONVERGED:
            return Run(evaluation.point, evaluation.value, status, state.advice, history)
        if status is not None:
            return Run(state.point, state.value, status, state.advice, history)
        started = time.perf_counter()


def _advance(solver: Solver, state: State, evaluation: Evaluation, target: float) -> tuple[State, Status | None]:
    """Tell the solver; a point whose own gradient is small enough is an answer, whatever the solver would do next."""
    converged = evaluation.finite and evaluation.grad_norm <= target
    state = solver.tell(state, evaluation)
    return state, Status.CONVERGED if converged else state.status


def _limit(stopping: Stopping, stop: bool, passes: int, seconds: float) -> Status | None:
    if stop:
        return Status.INTERRUPTED
    if passes >= stopping.max_iter:
        return Status.ITERATION_LIMIT
    if stopping.max_seconds is not None and seconds >= stopping.max_seconds:
        return Status.TIME_LIMIT
    return None


def _record(objective: Objective, state: State, evaluation: Evaluation, number: int, seconds: float) -> Record:
    return Record(
        iteration=number,
        loss=evaluation.value,
        grad_norm=evaluation.grad_norm,
        learning_rate=state.learning_rate,
        seconds=seconds,
        rows_per_second=objective.dataset.shape[0] / max(seconds, 1e-9),
        bytes_read=objective.bytes_read,
        accepted=state.accepted,
    )
