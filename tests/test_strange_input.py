"""What users really pass: masked arrays, DataFrames, numbers of every kind, arrays that are not what they declare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from conftest import Problem
from threadpoolctl import threadpool_limits

import dgd
from dgd.errors import (
    ConfigurationError,
    ReadError,
    SchemaError,
    UnsupportedFormatError,
    ValueRangeError,
)
from dgd.solvers import Status


@pytest.mark.parametrize("where", ["X", "y", "weight", "dask"])
def test_masked_values_are_refused(problem: Problem, where: str) -> None:
    arrays: dict[str, Any] = {"X": problem.X, "y": problem.y, "weight": problem.weight}
    name = "X" if where == "dask" else where
    masked = np.ma.MaskedArray(arrays[name].copy(), mask=np.zeros(arrays[name].shape, dtype=bool))
    masked.mask[3] = True
    arrays[name] = da.from_array(masked, chunks=(500, 5), asarray=False) if where == "dask" else masked
    with pytest.raises(SchemaError, match=f"'{name}' has masked values"):
        dgd.fit(arrays["X"], arrays["y"], weight=arrays["weight"])


def test_a_mask_that_hides_nothing_is_no_obstacle(problem: Problem) -> None:
    plain = dgd.fit(problem.X, problem.y, max_iter=3)
    assert (dgd.fit(np.ma.MaskedArray(problem.X), problem.y, max_iter=3).theta == plain.theta).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda block: block[:10], SchemaError, r"read as shape \(10, 3\), expected \(50, 3\)"),
        (lambda block: block[:, :1], SchemaError, r"read as shape \(50, 1\)"),
        (lambda block: block + 1j, UnsupportedFormatError, "complex"),
        (lambda block: block.astype(object), UnsupportedFormatError, "object"),
    ],
)
def test_a_dask_block_that_is_not_what_it_declares_is_refused(make: Any, error: type, message: str) -> None:
    X = da.ones((100, 3), chunks=(50, 3)).map_blocks(make, dtype=float, meta=np.empty((0, 3)))
    with pytest.raises(error, match=message):
        dgd.fit(X, np.arange(100.0))


def test_a_dask_block_that_fails_is_a_typed_error() -> None:
    def fail(block: Any) -> Any:
        raise TimeoutError("the disk sleeps")

    X = da.ones((100, 3), chunks=(50, 3)).map_blocks(fail, dtype=float, meta=np.empty((0, 3)))
    with pytest.raises(ReadError, match=r"rows 0 to 49 failed with TimeoutError: the disk sleeps") as caught:
        dgd.fit(X, np.arange(100.0), threads=1)
    assert caught.value.rows == (0, 50)


def test_columns_of_a_dataframe_are_its_features(problem: Problem) -> None:
    frame = pd.DataFrame(problem.X, columns=list("abcde"))
    model = dgd.fit(frame, pd.Series(problem.y), max_iter=5).model
    assert model.feature_names == tuple("abcde")
    np.testing.assert_array_equal(model.predict(frame[list("edcba")]), model.predict(frame))
    with pytest.raises(SchemaError, match="different strings"):
        dgd.fit(pd.DataFrame(problem.X, columns=list("aacde")), problem.y)


@pytest.mark.parametrize("scale", [1e160, 1e200, 1e-170])
def test_values_that_cannot_be_squared_are_refused(problem: Problem, scale: float) -> None:
    X = problem.X.copy()
    X[:, 1] = (X[:, 1] + 1) * scale
    with pytest.raises(ValueRangeError, match=r"column 1 are too (large|small).*rescale"):
        dgd.fit(X, problem.y)


def test_a_start_beyond_the_range_is_diverged_and_says_what_to_do(problem: Problem) -> None:
    for rule in ("auto", "exact"):
        result = dgd.fit(problem.X, problem.y * 1e170, learning_rate=rule)
        assert result.status is Status.DIVERGED
        assert "rescale" in result.message


@pytest.mark.parametrize("rate", [np.float32(1e-4), np.int64(1), 1])
def test_numbers_of_every_kind_are_numbers(problem: Problem, rate: Any, tmp_path: Path) -> None:
    X = problem.X / 1000
    result = dgd.fit(X, problem.y, learning_rate=rate, max_iter=np.int64(3), tol=np.float32(0), fit_intercept=np.True_)
    assert result.theta.dtype == np.float64
    result.model.save(tmp_path / "m.dgd")
    assert dgd.load_model(tmp_path / "m.dgd").provenance["learning_rate"] == float(rate)


@pytest.mark.parametrize(
    "options",
    [
        {"tol": None}, {"tol": float("nan")}, {"tol": True}, {"max_iter": 2.5}, {"max_iter": True}, {"max_iter": None},
        {"max_iter": float("nan")}, {"max_seconds": "1"}, {"threads": "2"}, {"threads": 2.5}, {"learning_rate": None},
        {"learning_rate": True}, {"learning_rate": [0.1]}, {"learning_rate": float("inf")}, {"fit_intercept": "no"},
        {"fit_intercept": 2}, {"solver": ["gd"]}, {"precision": ["double"]}, {"theta0": 1.5}, {"theta0": [1j] * 6},
        {"theta0": np.zeros((2, 3))}, {"loss": None}, {"loss": int}, {"callbacks": print}, {"callbacks": [None]},
        {"client": "tcp://127.0.0.1:8786"}, {"execution": {"threads": 2}}, {"validation_fraction": "0.2"},
    ],
    ids=str,
)  # fmt: skip
def test_arguments_of_the_wrong_kind_are_refused_by_name(problem: Problem, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        dgd.fit(problem.X, problem.y, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"memory_limit": "1GB"}, {"memory_limit": -5}, {"worker_timeout": float("nan")}, {"worker_timeout": 0},
        {"read_timeout": 0},
        {"resident": False}, {"resident": "most"}, {"resident": -1}, {"threads": 0}, {"threads": 2.5},
    ],
    ids=str,
)  # fmt: skip
def test_executions_of_the_wrong_kind_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        dgd.Execution(**options)


def test_where_to_run_is_said_once(problem: Problem) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        dgd.Execution(client=object(), threads=1)
    with pytest.raises(ConfigurationError, match="say it once"):
        dgd.fit(problem.X, problem.y, threads=1, execution=dgd.Execution(threads=2))


def test_only_true_stops_a_fit(problem: Problem) -> None:
    for answer in (1, "stop", np.ones(3), None):
        assert dgd.fit(problem.X, problem.y, solver="gd", max_iter=4, callbacks=[lambda r, a=answer: a]).n_iter_ == 4
    assert dgd.fit(problem.X, problem.y, solver="gd", max_iter=4, callbacks=[lambda r: np.True_]).n_iter_ == 1
    calls: list[int] = []
    dgd.fit(problem.X, problem.y, solver="gd", max_iter=4, callbacks=(f for f in [lambda r: calls.append(r.iteration)]))
    assert calls == [1, 2, 3, 4]


def test_theta_does_not_depend_on_the_drivers_blas_threads() -> None:
    """The driver's own dot products are long where there are many columns."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 40_000)), rng.normal(size=24)
    for rule in ("auto", "exact"):
        found = set()
        for threads in (1, 2):
            with threadpool_limits(threads, user_api="blas"):
                found.add(dgd.fit(X, y, learning_rate=rule, max_iter=8, tol=0, threads=1).theta.tobytes())
        assert len(found) == 1


def test_predictions_do_not_overwrite_their_input(store: str, problem: Problem, tmp_path: Path) -> None:
    path = tmp_path / "train.zarr"
    with dgd.DatasetWriter(path) as writer:
        writer.append(problem.X, problem.y)
    model = dgd.Model(np.ones(5), 0.0, "squared")
    for out in (path, path / "X", path / "y", path / "new", tmp_path):
        with pytest.raises(ConfigurationError, match=r"its own input|was not written by dgd"):
            dgd.predict_to(model, path, out, overwrite=True)
    assert dgd.fit(path, max_iter=1).n_iter_ == 1


def test_a_zero_coefficient_hides_no_nan() -> None:
    model = dgd.Model(np.array([0.0]), 1.0, "squared")
    with pytest.raises(ValueRangeError, match="row 1, column 0 is nan"):
        model.predict(np.array([[1.0], [np.nan], [2.0]]))


def test_a_dataset_of_bare_arrays_is_explained(problem: Problem) -> None:
    with pytest.raises(ConfigurationError, match="open_dataset"):
        dgd.Dataset(X=problem.X, y=problem.y)
