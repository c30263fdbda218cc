"""From centred products to an R factor, where the condition of the columns would cost digits of the solution.

Products leave d digits of each coefficient for sure (`products.digits`), and the gradient at the solution, summed by a
second pass, about doubles them. An R factor does not square the condition, at about ten times the arithmetic:

    d ≥ 8                                           no second pass
    d ≥ 4                                           the gradient
    d < 4; or d < 8, and next to no loss is left    the R factor, where products are of full rank
    three passes, and digits still change           the R factor
    products are not of full rank                   the gradient at the shortest solution, and the R factor where it is
                                                    not 0: columns that do depend on each other have none

Columns of which the R factor says too little as well are left to what there was without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Matrix
from dgd.data.dataset import Dataset
from dgd.data.transforms.missing import check_counts
from dgd.data.transforms.row_split import RowSplit
from dgd.errors.words import size
from dgd.fitting.known import Pass
from dgd.fitting.objective import Objective
from dgd.fitting.problem import Method
from dgd.fitting.question import Question
from dgd.fitting.state import FitState
from dgd.fitting.summary.factor_fit import by_factor, sure_digits
from dgd.fitting.summary.products import DIGITS, at_point, digits, leaves_nothing
from dgd.fitting.verdict.certificate import Certificate
from dgd.fitting.verdict.collinear import involved
from dgd.fitting.verdict.stopping import TOL, Stopping
from dgd.passes.executor import PassResult
from dgd.passes.plan import Plan
from dgd.passes.session import Session
from dgd.passes.sums.r_factor import RFactor, RFactorSum
from dgd.solvers.base import State
from dgd.solvers.newton import NewtonState
from dgd.solvers.steps.line_search import Search

DOUBLED = DIGITS / 2
"""Digits that the gradient of a second pass makes `DIGITS` of."""
LEAST = 3.0
"""Digits of each coefficient that are sure by an R factor, with fewer of which it says too little."""
COST = "the columns' condition costs digits of products"


@dataclass(frozen=True)
class Factored:
    """What a pass over an R factor has found; without a certificate too little."""

    found: Pass
    because: str
    certificate: Certificate | None = None
    advice: str = ""

    def taken_by(self, state: FitState) -> bool:
        """Whether its solution is taken, and ends the fit; else that goes on from where it was."""
        state.factor, evaluation = self.because, self.found.evaluation
        if self.certificate is None:
            state.solver = replace(state.solver, accepted=False)
            return False
        state.known, state.last = self.found.known, evaluation
        state.solver = State(point=evaluation.point, best=evaluation, note=self.advice)
        return True


def asks_for_factor(objective: Objective, state: FitState, stopping: Stopping) -> bool:
    """Whether the next pass is to sum the R factor; where it should and may not, the state is told why."""
    newton = state.solver if state.before is None else state.before
    if not (
        objective.products
        and len(state.history) in (1, 2, 3)
        and objective.precision == "double"
        and objective.penalty.is_smooth
        and isinstance(newton, NewtonState)
        and state.last is not None
        and state.last.finite
    ):
        return False
    if newton.rank < newton.point.size:
        wanted = len(state.history) == 2 and objective.grad_norm(state.last, state.known) > state.threshold
    else:
        wanted = len(state.history) != 2 and stopping.tol >= TOL and _brings_digits(objective, newton, state)
    if wanted and objective.no_factor:
        state.factor = objective.no_factor
    return wanted and not objective.no_factor


def _brings_digits(objective: Objective, newton: NewtonState, state: FitState) -> bool:
    """Whether Newton's next trial has too few, and more are expected; of sparse rows an R factor costs far more."""
    if not isinstance(newton.search, Search) or state.last is None or objective.dataset.non_zeros is not None:
        return False
    trial = at_point(objective, state.known, state.last, newton.point + newton.search.step * newton.search.direction)
    few, has = len(state.history) > 1, 0.0
    if not few:
        has = digits(objective, trial, state.last)
        few = has < DOUBLED or (has < DIGITS and leaves_nothing(objective, trial))
    return few and _expected(objective, trial) >= max(LEAST, has)


def _expected(objective: Objective, trial: Pass) -> float:
    """The digits that an R factor will have, as far as products know: a large residual costs it some."""
    known, own, H = trial.known, int(objective.fit_intercept), trial.evaluation.hessian
    assert H is not None
    assert known.targets is not None
    z = known.coordinates.coef_part(trial.evaluation.point).reshape(len(H) - own, -1)
    moments, scale = known.targets.moments, abs(objective.loss.gradient_scale)
    size = moments.variance + (0.0 if own else moments.mean**2)
    residual = np.full(z.shape[1], max(trial.evaluation.value, 0.0))
    R: Matrix = np.asarray(np.linalg.cholesky(H[own:, own:]).T, dtype=np.float64)
    return sure_digits(R, z, np.sqrt(scale * size), np.sqrt(scale * residual))


def factor_question(state: FitState) -> Question:
    """The R factor of columns and targets."""
    return Question(RFactorSum(), state.start, None, state.known, hessian=False)


def from_factor(objective: Objective, state: FitState, result: PassResult[Any]) -> Factored:
    """The solution by the R factor, or too little."""
    factor: RFactor = result.value
    check_counts(factor.weight, result.left_out, objective.dataset.feature_names)
    assert state.last is not None
    known = replace(state.known, passes=state.known.passes + 1, left_out=result.left_out, chunks_filled=result.filled)
    here = Pass(state.last, known, result.bytes_read, result.resident, times=result.times)
    at_start = replace(here, evaluation=replace(state.last, point=state.start))
    found, number = by_factor(objective, at_start, factor), len(state.history) + 1
    if found is None or found.sure < LEAST:
        return Factored(here, f"{COST}, and the R factor of pass {number} has too few as well")
    sure = f"{int(min(found.sure, 15))} digits of each coefficient are sure"
    because = f"{COST}: pass {number} summed the R factor of columns and target (QR), by which {sure}"
    near = f"near each other: {_nearest(factor, objective.dataset.feature_names)}"
    return Factored(found.found, because, found.certificate, f"{sure}, by an R factor; {near}")


def _nearest(factor: RFactor, names: tuple[str, ...] | None) -> str:
    """The columns of the direction that their factor is shortest in."""
    R = factor.columns
    length = np.linalg.norm(R, axis=0)
    _, _, directions = np.linalg.svd(R / np.where(length > 0, length, 1.0))
    return involved(abs(directions[-1]), np.arange(len(R)), names)


def planned_with_factor(
    running: Session, dataset: Dataset, method: Method, precision: str, split: RowSplit | None = None
) -> tuple[Plan, str]:
    """The plan of a fit, with room for an R factor if there is any, and else why no pass may sum one."""
    factor = method.sums_products and split is None and precision == "double"
    plan = running.plan(dataset, method.need(dataset, precision, split, factor=factor, compiled=True))
    if plan.fits or not factor:
        return plan, ""
    reason = (
        f"{COST}, and an R factor needs {size(plan.memory_bytes)} in each process, with {size(plan.memory_limit or 0)} "
        f"allowed"
    )
    return running.plan(dataset, method.need(dataset, precision, split, compiled=True)), reason
