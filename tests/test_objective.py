"""The objective: one evaluation, one pass, scaled once; and the change of variables on the driver."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import Problem
from hypothesis import given
from hypothesis import strategies as st

import dgd
from dgd.fitting.coordinates import Coordinates
from dgd.fitting.objective import Objective
from dgd.losses import Squared
from dgd.passes.executor import InlineExecutor
from dgd.passes.sums.moments import block_moments


def objective(problem: Problem, *, weighted: bool = False, fit_intercept: bool = True) -> Objective:
    dataset = dgd.open_dataset(problem.X, problem.y, weight=problem.weight if weighted else None)
    return Objective(dataset, Squared(), InlineExecutor(), fit_intercept=fit_intercept)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_value_and_gradient_are_the_formulas(problem: Problem, weighted: bool, fit_intercept: bool) -> None:
    """MSE(θ) and 2/Σw Xᵀ(w(Xθ − y)), and one pass each."""
    found = objective(problem, weighted=weighted, fit_intercept=fit_intercept)
    A = np.column_stack([np.ones(1003), problem.X]) if fit_intercept else problem.X
    w = problem.weight if weighted else np.ones(1003)
    theta = np.linspace(-1, 1, A.shape[1])
    result = found.evaluate(theta, found.unknown())
    evaluation = result.evaluation
    r = A @ theta - problem.y
    assert evaluation.value == pytest.approx((w * r * r).sum() / w.sum(), rel=1e-13)
    np.testing.assert_allclose(evaluation.gradient, 2 / w.sum() * A.T @ (w * r), rtol=1e-11)
    assert result.known.passes == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_is_the_slope_of_the_value(problem: Problem, weighted: bool) -> None:
    """Five-point stencil, in standardised coordinates."""
    found = objective(problem, weighted=weighted)
    first = found.ask(np.zeros(6), None, found.unknown())
    begun = found.answer(first, found.sweep(first))
    first, known = begun.evaluation, begun.known
    assert known.passes == 1
    z = np.linspace(-1, 1, 6)
    gradient = found.evaluate(z, known).evaluation.gradient
    for j in range(6):
        step = np.zeros(6)
        step[j] = 1e-2
        f = [found.evaluate(z + k * step, known).evaluation.value for k in (-2, -1, 1, 2)]
        assert (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * 1e-2) == pytest.approx(gradient[j], rel=1e-7, abs=1e-7)
    again = found.evaluate(first.point, known).evaluation
    assert again.value == pytest.approx(first.value, rel=1e-12)
    np.testing.assert_allclose(again.gradient, first.gradient, rtol=1e-8, atol=1e-9)


@given(n=st.integers(1, 6), intercept=st.booleans(), seed=st.integers(0, 99))
def test_coordinates_go_there_and_back(n: int, intercept: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, n)) * 10.0 ** rng.integers(-3, 4, size=n) + rng.normal(size=n)
    found = Coordinates.standardising(block_moments(X, None), intercept=intercept)
    theta = rng.normal(size=n + intercept)
    np.testing.assert_allclose(found.to_user(found.from_user(theta)), theta, rtol=1e-9, atol=1e-9)
    direction, gradient = rng.normal(size=n + intercept), rng.normal(size=n + 1)
    along = found.to_user(direction) - found.to_user(np.zeros(n + intercept))
    assert gradient[not intercept :] @ along == pytest.approx(found.gradient(gradient) @ direction, rel=1e-8, abs=1e-9)


def test_identity_leaves_everything_as_it_is() -> None:
    theta = np.arange(4.0)
    for intercept, n in ((True, 3), (False, 4)):
        same = Coordinates.identity(n, intercept=intercept)
        assert (same.to_user(theta) == theta).all()
        assert (same.from_user(theta) == theta).all()
        gradient = theta if intercept else np.concatenate(([9.0], theta))
        assert (same.gradient(gradient) == theta).all()


def test_a_constant_column_keeps_its_scale() -> None:
    X = np.column_stack([np.full(50, 0.1), np.arange(50.0)])
    found = Coordinates.standardising(block_moments(X, None), intercept=True)
    assert found.scale[0] == 1.0
    assert found.scale[1] == pytest.approx(X[:, 1].std())
    bare = Coordinates.standardising(block_moments(X, None), intercept=False)
    assert bare.scale[0] == pytest.approx(0.1)
    assert (bare.mean == 0).all()
