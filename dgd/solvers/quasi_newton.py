"""Newton's method with one Hessian, which the steps that follow correct: most passes sum a gradient alone.

    d = −B g        B from the last `memory` pairs s = θ₊ − θ, y = ∇f(θ₊) − ∇f(θ), and H⁻¹ where L-BFGS has a number

H is summed in the first pass, and again where steps crawl, unless it is that of a sample. The condition of H then
costs nothing, and a pass without a Hessian is p/16 times as quick. Nocedal and Wright (2006), Numerical Optimization,
algorithm 7.4 with H₀ = H⁻¹; Morales and Nocedal (2000), Automatic preconditioning by limited memory quasi-Newton
updating. The line search is that of `lbfgs`.

With l1 and bounds all pairs correct H, and each step goes to the minimum of the parabola with them, made on the driver:
Lee, Sun and Saunders (2014), Proximal Newton-type methods for minimizing composite functions. In the place of H there
may be a product of columns and outputs, which the last `memory` pairs correct.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from dgd._typing import Matrix, Vector
from dgd.errors import ConfigurationError
from dgd.solvers.base import Evaluation, Prox, Solver, Status, no_prox
from dgd.solvers.steps.line_search import ProximalSearch, search_along, search_towards
from dgd.solvers.steps.metric import DenseMetric, ProductMetric
from dgd.solvers.steps.pairs import (
    PairsState,
    accepted,
    corrected,
    median_size,
    pair_between,
    rejected,
    sizes_of,
    stalled,
    turned,
)
from dgd.solvers.steps.quadratic_model import model_minimum

CRAWLING = 5
"""Steps by one Hessian that must make the gradient ten times smaller, or another one is summed."""
SMALLER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiNewtonState(PairsState):
    """The accepted θ with its evaluation, the Hessian of an earlier one, the pairs since, and the search under way."""

    since: int = 0
    """Steps made by the last Hessian."""
    norm: float = 0.0
    """Of the gradient there."""
    hessians: int = 0
    model: Matrix | None = None
    """With l1 or bounds: H, corrected by the pairs since."""
    towards: ProximalSearch | None = None
    """The search under way there."""
    unsolved: int = 0
    """Parabolas whose minimum was not found within its rounds."""

    @property
    def said(self) -> str:
        """With the Hessians that were summed."""
        hessians = "1 Hessian" if self.hessians == 1 else f"{self.hessians} Hessians"
        hessians = hessians if self.hessians or self.metric is None else "products of the columns"
        more = f"; {self.unsolved} of the steps by a parabola whose minimum was not found" if self.unsolved else ""
        return f"{self.steps} steps by {hessians} and {self.trials_said}{more}"

    @property
    def crawls(self) -> bool:
        """Whether the steps of one Hessian no longer lead on."""
        assert self.best is not None
        return self.since >= CRAWLING and self.best.grad_norm > SMALLER ** (self.since / CRAWLING) * self.norm


@dataclass(frozen=True, slots=True)
class QuasiNewton(Solver):
    """One Hessian, and the last `memory` pairs of steps and gradients that correct it."""

    memory: int = 30
    again: bool = True
    """Whether another Hessian is summed where steps crawl."""

    name: ClassVar[str] = "quasi-newton"
    wants_kinks: ClassVar[bool] = True
    wants_hessian: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.memory < 1:
            raise ConfigurationError(f"`QuasiNewton(memory=...)` must be at least 1, got {self.memory!r}")

    def init(self, start: Vector, *, tol: float = 0.0) -> QuasiNewtonState:
        """Begin at θ₀."""
        return QuasiNewtonState(point=start)

    def asks_hessian(self, state: QuasiNewtonState) -> bool:
        """In the first pass, and where steps crawl."""
        return state.best is None or (self.again and state.crawls)

    def ask(self, state: QuasiNewtonState) -> Vector:
        """The trial θ + t d."""
        if state.towards is not None:
            return state.towards.trial
        if state.search is None:
            return state.point
        return state.point + state.search.step * state.search.direction

    def tell(self, state: QuasiNewtonState, evaluation: Evaluation, prox: Prox = no_prox) -> QuasiNewtonState:
        """Accept the trial and choose the next direction, or reject it and search on."""
        search = state.search
        if evaluation.finite:
            state = replace(state, progress=state.progress.after(evaluation))
        if state.best is None:
            return _first(state, evaluation, prox)
        if state.towards is not None:
            return _told(state, state.towards, evaluation, prox, self.memory)
        assert search is not None
        trial = search.sample(evaluation)
        if not search.accepts(trial):
            return rejected(state, search.after(trial))
        state = accepted(replace(state, since=state.since + 1), evaluation, trial, self.memory)
        return stalled(state) if state.progress.stalled else turned(_with_metric(state, evaluation))

    def with_metric(
        self, state: QuasiNewtonState, evaluation: Evaluation, metric: ProductMetric, prox: Prox
    ) -> QuasiNewtonState:
        """With l1 or bounds: the first evaluation told, and a product in the place of its Hessian."""
        state = replace(state, best=evaluation, first_value=evaluation.value, accepted=False, metric=metric)
        return _aimed(state, evaluation, prox)

    def towards(self, state: QuasiNewtonState, target: Vector) -> QuasiNewtonState:
        """Where no trial has been made since the last step: try a point of which more is known than by the metric."""
        assert state.best is not None
        search = search_along(state.best, target - state.point, 1.0, state.first_value)
        return state if search is None else replace(state, search=search)


def renewed(state: QuasiNewtonState) -> QuasiNewtonState:
    """The state with a Hessian asked for by the next pass, as where steps crawl."""
    return replace(state, since=CRAWLING, norm=0.0)


def _first(state: QuasiNewtonState, evaluation: Evaluation, prox: Prox) -> QuasiNewtonState:
    if not evaluation.finite:
        advice = "the loss at the start is not finite: rescale the columns or the target"
        return replace(state, learning_rate=0.0, accepted=False, status=Status.DIVERGED, note=advice)
    state = replace(state, best=evaluation, first_value=evaluation.value, accepted=False)
    if prox is not no_prox:
        return _aimed(_with_model(state, evaluation), evaluation, prox)
    return turned(_with_metric(state, evaluation))


def _told(
    state: QuasiNewtonState, search: ProximalSearch, evaluation: Evaluation, prox: Prox, memory: int
) -> QuasiNewtonState:
    """With l1 or bounds: at the trial, with the next step from there, or with a shorter one."""
    best = state.best
    assert best is not None
    if not search.descends(evaluation):
        search = search.shorter(evaluation, prox)
        state = replace(state, towards=search, rejected=state.rejected + 1, learning_rate=0.0, accepted=False)
        if state.progress.stalled:
            return stalled(state)
        if search.moves:
            return replace(state, note=state.said)
        return _aimed(replace(state, pairs=()), best, prox) if state.pairs else stalled(state)
    model = state.model
    if isinstance(state.metric, ProductMetric):
        found = pair_between(best, evaluation)
        pairs, sizes = (*state.pairs, *found), (*state.sizes, *sizes_of(found, state.metric))
        state = replace(state, pairs=pairs[-memory:], sizes=sizes[-memory:])
    elif model is not None and evaluation.hessian is None and len(model) == len(state.point):
        model = corrected(model, best, evaluation)
    state = replace(
        state,
        model=model,
        point=evaluation.point,
        best=evaluation,
        learning_rate=search.step,
        accepted=True,
        steps=state.steps + 1,
        since=state.since + 1,
    )
    return stalled(state) if state.progress.stalled else _aimed(_with_model(state, evaluation), evaluation, prox)


def _aimed(state: QuasiNewtonState, best: Evaluation, prox: Prox) -> QuasiNewtonState:
    """A search to the minimum of the parabola with l1 and bounds."""
    assert prox.kinks is not None, "quasi-newton was given a penalty without its kinks"
    if isinstance(state.metric, ProductMetric):
        from dgd.solvers.steps.product_parabola import product_minimum

        target = product_minimum(best, state.metric, state.pairs, median_size(state.sizes), prox.kinks)
    else:
        assert state.model is not None
        target, found = model_minimum(best, state.model, prox.kinks)
        state = replace(state, unsolved=state.unsolved + (not found))
    towards = search_towards(target, best, state.first_value)
    return stalled(state) if towards is None else replace(state, towards=towards, note=state.said)


def _with_model(state: QuasiNewtonState, evaluation: Evaluation) -> QuasiNewtonState:
    """With the Hessian of an evaluation, if it brings one, as the parabola's."""
    if evaluation.hessian is None:
        return state
    norm, hessians = evaluation.grad_norm, state.hessians + 1
    return replace(state, model=evaluation.hessian, norm=norm, since=0, hessians=hessians)


def _with_metric(state: QuasiNewtonState, evaluation: Evaluation) -> QuasiNewtonState:
    """With the Hessian of an evaluation, if it brings one, in the place of pairs and of the one before."""
    if evaluation.hessian is None:
        return state
    metric, norm = DenseMetric.of(evaluation.hessian), evaluation.grad_norm
    return replace(state, metric=metric, norm=norm, pairs=(), since=0, hessians=state.hessians + 1)
