"""Many targets, fitted panel by panel: against NumPy's least squares, and the same bits whoever does it and how."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose
from wide import DIMS, FEATURES, LAT, LON, ROWS, lstsq, problem, same_bits, store, written

import dgd
from dgd.errors import ConfigurationError, PlanError, SchemaError, UnsupportedFormatError, ValueRangeError
from dgd.penalties import L1, L2

X, Y, WEIGHT = problem()
LAYOUTS = {
    "whole columns": ((ROWS, 5, 6), None),
    "a chunk a row": ((1, LAT, LON), None),
    "rows and columns": ((40, 13, 4), None),
    "small chunks": ((7, 2, 3), None),
    "shards": ((20, 2, 3), (40, 4, 6)),
    "one chunk": ((ROWS, LAT, LON), None),
}


pytestmark = pytest.mark.usefixtures("small_tiles")


def check(found: dict[str, np.ndarray], y: np.ndarray = Y, weight: Any = None, **how: Any) -> None:
    """Coefficients, intercepts and R² are NumPy's."""
    for k, place in enumerate(np.ndindex(y.shape[1:])):
        if k % 7 and k < len(y[0].ravel()) - 3:
            continue
        intercept, b, r2 = lstsq(X, y[(slice(None), *place)], weight, **how)
        assert_allclose(found["coef"][place], b, rtol=1e-9, atol=1e-11)
        assert_allclose(found["intercept"][place], intercept, rtol=1e-9, atol=1e-9)
        assert_allclose(found["r2"][place], r2, rtol=1e-8)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("fit_intercept", "weighted"), [(True, False), (True, True), (False, True)])
def test_every_target_is_that_of_least_squares(
    layout: str, fit_intercept: bool, weighted: bool, tmp_path: Path
) -> None:
    chunks, shards = LAYOUTS[layout]
    path = store(tmp_path / "a.zarr", X, Y, chunks, shards=shards, weight=WEIGHT)
    weight = {"weight": "weight"} if weighted else {}
    found = dgd.fit_to(path, tmp_path / "b.zarr", fit_intercept=fit_intercept, **weight)
    assert (found.targets, found.rows, found.rank) == (LAT * LON, ROWS, FEATURES)
    check(written(tmp_path / "b.zarr"), weight=WEIGHT if weighted else None, fit_intercept=fit_intercept)


@pytest.mark.each(4)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_panels_threads_and_what_stays_in_memory_change_no_bit(layout: str, tmp_path: Path) -> None:
    chunks, shards = LAYOUTS[layout]
    path = store(tmp_path / "a.zarr", X, Y, chunks, shards=shards)
    bits = None
    for k, (panel, resident, threads) in enumerate(
        [(None, "auto", 2), (1, "auto", 1), (70, 0, 2), (10**6, 0, 1), (1, 0, 3)]
    ):
        how = dgd.Execution(threads=threads, resident=resident)
        found = dgd.fit_to(path, tmp_path / f"{k}.zarr", panel=panel, execution=how)
        assert found.plan.x_resident is (resident == "auto")
        now = written(tmp_path / f"{k}.zarr")
        bits = bits or now
        assert same_bits(bits, now), (panel, resident, threads)


@pytest.mark.each(2)
@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr", "xarray", "xarray over dask"])
def test_arrays_of_every_kind(kind: str, tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6))
    data, y = make(kind, path)
    dgd.fit_to(data, tmp_path / "b.zarr", y, threads=2)
    check(written(tmp_path / "b.zarr"))


def make(kind: str, path: str) -> tuple[Any, Any]:
    """X and y of a store as arrays of some library."""
    if kind == "numpy":
        return X, Y
    if kind == "zarr":
        return X, zarr.open_group(path, mode="r")["y"]
    import dask.array as da
    import xarray as xr

    if kind == "dask":
        return X, da.from_zarr(path, component="y")
    data = xr.open_zarr(path, consolidated=False, chunks=None if kind == "xarray" else {})
    return data, "y"


def test_rows_may_be_any_dimension_of_an_xarray(tmp_path: Path) -> None:
    import xarray as xr

    data = xr.DataArray(X, dims=("time", "feature"), coords={"feature": list("abcd")})
    y = xr.DataArray(Y, dims=DIMS, coords={"lat": np.arange(LAT) * 2.0}).transpose("lat", "lon", "time")
    dgd.fit_to(data, tmp_path / "b.zarr", y)
    check(written(tmp_path / "b.zarr"))
    found = xr.open_zarr(tmp_path / "b.zarr", consolidated=False)
    assert found.coef.dims == ("lat", "lon", "feature")
    assert found.lat.values.tolist() == (np.arange(LAT) * 2.0).tolist()
    assert found.feature.values.tolist() == list("abcd")


def test_variables_along_the_rows_are_the_features(tmp_path: Path) -> None:
    import xarray as xr

    data = xr.Dataset({"y": (DIMS, Y), "trend": ("time", X[:, 0]), "index": ("time", X[:, 1])})
    data.to_zarr(tmp_path / "a.zarr", consolidated=False)
    for k, given in enumerate([data, str(tmp_path / "a.zarr")]):
        dgd.fit_to(given, tmp_path / f"{k}.zarr", "y", features=["trend", "index"])
        found = xr.open_zarr(tmp_path / f"{k}.zarr", consolidated=False)
        expected = lstsq(X[:, :2], Y[:, 4, 5])[1]
        assert_allclose(found.coef.isel(lat=4, lon=5).sel(feature=["trend", "index"]), expected, rtol=1e-9)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_packed_values_are_what_they_mean(zarr_format: int, tmp_path: Path) -> None:
    """Integers with a scale and a fill value, and times as a feature, as xarray writes and reads them."""
    import xarray as xr

    days = np.datetime64("2000-01-01", "ns") + np.arange(ROWS) * np.timedelta64(30, "D")
    y = np.round(Y.astype(float), 1)
    y[7, 0, 0] = np.nan
    data = xr.Dataset({"t2m": (DIMS, y), "index": ("time", X[:, 0])}, coords={"time": days})
    packed = {"dtype": "int16", "scale_factor": 0.1, "add_offset": 280.0, "_FillValue": -32768, "chunks": (40, 5, 6)}
    data.to_zarr(tmp_path / "a.zarr", zarr_format=zarr_format, consolidated=False, encoding={"t2m": packed})
    how: dict[str, Any] = {"features": ["time", "index"], "time_unit": "days", "missing": "drop"}
    found = dgd.fit_to(str(tmp_path / "a.zarr"), tmp_path / "b.zarr", "t2m", **how)
    assert (found.targets_partial, found.targets_without) == (1, 0)
    opened = xr.open_zarr(tmp_path / "a.zarr", consolidated=False)
    dgd.fit_to(opened, tmp_path / "c.zarr", "t2m", **how)
    result = written(tmp_path / "b.zarr")
    assert same_bits(result, written(tmp_path / "c.zarr"))
    columns, there = np.column_stack([np.arange(ROWS) * 30.0, X[:, 0]]), np.isfinite(y[:, 0, 0])
    assert_allclose(result["coef"][4, 5], lstsq(columns, y[:, 4, 5])[1], rtol=1e-9)
    assert_allclose(result["coef"][0, 0], lstsq(columns[there], y[there, 0, 0])[1], rtol=1e-9)


def test_two_workers_give_the_bits_of_threads(two_workers: Any, tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", X, Y, (40, 5, 6), weight=WEIGHT)
    options = {"weight": "weight", "strengths": [0.0, 0.1, 3.0]}
    dgd.fit_to(path, tmp_path / "threads.zarr", threads=2, **options)
    bits = written(tmp_path / "threads.zarr")
    for resident in ("auto", 0):
        where = dgd.Execution(client=two_workers.client, resident=resident)
        found = dgd.fit_to(path, tmp_path / f"{resident}.zarr", execution=where, **options)
        assert found.plan.kind == "cluster"
        assert same_bits(bits, written(tmp_path / f"{resident}.zarr"))


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_no_bit(tmp_path: Path) -> None:
    from clusters import cluster, wait_until

    many = np.tile(Y.reshape(ROWS, -1), 200)
    path = store(tmp_path / "a.zarr", X, many, (ROWS, 100), dims=None)
    dgd.fit_to(path, tmp_path / "threads.zarr")
    out, killed = tmp_path / "b.zarr", []

    def kill(worker: Any) -> None:
        wait_until(lambda: len(list((out / "r2").rglob("*"))) > 20, "some tiles")
        worker.kill()
        killed.append(worker)

    with cluster(tmp_path) as found:
        workers = [found.add_worker(), found.add_worker()]
        killing = threading.Thread(target=kill, args=(workers[0],))
        killing.start()
        dgd.fit_to(path, out, client=found.client, panel=64)
        killing.join()
    assert killed
    assert same_bits(written(out), written(tmp_path / "threads.zarr"))


def test_targets_in_memory_stay_in_the_process_or_are_sent(
    two_workers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with two_workers.client.as_current():
        here = dgd.fit_to(X, tmp_path / "here.zarr", Y)
    sent = dgd.fit_to(X, tmp_path / "sent.zarr", Y, client=two_workers.client)
    assert (here.plan.kind, sent.plan.kind) == ("threads", "cluster")
    assert sent.plan.base_bytes > Y.nbytes
    assert same_bits(written(tmp_path / "here.zarr"), written(tmp_path / "sent.zarr"))
    monkeypatch.setattr("dgd.fitting.panels.plan.SENT", 1000)
    with pytest.raises(ConfigurationError, match="at most 1000 B are sent to workers"):
        dgd.fit_to(X, tmp_path / "no.zarr", Y, client=two_workers.client)


def test_ragged_edges(tmp_path: Path) -> None:
    """One row, one feature that is constant, dependent columns, a constant target, integers."""
    y = np.arange(12).reshape(1, 12)
    found = dgd.fit_to(np.ones((1, 2)), tmp_path / "row.zarr", y)
    one = written(tmp_path / "row.zarr")
    assert found.rank == 0
    assert (one["coef"] == 0).all()
    assert one["intercept"].tolist() == list(range(12))
    assert np.isnan(one["r2"]).all()

    twice = np.column_stack([X, 2 * X[:, 0], np.ones(ROWS)])
    integers = np.round(Y[:, 0]).astype(np.int16)
    integers[:, 2] = 7
    found = dgd.fit_to(twice, tmp_path / "twice.zarr", integers)
    same = written(tmp_path / "twice.zarr")
    assert found.rank == FEATURES
    assert "rank" in str(found)
    expected = lstsq(X, integers[:, 1])[1]
    assert_allclose(same["coef"][1], [expected[0] / 5, *expected[1:], 2 * expected[0] / 5, 0], rtol=1e-9)
    assert_allclose(same["coef"][1], dgd.fit(twice, integers[:, 1]).coef_, rtol=1e-6, atol=1e-9)
    assert_allclose(same["coef"][2], 0, atol=1e-12)
    assert same["intercept"][2] == 7
    assert np.isnan(same["r2"][2])


def test_nearly_dependent_columns_keep_the_digits_of_a_factor(tmp_path: Path) -> None:
    """Powers of a time, of condition 1e9: by their products no digit would be left."""
    t = np.linspace(1900, 2020, ROWS)
    powers = (t[:, None] / 2000) ** np.arange(1, 6)
    beta = np.array([3.0, -2.0, 1.0, 1.0, -3.0])
    found = dgd.fit_to(powers, tmp_path / "b.zarr", np.outer(powers @ beta, [1.0, 2.0]))
    assert 5 < found.digits < 8
    assert "digits" in str(found)
    assert_allclose(written(tmp_path / "b.zarr")["coef"], [beta, 2 * beta], rtol=1e-6)


def test_what_cannot_be_is_refused_in_the_callers_words(tmp_path: Path) -> None:
    path, out = store(tmp_path / "a.zarr", X, Y, (40, 5, 6)), tmp_path / "b.zarr"
    nan = Y.copy()
    nan[77, 4, 5] = np.nan
    cases: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (ConfigurationError, r"fit_to\(penalty=...\).*L1", {"penalty": L1(0.1)}),
        (ConfigurationError, r"fit_to\(penalty=...\)", {"penalty": L2([1.0, 2.0, 3.0, 4.0])}),
        (ConfigurationError, "give one of them", {"penalty": L2(0.1), "strengths": [1.0]}),
        (ConfigurationError, r"fit_to\(strengths", {"strengths": []}),
        (ConfigurationError, r"fit_to\(by", {"by": "rows"}),
        (ConfigurationError, r"fit_to\(panel", {"panel": 0}),
        (ConfigurationError, r"fit_to\(split.*a weight of 0", {"split": "train:0.8:1"}),
        (SchemaError, "129 rows, expected 130", {"data": X, "y": Y[1:]}),
        (SchemaError, "at least one dimension of targets", {"data": X, "y": Y[:, 0, 0]}),
        (UnsupportedFormatError, "squared loss has no classes", {"data": X, "y": Y[:, 0].astype(str)}),
        (ValueRangeError, r"row 77 of target \(4, 5\) is nan.*missing='drop'", {"data": X, "y": nan}),
        (PlanError, "threads or raise the limit|chunks", {"execution": dgd.Execution(memory_limit=2**20)}),
    ]
    for error, text, given in cases:
        arguments = {"data": path, "y": None, **given}
        with pytest.raises(error, match=text):
            dgd.fit_to(arguments.pop("data"), out, arguments.pop("y"), **arguments)
    with pytest.raises(ConfigurationError, match="into its own input"):
        dgd.fit_to(path, path, overwrite=True)
