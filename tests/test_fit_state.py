"""The state of a fit is a value: it pickles, goes through arrays and JSON, and a fit goes on from there, bit by bit."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from methods import TARGETS, X

import dgd
from dgd.errors import CheckpointError
from dgd.fitting.arguments import make_loss
from dgd.fitting.checkpoint.encoding import decoded, encoded
from dgd.fitting.checkpoint.file import from_bytes, to_bytes
from dgd.fitting.objective import Objective
from dgd.fitting.state import FitState
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, NoPenalty, Penalty
from dgd.solvers import LBFGS, SOLVERS, Constant, MiniBatch, Newton, Rate, Solver

SOLVER_RATES: list[tuple[str, Rate]] = [
    *((name, "auto") for name in SOLVERS),
    *(("gd", rate) for rate in (0.05, Constant(0.05), "exact", "backtracking")),
    *((name, 0.02) for name in ("momentum", "nesterov", "fista")),
]
PENALTIES: list[Penalty] = [
    NoPenalty(), L2(0.1), L1(0.1), ElasticNet(l1=[0.1, 0, 0.1, 0.2], l2=0.2), Box(lower=-0.2, upper=[1, 1, 0.5, 1]),
    NonNegative(l2=0.1),
]  # fmt: skip
LOSSES = ["squared", "logistic", "softmax"]
PASSES, LATER = 4, 3


class Going:
    """A fit, step by step."""

    def __init__(self, loss: str, penalty: Penalty, solver: Solver) -> None:
        target = TARGETS[loss]
        made = make_loss(loss)
        if made.wants_labels(target.dtype):
            made = made.with_classes(range(3))
        self.solver = solver
        self.objective = Objective(dgd.open_dataset(X, target), made, InlineExecutor(), penalty=penalty)

    def begin(self) -> FitState:
        theta = np.zeros(self.objective.theta_shape)
        first = self.objective.ask(theta, None, self.objective.unknown(), hessian=self.solver.wants_hessian)
        found = self.objective.answer(first, self.objective.sweep(first))
        state = FitState(self.solver.init(found.known.coordinates.from_user(theta), tol=1e-12), found.known, theta)
        return self.take(state, found)

    def take(self, state: FitState, found: Any) -> FitState:
        state.known, state.last = found.known, found.evaluation
        state.solver = self.solver.tell(state.solver, found.evaluation, self.objective.prox(found.known))
        return state

    def go(self, state: FitState, passes: int) -> FitState:
        for _ in range(passes):
            if state.solver.status is not None:
                break
            asked = self.solver.ask(state.solver)
            self.take(state, self.objective.evaluate(asked, state.known, hessian=self.solver.wants_hessian))
        return state


def through_json(state: FitState) -> FitState:
    document, arrays = state.to_arrays()
    assert all(isinstance(array, np.ndarray) for array in arrays.values())
    return FitState.from_arrays(json.loads(json.dumps(document)), arrays)


def through_pickle(state: FitState) -> FitState:
    copy: FitState = pickle.loads(pickle.dumps(state))
    return copy


def bits(state: FitState) -> tuple[Any, dict[str, bytes]]:
    document, arrays = state.to_arrays()
    return json.dumps(document), {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize(("name", "rate"), SOLVER_RATES, ids=str)
def test_every_state_is_a_value_and_a_fit_goes_on_from_it(name: str, rate: Rate) -> None:
    """Every solver × penalty × loss that go together."""
    done = 0
    for loss in LOSSES:
        for penalty in PENALTIES:
            solver = SOLVERS[name](rate)
            if (solver.smooth_only and not penalty.is_smooth) or (solver.quadratic_only and loss != "squared"):
                continue
            fit = Going(loss, penalty, solver)
            state = fit.go(fit.begin(), PASSES)
            copies = [through_json(state), through_pickle(state)]
            for copy in copies:
                assert bits(copy) == bits(state)
            expected = bits(fit.go(state, LATER))
            for copy in copies:
                assert bits(fit.go(copy, LATER)) == expected
            done += 1
    assert done >= 2


@pytest.mark.parametrize("solver", [LBFGS(memory=2), Newton(), MiniBatch(Constant(0.01), averaging=True)], ids=str)
def test_solvers_of_ones_own_making(solver: Solver) -> None:
    fit = Going("logistic", NoPenalty(), solver)
    state = fit.go(fit.begin(), PASSES)
    copy = through_json(state)
    assert bits(fit.go(copy, LATER)) == bits(fit.go(state, LATER))


def test_the_state_of_a_real_fit_with_history_and_validation() -> None:
    from dgd.fitting.loop import minimise
    from dgd.fitting.verdict.stopping import Stopping

    fit = Going("squared", L1(0.1), SOLVERS["fista"]("auto"))
    objective = Objective(
        fit.objective.dataset,
        fit.objective.loss,
        InlineExecutor(),
        penalty=L1(0.1),
        validation=dgd.open_dataset(X, TARGETS["squared"]),
    )
    stopping = Stopping(max_iter=6, tol=0.0)
    run = minimise(objective, fit.solver, np.zeros(objective.theta_shape), standardize=True, stopping=stopping)
    copy = through_json(run.state)
    assert copy.history == run.history
    assert len(copy.history) == 6
    assert copy.best.loss == run.state.best.loss
    assert copy.threshold == run.state.threshold


@pytest.mark.parametrize(
    "document",
    [None, 7, {"class": "os:system", "fields": {}}, {"class": "dgd.fitting.state:FitState", "fields": {}},
     {"class": "dgd.solvers.base:vector_norm", "fields": {}}, {"class": "dgd.nowhere:X", "fields": {}},
     {"array": "a9"}],
    ids=str,
)  # fmt: skip
def test_what_is_not_a_state_is_refused(document: Any) -> None:
    with pytest.raises(CheckpointError, match="state of a fit"):
        FitState.from_arrays(document, {})


def test_what_is_stored_comes_back_as_it_was() -> None:
    """Kinds of numbers, the order of an array in memory, and arrays that are one: the next bits may depend on them."""
    array = np.arange(6.0)
    values = [np.float64(0.0), np.float32(0.1), np.int64(3), np.bool_(True), 0.1, 7, True, None, "x", math.inf]
    values += [array, array, array.reshape(2, 3).T, (1, [2.0])]
    arrays: dict[str, Any] = {}
    document = encoded(values, arrays)
    content = to_bytes(document, arrays)
    found = decoded(*from_bytes(content, "here"))
    assert [type(value) for value in found] == [type(value) for value in values]
    assert repr(found) == repr(values)
    assert found[10] is found[11]
    assert found[12].flags.f_contiguous
    assert from_bytes(content, "here")[0] == document
