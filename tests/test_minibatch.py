"""Mini-batch gradient descent: its steps beside the bare loop, and what decides their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from conftest import Problem

import dgd
from dgd.errors import ConfigurationError, ValueRangeError
from dgd.fitting.objective import Objective
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L1, L2, ElasticNet, NonNegative
from dgd.solvers import Constant, Decay, Epoch, InverseScaling, MiniBatch, Status
from dgd.solvers.base import Evaluation
from dgd.solvers.minibatch import Shuffled, ShuffledChunks, permutation
from dgd.testing import MemoryChunks


def standardised(problem: Problem) -> np.ndarray:
    return (problem.X - problem.X.mean(axis=0)) / problem.X.std(axis=0)


def chunked(X: np.ndarray, y: np.ndarray, bounds: list[int], weight: np.ndarray | None = None) -> dgd.Dataset:
    return dgd.Dataset(
        X=MemoryChunks("X", X, bounds),
        y=MemoryChunks("y", y, bounds),
        weight=None if weight is None else MemoryChunks("weight", weight, bounds),
    )


def bare_loop(solver: MiniBatch, X: np.ndarray, y: np.ndarray, w: np.ndarray, bounds: list[int], epochs: int) -> Any:
    """The textbook's loop: θ ← soft(θ − η (2/Σw X_Bᵀ w (X_B θ − y_B) + l2 b), η l1), with l1 = 0.1 and l2 = 0.2."""
    A, theta, t = np.column_stack([np.ones(len(y)), X]), np.zeros(X.shape[1] + 1), 0
    for epoch in range(epochs):
        for k in permutation(len(bounds) - 1, solver.seed, epoch, 0):
            rows = bounds[k] + permutation(bounds[k + 1] - bounds[k], solver.seed, epoch, int(k) + 1)
            for start in range(0, len(rows), solver.batch_size):
                B = rows[start : start + solver.batch_size]
                if w[B].sum() > 0:
                    gradient = 2 / w[B].sum() * A[B].T @ (w[B] * (A[B] @ theta - y[B]))
                    gradient[1:] += 0.2 * theta[1:]
                    eta = solver.learning_rate(t)
                    theta = theta - eta * gradient
                    theta[1:] = np.sign(theta[1:]) * np.maximum(np.abs(theta[1:]) - eta * 0.1, 0)
                t += 1
    return theta, t


@pytest.mark.parametrize("batch_size", [1, 7, 400])
@pytest.mark.parametrize("bounds", [[0, 1003], [0, 1, 300, 611, 1003]])
def test_equals_the_bare_loop(problem: Problem, bounds: list[int], batch_size: int) -> None:
    X, w = standardised(problem), problem.weight
    solver = MiniBatch(InverseScaling(0.02), batch_size=batch_size, seed=3)
    result = dgd.fit(
        chunked(X, problem.y, bounds, w), solver=solver, penalty=ElasticNet(l1=0.1, l2=0.2), max_iter=3, tol=0
    )
    theta, steps = bare_loop(solver, X, problem.y, w, bounds, 3)
    np.testing.assert_allclose(result.theta, theta, rtol=1e-10, atol=1e-12)
    assert f"{steps:,} steps" in result.message
    assert result.status is Status.ITERATION_LIMIT


@pytest.mark.each(2)
@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "poisson", "softmax"])
def test_comes_near_the_optimum_of_every_loss(problem: Problem, loss: str) -> None:
    X = standardised(problem)
    y: Any = {
        "logistic": problem.y > np.median(problem.y),
        "softmax": np.digitize(problem.y, np.quantile(problem.y, [0.3, 0.6])),
        "poisson": np.random.default_rng(0).poisson(np.exp(0.3 * X[:, 0])),
    }.get(loss, problem.y)
    options: dict[str, Any] = {"loss": loss, "penalty": L2(0.1)}
    best = dgd.fit(X, y, **options)
    solver = MiniBatch(InverseScaling(0.5, power=0.6), batch_size=8, averaging=True)
    near = dgd.fit(X, y, solver=solver, max_iter=25, **options)
    assert np.abs(near.theta - best.theta).max() < 0.04 * np.abs(best.theta).max()


def test_standardised_columns_take_one_pass_more_and_any_scale(problem: Problem) -> None:
    result = dgd.fit(problem.X * 1e4, problem.y, solver="minibatch", max_iter=30)
    assert not result.history[0].accepted
    np.testing.assert_allclose(result.coef_ * 1e4, problem.theta[1:], rtol=0.2, atol=0.05)


def test_bounds_and_zeros_hold_at_every_end(problem: Problem) -> None:
    X = standardised(problem)
    solver = MiniBatch(Constant(0.01), batch_size=10)
    assert (dgd.fit(X, problem.y, solver=solver, penalty=NonNegative(), max_iter=4).coef_ >= 0).all()
    assert (dgd.fit(X, problem.y, solver=solver, penalty=L1(1e3), max_iter=4).coef_ == 0).all()


def test_the_order_is_a_function_of_seed_epoch_and_chunk_alone() -> None:
    a = Shuffled(5)(2, 7, 100)
    assert (a == Shuffled(5)(2, 7, 100)).all()
    assert sorted(a) == list(range(100))
    others = [Shuffled(6)(2, 7, 100), Shuffled(5)(3, 7, 100), Shuffled(5)(2, 8, 100), ShuffledChunks(5, 2)(100)]
    assert all((a != other).any() for other in others)
    # Written down, because a fit must be repeatable years from now.
    assert permutation(8, 1, 2, 3).tolist() == [1, 2, 4, 6, 5, 0, 7, 3]


def test_a_row_order_of_ones_own(problem: Problem) -> None:
    seen: list[tuple[int, int, int]] = []

    def backwards(epoch: int, chunk: int, rows: int) -> np.ndarray:
        seen.append((epoch, chunk, rows))
        return np.arange(rows)[::-1]

    X = standardised(problem)
    solver = MiniBatch(Constant(0.01), batch_size=1003, row_order=backwards)
    result = dgd.fit(X, problem.y, solver=solver, max_iter=2, tol=0)
    assert seen == [(0, 0, 1003), (1, 0, 1003)]
    descent = dgd.fit(X, problem.y, learning_rate=0.01, max_iter=2, tol=0)
    np.testing.assert_allclose(result.theta, descent.theta, rtol=1e-12)
    for wrong in (np.arange(1004), np.array([-1]), np.array([0.5]), np.zeros((2, 2), int)):
        with pytest.raises(ConfigurationError, match=r"row_order=...\)` must give row numbers from 0 to 1002"):
            dgd.fit(X, problem.y, solver=MiniBatch(Constant(0.01), row_order=lambda e, c, r, w=wrong: w), max_iter=1)


def test_an_epochs_loss_is_that_before_each_step_and_its_gradient_their_mean(problem: Problem) -> None:
    X = standardised(problem)
    objective = Objective(chunked(X, problem.y, [0, 1003]), dgd.losses.Squared(), InlineExecutor())
    solver = MiniBatch(Constant(1e-12), batch_size=1003)
    state = solver.init(np.zeros(6))
    found = objective.evaluate(solver.ask(state), objective.unknown()).evaluation
    there = objective.evaluate(np.zeros(6), objective.unknown()).evaluation
    assert found.value == pytest.approx(there.value, rel=1e-12)
    np.testing.assert_allclose(found.gradient, there.gradient, rtol=1e-10)
    assert found.steps == 1


def test_averaging_is_the_mean_of_the_ends_but_the_first() -> None:
    solver = MiniBatch(Constant(0.1), averaging=True)
    state = solver.init(np.zeros(1))
    for epoch, end in enumerate([9.0, 1.0, 3.0, 8.0]):
        asked = solver.ask(state)
        assert isinstance(asked, Epoch)
        assert (asked.number, asked.step) == (epoch, 5 * epoch)
        state = solver.tell(state, Evaluation(np.array([end]), 1.0, np.ones(1), steps=5))
        assert state.current == end
    assert state.point == pytest.approx(4.0)


def test_divergence_keeps_the_last_finite_point(problem: Problem) -> None:
    result = dgd.fit(problem.X, problem.y, solver=MiniBatch(Constant(10.0)), max_iter=5)
    assert result.status is Status.DIVERGED
    assert np.isfinite(result.theta).all()
    assert "in epoch 2 the loss is no longer finite" in result.message


def test_a_schedule_counts_its_steps_through_the_epochs(problem: Problem) -> None:
    steps: list[int] = []

    def rate(t: int) -> float:
        steps.append(t)
        return Decay(1, 200)(t)

    dgd.fit(chunked(problem.X, problem.y, [0, 500, 1003]), solver=MiniBatch(rate, batch_size=250), max_iter=2)
    assert sorted(set(steps)) == list(range(10))


def test_a_schedule_that_falls_below_zero_is_refused(problem: Problem) -> None:
    with pytest.raises(ConfigurationError, match=r"must give positive numbers, got -1\.0 at t = 2"):
        dgd.fit(problem.X, problem.y, solver=MiniBatch(lambda t: 1e-3 if t < 2 else -1.0), max_iter=5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": 0.1}, r"`MiniBatch\(learning_rate=...\)` must be a function of the step"),
        ({"learning_rate": Constant(0.1), "batch_size": 0}, r"`MiniBatch\(batch_size=...\)` must be a whole number"),
        ({"learning_rate": Constant(0.1), "batch_size": 2.5}, r"`MiniBatch\(batch_size=...\)` must be a whole number"),
        ({"learning_rate": Constant(0.1), "seed": -1}, r"`MiniBatch\(seed=...\)` must be a whole number of 0 or more"),
    ],
)
def test_what_cannot_work_is_refused(options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        MiniBatch(**options)


@pytest.mark.parametrize("loss", ["squared", "poisson", "softmax"])
def test_batches_whose_rows_are_gathered_together_are_those_gathered_alone(
    monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    """To the bit: with weights, offsets, far columns, rows of weight 0, and a ragged last chunk."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(1003, 6)).astype(np.float32)
    X[:, 2] += 1e4
    y, w = rng.integers(0, 3, 1003), np.round(rng.uniform(0, 2, 1003))
    offset = None if loss == "softmax" else rng.normal(size=1003)

    def coefficients() -> bytes:
        data = dgd.Dataset(
            X=MemoryChunks("X", X, [0, 300, 900, 1003]),
            y=MemoryChunks("y", y, [0, 300, 900, 1003]),
            weight=MemoryChunks("weight", w, [0, 300, 900, 1003]),
            offset=None if offset is None else MemoryChunks("offset", offset, [0, 300, 900, 1003]),
        )
        solver = MiniBatch(InverseScaling(0.005), batch_size=7)
        found = dgd.fit(data, loss=loss, solver=solver, penalty=L1(0.01), standardize=True, max_iter=2, tol=0)
        assert np.isfinite(found.coef_).all()
        assert np.any(found.coef_)
        return found.coef_.tobytes() + np.asarray(found.intercept_).tobytes()

    together = coefficients()
    monkeypatch.setattr("dgd.fitting.epoch.GATHERED_BYTES", 2000)
    in_pieces = coefficients()
    monkeypatch.setattr("dgd.fitting.epoch.GATHERED_BYTES", 1)
    assert together == in_pieces == coefficients()


def test_a_bad_row_of_a_small_batch_is_named() -> None:
    X, y = np.ones((50, 2)), np.zeros(50)
    X[:, 1] = np.arange(50)
    X[37, 1] = np.nan
    solver = MiniBatch(Constant(0.01), batch_size=4)
    with pytest.raises(ValueRangeError, match="row 37, column 1 is nan"):
        dgd.fit(X, y, solver=solver, standardize=False, max_iter=1)
