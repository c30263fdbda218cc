"""One Hessian and the gradients that correct it: passes, the Hessians among them, and the same minimum as Newton's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dgd
from dgd.errors import ConfigurationError
from dgd.fitting.auto_solver import choose
from dgd.fitting.coefficient_prox import CoefficientProx
from dgd.fitting.coordinates import Coordinates
from dgd.losses import Huber, Logistic
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, NoPenalty, Penalty
from dgd.solvers import Evaluation, QuasiNewton, Status
from dgd.solvers.base import Prox, no_prox
from dgd.solvers.steps.metric import DenseMetric
from dgd.solvers.steps.newton_step import inverse, newton_step
from dgd.solvers.steps.pairs import Pairs, corrected, inverse_times, pair_between

RNG = np.random.default_rng(12)


def columns(m: int, n: int, condition: float) -> np.ndarray:
    """Of deviation 1, with XᵀX of that condition before they are scaled."""
    turned, _ = np.linalg.qr(RNG.normal(size=(n, n)))
    X = RNG.normal(size=(m, n)) * np.geomspace(1, condition**-0.5, n) @ turned
    return X / X.std(axis=0)


X = columns(3000, 20, 1e6)
ETA = X @ RNG.normal(size=20)
ETA /= ETA.std()
TARGETS = {
    "logistic": (RNG.random(3000) < 1 / (1 + np.exp(-ETA))) * 1.0,
    "poisson": RNG.poisson(np.exp(ETA)) * 1.0,
    "softmax": np.digitize(ETA + RNG.logistic(size=3000), [-1, 1]) * 1.0,
    "gamma": RNG.gamma(2, np.exp(ETA)) + 1e-3,
}


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("l2", [0.0, 1e-3])
def test_it_ends_where_newton_does_whatever_the_condition(loss: str, l2: float) -> None:
    penalty = L2(l2) if l2 else NoPenalty()
    newton, found = (
        dgd.fit(X, TARGETS[loss], loss=loss, penalty=penalty, solver=solver, tol=1e-10)
        for solver in ("newton", "quasi-newton")
    )
    assert found.converged
    assert found.n_iter_ <= 20
    assert "by 1 Hessian" in found.advice
    assert found.loss == pytest.approx(newton.loss, rel=1e-12)
    raw = [fitted.model.raw_prediction(X[:50]) for fitted in (newton, found)]
    np.testing.assert_allclose(raw[0], raw[1], atol=1e-5)


KINKED: dict[str, Penalty] = {
    "l1": L1(1e-2),
    "elastic net": ElasticNet(l1=1e-3, l2=1e-3),
    "non-negative": NonNegative(l2=1e-4),
    "box": Box(lower=-0.1, upper=0.1, l2=1e-4),
}


@pytest.mark.parametrize("penalty", KINKED)
@pytest.mark.parametrize("loss", TARGETS)
def test_with_l1_and_bounds_it_ends_where_newton_does(loss: str, penalty: str) -> None:
    newton, found = (
        dgd.fit(X, TARGETS[loss], loss=loss, penalty=KINKED[penalty], solver=solver, tol=1e-10)
        for solver in ("newton", "quasi-newton")
    )
    assert found.converged
    assert found.n_iter_ <= 20
    assert "by 1 Hessian" in found.advice
    assert found.loss == pytest.approx(newton.loss, rel=1e-12)
    np.testing.assert_allclose(found.theta, newton.theta, rtol=1e-5, atol=1e-7)
    assert ((found.theta == 0) == (newton.theta == 0)).all()


def test_outputs_that_share_a_hessian_with_l1() -> None:
    Y = np.column_stack([ETA, -2 * ETA + X[:, 0]]) + RNG.normal(size=(3000, 2))
    found = dgd.fit(X, Y, penalty=L1(0.05), solver="quasi-newton", tol=1e-10)
    assert found.converged
    np.testing.assert_allclose(found.theta, dgd.fit(X, Y, penalty=L1(0.05)).theta, rtol=1e-6, atol=1e-8)


def test_outputs_that_share_a_hessian() -> None:
    Y = np.column_stack([ETA, -2 * ETA + X[:, 0]]) + RNG.normal(size=(3000, 2))
    found = dgd.fit(X, Y, solver="quasi-newton")
    np.testing.assert_allclose(found.theta, dgd.fit(X, Y).theta, rtol=1e-6, atol=1e-8)


def test_standard_errors_are_those_at_the_end_and_not_of_the_first_hessian() -> None:
    errors = [
        dgd.fit(X, TARGETS["logistic"], loss="logistic", solver=solver, tol=1e-10).inference().standard_errors
        for solver in ("newton", "quasi-newton")
    ]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-6)


def test_classes_that_a_plane_separates_have_no_optimum() -> None:
    found = dgd.fit([[-2.0], [-1], [1], [2]], [0, 0, 1, 1.0], loss="logistic", solver="quasi-newton")
    assert found.status is Status.NO_OPTIMUM


def run(evaluate: Any, n: int, passes: int, prox: Prox = no_prox) -> tuple[Any, list[Evaluation]]:
    """The loop of a fit: the Hessian is there only where it is asked for."""
    solver = QuasiNewton()
    state, seen = solver.init(np.zeros(n)), []
    for _ in range(passes):
        found = evaluate(solver.ask(state))
        seen.append(found if solver.asks_hessian(state) else replace(found, hessian=None))
        state = solver.tell(state, seen[-1], prox)
        if state.status is not None or seen[-1].grad_norm <= 1e-10 * seen[0].grad_norm:
            break
    return state, seen


@pytest.mark.parametrize("bound", [np.inf, 5.9, 1e9])
def test_another_hessian_is_summed_where_steps_crawl(bound: float) -> None:
    """The curvature grows like e^z, in each coordinate by another rate: the first Hessian says little of the last."""
    rates, goals = np.linspace(0.5, 2, 12), np.linspace(2, 6, 12)
    penalty = Box(upper=bound)

    def evaluate(z: np.ndarray) -> Evaluation:
        with np.errstate(over="ignore", invalid="ignore"):
            rise = np.exp(rates * z)
        goal = np.exp(rates * goals)
        value, slope = float((rise / rates - goal * z).sum()), rise - goal
        least = None if bound == np.inf else penalty.subgradient(z, slope)
        return Evaluation(z, value, slope, subgradient=least, hessian=np.diag(rates * rise))

    prox = no_prox if bound == np.inf else CoefficientProx(penalty, Coordinates.identity(12, intercept=False))
    state, seen = run(evaluate, 12, 200, prox)
    assert seen[-1].grad_norm <= 1e-10 * seen[0].grad_norm
    assert 1 < state.hessians <= 1 + len(seen) / 5
    assert state.rejected > 0
    assert QuasiNewton().asks_hessian(replace(state, since=99))
    assert not QuasiNewton(again=False).asks_hessian(replace(state, since=99))
    np.testing.assert_allclose(state.point, np.minimum(goals, bound), rtol=1e-7)


def test_a_start_that_overflows_is_diverged() -> None:
    state, _ = run(lambda z: Evaluation(z, np.inf, np.full(3, np.nan), hessian=np.eye(3)), 3, 5)
    assert state.status is Status.DIVERGED


def test_the_inverse_is_that_of_newtons_step() -> None:
    A = RNG.normal(size=(5, 7))
    singular = A.T @ A * np.outer(np.geomspace(1, 1e4, 7), np.geomspace(1, 1e4, 7))
    g = singular @ RNG.normal(size=7)
    for H in (singular, singular + np.diag(np.geomspace(1, 1e8, 7))):
        step, _ = newton_step(H, g)
        np.testing.assert_allclose(H @ (inverse(H) @ g), -(H @ step), rtol=1e-6)
        assert (inverse(H) == inverse(H).T).all()


def test_pairs_correct_the_metric_as_the_dense_formula_does() -> None:
    A = RNG.normal(size=(6, 6))
    metric, g = np.diag(RNG.uniform(1, 2, 6)), RNG.normal(size=6)
    pairs = tuple((s, A @ A.T @ s) for s in RNG.normal(size=(3, 6)))
    B = metric
    for s, y in pairs:
        V = np.eye(6) - np.outer(y, s) / (s @ y)
        B = V.T @ B @ V + np.outer(s, s) / (s @ y)
    np.testing.assert_allclose(inverse_times(pairs, g, DenseMetric(np.linalg.inv(metric), metric)), B @ g, rtol=1e-10)


def test_a_hessian_corrected_by_pairs_has_the_inverse_corrected_by_them() -> None:
    A = RNG.normal(size=(6, 6))
    H, g = np.diag(RNG.uniform(1, 2, 6)), RNG.normal(size=6)
    pairs: Pairs = ()
    metric, before = DenseMetric.of(H), Evaluation(np.zeros(6), 0.0, np.zeros(6))
    for point in RNG.normal(size=(4, 6)):
        after = Evaluation(point, 0.0, A @ A.T @ point)
        H, pairs, before = corrected(H, before, after), (*pairs, *pair_between(before, after)), after
    np.testing.assert_allclose(H @ inverse_times(pairs, g, metric), g, rtol=1e-10)
    concave = Evaluation(before.point + 1, 0.0, before.gradient - 1)
    assert corrected(H, before, concave) is H
    nothing = np.zeros((6, 6))
    assert corrected(nothing, Evaluation(np.zeros(6), 0.0, np.zeros(6)), before) is nothing


def test_auto_takes_it_where_newton_would_sum_too_much() -> None:
    names = [choose(Logistic(), NoPenalty(), p, "auto").name for p in (300, 301, 1000, 1001)]
    assert names == ["newton", "quasi-newton", "quasi-newton", "lbfgs"]
    assert choose(Huber(), NoPenalty(), 400, "auto").name == "lbfgs"
    for penalty in (L1(0.1), NonNegative()):
        names = [choose(Logistic(), penalty, p, "auto").name for p in (300, 301, 1000, 1001)]
        assert names == ["newton", "quasi-newton", "quasi-newton", "fista"]
    assert choose(Huber(), L1(0.1), 400, "auto").name == "fista"
    with pytest.raises(ConfigurationError, match="memory"):
        QuasiNewton(memory=0)
