"""The accelerated, proximal and two-point methods, by passes, by optimality and against what they generalise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dgd.errors import ConfigurationError
from dgd.solvers import (
    Backtracking,
    BarzilaiBorwein,
    Constant,
    Decay,
    Evaluation,
    Fista,
    GradientDescent,
    InverseScaling,
    Momentum,
    Nesterov,
    SafeMomentum,
    SafeStep,
    Status,
    no_prox,
)
from dgd.solvers.backtracking import sufficient
from dgd.solvers.barzilai_borwein import MEMORY
from dgd.solvers.safe_step import StepEstimate

Evaluate = Callable[[np.ndarray], Evaluation]
AUTOMATIC = [SafeStep(), Backtracking(), SafeMomentum(), Nesterov(), Fista(), BarzilaiBorwein()]
PROXIMAL = [SafeStep(), Backtracking(), Nesterov(), Fista()]


def named(solver: Any) -> str:
    return type(solver).__name__


def least_squares(seed: int, *, linear: bool = False, n: int = 30, condition: float = 1e4) -> Evaluate:
    """1/m ‖Xθ − y‖² with eigenvalues of XᵀX/m from 1 down to 1/condition, and noise in y."""
    rng = np.random.default_rng(seed)
    m = 4 * n
    U, _ = np.linalg.qr(rng.normal(size=(m, n)))
    V, _ = np.linalg.qr(rng.normal(size=(n, n)))
    eigenvalues = np.linspace(1, 1 / condition, n) if linear else np.geomspace(1, 1 / condition, n)
    X = np.sqrt(m) * U * np.sqrt(eigenvalues) @ V.T
    y = X @ rng.normal(size=n) + 0.3 * rng.normal(size=m)

    def evaluate(z: np.ndarray) -> Evaluation:
        r = X @ z - y
        return Evaluation(z, float(r @ r / m), 2 / m * X.T @ r)

    return evaluate


def glm(loss: str, scale: float, n: int = 6, m: int = 80) -> Evaluate:
    """Logistic or Poisson losses on columns of one scale."""
    rng = np.random.default_rng(3)
    X = scale * rng.normal(size=(m, n))
    eta = X @ rng.normal(size=n) / scale
    sign, count = np.sign(eta + 2 * rng.normal(size=m)), rng.poisson(np.exp(0.3 * eta))

    def evaluate(z: np.ndarray) -> Evaluation:
        q = X @ z
        with np.errstate(over="ignore", invalid="ignore"):
            if loss == "logistic":
                return Evaluation(
                    z, float(np.logaddexp(0, -sign * q).mean()), X.T @ (-sign / (1 + np.exp(sign * q))) / m
                )
            return Evaluation(z, float((np.exp(q) - count * q).mean()), X.T @ (np.exp(q) - count) / m)

    return evaluate


def run(solver: Any, evaluate: Evaluate, n: int, passes: int, tol: float = 0.0, prox: Any = no_prox) -> Any:
    """The loop of a fit: the last state, all evaluations, and all states."""
    states, seen = [solver.init(np.zeros(n), tol=tol)], []
    for _ in range(passes):
        seen.append(evaluate(solver.ask(states[-1])))
        if tol > 0 and seen[-1].finite and seen[-1].grad_norm <= tol * seen[0].grad_norm:
            break
        states.append(solver.tell(states[-1], seen[-1], prox))
        if states[-1].status is not None:
            break
    return states[-1], seen, states


@pytest.mark.each(4)
@pytest.mark.parametrize("linear", [False, True], ids=["log", "linear"])
@pytest.mark.parametrize(("solver", "bar"), [(Nesterov(), 1400), (BarzilaiBorwein(), 1000)], ids=["nesterov", "bb"])
def test_passes_at_a_condition_of_10_000(solver: Any, bar: int, linear: bool) -> None:
    """Gradient descent needs about 75,000 here. A single count is chaotic in the last bits of the products."""
    counts = []
    for seed in range(5):
        _, seen, _ = run(solver, least_squares(seed, linear=linear), 30, 2 * bar, tol=1e-8)
        assert seen[-1].grad_norm <= 1e-8 * seen[0].grad_norm
        counts.append(len(seen))
    assert np.median(counts) <= bar


@pytest.mark.parametrize("solver", [SafeMomentum(), Backtracking()], ids=named)
def test_momentum_and_long_steps_beat_plain_steps(solver: Any) -> None:
    evaluate = least_squares(0, condition=300)
    plain = len(run(SafeStep(), evaluate, 30, 9000, tol=1e-6)[1])
    assert len(run(solver, evaluate, 30, 9000, tol=1e-6)[1]) <= 0.85 * plain


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
@pytest.mark.parametrize("solver", AUTOMATIC, ids=named)
def test_other_losses_at_any_scale(solver: Any, loss: str, scale: float) -> None:
    """With columns in thousands the first trial overflows a Poisson loss."""
    evaluate = glm(loss, scale)
    _, seen, _ = run(solver, evaluate, 6, 400, tol=1e-8)
    assert seen[-1].grad_norm <= 1e-8 * seen[0].grad_norm
    assert loss == "logistic" or scale < 1e3 or not all(evaluation.finite for evaluation in seen)


@pytest.mark.parametrize("solver", AUTOMATIC, ids=named)
def test_one_parameter_from_a_first_trial_that_overflows(solver: Any) -> None:
    def evaluate(z: np.ndarray) -> Evaluation:
        with np.errstate(over="ignore", invalid="ignore"):
            return Evaluation(z, float(5e199 * (z[0] - 1) ** 2), 1e200 * (z - 1))

    state, seen, _ = run(solver, evaluate, 1, 300, tol=1e-8)
    assert seen[-1].point == pytest.approx(1.0, rel=1e-7)
    assert isinstance(state.advice, str)
    assert "learning rate" in state.advice


@pytest.mark.parametrize("solver", AUTOMATIC, ids=named)
def test_rounding_level_ends_in_a_few_hundred_passes(solver: Any) -> None:
    """A single count is chaotic in the last bits of the products."""
    counts = []
    for seed in range(5):
        evaluate = least_squares(seed, condition=10)
        state, seen, _ = run(solver, evaluate, 30, 1000)
        assert state.status is Status.STALLED
        assert evaluate(state.point).grad_norm <= 1e-10 * seen[0].grad_norm
        counts.append(len(seen))
    assert np.median(counts) <= 600


@pytest.mark.parametrize("solver", AUTOMATIC, ids=named)
def test_rejected_trials_leave_the_point_and_have_no_rate(solver: Any) -> None:
    _, seen, states = run(solver, glm("poisson", 30.0), 6, 60)
    rejected = 0
    for before, evaluation, after in zip(states, seen, states[1:], strict=False):
        if not evaluation.finite:
            assert not after.accepted
            assert after.learning_rate == 0.0
            rejected += 1
        assert after.accepted is (after.learning_rate > 0)
        assert np.isfinite(before.point).all()
    assert rejected >= 1


def test_momentum_of_zero_is_gradient_descent() -> None:
    evaluate = least_squares(2)
    pairs = zip(
        run(Momentum(0.4, beta=0.0), evaluate, 30, 40)[2], run(GradientDescent(0.4), evaluate, 30, 40)[2], strict=True
    )
    assert all((one.point == other.point).all() for one, other in pairs)
    pairs = zip(run(SafeMomentum(beta=0.0), evaluate, 30, 40)[2], run(SafeStep(), evaluate, 30, 40)[2], strict=True)
    assert all((one.point == other.point).all() for one, other in pairs)


def test_momentum_is_the_heavy_ball() -> None:
    evaluate = least_squares(2)
    state, _, _ = run(Momentum(0.4, beta=0.8), evaluate, 30, 25)
    before = z = np.zeros(30)
    for _ in range(25):
        before, z = z, z - 0.4 * evaluate(z).gradient + 0.8 * (z - before)
    np.testing.assert_allclose(state.point, z, rtol=1e-12)


@pytest.mark.parametrize(("factor", "diverges"), [(0.99, False), (1.01, True)])
def test_momentum_diverges_beyond_its_own_bound(factor: float, diverges: bool) -> None:
    """2 (1 + β)/L, where L = 2."""
    state, _, _ = run(Momentum(factor * 1.9), least_squares(0, condition=10), 30, 3000)
    assert state.status is (Status.DIVERGED if diverges else Status.STALLED)
    assert not diverges or "largest safe learning rate is about 1.9" in state.advice


def test_safe_momentum_never_accepts_a_higher_loss() -> None:
    _, _, states = run(SafeMomentum(), least_squares(0), 30, 400)
    values = [state.value for state in states[1:]]
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise(values))
    assert states[-1].restarts >= 1


def test_nesterov_with_a_number_is_the_textbooks_iteration() -> None:
    """Until it first restarts."""
    evaluate = least_squares(0)
    _, _, states = run(Nesterov(0.5), evaluate, 30, 25)
    x = y = np.zeros(30)
    t = 1.0
    for state in states[1:]:
        following, last = (1 + np.sqrt(1 + 4 * t * t)) / 2, x
        x = y - 0.5 * evaluate(y).gradient
        assert (y - x) @ (x - last) <= 0 or t == 1.0
        y, t = x + (t - 1) / following * (x - last), following
        np.testing.assert_allclose(state.point, x, rtol=1e-9, atol=1e-12)


def test_nesterov_with_a_number_that_is_too_large_diverges() -> None:
    state, seen, _ = run(Nesterov(1.2), least_squares(0), 30, 500)
    assert state.status is Status.DIVERGED
    assert len(seen) < 200
    assert "largest safe learning rate is about 0.5" in state.advice


def test_fista_is_nesterov() -> None:
    evaluate, prox = penalised(*lasso_data(), l1=0.1)
    pairs = zip(
        run(Fista(), evaluate, 12, 60, 1e-9, prox)[2], run(Nesterov(), evaluate, 12, 60, 1e-9, prox)[2], strict=True
    )
    assert all((one.point == other.point).all() for one, other in pairs)


def test_barzilai_borwein_takes_the_two_point_steps() -> None:
    """Long or short, by their formulas; and no loss above the last ten."""
    _, seen, states = run(BarzilaiBorwein(), least_squares(0), 30, 300)
    steps, last, values = [], None, []
    for evaluation, state in zip(seen, states[1:], strict=True):
        if not state.accepted:
            continue
        assert not values or evaluation.value <= max(values[-MEMORY:])
        if last is not None:
            s, d = evaluation.point - last.point, evaluation.gradient - last.gradient
            long, short = (s @ s) / (s @ d), (s @ d) / (d @ d)
            steps.append(short < 0.15 * long)
            assert state.learning_rate == pytest.approx(short if steps[-1] else long, rel=1e-9)
        last = evaluation
        values.append(evaluation.value)
        assert state.value <= min(values) * (1 + 1e-11)
    assert 5 < sum(steps) < len(steps) - 5
    assert any(b > a for a, b in pairwise(values))


def test_backtracking_takes_only_sufficient_steps() -> None:
    """Its condition is that of Beck and Teboulle, and where the values are rounding that of the gradients."""
    _, _, states = run(Backtracking(), least_squares(0, condition=100), 30, 300)
    taken = 0
    for before, after in pairwise(states[1:]):
        if after.accepted:
            step = after.best.point - before.best.point
            bound = before.best.gradient @ step + step @ step / (2 * before.eta)
            assert after.best.value <= before.best.value + bound + 1e-11
            taken += 1
    assert 100 < taken < 290
    a = Evaluation(np.zeros(1), 1e9, np.array([1e-6]))
    assert sufficient(a, Evaluation(np.array([-1e-6]), 1e9 + 1e-7, np.array([1e-8])), 1.0)
    assert not sufficient(a, Evaluation(np.array([-1e-6]), 1e9 - 1e-7, np.array([-1e-6])), 1.0)


def test_a_trial_too_far_away_teaches_no_curvature() -> None:
    """exp is no quadratic as far as that: the step shortens a thousandfold at most, and grows back tenfold a pass."""

    def at(z: float) -> Evaluation:
        return Evaluation(np.array([z]), float(np.exp(z) - 2 * z), np.array([np.exp(z) - 2]))

    estimate = StepEstimate(eta=50.0).refused(at(0.0), at(50.0))
    assert (estimate.L, estimate.eta) == (0.0, 0.05)
    estimate = estimate.accepted(at(0.0), at(0.05))
    assert 1.0 < estimate.L < 1.06
    assert estimate.eta == 0.5
    assert estimate.accepted(at(0.05), at(0.1)).eta == pytest.approx(1 / 1.08, rel=0.01)


def test_schedules() -> None:
    assert [Constant(0.1)(t) for t in (0, 7)] == [0.1, 0.1]
    assert [Decay(5, 50)(t) for t in (0, 50)] == [0.1, 0.05]
    assert [InverseScaling(0.1)(t) for t in (0, 15)] == [0.1, 0.05]
    assert InverseScaling(0.1, power=1.0)(4) == pytest.approx(0.02)


@pytest.mark.parametrize("make", [Constant, InverseScaling, lambda x: InverseScaling(1, x), lambda x: Decay(x, 1)])
@pytest.mark.parametrize("number", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_schedules_refuse_what_is_no_rate(make: Any, number: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"=\.\.\.\)` must be a positive number, got"):
        make(number)


def test_gradient_descent_by_a_schedule() -> None:
    evaluate = least_squares(0)
    state, _, states = run(GradientDescent(Decay(20, 50)), evaluate, 30, 30)
    z = np.zeros(30)
    for t in range(30):
        z = z - 20 / (t + 50) * evaluate(z).gradient
    assert (state.point == z).all()
    assert [state.learning_rate for state in states[1:3]] == [20 / 50, 20 / 51]
    fixed, constant = (run(GradientDescent(rate), evaluate, 30, 30)[0] for rate in (0.4, Constant(0.4)))
    assert (fixed.point == constant.point).all()
    with pytest.raises(ConfigurationError, match=r"must give positive numbers, got -1\.0 at t = 2"):
        run(GradientDescent(lambda t: 1.0 - t if t != 1 else 1.0), evaluate, 30, 5)
    with pytest.raises(ConfigurationError, match=r"must give positive numbers, got 'slow' at t = 0"):
        run(GradientDescent(lambda t: "slow"), evaluate, 30, 5)  # type: ignore[arg-type, return-value]


def lasso_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(60, 12)) * np.geomspace(1, 0.2, 12)
    return X, X @ np.where(np.arange(12) % 3 == 0, 2.0, 0.0) + 0.5 * rng.normal(size=60)


def penalised(
    X: np.ndarray, y: np.ndarray, *, l1: float, l2: float = 0.0, low: float = -np.inf
) -> tuple[Evaluate, Any]:
    """1/m ‖Xb − y‖² + ½ l2 ‖b‖² + l1 ‖b‖₁ over b ≥ low, and its prox."""

    def prox(v: np.ndarray, step: float) -> np.ndarray:
        return np.maximum(np.sign(v) * np.maximum(np.abs(v) - step * l1, 0), low)

    def evaluate(b: np.ndarray) -> Evaluation:
        assert (b >= low).all()
        r = X @ b - y
        g, nonsmooth = 2 / len(y) * X.T @ r + l2 * b, l1 * float(np.abs(b).sum())
        least = np.where(b == 0, np.sign(g) * np.maximum(np.abs(g) - l1, 0), g + l1 * np.sign(b))
        least = np.where((b == low) & (least > 0), 0.0, least)
        return Evaluation(b, float(r @ r / len(y) + l2 / 2 * b @ b) + nonsmooth, g, nonsmooth, least)

    return evaluate, prox


def coordinate_descent(X: np.ndarray, y: np.ndarray, *, l1: float, l2: float = 0.0, low: float = -np.inf) -> np.ndarray:
    """The oracle: one coordinate at a time, each exactly."""
    b, m = np.zeros(X.shape[1]), len(y)
    for _ in range(1000):
        for j, x in enumerate(X.T):
            c = 2 / m * x @ (y - X @ b + x * b[j])
            b[j] = max(np.sign(c) * max(abs(c) - l1, 0) / (2 / m * x @ x + l2), low)
    return b


@pytest.mark.each(2)
@pytest.mark.parametrize(
    "penalty",
    [{"l1": 0.1}, {"l1": 0.1, "l2": 0.05}, {"l1": 0.0, "low": 0.0}, {"l1": 0.05, "low": 0.3}],
    ids=["lasso", "elastic net", "non-negative", "l1 and bounds"],
)
def test_proximal_methods_find_the_penalised_minimum(penalty: dict[str, float]) -> None:
    """To 1e-8 in every coefficient, zeros and bounds to the bit, and every evaluation within the bounds."""
    X, y = lasso_data()
    evaluate, prox = penalised(X, y, **penalty)
    best = coordinate_descent(X, y, **penalty)
    start = np.maximum(np.zeros(12), penalty.get("low", -np.inf))
    pinned = (best == 0) | (best == penalty.get("low"))
    assert 2 <= pinned.sum() <= 10
    for solver in [*PROXIMAL, GradientDescent(0.2), Nesterov(0.2)]:
        state, first = solver.init(start, tol=1e-10), evaluate(start).grad_norm
        limit = 300 if isinstance(solver, Nesterov) else 3000
        for _ in range(limit):
            evaluation = evaluate(solver.ask(state))
            if evaluation.grad_norm <= 1e-10 * first:
                break
            state = solver.tell(state, evaluation, prox)
            assert state.status is None
        assert evaluation.grad_norm <= 1e-10 * first
        np.testing.assert_allclose(evaluation.point, best, rtol=0, atol=1e-8)
        assert (evaluation.point[pinned] == best[pinned]).all()
        np.testing.assert_allclose(state.point, best, rtol=0, atol=1e-8)


def test_nesterov_looks_at_its_iterate_once_the_step_is_small() -> None:
    """A look costs a pass and changes nothing else; one that came too early is not repeated at every step."""
    evaluate, prox = penalised(*lasso_data(), l1=0.1)
    solver, (state, _, states) = Nesterov(), run(Nesterov(), evaluate, 12, 8, 1e-300, prox)
    assert all(state.after_check is None for state in states)
    plain = solver.tell(state, evaluate(solver.ask(state)), prox)
    look = solver.tell(replace(state, small=1e9), evaluate(solver.ask(state)), prox)
    assert (solver.ask(look) == plain.point).all()
    assert (solver.ask(look) != solver.ask(plain)).any()
    after = solver.tell(look, evaluate(solver.ask(look)), prox)
    assert (solver.ask(after) == solver.ask(plain)).all()
    assert (after.accepted, after.learning_rate, after.t) == (False, 0.0, plain.t)
    assert 0 < after.small < 1e9


def test_penalised_rounding_level_is_called_stalled() -> None:
    evaluate, prox = penalised(*lasso_data(), l1=0.1)
    best = coordinate_descent(*lasso_data(), l1=0.1)
    for solver in PROXIMAL:
        state, seen, _ = run(solver, evaluate, 12, 3000, 0.0, prox)
        assert state.status is Status.STALLED
        assert len(seen) < 1500
        np.testing.assert_allclose(state.point, best, rtol=0, atol=1e-8)
