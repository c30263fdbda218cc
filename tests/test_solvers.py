"""Gradient descent by its three learning-rate rules, on quadratics whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dgd.errors import ConfigurationError
from dgd.solvers import (
    SOLVERS,
    Backtracking,
    Constant,
    Evaluation,
    ExactLineSearch,
    GradientDescent,
    SafeStep,
    Status,
    gradient_descent,
)
from dgd.solvers.base import curvature, vector_norm
from dgd.solvers.steps.progress import PATIENCE

Evaluate = Callable[[np.ndarray], Evaluation]


def quadratic(eigenvalues: np.ndarray, seed: int = 0, offset: float = 0.0) -> tuple[Evaluate, np.ndarray]:
    """½ (z − z*)ᵀH(z − z*) + offset with these eigenvalues, its Hessian at hand, and z*."""
    rng = np.random.default_rng(seed)
    n = len(eigenvalues)
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    H, best = (Q * eigenvalues) @ Q.T, rng.normal(size=n)

    def evaluate(z: np.ndarray) -> Evaluation:
        with np.errstate(over="ignore", invalid="ignore"):
            return Evaluation(z, float(0.5 * (z - best) @ H @ (z - best) + offset), H @ (z - best), hessian=H)

    return evaluate, best


def run(solver: Any, evaluate: Evaluate, n: int, passes: int, tol: float = 0.0) -> tuple[Any, list[Evaluation]]:
    """The loop of a fit without a fit: until `tol`, a status, or the passes are spent."""
    state, seen = solver.init(np.zeros(n), tol=tol), []
    for _ in range(passes):
        seen.append(evaluate(solver.ask(state)))
        if tol > 0 and seen[-1].grad_norm <= tol * seen[0].grad_norm:
            break
        state = solver.tell(state, seen[-1])
        if state.status is not None:
            break
    return state, seen


def test_a_given_rate_is_the_textbooks_iteration() -> None:
    evaluate, _ = quadratic(np.array([1.0, 0.5, 0.1]))
    state, _ = run(GradientDescent(0.7), evaluate, 3, 25)
    z = np.zeros(3)
    for _ in range(25):
        z = z - 0.7 * evaluate(z).gradient
    assert (state.point == z).all()


@pytest.mark.each(9)
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e12])
@pytest.mark.parametrize("rule", ["auto", "exact", "backtracking"])
def test_rules_that_need_no_rate_converge_at_any_scale(rule: str, scale: float) -> None:
    evaluate, best = quadratic(scale * np.geomspace(1, 1e-3, 12))
    _, seen = run(gradient_descent(rule), evaluate, 12, 20_000, tol=1e-10)
    assert seen[-1].grad_norm <= 1e-10 * seen[0].grad_norm
    np.testing.assert_allclose(seen[-1].point, best, atol=1e-5)


@pytest.mark.slow
def test_passes_at_a_condition_of_10_000() -> None:
    """1/L needs about κ·ln(1e8)/2 passes at best; auto may not need more than 1/L does, exact about half of them."""
    evaluate, _ = quadratic(np.geomspace(1, 1e-4, 30))
    passes = {
        rule: len(run(solver, evaluate, 30, 200_000, tol=1e-6)[1])
        for rule, solver in (("1/L", GradientDescent(1.0)), ("auto", SafeStep()), ("exact", ExactLineSearch()))
    }
    assert passes["auto"] <= 1.01 * passes["1/L"]
    assert passes["exact"] <= 0.7 * passes["1/L"]


def test_exact_steps_are_those_of_the_two_pass_formula() -> None:
    """η = gᵀg/gᵀHg with H g from a pass of its own; here it comes from the trial's gradient."""
    evaluate, _ = quadratic(np.array([3.0, 1.0, 0.2, 0.05]))
    state, solver, z = ExactLineSearch().init(np.zeros(4)), ExactLineSearch(), np.zeros(4)
    state = solver.tell(state, evaluate(solver.ask(state)))
    zero = evaluate(np.zeros(4)).gradient
    for _ in range(30):
        if state.due:
            state = solver.tell(state, evaluate(solver.ask(state)))
        state = solver.tell(state, evaluate(solver.ask(state)))
        g = evaluate(z).gradient
        z = z - (g @ g) / (g @ (evaluate(g).gradient - zero)) * g
        np.testing.assert_allclose(state.point, z, rtol=1e-9, atol=1e-12)
        assert state.value == pytest.approx(evaluate(z).value, rel=1e-9)


def test_exact_does_not_drift() -> None:
    """After thousands of steps the carried gradient is still the true one."""
    evaluate, _ = quadratic(np.geomspace(1, 1e-5, 20), offset=1.0)
    state, seen = run(ExactLineSearch(), evaluate, 20, 3000)
    true = evaluate(state.point).gradient
    assert vector_norm(state.gradient - true) <= 1e-6 * vector_norm(true)
    assert sum(not s for s in _accepted(ExactLineSearch(), evaluate, 20, 3000)) <= 0.03 * len(seen)


def _accepted(solver: Any, evaluate: Evaluate, n: int, passes: int) -> list[bool]:
    state, accepted = solver.init(np.zeros(n)), []
    for _ in range(passes):
        state = solver.tell(state, evaluate(solver.ask(state)))
        accepted.append(state.accepted)
    return accepted


def test_auto_never_accepts_a_higher_loss() -> None:
    evaluate, _ = quadratic(np.geomspace(1e6, 1, 8))
    solver, state, last = SafeStep(), SafeStep().init(np.zeros(8)), np.inf
    for _ in range(500):
        state = solver.tell(state, evaluate(solver.ask(state)))
        assert state.value <= last * (1 + 1e-12)
        last = state.value
    assert 1 <= state.rejected <= 3
    assert f"{state.rejected} pass" in state.advice


def test_auto_survives_a_first_trial_that_overflows() -> None:
    evaluate, best = quadratic(np.array([1e200, 1e199]))
    _, seen = run(SafeStep(), evaluate, 2, 500, tol=1e-8)
    assert seen[-1].grad_norm <= 1e-8 * seen[0].grad_norm
    np.testing.assert_allclose(seen[-1].point, best, rtol=1e-5)


@pytest.mark.parametrize(("rate", "diverges"), [(1.99, False), (2.01, True)])
def test_divergence_begins_at_two_over_L(rate: float, diverges: bool) -> None:
    evaluate, _ = quadratic(np.array([1.0, 0.3, 0.01]))
    state, seen = run(GradientDescent(rate), evaluate, 3, 3000)
    assert (state.status is Status.DIVERGED) is diverges
    if diverges:
        assert len(seen) < 400
        assert "largest safe learning rate is about 2" in state.advice


def test_divergence_to_infinity_keeps_the_last_finite_point() -> None:
    evaluate, _ = quadratic(np.array([1e160, 1.0]))
    state, seen = run(GradientDescent(1.0), evaluate, 2, 10)
    assert state.status is Status.DIVERGED
    assert not seen[-1].finite
    assert (state.point == seen[-2].point).all()
    assert np.isfinite(state.point).all()


@pytest.mark.parametrize("solver", [GradientDescent(1.0), SafeStep(), ExactLineSearch(), Backtracking()])
def test_rounding_level_is_called_stalled(solver: Any) -> None:
    """With an offset the loss cannot fall below its rounding; nobody may search there for ever."""
    evaluate, best = quadratic(np.array([1.0, 0.5, 0.25, 0.01]), offset=5.0)
    rng = np.random.default_rng(0)

    def rounded(z: np.ndarray) -> Evaluation:
        found = evaluate(z)
        return Evaluation(z, found.value, found.gradient + 1e-13 * rng.normal(size=4))

    state, seen = run(solver, rounded, 4, 20_000)
    assert state.status is Status.STALLED
    assert len(seen) < 6000
    np.testing.assert_allclose(state.point, best, atol=1e-10)


def test_slow_descent_is_not_called_stalled() -> None:
    evaluate, _ = quadratic(np.array([1.0, 1e-7]))
    state, seen = run(GradientDescent(1.0), evaluate, 2, 40 * PATIENCE)
    assert state.status is None
    assert len(seen) == 40 * PATIENCE


@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), float("inf"), "fast"])
def test_a_rate_that_cannot_work_is_refused(rate: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"learning_rate=.*must be a positive number, a schedule, 'auto',.*got"
    ):
        gradient_descent(rate)


@pytest.mark.parametrize("name", ["momentum", "nesterov", "fista"])
@pytest.mark.parametrize("rate", [0.0, -0.1, float("nan"), "exact", Constant(0.1)])
def test_accelerated_methods_take_a_number_or_auto(name: str, rate: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"learning_rate=.*positive number or 'auto' for solver='{name}', got"
    ):
        SOLVERS[name](rate)


@pytest.mark.parametrize("name", ["barzilai-borwein", "cg", "lbfgs", "newton"])
@pytest.mark.parametrize("rate", [0.1, "exact", Constant(0.1)])
def test_a_rate_is_refused_by_solvers_that_find_their_own(name: str, rate: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"does not go with solver='{name}'.*leave learning_rate='auto'"):
        SOLVERS[name](rate)


RULES: dict[str, list[Any]] = {
    "gd": [0.5, "auto", "exact", "backtracking", Constant(0.5)],
    "momentum": [0.5, "auto"],
    "nesterov": [0.5, "auto"],
    "fista": [0.5, "auto"],
}


# Mini-batches are not evaluated at a point: tests/test_minibatch.py.
CASES = [(name, rule) for name in SOLVERS if name != "minibatch" for rule in RULES.get(name, ["auto"])]


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_every_solver_keeps_the_contract(name: str, rule: Any) -> None:
    """ask is a function of the state; tell leaves the state it was given alone; nothing is written into."""
    solver = SOLVERS[name](rule)
    evaluate, _ = quadratic(np.array([1.0, 0.4, 0.1]))
    start = np.zeros(3)
    state = solver.init(start)
    assert solver.name == {"exact": "gd-exact", "backtracking": "gd-backtracking"}.get(rule, name)
    assert {type(flag) for flag in (solver.smooth_only, solver.quadratic_only, solver.wants_hessian)} == {bool}
    assert (solver.ask(state) == start).all()
    for _ in range(12):
        asked = solver.ask(state)
        assert (asked == solver.ask(state)).all()
        evaluation = evaluate(asked.copy())
        gradient = evaluation.gradient.copy()
        after = solver.tell(state, evaluation)
        again = solver.tell(state, evaluation)
        assert (after.point == again.point).all()
        assert (evaluation.gradient == gradient).all()
        assert (evaluation.point == asked).all()
        assert after.learning_rate >= 0
        assert isinstance(after.accepted, bool)
        assert isinstance(after.advice, str)
        state = after
        if state.status is not None:
            break
    assert (start == 0).all()


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_every_solver_ends(name: str, rule: Any) -> None:
    """At a minimum, at the rounding level of any start, and where the start itself is not finite."""
    solver = SOLVERS[name](rule)
    evaluate, best = quadratic(np.array([1.0, 0.4, 0.1]), offset=1.0)
    state, _ = run(solver, evaluate, 3, 2000)
    assert state.status is Status.STALLED
    np.testing.assert_allclose(state.point, best, atol=1e-6)
    state, _ = run(solver, lambda z: Evaluation(z, 1.0, np.zeros(3), hessian=np.zeros((3, 3))), 3, 400)
    assert state.status is Status.STALLED
    assert (state.point == 0).all()
    state, seen = run(solver, lambda z: Evaluation(z, np.inf, np.ones(3), hessian=np.eye(3)), 3, 10)
    assert state.status is Status.DIVERGED
    assert len(seen) == 1
    assert "not finite" in state.advice or "no longer finite" in state.advice


def test_curvature_is_at_most_L() -> None:
    evaluate, _ = quadratic(np.array([4.0, 1.0, 0.2]))
    rng = np.random.default_rng(5)
    points = [evaluate(rng.normal(size=3)) for _ in range(20)]
    values = [curvature(a, b) for a, b in pairwise(points)]
    assert 0.2 <= min(values) <= max(values) <= 4.0 * (1 + 1e-12)
    assert curvature(points[0], points[0]) == 0.0


def test_norms_of_huge_and_tiny_vectors() -> None:
    assert vector_norm(np.array([3e300, 4e300])) == pytest.approx(5e300)
    assert vector_norm(np.array([3e-300, 4e-300])) == pytest.approx(5e-300)
    assert vector_norm(np.zeros(3)) == 0.0
    assert vector_norm(np.array([1.0, np.inf])) == np.inf
