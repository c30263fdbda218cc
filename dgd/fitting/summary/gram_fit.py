"""A squared loss that is minimised from a Gram: Newton's step from the best constant, no pass, no rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dgd._typing import Vector
from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag
from dgd.errors.words import counted
from dgd.fitting.arguments import make_penalty
from dgd.fitting.auto_solver import Choice, check_method
from dgd.fitting.inference.fitted import Fitted
from dgd.fitting.known import Known, Pass
from dgd.fitting.loop import Run
from dgd.fitting.null_model import NullModel
from dgd.fitting.objective import Objective
from dgd.fitting.outcome import result_of
from dgd.fitting.problem import Method
from dgd.fitting.result import Result
from dgd.fitting.state import FitState
from dgd.fitting.summary.factor_fit import by_factor
from dgd.fitting.summary.products import DIGITS, at_point, digits, products_pass
from dgd.fitting.verdict.certificate import Certificate
from dgd.losses import Squared
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution
from dgd.passes.executor import InlineExecutor, PassResult
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.r_factor import RFactor
from dgd.penalties import Penalty
from dgd.solvers import FromSummary
from dgd.solvers.base import Epoch, Evaluation, State, Status

REFINEMENTS = 2
"""Steps after the first, which take back what solving the equations has rounded."""


def fit_of_sums(sums: Gram | RFactor, dataset: Dataset, penalty: Any, *, fit_intercept: bool) -> Result:
    """The result for all targets, with one penalty, or with one for each of them."""
    intercept = checked_flag("fit(fit_intercept", fit_intercept)
    if not isinstance(penalty, (list, tuple)):
        return _fit(sums, dataset, make_penalty(penalty), intercept)
    q = len(sums.level)
    if len(penalty) != q or dataset.y is None or len(dataset.y.shape) == 1:
        raise ConfigurationError(
            f"`fit(penalty=...)` must be one penalty, or one for each of {counted(q, 'target')}, got {len(penalty)}"
        )
    return _for_each(sums, dataset, [make_penalty(each) for each in penalty], intercept)


def _fit(sums: Gram | RFactor, dataset: Dataset, penalty: Penalty, intercept: bool) -> Result:
    assert dataset.y is not None
    loss, solver = Squared(), FromSummary()
    n, outputs = len(sums.about), loss.n_outputs(dataset.y.shape)
    penalty.check(n)
    n_parameters = (n + intercept) * (outputs or 1)
    check_method(solver, loss, penalty, n_parameters, outputs or 1)
    choice = Choice(solver.name, f"from a summary of {counted(sums.rows, 'row')}, without a pass")
    method = Method(loss, penalty, solver, choice, "auto", intercept, outputs, n_parameters)
    objective = Objective(
        dataset,
        loss,
        InlineExecutor(),
        penalty=penalty,
        fit_intercept=intercept,
        measures_standardised=True,
        null=NullModel(0.0, 0.0, np.zeros(outputs or 1)) if intercept else None,
        products=True,
    )
    with single_threaded_blas():
        run, sure = _minimised(objective, method, sums)
        fitted = Fitted.of(objective, run, method, dataset, Execution())
        result = replace(result_of(objective, run, None, method), fitted=fitted)
    if run.status is Status.ILL_CONDITIONED:
        hint = (
            f"{int(min(max(sure, 0.0), 15))} digits are sure by the summary's sums alone; a fit of the data brings more"
        )
        if isinstance(sums, Gram):
            hint += ", or `summarize(method='qr')`"
        result = replace(result, advice="; ".join(part for part in (result.advice, hint) if part))
    return result


def _minimised(objective: Objective, method: Method, sums: Gram | RFactor) -> tuple[Run, float]:
    """The minimum, and how many digits of it are sure."""
    solver, gram = method.solver, sums if isinstance(sums, Gram) else sums.gram
    start = method.within_bounds(np.zeros(objective.theta_shape))
    first = products_pass(objective, start, PassResult(gram, 0), standardize=True)
    factored = by_factor(objective, first, sums) if isinstance(sums, RFactor) else None
    if factored is not None:
        known, found = factored.found.known, factored.found.evaluation
        state = replace(solver.init(found.point), best=found, steps=1, rank=found.point.size)
        run = _run(state, known, first, found, factored.sure)
        return replace(run, certificate=factored.certificate), factored.sure
    known, found = first.known, first.evaluation
    prox = objective.prox(known)
    state = solver.tell(solver.init(found.point), found, prox)
    for _ in range(1 + REFINEMENTS):
        if state.status is not None or not found.finite:
            break
        asked = solver.ask(state)
        assert not isinstance(asked, Epoch)
        step = at_point(objective, known, first.evaluation, asked)
        if step.evaluation.grad_norm >= found.grad_norm:
            break
        found, known = step.evaluation, step.known
        state = solver.tell(state, found, prox)
    sure = digits(objective, replace(first, evaluation=found, known=known), first.evaluation) if found.finite else 0.0
    return _run(state, known, first, found, sure), sure


def _run(state: State, known: Known, first: Pass, found: Evaluation, sure: float) -> Run:
    status = Status.CONVERGED if sure >= DIGITS else Status.ILL_CONDITIONED
    if not found.finite:
        status = Status.DIVERGED
    fitted = FitState(state, known, first.evaluation.point, last=found)
    return Run(found.point, max(found.value, 0.0), status, fitted)


def _for_each(sums: Gram | RFactor, dataset: Dataset, penalties: Sequence[Penalty], intercept: bool) -> Result:
    """Fits of the targets that have the same penalty, put together."""
    groups: dict[int, list[int]] = {}
    for k, penalty in enumerate(penalties):
        groups.setdefault(id(penalty), []).append(k)
    theta: Vector = np.empty((len(sums.about) + intercept, len(penalties)))
    results = []
    for targets in groups.values():
        found = _fit(sums.select(targets=targets), _of_targets(dataset, len(targets)), penalties[targets[0]], intercept)
        theta[:, targets] = found.theta
        results.append(found)
    whole = results[0]
    worst = next((found for found in results if not found.converged), whole)
    coef = np.ascontiguousarray(theta[int(intercept) :].T)
    provenance = {**whole.model.provenance, "penalty": repr(list(penalties)), "status": worst.status.name.lower()}
    level = theta[0].copy() if intercept else np.zeros(len(penalties))
    return replace(
        whole,
        theta=theta,
        status=worst.status,
        advice=worst.advice,
        loss=sum(found.loss for found in results),
        model=replace(whole.model, coef=coef, intercept=level, provenance=provenance),
        certificate=_together([found.certificate for found in results]),
        explained=None,
        fitted=None,
    )


def _of_targets(dataset: Dataset, count: int) -> Dataset:
    assert dataset.y is not None
    rows: Any = dataset.y
    return replace(dataset, y=replace(rows, shape=(rows.shape[0], count)))


def _together(certificates: Sequence[Certificate | None]) -> Certificate | None:
    found = [each for each in certificates if each is not None]
    if len(found) < len(certificates):
        return None
    distance = math.hypot(*(each.distance for each in found))
    return Certificate(distance, sum(each.gap for each in found), found[0].because)
