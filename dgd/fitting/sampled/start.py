"""The minimum over a sample of the rows, as the start of a fit, with a rehearsal of what is gained by that.

    A ⊂ S ⊂ all rows        A an eighth of S, or 20 rows for a parameter if that is more, a half at most

Newton's steps from the best constant to the minimum over A, and from there to the minimum over S, are to the sample
what those of a fit to the minimum over S, and from there on, are to the data: where the second are no fewer than the
first, no fit begins there. So it is where rare columns or rare classes separate the rows of a sample and not all of
them: coefficients then run off to where the loss is flat. The rehearsal costs no pass.

Roosta-Khorasani and Mahoney (2019), Sub-sampled Newton methods.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dgd._typing import Matrix, Vector
from dgd.data.dataset import Dataset
from dgd.data.sampled_rows import SampledRows, Sampling
from dgd.fitting.known import Known, Pass
from dgd.fitting.objective import Objective
from dgd.fitting.sampled.surrogate import Surrogate, over
from dgd.passes.executor import InlineExecutor
from dgd.solvers.base import Evaluation, Prox, Solver, no_prox
from dgd.solvers.newton import Newton, NewtonState
from dgd.solvers.steps.line_search import Search
from dgd.solvers.steps.metric import DenseMetric

NEWTON = Newton()
LEAST_PART, MOST_PART = 2, 8
"""A is one of so many rows of S."""
ROWS = 20
"""Of A for a parameter, as far as that is no more than a half of S."""
MOST_STEPS = 15
"""To the minimum over A; where there are more, there is none, or one that is hard to come to."""
SOLVED = 1e-6
"""What a step is expected to bring, as a part of what the first one over A is: it is then the last."""
CLOSE = 5.0
"""λ² over all rows may be so many times what the sample makes expect."""


@dataclass(frozen=True)
class SampledStart:
    """Where to begin, and by what it is judged there."""

    point: Vector
    """θ_s, the minimum over the sample."""
    metric: DenseMetric
    """M, the Hessian over the sample, near there."""
    begun: Evaluation
    """At the best constant; F is to be lower at θ_s."""
    limit: float
    """The most that λ² = ∇FᵀM⁻¹∇F of all rows may be at θ_s."""
    then: Solver | None
    """The method that goes on from there; None: that of the fit."""
    left: tuple[float, ...]
    """λ² of the part, at the best constant and after each of Newton's steps from there."""

    def steps_as_near(self, left: float) -> int:
        """Newton's steps from the best constant after which λ² is no more than that."""
        return next((k for k, each in enumerate(self.left) if each <= left), len(self.left))


@dataclass(frozen=True)
class Steps:
    """Newton's steps to a minimum over a sample."""

    point: Vector
    """Where the last one leads."""
    hessian: Matrix
    """Where it begins."""
    count: int
    rejected: int
    left: tuple[float, ...]
    """λ² where each began."""

    @property
    def first(self) -> float:
        """λ² where the first one began."""
        return self.left[0]


def on_rows(objective: Objective, dataset: Dataset) -> Objective:
    """The same objective over other rows, such as a sample in memory: loss, penalty and coordinates are the same.

    Its passes are made by the executor of the fit if that is of this process: its bits are those of any other.
    """
    here = objective.executor.resources(objective.dataset).shares_memory
    executor = objective.executor if here else InlineExecutor()
    return replace(objective, dataset=dataset, executor=executor, precision="double", validation=None, sampling=None)


def sampled_start(objective: Objective, found: Pass, whole: Dataset) -> SampledStart | str:
    """The start, from the first pass and the rows that it has copied aside; or why there is none."""
    known, begun = found.known, found.evaluation
    size, rows = begun.point.size, whole.shape[0]
    part = max(LEAST_PART, min(MOST_PART, rows // (ROWS * size)))
    if not rows > part * size:
        return "its rows are too few"
    sample, some = on_rows(objective, whole), on_rows(objective, _part(whole, part))
    few = newton_steps(some, begun.point, known)
    if few is None:
        return "the minimum over a part of it is hard to come to, or there is none"
    more = newton_steps(sample, few.point, known, solved=SOLVED * few.first, most=few.count)
    if more is None or more.rejected or more.count >= few.count:
        return "its minimum is as far from that over a part of it as the best constant is"
    metric, point = DenseMetric.of(more.hessian), more.point
    if objective.penalty.is_smooth:
        point = _corrected(some, sample, begun, known, few, more, metric)
    expected = max(more.first / (part - 1), size / rows)
    return SampledStart(point, metric, begun, CLOSE * expected, objective.then, few.left)


def _corrected(
    some: Objective, sample: Objective, begun: Evaluation, known: Known, few: Steps, more: Steps, metric: DenseMetric
) -> Vector:
    """The minimum over the sample, corrected by what the first pass has found, if that brings a part's nearer to it."""
    there = over(sample, known, begun)
    tried = Surrogate.of(some, known, there).minimum(metric, few.point)
    if tried is None:
        return more.point
    slope = sample.evaluate(tried, known).evaluation.gradient
    if not float(slope @ metric.solve(slope)) < more.first:
        return more.point
    found = Surrogate.between(sample, known, begun, there).minimum(metric, more.point)
    return more.point if found is None else found


def _part(whole: Dataset, part: int) -> Dataset:
    sampling = Sampling(part)
    return SampledRows(tuple(sampling.of(whole.read(k)) for k in range(whole.n_chunks))).dataset(whole)


def newton_steps(
    objective: Objective, point: Vector, known: Known, *, solved: float | None = None, most: int = MOST_STEPS
) -> Steps | None:
    """Newton's steps from a point, until λ² is at most `solved`, by default a part of the first; None if that is far.

    The rows are those of a sample in memory. The last step is made and not looked at.
    """
    state, prox = NEWTON.init(point), objective.prox(known)
    every: tuple[float, ...] = ()
    for count in range(1, most + 1):
        evaluation = objective.evaluate(NEWTON.ask(state), known, hessian=True).evaluation
        state = NEWTON.tell(state, evaluation, prox)
        if state.best is None or state.best.hessian is None:
            return None
        every = (*every, _left(state, prox))
        if state.status is not None or every[-1] <= (SOLVED * every[0] if solved is None else solved):
            return Steps(NEWTON.ask(state), state.best.hessian, count, state.rejected, every)
    return None


def decrement(evaluation: Evaluation, metric: DenseMetric, prox: Prox) -> float:
    """λ² by a metric: ∇FᵀM⁻¹∇F; with l1 or bounds what F falls to first order on the way to the parabola's minimum."""
    seen = replace(evaluation, hessian=metric.matrix)
    return _left(NEWTON.tell(NEWTON.init(evaluation.point), seen, prox), prox)


def _left(state: NewtonState, prox: Prox) -> float:
    search = state.search
    if search is None or state.status is not None:
        return 0.0
    if isinstance(search, Search):
        return -search.start.slope
    assert prox is not no_prox
    assert prox.kinks is not None
    step = search.target - search.start.point
    change = float(prox.kinks.l1 @ (abs(search.target) - abs(search.start.point)))
    return -(float(search.start.gradient @ step) + change)
