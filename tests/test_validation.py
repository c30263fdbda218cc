"""Rows held out or given beside: which they are, when they stop a fit, and what is told of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dgd
from dgd.data.rows import regular_bounds
from dgd.data.transforms.row_split import RowSplit
from dgd.errors import ConfigurationError, DataError, SchemaError
from dgd.penalties import L1, L2
from dgd.solvers import Constant, MiniBatch
from dgd.solvers.base import Status
from dgd.testing import MemoryChunks

M, N = 400, 6
RNG = np.random.default_rng(2)
X = RNG.normal(size=(M, N))
Y = X @ RNG.normal(size=N) + 1 + 0.5 * RNG.normal(size=M)
WIDE = RNG.normal(size=(60, 40))
NOISE = WIDE[:, 0] + RNG.normal(size=60)


def chunked(rows: int = 20, *, X: np.ndarray = X, y: np.ndarray = Y, weight: np.ndarray | None = None) -> dgd.Dataset:
    bounds = regular_bounds(len(X), rows)
    w = None if weight is None else MemoryChunks("weight", weight, bounds)
    return dgd.Dataset(X=MemoryChunks("X", X, bounds), y=MemoryChunks("y", y, bounds), weight=w)


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(3, 90), chunk=st.integers(1, 40), fraction=st.floats(0.05, 0.95), seed=st.integers(0, 2**40))
def test_a_fraction_of_the_rows_is_drawn_by_the_seed_from_every_chunk(
    rows: int, chunk: int, fraction: float, seed: int
) -> None:
    dataset = chunked(chunk, X=np.arange(rows, dtype=float)[:, None], y=np.zeros(rows))
    split = RowSplit(fraction, seed)
    held: list[int] = []
    for index in range(dataset.n_chunks):
        whole = dataset.read(index)
        train, held_out = split.split(whole)
        start, stop = whole.rows
        assert len(held_out.X) == split.count(start, stop) == pytest.approx(fraction * (stop - start), abs=1)
        numbers = [part.number(k) for part in (train, held_out) for k in range(len(part.X))]
        assert sorted(numbers) == list(range(start, stop))
        assert [part.number(k) for part in (held_out,) for k in range(len(part.X))] == held_out.X[:, 0].tolist()
        assert (split.split(whole)[1].X == held_out.X).all()
        held += held_out.X[:, 0].astype(int).tolist()
    assert len(held) == split.count(0, rows) == pytest.approx(fraction * rows, abs=1)
    assert held == sorted(held)


def test_other_seeds_draw_other_rows_also_of_chunks_of_one_row() -> None:
    for chunk in (1, 20):
        data = chunked(chunk)
        drawn = set()
        for seed in range(5):
            held = [RowSplit(0.3, seed).split(data.read(k))[1] for k in range(data.n_chunks)]
            drawn.add(tuple(part.number(0) for part in held if len(part.X)))
        assert len(drawn) > 1


@pytest.mark.parametrize("rows", [20, 200, 399])
def test_rows_held_out_are_scored_and_never_fitted(rows: int) -> None:
    """20 chunks, 2 chunks (of which whole ones would be half of all rows), and one of 399 beside one of a row."""
    dataset = chunked(rows)
    points: list[np.ndarray] = []
    see = [lambda record: points.append(record.theta)]
    result = dgd.fit(dataset, validation_fraction=0.25, seed=3, solver="lbfgs", callbacks=see)
    split = [RowSplit(0.25, 3).split(dataset.read(k)) for k in range(dataset.n_chunks)]
    kept, held = (np.array([part[i].number(k) for part in split for k in range(len(part[i].X))]) for i in (0, 1))
    assert result.rows_held_out == len(held)
    assert f"({len(held)} rows held out)" in result.summary()
    assert result.as_json()["rows_held_out"] == result.model.provenance["rows_held_out"] == len(held)
    np.testing.assert_allclose(result.theta, dgd.fit(X[kept], Y[kept]).theta, rtol=1e-9)
    for record, theta in zip(result.history, points, strict=True):
        expected = np.mean((X[held] @ theta[1:] + theta[0] - Y[held]) ** 2)
        assert record.validation_loss == pytest.approx(expected, rel=1e-12)
    fitted = dgd.fit(X[kept], Y[kept], solver="lbfgs")
    assert result.history[-1].loss == pytest.approx(fitted.history[-1].loss, rel=1e-12)


@pytest.mark.parametrize("solver", ["lbfgs", "minibatch"])
def test_a_bad_row_of_a_split_chunk_is_named_by_its_number(solver: str) -> None:
    for row in (3, 50, 51, 52, 53):
        bad = X.copy()
        bad[row, 2] = np.nan
        with pytest.raises(DataError, match=f"row {row}, column 2 is nan"):
            dgd.fit(chunked(X=bad), validation_fraction=0.4, solver=solver, max_iter=2)


def test_validation_rows_bring_their_own_weights_and_the_penalty_counts() -> None:
    weight = RNG.random(M)
    result = dgd.fit(X[:100], Y[:100], penalty=L2(0.3), validation=chunked(33, weight=weight), threads=2)
    theta = result.theta
    squares = (X @ theta[1:] + theta[0] - Y) ** 2
    expected = weight @ squares / weight.sum() + 0.15 * theta[1:] @ theta[1:]
    assert result.history[-1].validation_loss == pytest.approx(expected, rel=1e-9)


def test_validation_rows_in_every_form(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "v.zarr", chunk_rows=30) as writer:
        writer.append(X[200:], Y[200:])
    path = tmp_path / "v.zarr"
    forms: list[Any] = [(X[200:], Y[200:]), chunked(X=X[200:], y=Y[200:]), path, str(path)]
    losses = {dgd.fit(X[:200], Y[:200], validation=form).history[-1].validation_loss for form in forms}
    assert max(losses) - min(losses) <= 1e-12 * max(losses)


def overfitting(**options: Any) -> dgd.Result:
    """40 columns and 40 rows: the validation loss falls, then rises."""
    return dgd.fit(
        WIDE[:40],
        NOISE[:40],
        validation=(WIDE[40:], NOISE[40:]),
        tol=0,
        threads=1,
        **{"solver": "gd", "max_iter": 300, **options},
    )


@pytest.mark.parametrize("penalty", [None, L1(0.001)])
def test_early_stopping_restores_the_best_point(penalty: Any) -> None:
    """With l1 the iterate is scored, which is sparse, and not the point evaluated."""
    result = overfitting(patience=5, penalty=penalty, solver="gd" if penalty is None else "fista")
    losses = result.learning_curve()["validation_loss"]
    best = int(np.argmin(losses))
    assert result.status is dgd.Status.EARLY_STOPPED
    assert 0 < best == result.n_iter_ - 1 - 5
    theta = result.theta
    scored = np.mean((WIDE[40:] @ theta[1:] + theta[0] - NOISE[40:]) ** 2)
    nonsmooth = 0.001 * np.abs(theta[1:]).sum() if penalty else 0.0
    assert scored + nonsmooth == pytest.approx(losses.min(), rel=1e-12)


@pytest.mark.parametrize("solver", ["gd", "lbfgs", "barzilai-borwein", "minibatch"])
def test_the_loss_of_the_best_point_is_told(solver: str) -> None:
    result = overfitting(solver=solver, patience=4)
    assert result.status is dgd.Status.EARLY_STOPPED
    curve = result.learning_curve()
    assert result.loss == curve["loss"][np.argmin(curve["validation_loss"])]


def test_patience_and_min_delta_say_when() -> None:
    """Stops at the first pass that is `patience` after the last fall of more than min_delta."""
    losses = overfitting().learning_curve()["validation_loss"]
    for patience, min_delta in ((1, 0.0), (3, 0.0), (3, 0.02), (10, 0.001)):
        best, idle, expected = np.inf, 0, len(losses)
        for passes, loss in enumerate(losses, 1):
            best, idle = (loss, 0) if loss < best - min_delta else (best, idle + 1)
            if idle == patience:
                expected = passes
                break
        result = overfitting(patience=patience, min_delta=min_delta)
        assert result.n_iter_ == expected < 300
        assert result.history[-1].validation_loss == losses[expected - 1]


def test_without_patience_nothing_stops_early_nor_is_restored() -> None:
    result = overfitting(max_iter=60)
    assert result.status is dgd.Status.ITERATION_LIMIT
    assert (result.theta == dgd.fit(WIDE[:40], NOISE[:40], solver="gd", max_iter=60, tol=0).theta).all()
    assert result.learning_curve()["validation_loss"][-1] > result.learning_curve()["validation_loss"].min()


ANSWERS: dict[str, dict[str, Any]] = {
    "averaged": {"solver": MiniBatch(Constant(0.05), batch_size=4, averaging=True)},
    "sparse": {"solver": "fista", "penalty": L1(0.2)},
}


@pytest.mark.parametrize("case", ANSWERS)
def test_what_is_scored_is_the_answer(case: str) -> None:
    """And not where the last epoch ended, nor the point that an accelerated method looked at."""
    result = dgd.fit(X[:200], Y[:200], validation=(X[200:], Y[200:]), max_iter=6, tol=0, **ANSWERS[case])
    theta = result.theta
    expected = np.mean((X[200:] @ theta[1:] + theta[0] - Y[200:]) ** 2)
    expected += 0.2 * np.abs(theta[1:]).sum() if case == "sparse" else 0
    assert result.history[-1].validation_loss == pytest.approx(expected, rel=1e-12)


def test_the_learning_curve_has_a_point_for_each_pass() -> None:
    curve = overfitting(max_iter=7).learning_curve()
    assert curve["passes"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert np.isfinite([curve["loss"], curve["validation_loss"]]).all()
    without = dgd.fit(X, Y, max_iter=3, solver="gd", tol=0).learning_curve()
    assert np.isnan(without["validation_loss"]).all()
    assert (np.diff(without["loss"]) < 0).all()


def test_callbacks_get_theta_in_the_coordinates_of_the_data_and_the_history_does_not_keep_it() -> None:
    seen: list[dgd.Record] = []
    result = dgd.fit(3 * X + 5, Y, solver="gd", max_iter=9, callbacks=[seen.append], standardize=True)
    assert [record.iteration for record in seen] == list(range(1, 10))
    for record in seen:
        assert record.theta is not None
        expected = np.mean(((3 * X + 5) @ record.theta[1:] + record.theta[0] - Y) ** 2)
        assert record.loss == pytest.approx(expected, rel=1e-10)
    assert all(record.theta is None for record in result.history)
    assert [replace(record, theta=None) for record in seen] == result.history


def test_a_callback_that_writes_to_theta_changes_nothing() -> None:
    def spoil(record: dgd.Record) -> None:
        assert record.theta is not None
        record.theta[:] = np.nan

    plain = dgd.fit(X, Y, solver="lbfgs")
    assert (dgd.fit(X, Y, solver="lbfgs", callbacks=[spoil]).theta == plain.theta).all()
    bare: dict[str, Any] = {"standardize": False, "fit_intercept": False, "solver": "gd", "max_iter": 5}
    assert (dgd.fit(X, Y, callbacks=[spoil], **bare).theta == dgd.fit(X, Y, **bare).theta).all()


def test_every_callback_is_called_and_any_may_stop() -> None:
    seen: list[int] = []
    both = [lambda r: r.iteration == 3, lambda r: seen.append(r.iteration)]
    result = dgd.fit(X, Y, solver="gd", tol=0, callbacks=both)
    assert result.status is dgd.Status.INTERRUPTED
    assert seen == [1, 2, 3]


def test_max_seconds_ends_with_the_pass_in_which_they_are_over() -> None:
    """Whatever the time is spent on: callbacks count too."""
    slow = [lambda record: time.sleep(0.05)]
    result = dgd.fit(X, Y, solver="gd", tol=0, max_iter=10**6, max_seconds=0.2, callbacks=slow)
    assert result.status is dgd.Status.TIME_LIMIT
    assert 2 <= result.n_iter_ <= 5


@pytest.mark.parametrize("solver", ["gd", "nesterov", "cg", "lbfgs"])
def test_a_result_is_a_warm_start(solver: str) -> None:
    scaled = X * [1, 2, 3, 4, 5, 6] + 1
    first = dgd.fit(scaled, Y, solver=solver, tol=1e-8, max_iter=5000)
    warm: list[float] = []
    again = dgd.fit(
        scaled, Y, solver=solver, tol=0.5, theta0=first, max_iter=50, callbacks=[lambda r: warm.append(r.loss)]
    )
    assert warm[0] == pytest.approx(first.loss, rel=1e-12)
    assert again.n_iter_ < first.n_iter_


def test_a_warm_start_to_a_nearby_problem_takes_fewer_passes() -> None:
    first = dgd.fit(X, Y, penalty=L2(0.5), solver="gd", learning_rate=0.1, max_iter=5000)
    target = np.linalg.norm(first.theta) * 1e-6
    best = dgd.fit(X, Y, penalty=L2(0.51)).theta

    def passes(start: Any) -> int:
        near: list[int] = []
        dgd.fit(
            X,
            Y,
            penalty=L2(0.51),
            solver="gd",
            learning_rate=0.1,
            theta0=start,
            max_iter=5000,
            callbacks=[lambda r: near.append(r.iteration) or bool(np.linalg.norm(r.theta - best) <= target)],
        )
        return near[-1]

    assert passes(first) <= 0.8 * passes(None)


@pytest.mark.each(4)
@pytest.mark.parametrize("solver", ["gd", "nesterov", "barzilai-borwein", "lbfgs"])
def test_a_start_from_afar_is_not_called_converged_where_it_only_left(solver: str) -> None:
    """From e³⁰ the first gradient is 10¹³ times that of zero coefficients: a part of it says nothing."""
    counts = np.floor(np.exp(X[:, 0]))
    best = dgd.fit(X, counts, loss="poisson")
    found = dgd.fit(X, counts, loss="poisson", solver=solver, theta0=[30.0, *[0.0] * N])
    assert found.status is not Status.CONVERGED or found.loss == pytest.approx(best.loss, rel=1e-9)


@pytest.mark.parametrize("fraction", [0.0, 1.0, 1.5, -0.1, float("nan"), True, 1e-9])
def test_a_fraction_that_leaves_nothing_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigurationError, match="validation_fraction"):
        dgd.fit(chunked(), validation_fraction=fraction)


def test_rows_to_validate_on_are_said_once() -> None:
    with pytest.raises(ConfigurationError, match="give one of them"):
        dgd.fit(X, Y, validation=(X, Y), validation_fraction=0.2)


def test_what_cannot_validate_is_refused_before_anything_is_read() -> None:
    dataset = chunked()
    with pytest.raises(SchemaError, match="validation rows have 5 columns, and the rows to fit have 6"):
        dgd.fit(dataset, validation=(X[:, :5], Y))
    with pytest.raises(ConfigurationError, match=r"`fit\(patience=...\)` needs validation rows"):
        dgd.fit(dataset, patience=3)
    for wrong in (True, 3, 0.2, [X, Y], X, (X, Y, Y)):
        with pytest.raises(ConfigurationError, match=r"`fit\(validation=...\)` must be a dataset"):
            dgd.fit(dataset, validation=wrong)
    with pytest.raises(ConfigurationError, match=r"`fit\(seed=...\)`"):
        dgd.fit(dataset, validation_fraction=0.2, seed=-1)
    assert dataset.X.reads == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("columns", [1, 2])
def test_targets_and_offsets_of_another_shape_are_refused_before_anything_is_read(columns: int) -> None:
    """NumPy would repeat a column of targets, and score rows × rows."""
    dataset, several = chunked(), np.column_stack([Y] * columns)
    with pytest.raises(SchemaError, match=r"the y of the validation rows is of shape \(400, .\), and that of the rows"):
        dgd.fit(dataset, validation=(X, several))
    with pytest.raises(SchemaError, match=r"the offset of the validation rows is missing, and that of the rows to fit"):
        dgd.fit(X, Y, offset=Y, validation=(X, Y))
    for y, offset in ((Y, several), (np.column_stack([Y, Y]), Y), (np.column_stack([Y, Y, Y]), several)):
        with pytest.raises(SchemaError, match=r"array 'offset' has shape .*, expected \(400"):
            dgd.fit(X, y, offset=offset)
    assert dataset.X.reads == []  # type: ignore[attr-defined]


def test_a_fit_that_diverges_does_so_without_a_warning() -> None:
    result = dgd.fit(X, Y, solver="gd", learning_rate=1e150, penalty=L2(1e9), validation=(X, Y))
    assert result.status is dgd.Status.DIVERGED


def test_bad_validation_rows_are_named() -> None:
    with pytest.raises(DataError, match="weights of the validation rows sum to 0"):
        dgd.fit(X, Y, validation=chunked(weight=np.zeros(M)))
    bad = X.copy()
    bad[31, 2] = np.inf
    with pytest.raises(DataError, match="row 31, column 2 is inf"):
        dgd.fit(X, Y, validation=(bad, Y))


@pytest.mark.parametrize("columns", [1, 2])
def test_a_nan_in_validation_rows_is_found_where_its_coefficient_is_zero(columns: int) -> None:
    """With one column BLAS skips a coefficient of zero, and with it a NaN."""
    X1, zero = RNG.normal(size=(50, columns)), np.zeros(50)
    bad = X1.copy()
    bad[31] = np.nan
    with pytest.raises(DataError, match="row 31, column 0 is nan"):
        dgd.fit(X1, zero, validation=(bad, zero))
    result = dgd.fit(X1, zero)
    with pytest.raises(DataError, match="row 31, column 0 is nan"):
        result.score(bad, zero)
    with pytest.raises(DataError, match="row 31, column 0 is nan"):
        result.predict(bad)
