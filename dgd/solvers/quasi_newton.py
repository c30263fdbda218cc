"""Newton's method with one Hessian, which the steps that follow correct: most passes sum a gradient alone.

    d = −B g        B from the last `memory` pairs s = θ₊ − θ, y = ∇f(θ₊) − ∇f(θ), and H⁻¹ where L-BFGS has a number

H is summed in the first pass, and again where steps crawl. The condition of H then costs nothing, and a pass without
a Hessian is p/16 times as quick. Nocedal and Wright (2006), Numerical Optimization, algorithm 7.4 with H₀ = H⁻¹;
Morales and Nocedal (2000), Automatic preconditioning by limited memory quasi-Newton updating. The line search is that
of `lbfgs`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, State, Status, no_prox
from dgd.solvers.lbfgs import TRIALS, Pairs, inverse_times, with_pair
from dgd.solvers.steps.line_search import Search, search_along, steepest_search
from dgd.solvers.steps.newton_step import inverse
from dgd.solvers.steps.progress import NO_PROGRESS, Progress

CRAWLING = 5
"""Steps by one Hessian that must make the gradient ten times smaller, or another one is summed."""
SMALLER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiNewtonState(State):
    """The accepted θ with its evaluation, H⁻¹ of an earlier one, the pairs since, and the search under way."""

    first_value: float = 0.0
    metric: Matrix | None = None
    """H⁻¹ where it was summed."""
    since: int = 0
    """Steps made by it."""
    norm: float = 0.0
    """Of the gradient there."""
    pairs: Pairs = ()
    search: Search | None = None
    steps: int = 0
    rejected: int = 0
    hessians: int = 0
    progress: Progress = NO_PROGRESS

    @property
    def crawls(self) -> bool:
        """Whether the steps of one Hessian no longer lead on."""
        assert self.best is not None
        return self.since >= CRAWLING and self.best.grad_norm > SMALLER ** (self.since / CRAWLING) * self.norm


@dataclass(frozen=True, slots=True)
class QuasiNewton(Solver):
    """One Hessian, and the last `memory` pairs of steps and gradients that correct it."""

    memory: int = 30

    name: ClassVar[str] = "quasi-newton"
    smooth_only: ClassVar[bool] = True
    wants_hessian: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise ConfigurationError(f"`QuasiNewton(memory=...)` must be at least 1, got {self.memory!r}")

    def init(self, start: Vector, *, tol: float = 0.0) -> QuasiNewtonState:
        """Begin at θ₀."""
        return QuasiNewtonState(point=start)

    def asks_hessian(self, state: QuasiNewtonState) -> bool:
        """In the first pass, and where steps crawl."""
        return state.best is None or state.crawls

    def ask(self, state: QuasiNewtonState) -> Vector:
        """The trial θ + t d."""
        if state.search is None:
            return state.point
        return state.point + state.search.step * state.search.direction

    def tell(self, state: QuasiNewtonState, evaluation: Evaluation, prox: Prox = no_prox) -> QuasiNewtonState:
        """Accept the trial and choose the next direction, or reject it and search on."""
        best, search = state.best, state.search
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        if best is None or search is None:
            return _first(state, evaluation)
        trial = search.sample(evaluation)
        if not search.accepts(trial):
            return _rejected(state, best, search.after(trial))
        state = replace(
            state,
            pairs=with_pair(state.pairs, best, evaluation)[-self.memory :],
            point=evaluation.point,
            best=evaluation,
            learning_rate=trial.step,
            accepted=True,
            steps=state.steps + 1,
            since=state.since + 1,
        )
        if state.progress.stalled:
            return _stalled(state)
        return _turned(_with_metric(state, evaluation), evaluation)


def _first(state: QuasiNewtonState, evaluation: Evaluation) -> QuasiNewtonState:
    if not evaluation.finite:
        advice = "the loss at the start is not finite: rescale the columns or the target"
        return replace(state, learning_rate=0.0, accepted=False, status=Status.DIVERGED, note=advice)
    state = replace(state, best=evaluation, first_value=evaluation.value, accepted=False)
    return _turned(_with_metric(state, evaluation), evaluation)


def _with_metric(state: QuasiNewtonState, evaluation: Evaluation) -> QuasiNewtonState:
    """With the Hessian of an evaluation, if it brings one, in the place of pairs and of the one before."""
    if evaluation.hessian is None:
        return state
    metric, norm = inverse(evaluation.hessian), evaluation.grad_norm
    return replace(state, metric=metric, norm=norm, pairs=(), since=0, hessians=state.hessians + 1)


def _rejected(state: QuasiNewtonState, best: Evaluation, search: Search) -> QuasiNewtonState:
    """Search on; after too many trials forget the pairs, and without pairs call it rounding."""
    state = replace(state, search=search, rejected=state.rejected + 1, learning_rate=0.0, accepted=False)
    if state.progress.stalled:
        return _stalled(state)
    if search.trials < TRIALS and search.moves(state.point):
        return replace(state, note=_advice(state))
    return _turned(replace(state, pairs=()), best) if state.pairs else _stalled(state)


def _turned(state: QuasiNewtonState, best: Evaluation) -> QuasiNewtonState:
    """A new line search from `best`, along −B g if that descends, else along −g."""
    assert state.metric is not None
    search = search_along(best, -inverse_times(state.pairs, best.gradient, state.metric), 1.0, state.first_value)
    if search is None:
        search, state = steepest_search(best, state.first_value), replace(state, pairs=())
    if search is None:
        return _stalled(state)
    return replace(state, search=search, note=_advice(state))


def _stalled(state: QuasiNewtonState) -> QuasiNewtonState:
    return replace(state, learning_rate=0.0, accepted=False, status=Status.STALLED, note=_advice(state))


def _advice(state: QuasiNewtonState) -> str:
    rejected = "1 rejected trial" if state.rejected == 1 else f"{state.rejected} rejected trials"
    hessians = "1 Hessian" if state.hessians == 1 else f"{state.hessians} Hessians"
    return f"{state.steps} steps by {hessians} and {rejected} of the line search"
