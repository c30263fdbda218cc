"""l1 and bounds of many classes and of several outputs: parabolas of products, to whose minimum each step goes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from test_metric_of_columns import LOSSES, SAID, K, M, X, Y, definite, without

import dgd
from dgd.data.sampled_rows import Sampling
from dgd.fitting.sampled import metric as sampled
from dgd.fitting.sampled.size import SampleSize
from dgd.losses import Softmax
from dgd.penalties import L1, L2, Box, ElasticNet, NonNegative, Penalty
from dgd.solvers import LBFGS, QuasiNewton
from dgd.solvers.base import Evaluation, Kinks
from dgd.solvers.steps import product_parabola as parabola
from dgd.solvers.steps.metric import ProductMetric
from dgd.solvers.steps.pairs import Pairs, corrected
from dgd.solvers.steps.quadratic_model import quadratic_minimum

OUTPUTS = ("softmax", "poisson", "many")
PENALTIES: tuple[Penalty, ...] = (L1(1e-3), ElasticNet(l1=1e-3, l2=1e-4), Box(lower=-0.2, upper=0.3), NonNegative())


def least(name: str, found: dgd.Result, penalty: Penalty, X: np.ndarray = X, w: np.ndarray | None = None) -> float:
    """The largest entry of the least subgradient at θ, as a part of the gradient at 0, by the naive formula."""
    loss = LOSSES[name]
    y, w = loss.encode(np.asarray(Y[name]), np.dtype("f8")), np.ones(M) if w is None else w

    def gradient(theta: np.ndarray) -> np.ndarray:
        r = loss.derivative(X @ theta[1:] + theta[0], y) * (loss.gradient_scale * w / w.sum())[:, None]
        return np.vstack([r.sum(axis=0), X.T @ r])

    g = gradient(found.theta)
    coef = penalty.subgradient(found.theta[1:], g[1:] + penalty.gradient(found.theta[1:]))
    return max(abs(coef).max(), abs(g[0]).max()) / abs(gradient(np.zeros_like(found.theta))).max()


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: penalty.name)
@pytest.mark.parametrize("name", OUTPUTS)
def test_few_passes_to_a_minimum_whatever_the_condition(name: str, penalty: Penalty) -> None:
    options: dict[str, Any] = {"loss": LOSSES[name], "penalty": penalty, "tol": 1e-8}
    found = dgd.fit(X, Y[name], **options)
    assert SAID in found.explain()
    assert "with the penalty by quasi-newton" in found.explain()
    assert "steps by products of the columns" in found.message
    assert found.converged
    assert found.n_iter_ <= 60
    assert least(name, found, penalty) <= 1e-6
    assert not without(X, Y[name], **options, max_iter=2 * found.n_iter_).converged


def test_of_weights_scales_and_without_an_intercept() -> None:
    scale, w = 10.0 ** np.arange(-3, 3).repeat(5), np.random.default_rng(2).exponential(size=M)
    w[::7] = 0.0
    strength = L1(1e-3 * scale)
    found = dgd.fit(X * scale, Y["softmax"], weight=w, loss=Softmax(K), penalty=strength, tol=1e-8)
    assert SAID in found.explain()
    assert found.converged
    assert least("softmax", found, strength, X * scale, w) <= 1e-6
    plain = dgd.fit(
        X, Y["softmax"], loss=Softmax(K), penalty=L1(1e-3), fit_intercept=False, standardize=False, tol=1e-8
    )
    assert plain.converged
    assert plain.n_iter_ <= 60


@pytest.mark.parametrize("penalty", [L1(1e-3), L2(1e-3)], ids=lambda penalty: penalty.name)
def test_from_where_probabilities_are_0_and_1(penalty: Penalty) -> None:
    far = 10 * np.random.default_rng(9).normal(size=(X.shape[1] + 1, K))
    found = dgd.fit(X, Y["softmax"], loss=Softmax(K), penalty=penalty, theta0=far, tol=1e-6, max_iter=250)
    assert SAID in found.explain()
    assert found.converged
    assert least("softmax", found, penalty) <= 1e-5


def test_points_of_a_parabola_are_planned() -> None:
    plain, kinked = (SampleSize(Sampling(2), 1000, 8000, then, metric=30) for then in (None, QuasiNewton()))
    more = sampled.metric_bytes(kinked, 1, 500) - sampled.metric_bytes(plain, 1, 500)
    of_columns = 8 * 31**2 * (sampled.FACTORED_KINKED - sampled.FACTORED)
    assert more == of_columns + 8 * 500 * 31 * (sampled.MINIMISED - sampled.TURNED)
    assert sampled.MINIMISED > 4 * sampled.CORRECTED


def problem(seed: int) -> tuple[ProductMetric, np.ndarray, Evaluation, Kinks, Pairs]:
    """A product of 6 by 4, pairs of another matrix, and kinks of all kinds."""
    rng = np.random.default_rng(seed)
    G, S, ridge = definite(rng, 6), definite(rng, 4), rng.random(6)
    M_ = np.kron(G, S) + np.kron(np.diag(ridge), np.eye(4))
    other = M_ + definite(rng, 24)
    steps = [step / np.linalg.norm(step) for step in rng.normal(size=(5, 24))]
    l1 = np.where(rng.random(24) < 0.7, 20.0, 0.0)
    lower, upper = np.where(rng.random(24) < 0.2, -0.1, -np.inf), np.where(rng.random(24) < 0.2, 0.2, np.inf)
    theta = np.clip(rng.normal(size=24), lower, upper)
    best = Evaluation(point=theta, value=0.0, gradient=50 * rng.normal(size=24))
    pairs = tuple((s, other @ s) for s in steps)
    return ProductMetric.of(G, S, ridge), M_, best, Kinks(l1, lower, upper), pairs


def test_products_are_those_of_the_corrected_matrix() -> None:
    metric, M_, best, _, pairs = problem(1)
    np.testing.assert_allclose(metric.diagonal(), np.diag(M_), rtol=1e-12)
    B = M_ / 0.5
    for s, y in pairs:
        zero = Evaluation(point=np.zeros(24), value=0.0, gradient=np.zeros(24))
        B = corrected(B, zero, Evaluation(point=s, value=0.0, gradient=y))
    d = best.gradient
    found = parabola.Corrected.of(metric, pairs, 0.5, 24).times(d)
    np.testing.assert_allclose(found, B @ d, rtol=1e-9)
    opposed = ((pairs[0][0], -pairs[0][1]),)
    np.testing.assert_allclose(parabola.Corrected.of(metric, opposed, 0.5, 24).times(d), M_ @ d / 0.5, rtol=1e-12)


@pytest.mark.each(4)
@pytest.mark.parametrize("seed", range(20))
def test_the_minimum_is_that_of_the_active_set_method(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    metric, M_, best, kinks, _ = problem(seed)
    expected, whole = quadratic_minimum(best.point, best.gradient, M_, kinks)
    assert whole
    monkeypatch.setattr(parabola, "PART", 1e-12)
    found = parabola.product_minimum(best, metric, (), 1.0, kinks)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    at_rest = Evaluation(point=expected, value=0.0, gradient=best.gradient + M_ @ (expected - best.point))
    np.testing.assert_allclose(
        parabola.product_minimum(at_rest, metric, (), 1.0, kinks), expected, rtol=1e-9, atol=1e-9
    )


def test_steps_that_are_too_long_are_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    metric, M_, best, kinks, _ = problem(3)
    greatest = parabola._largest
    monkeypatch.setattr(parabola, "_largest", lambda B, D: greatest(B, D) / 30)
    found = parabola.product_minimum(best, metric, (), 1.0, kinks)
    step = found - best.point
    assert best.gradient @ step + step @ M_ @ step / 2 + kinks.l1 @ (abs(found) - abs(best.point)) < 0
    monkeypatch.setattr(parabola, "_largest", lambda B, D: np.nan)
    assert parabola.product_minimum(best, metric, (), 1.0, kinks) is best.point


def test_smooth_fits_of_outputs_stay_with_lbfgs() -> None:
    found = dgd.fit(X, Y["softmax"], loss=Softmax(K), max_iter=3)
    assert found.choice.name == LBFGS.name
    assert "quasi-newton" not in found.explain()


class Prox:
    """Of kinks."""

    def __init__(self, kinks: Kinks) -> None:
        self.kinks = kinks

    def __call__(self, point: np.ndarray, step: float) -> np.ndarray:
        return np.clip(point, self.kinks.lower, self.kinks.upper)


def test_where_no_step_descends_pairs_are_forgotten_before_the_fit_ends() -> None:
    metric, M_, best, kinks, _ = problem(4)
    solver, prox = QuasiNewton(memory=5), Prox(kinks)

    def at(point: np.ndarray) -> Evaluation:
        step, nonsmooth = point - best.point, float(kinks.l1 @ abs(point))
        value = float(best.gradient @ step + step @ M_ @ step) + nonsmooth
        return Evaluation(point=point, value=value, gradient=best.gradient + 2 * M_ @ step, nonsmooth=nonsmooth)

    state = solver.with_metric(solver.init(best.point), at(best.point), metric, prox)
    while not state.pairs:
        state = solver.tell(state, at(solver.ask(state)), prox)
    kept = state.point
    assert state.best is not None
    # As near rounding: the loss is what it was, and the gradient no smaller.
    flat = Evaluation(point=kept, value=state.best.value, gradient=2 * state.best.gradient)
    trials = 0
    while state.pairs and state.status is None:
        state, trials = solver.tell(state, flat, prox), trials + 1
    assert state.status is None
    assert trials < 30
    assert (solver.ask(state) != kept).any()
    while state.status is None:
        state = solver.tell(state, flat, prox)
    assert state.status is dgd.Status.STALLED
    assert state.point is kept
