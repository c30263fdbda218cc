"""Missing cells, target by target: each is fitted from the rows that it has, whatever the others lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from wide import FEATURES, LAT, LON, ROWS, lstsq, problem, same_bits, store, written

import dgd
from dgd.errors import DataError, ValueRangeError
from dgd.penalties import L2

pytestmark = pytest.mark.usefixtures("small_tiles")
X, WHOLE, WEIGHT = problem()
OCEAN, LATE, SCATTERED, FEW, ONE = (0, 0), (1, 1), (2, 2), (3, 3), (4, 4)


@pytest.fixture
def y() -> np.ndarray:
    """A map with an ocean, a target that begins late, one with gaps, one with too few rows, one that lacks one row."""
    found = WHOLE.copy()
    found[:, :1, :5] = np.nan
    found[(slice(0, 77), *LATE)] = np.nan
    found[(slice(None, None, 3), *SCATTERED)] = np.nan
    found[(slice(FEATURES, None), *FEW)] = np.nan
    found[(129, *ONE)] = np.nan
    return found


@pytest.mark.parametrize("chunks", [(ROWS, 5, 6), (1, LAT, LON), (40, 13, 4)])
@pytest.mark.parametrize("how", [{}, {"weight": "weight"}, {"penalty": L2(0.3)}, {"fit_intercept": False}])
def test_each_target_is_fitted_from_the_rows_it_has(
    chunks: tuple[int, ...], how: dict[str, Any], y: np.ndarray, tmp_path: Path
) -> None:
    path = store(tmp_path / "a.zarr", X, y, chunks, weight=WEIGHT)
    found = dgd.fit_to(path, tmp_path / "b.zarr", missing="drop", **how)
    result = written(tmp_path / "b.zarr")
    weight = WEIGHT if "weight" in how else np.ones(ROWS)
    few = 1 if how.keys() <= {"weight", "fit_intercept"} and how.get("fit_intercept", True) else 0
    assert (found.targets_without, found.targets_partial) == (5 + few, 4 - few)
    for place in [(0, 2), LATE, SCATTERED, ONE, (7, 7), *([] if few else [FEW])]:
        there = np.isfinite(y[(slice(None), *place)]) & (weight > 0)
        assert result["rows_used"][place] == there.sum()
        if not there.any():
            assert np.isnan(result["coef"][place]).all()
            assert np.isnan([result["intercept"][place], result["r2"][place]]).all()
            continue
        options = {"l2": 0.3 if "penalty" in how else 0.0, "fit_intercept": how.get("fit_intercept", True)}
        intercept, b, r2 = lstsq(X[there], y[(there, *place)], weight[there], **options)
        assert_allclose(result["coef"][place], b, rtol=1e-7)
        assert_allclose(result["intercept"][place], intercept, rtol=1e-7)
        assert_allclose(result["r2"][place], r2, rtol=1e-5, atol=1e-9)
    if few:
        assert np.isnan(result["coef"][FEW]).all(), "as many rows as columns, and an intercept"


def test_panels_and_threads_change_no_bit(y: np.ndarray, tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, y, (7, 5, 17))
    bits = []
    for k, (panel, threads) in enumerate([(None, 2), (1, 1), (80, 3)]):
        dgd.fit_to(path, tmp_path / f"{k}.zarr", missing="drop", panel=panel, threads=threads, strengths=[0.0, 1.0])
        bits.append(written(tmp_path / f"{k}.zarr"))
    assert same_bits(bits[0], bits[1])
    assert same_bits(bits[0], bits[2])


def test_the_strength_of_a_target_with_gaps_is_that_of_its_rows(y: np.ndarray, tmp_path: Path) -> None:
    tried = [0.0, 0.01, 0.3, 10.0, 1000.0]
    rng = np.random.default_rng(1)
    noisy = (X @ [0.1, 0, 0, 0.02] + rng.normal(size=ROWS))[:, None] + np.zeros((1, 30))
    for k in range(30):
        noisy[rng.random(ROWS) < 0.3, k] = np.nan
    dgd.fit_to(X, tmp_path / "b.zarr", noisy, missing="drop", strengths=tried)
    result = written(tmp_path / "b.zarr")
    for k in range(30):
        there = np.isfinite(noisy[:, k])
        alone = dgd.summarize(X[there], noisy[there, k]).choose_ridge(tried)
        assert result["l2"][k] == alone.strengths[0]
    assert len(set(result["l2"])) > 1


def test_rows_without_x_are_left_out_for_all(tmp_path: Path) -> None:
    lacking, weight = X.copy(), WEIGHT.copy()
    lacking[5, 1] = np.nan
    weight[60] = np.nan
    y = WHOLE.copy()
    y[5] = np.nan
    there = np.isfinite(lacking).all(axis=1) & np.isfinite(weight)
    path = store(tmp_path / "a.zarr", lacking, y, (40, 5, 6), weight=weight)
    bits = []
    for resident in ("auto", 0):
        where = dgd.Execution(threads=2, resident=resident)
        out = tmp_path / f"{resident}.zarr"
        found = dgd.fit_to(path, out, weight="weight", missing="drop", execution=where)
        assert (found.rows_left_out, found.targets_without, found.targets_partial) == (2, 0, 0)
        bits.append(written(out))
    assert same_bits(*bits)
    expected = lstsq(X[there], y[there, 4, 5], weight[there])
    assert_allclose(bits[0]["coef"][4, 5], expected[1], rtol=1e-9)


def test_what_missing_cells_do_not_go_with(y: np.ndarray, tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, y, (40, 5, 6))
    with pytest.raises(DataError, match=r"lacks? some of the rows.*by='gcv'"):
        dgd.fit_to(path, tmp_path / "b.zarr", missing="drop", strengths=[0.1, 1.0], by="folds")
    with pytest.raises(ValueRangeError, match=r"row 0 of target \(0, 0\) is nan"):
        dgd.fit_to(path, tmp_path / "c.zarr")
    infinite = WHOLE.copy()
    infinite[9, 4, 4] = np.inf
    with pytest.raises(ValueRangeError, match=r"row 9 of target \(4, 4\) is inf, expected a finite number$"):
        dgd.fit_to(X, tmp_path / "d.zarr", infinite, missing="drop")
