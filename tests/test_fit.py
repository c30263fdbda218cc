"""`dgd.fit` end to end: solution, statuses, history, and what a pass costs."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from conftest import Problem
from hypothesis import given, settings
from hypothesis import strategies as st

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.errors import ConfigurationError, DataError
from dgd.penalties import L1, NonNegative
from dgd.solvers import Constant, MiniBatch

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

RULES: list[Any] = ["auto", "exact", 0.5]


@pytest.mark.parametrize("rule", ["auto", "exact"])
def test_reaches_the_least_squares_solution(problem: Problem, store: str, rule: str) -> None:
    result = dgd.fit(store, solver="gd", learning_rate=rule, tol=1e-12, max_iter=20_000)
    assert result.status is dgd.Status.CONVERGED
    np.testing.assert_allclose(result.theta, problem.theta, rtol=1e-9, atol=1e-9)
    assert result.coef_.shape == (5,)
    assert (result.theta == np.concatenate(([result.intercept_], result.coef_))).all()
    assert result.model.feature_names == tuple("abcde")


@pytest.mark.parametrize("rule", ["auto", "exact"])
def test_weights_are_repetitions(problem: Problem, store: str, rule: str) -> None:
    weighted = dgd.fit(store, weight="weight", solver="gd", learning_rate=rule, tol=1e-12, max_iter=20_000)
    np.testing.assert_allclose(weighted.theta, problem.theta_weighted, rtol=1e-8, atol=1e-8)
    times = problem.weight.astype(int)
    repeated = dgd.fit(
        np.repeat(problem.X, times, axis=0),
        np.repeat(problem.y, times),
        solver="gd",
        learning_rate=rule,
        tol=1e-12,
        max_iter=20_000,
    )
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-8, atol=1e-8)


def test_without_intercept(problem: Problem) -> None:
    result = dgd.fit(problem.X, problem.y, fit_intercept=False, tol=1e-12, max_iter=20_000)
    np.testing.assert_allclose(result.theta, np.linalg.lstsq(problem.X, problem.y, rcond=None)[0], rtol=1e-8)
    assert result.theta.shape == (5,)
    assert result.intercept_ == 0.0


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_standardising_is_gradient_descent_on_standardised_columns(problem: Problem, fit_intercept: bool) -> None:
    """Step by step: the same iterates as on data that were standardised beforehand."""
    X, w = problem.X, problem.weight
    mean = np.average(X, axis=0, weights=w) if fit_intercept else np.zeros(5)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=w))
    theta0 = np.arange(5 + fit_intercept) / 10
    coef0, b0 = (theta0[1:], theta0[0]) if fit_intercept else (theta0, 0.0)
    start = np.concatenate(([b0 + mean @ coef0] if fit_intercept else [], coef0 * scale))
    for k in (1, 2, 7, 40):
        options: dict[str, Any] = {"learning_rate": 0.3, "max_iter": k, "tol": 0, "fit_intercept": fit_intercept}
        ours = dgd.fit(X, problem.y, weight=w, standardize=True, theta0=theta0, **options)
        theirs = dgd.fit((X - mean) / scale, problem.y, weight=w, standardize=False, theta0=start, **options)
        np.testing.assert_allclose(ours.coef_ * scale, theirs.coef_, rtol=1e-10, atol=1e-12)
        assert ours.intercept_ + mean @ ours.coef_ == pytest.approx(theirs.intercept_, rel=1e-10)
        assert [r.grad_norm for r in ours.history] == pytest.approx([r.grad_norm for r in theirs.history], rel=1e-9)


def test_a_given_rate_runs_in_the_users_coordinates(problem: Problem) -> None:
    A = np.column_stack([np.ones(len(problem.y)), problem.X])
    theta = np.zeros(6)
    for _ in range(30):
        theta = theta - 1e-4 * (2 / len(problem.y)) * A.T @ (A @ theta - problem.y)
    result = dgd.fit(problem.X, problem.y, learning_rate=1e-4, max_iter=30, tol=0)
    np.testing.assert_allclose(result.theta, theta, rtol=1e-12)


def test_constant_and_all_zero_columns_do_no_harm(problem: Problem) -> None:
    X = np.column_stack([problem.X, np.full(len(problem.y), 0.1), np.zeros(len(problem.y))])
    result = dgd.fit(X, problem.y, tol=1e-12, max_iter=20_000)
    fitted = problem.X @ problem.theta[1:] + problem.theta[0]
    np.testing.assert_allclose(result.model.predict(X), fitted, rtol=1e-8, atol=1e-8)
    bare = dgd.fit(X, problem.y, tol=1e-12, max_iter=20_000, fit_intercept=False)
    np.testing.assert_allclose(bare.model.predict(X), fitted, rtol=1e-7, atol=1e-7)


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(1, 60), columns=st.integers(1, 4), seed=st.integers(0, 50))
def test_any_small_shape_gets_the_least_loss(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(rows, columns)), rng.normal(size=rows)
    A = np.column_stack([np.ones(rows), X])
    least = float(((A @ np.linalg.lstsq(A, y, rcond=None)[0] - y) ** 2).mean())
    result = dgd.fit(X, y, learning_rate="exact", tol=1e-10, max_iter=3000, threads=1)
    assert result.model.score(X, y).mse <= least + 1e-5 * float((y**2).mean()) + 1e-12


class CountedRows(MemoryRows):
    """Rows in memory that count the chunks read."""

    reads: Counter[int]

    def read(self, start: int, stop: int, buffers: Any) -> Any:
        self.reads[start] += 1
        return super().read(start, stop, buffers)


def counted(name: str, array: np.ndarray, chunk_rows: int) -> CountedRows:
    rows = CountedRows(name, array)
    bounds = np.append(np.arange(0, len(array), chunk_rows), len(array))
    object.__setattr__(rows, "bounds", bounds)
    object.__setattr__(rows, "reads", Counter())
    return rows


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("standardize", [True, False])
def test_each_chunk_is_read_exactly_once_per_iteration(problem: Problem, rule: Any, standardize: bool) -> None:
    """Nothing costs a pass but an evaluation the solver asked for: not standardising, not estimating, not reporting."""
    if rule == 0.5 and not standardize:
        rule = 1e-4
    arrays = [counted(name, a, 50) for name, a in (("X", problem.X), ("y", problem.y), ("weight", problem.weight))]
    dataset = dgd.Dataset(*arrays)
    assert dataset.n_chunks == 21
    result = dgd.fit(
        dataset,
        solver="gd",
        learning_rate=rule,
        standardize=standardize,
        max_iter=17,
        tol=0,
        execution=dgd.Execution(resident=0),
    )
    assert len(result.history) == result.n_iter_ == 17
    reads_targets_first = isinstance(rule, str)
    for rows, more in zip(arrays, (0, reads_targets_first, reads_targets_first), strict=True):
        assert rows.reads == Counter(dict.fromkeys(range(0, 1003, 50), 17 + more))


def test_inputs_are_not_written_to(problem: Problem) -> None:
    X, y, w, theta0 = problem.X.copy(), problem.y.copy(), problem.weight.copy(), np.ones(6)
    for array in (X, y, w, theta0):
        array.setflags(write=False)
    for rule in ("auto", "exact", 1e-5):
        dgd.fit(X, y, weight=w, theta0=theta0, learning_rate=rule, max_iter=20)
    assert (X == problem.X).all()
    assert (theta0 == 1).all()


class TestStatus:
    def test_converged(self, store: str) -> None:
        result = dgd.fit(store, learning_rate="exact", tol=1e-4)
        assert result.status is dgd.Status.CONVERGED
        assert result.converged
        assert result.history[-1].grad_norm <= 1e-4 * result.history[0].grad_norm
        assert all(record.grad_norm > 1e-4 * result.history[0].grad_norm for record in result.history[:-1])
        assert result.loss == result.history[-1].loss

    def test_iteration_limit(self, store: str) -> None:
        result = dgd.fit(store, solver="gd", max_iter=3)
        assert result.status is dgd.Status.ITERATION_LIMIT
        assert "`max_iter`" in result.message
        assert result.n_iter_ == 3

    def test_time_limit(self, store: str) -> None:
        result = dgd.fit(store, learning_rate=1e-9, tol=0, max_iter=10**9, max_seconds=0.2)
        assert result.status is dgd.Status.TIME_LIMIT
        assert 0.15 < result.seconds < 5

    def test_diverged(self, store: str) -> None:
        result = dgd.fit(store, learning_rate=0.1)
        assert result.status is dgd.Status.DIVERGED
        assert np.isfinite(result.theta).all()
        safe = float(re.search(r"largest safe learning rate is about ([\d.e-]+)", result.message)[1])  # type: ignore
        assert dgd.fit(store, learning_rate=0.9 * safe, max_iter=200).status is dgd.Status.ITERATION_LIMIT

    @pytest.mark.parametrize(
        "options",
        [{"learning_rate": 1e-5}, {"solver": dgd.solvers.MiniBatch(dgd.solvers.Constant(1e-5), 200)}],
        ids=str,
    )
    def test_divergence_names_the_columns_to_blame(self, problem: Problem, options: dict[str, Any]) -> None:
        X = (problem.X - problem.X.mean(axis=0)) / problem.X.std(axis=0)
        dataset = dgd.open_dataset(X * [1, 1, 1, 1e4, 1], problem.y)
        dataset = dataclasses.replace(dataset, feature_names=("a", "b", "c", "wide", "e"))
        result = dgd.fit(dataset, max_iter=200, **options)
        assert result.status is dgd.Status.DIVERGED
        assert "the steps grow along column 'wide', its part of the gradient being" in result.message
        assert "standardize=True" in result.message
        alike = dgd.fit(X, problem.y, learning_rate=10.0)
        assert alike.status is dgd.Status.DIVERGED
        assert "grow along" not in alike.message

    def test_diverged_beyond_every_number(self, store: str) -> None:
        result = dgd.fit(store, learning_rate=1e200)
        assert result.status is dgd.Status.DIVERGED
        assert "no longer finite" in result.message
        assert (result.theta == 0).all()

    def test_stalled(self, store: str) -> None:
        result = dgd.fit(store, solver="gd", tol=0, max_iter=100_000)
        assert result.status is dgd.Status.STALLED
        assert "`tol`" in result.message

    def test_interrupted_by_a_callback_after_a_whole_pass(self, store: str) -> None:
        seen: list[int] = []

        def stop_at_four(record: dgd.Record) -> bool:
            seen.append(record.iteration)
            return record.iteration == 4

        result = dgd.fit(store, solver="gd", tol=0, callbacks=[stop_at_four])
        assert result.status is dgd.Status.INTERRUPTED
        assert seen == [1, 2, 3, 4]
        assert result.n_iter_ == 4

    def test_a_perfect_start_converges_at_once(self, problem: Problem) -> None:
        y = problem.X @ np.array([1.0, 2.0, 4.0, 8.0, 16.0])
        result = dgd.fit(np.round(problem.X * 64) / 64, y * 0, learning_rate=0.1)
        assert result.status is dgd.Status.CONVERGED
        assert result.n_iter_ == 1


def test_history_tells_each_pass(problem: Problem, store: str) -> None:
    result = dgd.fit(store, learning_rate=1e-4, max_iter=5, tol=0, execution=dgd.Execution(resident=0))
    assert [record.iteration for record in result.history] == [1, 2, 3, 4, 5]
    assert result.history[0].loss == pytest.approx((problem.y**2).mean(), rel=1e-12)
    assert all(record.learning_rate == 1e-4 for record in result.history)
    bytes_stored = 21 * (50 * 5 * 8 + 4) + 21 * (50 * 8 + 4)
    assert {record.bytes_read for record in result.history} == {bytes_stored}
    assert result.plan.bytes_per_pass == bytes_stored
    for record in result.history:
        assert record.rows_per_second == pytest.approx(1003 / record.seconds)
    assert dataclasses.asdict(result.history[0]).keys() >= {"grad_norm", "seconds"}
    assert result.as_json()["history"][4]["iteration"] == 5
    staying = dgd.fit(store, learning_rate=1e-4, max_iter=5, tol=0)
    assert [record.bytes_read for record in staying.history] == [bytes_stored, 0, 0, 0, 0]
    assert [record["resident_share"] for record in staying.as_json()["history"]] == [0, 1, 1, 1, 1]


def test_rejected_trials_are_counted_and_reported(problem: Problem) -> None:
    result = dgd.fit(problem.X * 1e3, problem.y, solver="gd", standardize=False, max_iter=30, tol=0)
    rejected = [record for record in result.history if not record.accepted]
    assert rejected
    assert f"{len(rejected)} pass" in result.message
    assert all(record.learning_rate == 0 for record in rejected)


def test_single_precision_is_near_and_asked_for(problem: Problem) -> None:
    double = dgd.fit(problem.X, problem.y, solver="gd", tol=1e-4, max_iter=5000)
    single = dgd.fit(problem.X, problem.y, solver="gd", tol=1e-4, max_iter=5000, precision="single")
    assert (single.theta != double.theta).any()
    np.testing.assert_allclose(single.theta, double.theta, rtol=0.05, atol=0.05)
    assert single.theta.dtype == np.float64


def test_stored_dtypes_that_hold_the_values_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, size=(500, 3))
    y = rng.normal(size=500)
    expected = dgd.fit(X.astype("f8"), y, solver="gd", max_iter=20, tol=0).theta
    for dtype in ("bool", "i1", "u8", "f2", "f4", ">i4", ">f8"):
        assert (dgd.fit(X.astype(dtype), y, solver="gd", max_iter=20, tol=0).theta == expected).all()


def test_weights_that_sum_to_zero_are_refused(problem: Problem) -> None:
    with pytest.raises(DataError, match="weights sum to 0"):
        dgd.fit(problem.X, problem.y, weight=np.zeros(1003))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "l2"}, r"`fit\(loss=...\)` must be one of squared, huber, .*, got 'l2'"),
        ({"solver": "adam"}, r"`fit\(solver=...\)` must be one of auto, gd, .*, got 'adam'"),
        (
            {"learning_rate": -0.1},
            r"must be a positive number, a schedule, 'auto', 'exact' or 'backtracking', got -0.1",
        ),
        ({"max_iter": 0}, r"`fit\(max_iter=...\)` must be a whole number of 1 or more, got 0"),
        ({"tol": -1}, r"`fit\(tol=...\)` must be a number of 0 or more, got -1"),
        ({"max_seconds": 0}, r"`fit\(max_seconds=...\)` must be a number above 0, got 0"),
        ({"precision": "half"}, r"must be one of double, single, got 'half'"),
        ({"standardize": "maybe"}, r"must be True, False or 'auto', got 'maybe'"),
        ({"theta0": [1, 2]}, r"must have 6 entries \(the intercept first, if one is fitted\), got shape \(2,\)"),
        ({"theta0": [np.nan] * 6}, r"must be finite numbers"),
        ({"threads": 0}, r"`threads=...` must be a whole number of 1 or more, got 0"),
        ({"threads": 1, "client": object()}, r"exclude each other"),
        ({"penalty": 0.1}, r"`fit\(penalty=...\)` must be an object of dgd.penalties, such as L2\(0.1\)"),
        ({"penalty": L1([0.1, 0.2])}, r"`L1\(l1=...\)`.* 5 .*2"),
        ({"penalty": L1(0.1), "solver": "cg"}, r"solver='cg'.* cannot work with the penalty 'l1'.*use solver='fista'"),
        ({"penalty": NonNegative(), "solver": "lbfgs"}, r"'lbfgs'.* cannot work with the penalty 'non_negative'"),
        (
            {"loss": "huber", "solver": "cg"},
            r"'cg'.* cannot work with the loss 'huber'.*use solver='lbfgs' or solver='newton'",
        ),
        ({"loss": "huber", "learning_rate": "exact"}, r"='exact'.* with the loss 'huber'.*='backtracking'"),
        ({"solver": "newton", "learning_rate": 0.1}, r"learning_rate=0.1.* does not go with solver='newton'"),
        ({"solver": MiniBatch(Constant(0.1)), "learning_rate": 0.1}, r"goes with a solver's name; MiniBatch brings"),
        ({"patience": 3}, r"`fit\(patience=...\)` needs validation rows"),
        ({"validation_fraction": 1.5}, r"`fit\(validation_fraction=...\)` must be above 0 and below 1, got 1.5"),
        ({"validation_fraction": 1e-6}, r"holds out 0 of 1003 rows"),
        ({"validation": 0.5}, r"must be a dataset.*for a part of the rows give `validation_fraction=`"),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_may_be(problem: Problem, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        dgd.fit(problem.X, problem.y, **options)


def test_a_dataset_keeps_its_own_target(problem: Problem) -> None:
    dataset = dgd.open_dataset(problem.X, problem.y)
    with pytest.raises(ConfigurationError, match="brings its own"):
        dgd.fit(dataset, problem.y)
    with pytest.raises(ConfigurationError, match="no y"):
        dgd.fit(problem.X)


@pytest.mark.parametrize(
    ("options", "before"),
    [
        ({"solver": "gd", "learning_rate": 1e-5}, True),
        ({"solver": "momentum", "learning_rate": 1e-5}, True),
        ({"solver": "nesterov"}, True),
        ({"solver": "minibatch"}, True),
        ({"solver": "gd"}, False),
        ({"solver": "gd", "learning_rate": "exact"}, False),
        ({"solver": "gd", "learning_rate": "backtracking"}, False),
        ({"solver": "barzilai-borwein"}, False),
        ({"solver": "cg"}, False),
        ({"solver": "lbfgs"}, False),
        ({"solver": "lbfgs", "max_iter": 100, "tol": 1e-6}, False),
        ({"solver": "nesterov", "max_iter": 1000, "tol": 1e-3}, False),
    ],
    ids=str,
)
def test_what_is_printed_describes_what_is_saved(problem: Problem, options: dict[str, Any], before: bool) -> None:
    """Or says of which θ it is: the loss at the last θ of a given learning rate would cost a pass."""
    result = dgd.fit(problem.X, problem.y, **{"max_iter": 4, "tol": 0, **options})
    residual = problem.X @ result.theta[1:] + result.theta[0] - problem.y
    assert (result.loss == pytest.approx(np.mean(residual**2), rel=1e-9)) is not before
    assert result.loss_is_before_last_step is before
    assert ("(before the last step)" in result.summary()) is before
    assert result.as_json()["loss_is_before_last_step"] is before
    assert result.model.provenance["loss_is_before_last_step"] is before


def test_the_choice_says_what_is_done(problem: Problem) -> None:
    lbfgs = dgd.fit(problem.X, problem.y, solver="lbfgs", max_iter=1)
    assert lbfgs.explain() == (
        "solver lbfgs: it was asked for; "
        "on a quadratic its exact steps are those of conjugate gradients, which are made"
    )
    counts = np.abs(problem.y).round()
    assert "conjugate" not in dgd.fit(problem.X, counts, loss="poisson", solver="lbfgs", max_iter=1).explain()
    for rate in ("exact", "backtracking"):
        found = dgd.fit(problem.X, problem.y, solver="gd", learning_rate=rate, max_iter=1)
        assert found.explain() == f"solver gd-{rate}: it was asked for"
        assert found.model.provenance["solver"] == f"gd-{rate}"
