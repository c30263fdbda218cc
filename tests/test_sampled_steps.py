"""The loss over a sample, corrected by a pass over all rows; and the first step by the Hessian over a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dgd
from dgd.data.sampled_rows import Sampling
from dgd.fitting.known import Known
from dgd.fitting.null_model import null_model
from dgd.fitting.objective import Objective
from dgd.fitting.sampled.first_step import likely_hessian
from dgd.fitting.sampled.start import on_rows
from dgd.fitting.sampled.surrogate import Surrogate
from dgd.losses import Logistic, Softmax
from dgd.passes.executor import InlineExecutor
from dgd.penalties import L2
from dgd.solvers import Evaluation
from dgd.solvers.steps.metric import DenseMetric

M, N, FAR = 4000, 5, 1000.0
RNG = np.random.default_rng(11)
X = RNG.normal(size=(M, N)) @ RNG.normal(size=(N, N)) + FAR
ETA = (X - FAR) @ RNG.normal(size=N) / 6
Y = (RNG.random(M) < 1 / (1 + np.exp(-ETA))) * 1
CLASSES = np.digitize(ETA + RNG.logistic(size=M), [-1, 1])


def first_pass(loss: Any = None, y: Any = Y) -> tuple[Objective, Evaluation, Known, Objective]:
    """An objective, its first pass with a Hessian, what is known then, and the same objective over a fifth of the rows.

    The columns' mean is 1,000 times their deviation, and they are centred.
    """
    loss, dataset = loss or Logistic(), dgd.open_dataset(X, y)
    executor = InlineExecutor()
    null = null_model(dataset, loss, executor)
    objective = Objective(
        dataset, loss, executor, penalty=L2(1e-2), null=null, measures_standardised=True, sampling=Sampling(5)
    )
    start = objective.start(None)
    question = objective.ask(start, start.ravel(), objective.unknown(), hessian=True)
    found = objective.answer(question, objective.sweep(question))
    assert found.sample is not None
    return objective, found.evaluation, found.known, on_rows(objective, found.sample.dataset(dataset))


def centring(known: Known, outputs: int = 1) -> np.ndarray:
    """T that takes θ of columns less their centre to θ of columns as they are."""
    assert known.centre is not None
    T = np.eye(N + 1)
    T[0, 1:] = -known.centre.columns
    return np.kron(T, np.eye(outputs))


def test_at_its_point_the_surrogate_has_gradient_and_hessian_of_all_rows() -> None:
    objective, _, known, sample = first_pass()
    T = centring(known)
    at = objective.evaluate(T @ (0.1 * RNG.normal(size=N + 1)), known, hessian=True).evaluation
    surrogate = Surrogate.of(sample, known, at)
    np.testing.assert_allclose(surrogate.gradient(at.point), at.gradient, rtol=1e-9)
    d = 1e-3 * T @ RNG.normal(size=N + 1)
    change = (surrogate.gradient(at.point + d) - surrogate.gradient(at.point - d)) / 2
    assert at.hessian is not None
    wanted = T.T @ at.hessian @ d
    np.testing.assert_allclose(T.T @ change, wanted, atol=1e-4 * abs(wanted).max())


def test_its_minimum_is_nearer_than_newtons_step_and_that_of_all_rows_where_they_are_the_sample() -> None:
    objective, begun, known, sample = first_pass()

    def left(point: np.ndarray) -> float:
        slope = objective.evaluate(point, known).evaluation.gradient
        return float(slope @ metric.solve(slope))

    metric = DenseMetric.of(begun.hessian)  # type: ignore[arg-type]
    newton = begun.point - metric.solve(begun.gradient)
    corrected = Surrogate.of(sample, known, begun).minimum(metric)
    whole = Surrogate.of(on_rows(objective, objective.dataset), known, begun).minimum(metric)
    assert corrected is not None
    assert whole is not None
    assert left(corrected) < left(newton) / 30
    assert left(whole) < left(newton) / 100


def test_there_is_none_where_the_metric_is_not_near_its_hessian() -> None:
    _, begun, known, sample = first_pass()
    surrogate, metric = Surrogate.of(sample, known, begun), DenseMetric.of(begun.hessian)  # type: ignore[arg-type]
    for factor in (0.25, 8.0):
        assert surrogate.minimum(DenseMetric.of(factor * metric.matrix)) is None


@pytest.mark.parametrize("loss", ["logistic", "softmax"])
def test_the_likely_hessian_has_the_diagonal_of_all_rows(loss: str) -> None:
    kind, y = (Logistic(), Y) if loss == "logistic" else (Softmax(3), CLASSES)
    objective, begun, known, sample = first_pass(kind, y)
    found = likely_hessian(sample, begun, known)
    exact, own = begun.hessian, sample.evaluate(begun.point, known, hessian=True).evaluation.hessian
    assert exact is not None
    assert own is not None
    T = centring(known, objective.outputs or 1)
    np.testing.assert_allclose(likely_hessian(on_rows(objective, objective.dataset), begun, known), exact, rtol=1e-9)
    # In columns less their mean: there the intercept is apart.
    centred = [np.diag(T.T @ H @ T) for H in (found, exact, own)]
    np.testing.assert_allclose(centred[0], centred[1], rtol=1e-6)
    assert abs(centred[2] / centred[1] - 1).max() > 1e-2
