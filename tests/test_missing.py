"""Rows with a missing cell: refused with the way out, or left out and counted; without a prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, DataError, ValueRangeError

ROWS = 230
NAMES = ["a", "b", "c"]


@pytest.fixture
def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, 3)) * [1, 100, 1] + [0, 1e4, 0]
    y = X @ [1.0, -0.02, 3.0] + rng.normal(size=ROWS)
    weight, offset = rng.integers(1, 4, ROWS).astype(float), rng.normal(size=ROWS)
    X[::17, 1] = X[5, 2] = np.nan
    X[40:60, 0] = np.nan
    y[[7, 100]] = weight[8] = offset[9] = np.nan
    return {"X": X, "y": y, "weight": weight, "offset": offset}


def complete(data: dict[str, np.ndarray]) -> np.ndarray:
    rows = ~np.isnan(data["X"]).any(axis=1)
    for name in ("y", "weight", "offset"):
        rows &= ~np.isnan(data[name])
    return rows


@pytest.fixture
def store(data: dict[str, np.ndarray], tmp_path: Path) -> Path:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.attrs["feature_names"] = NAMES
    for name, values in data.items():
        group.create_array(name, data=values, chunks=(20, 3)[: values.ndim])
    return tmp_path / "a.zarr"


ARRAYS = {"weight": "weight", "offset": "offset"}


@pytest.mark.each(2)
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "gd", "cg"])
def test_a_fit_is_that_of_the_complete_rows(store: Path, data: dict[str, np.ndarray], solver: str) -> None:
    rows = complete(data)
    kept = {name: values[rows] for name, values in data.items()}
    expected = dgd.fit(kept["X"], kept["y"], weight=kept["weight"], offset=kept["offset"], solver=solver, max_iter=2000)
    result = dgd.fit(store, **ARRAYS, missing="drop", solver=solver, max_iter=2000)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-6, atol=1e-8)
    scores = [result.model.score(kept["X"], kept["y"]).r2, expected.model.score(kept["X"], kept["y"]).r2]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)
    assert result.rows_left_out == ROWS - rows.sum()
    assert result.missing_cells == {"a": 20, "b": 14, "y": 2, "c": 1, "weight": 1, "offset": 1}
    assert result.model.provenance["rows_left_out"] == result.rows_left_out
    assert (
        f"left out      {result.rows_left_out} of {ROWS} rows, which have a missing cell: a 20, b 14"
        in result.summary()
    )


def test_the_same_bits_on_threads_and_whatever_stays_in_memory(store: Path) -> None:
    def bits(**where: Any) -> bytes:
        return dgd.fit(
            store, **ARRAYS, missing="drop", solver="lbfgs", execution=dgd.Execution(**where)
        ).theta.tobytes()

    assert bits(threads=1, resident=0) == bits(threads=2, resident=0) == bits(threads=2)


def test_it_is_refused_by_name_unless_it_is_asked_for(store: Path) -> None:
    with pytest.raises(ValueRangeError, match="missing='drop', or --missing drop"):
        dgd.fit(store, **ARRAYS)
    with pytest.raises(ConfigurationError, match="missing must be one of error, drop, mean, indicator"):
        dgd.fit(store, missing="media")
    with pytest.raises(ConfigurationError, match=r"missing='mean' goes with a table .*, got '.*a\.zarr'"):
        dgd.fit(store, missing="mean")


def test_infinity_is_not_missing(data: dict[str, np.ndarray]) -> None:
    data["X"][3, 0] = np.inf
    with pytest.raises(ValueRangeError, match=r"row 3, column 0 is inf, .*fill such rows$"):
        dgd.fit(data["X"], data["y"], missing="drop")


def test_without_a_complete_row_nothing_is_fitted(data: dict[str, np.ndarray]) -> None:
    data["X"][:, 2] = np.nan
    with pytest.raises(DataError, match="230 rows with a weight has a missing cell, most of them in x2, x0"):
        dgd.fit(data["X"], data["y"], missing="drop", fit_intercept=False)


def test_score_and_predictions(store: Path, data: dict[str, np.ndarray], tmp_path: Path) -> None:
    rows = complete(data)
    model = dgd.fit(store, **ARRAYS, missing="drop").model
    found = model.score(store, **ARRAYS, missing="drop")
    kept = {name: values[rows] for name, values in data.items()}
    expected = model.score(kept["X"], kept["y"], weight=kept["weight"], offset=kept["offset"])
    assert found.mse == pytest.approx(expected.mse)
    assert (found.rows, found.rows_left_out) == (rows.sum(), ROWS - rows.sum())
    whole = ~np.isnan(data["X"]).any(axis=1)
    predicted = model.predict(store, missing="drop")
    np.testing.assert_array_equal(np.isnan(predicted), ~whole)
    np.testing.assert_allclose(predicted[whole], model.predict(data["X"][whole]))
    with pytest.raises(ValueRangeError):
        model.predict(store)
    dgd.predict_to(model, store, tmp_path / "p.zarr", missing="drop")
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "p.zarr", mode="r")[:], predicted)


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_classes(data: dict[str, np.ndarray], kind: str) -> None:
    X = data["X"]
    y: Any = np.where(np.nan_to_num(X[:, 0]) > 0, "up", "down")
    y[[2, 3]] = ""
    if kind == "numbers":
        y = np.where(y == "", np.nan, y == "up")
    result = dgd.fit(X, y, loss="logistic", penalty=dgd.penalties.L2(0.1), missing="drop")
    assert len(result.model.classes or ()) == 2
    assert result.missing_cells["y"] == 2
    if kind == "text":
        assert result.model.predict(X, missing="drop")[40] == ""
    assert np.isnan(result.model.predict_proba(X, missing="drop")[40]).all()


def test_rows_held_out_are_the_same_ones(data: dict[str, np.ndarray]) -> None:
    rows = complete(data)
    split = {"validation_fraction": 0.3, "seed": 1, "solver": "gd", "max_iter": 3}
    found = dgd.fit(data["X"], data["y"], missing="drop", **split)
    assert found.history[-1].validation_loss is not None
    epochs = dgd.fit(data["X"], data["y"], missing="drop", solver="minibatch", max_iter=3)
    assert epochs.rows_left_out == 230 - (rows | np.isnan(data["weight"]) | np.isnan(data["offset"])).sum()


def test_the_command_line_counts(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "m.dgd")
    assert main(["fit", str(store), "--quiet"]) == 3
    assert main(["fit", str(store), "--missing", "drop", "--out", out, "--quiet"]) == 0
    assert "left out" in capsys.readouterr().out
    assert main(["score", out, str(store), "--missing", "drop"]) == 0
    assert "rows_left_out" in capsys.readouterr().out
    assert main(["predict", out, str(store), "--missing", "drop"]) == 0
    assert capsys.readouterr().out.count("nan") == 34
