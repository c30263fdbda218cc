"""Variables of any number of dimensions as columns: from stores, from xarray, on threads and by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, SchemaError, UnsupportedFormatError

DIMS = ("time", "lat", "lon")
SIZES = (12, 5, 7)
FEATURES = ["t2m", "rh", "height", "season"]


@pytest.fixture
def weather() -> xr.Dataset:
    rng = np.random.default_rng(0)
    t2m = 280 + rng.normal(size=SIZES).astype("float32")
    rh, height, season = rng.normal(size=SIZES), rng.normal(size=SIZES[1:]), rng.normal(size=SIZES[0])
    tp = 2 * t2m - 3 * rh + height + 5 * season[:, None, None] + 1
    return xr.Dataset(
        {
            "t2m": (DIMS, t2m),
            "rh": (DIMS, rh),
            "height": (DIMS[1:], height),
            "season": (DIMS[:1], season),
            "tp": (DIMS, tp),
            "land": (DIMS[1:], (height > 0).astype("int8")),
        },
        coords={
            "time": np.datetime64("2020-01-01", "ns") + np.arange(12) * np.timedelta64(6, "h"),
            "lat": np.arange(5.0),
        },
    )


def flat(weather: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    full = weather.tp
    X = [
        np.broadcast_to(weather[name].broadcast_like(full).transpose(*DIMS).values, SIZES).ravel() for name in FEATURES
    ]
    return np.column_stack(X), full.values.ravel()


CHUNKS: dict[str, dict[str, Any]] = {
    "t2m": {"chunks": (3, 5, 7)},
    "rh": {"chunks": (5, 2, 3)},
    "tp": {"chunks": (12, 5, 7), "shards": None},
}


@pytest.fixture
def store(weather: xr.Dataset, tmp_path: Path) -> Path:
    weather.to_zarr(tmp_path / "w.zarr", encoding=CHUNKS, consolidated=False)
    return tmp_path / "w.zarr"


def columns(dataset: dgd.Dataset) -> tuple[np.ndarray, np.ndarray]:
    read = [dataset.read(k) for k in range(dataset.n_chunks)]
    assert [chunk.start for chunk in read] == dataset.bounds[:-1].tolist()
    return np.concatenate([chunk.X for chunk in read]), np.concatenate([chunk.y for chunk in read])


def test_the_cells_of_a_store_are_its_rows(store: Path, weather: xr.Dataset) -> None:
    dataset = dgd.open_dataset(store, "tp", features=FEATURES)
    X, y = flat(weather)
    found = columns(dataset)
    np.testing.assert_array_equal(found[0], X)
    np.testing.assert_array_equal(found[1], y)
    assert dataset.feature_names == tuple(FEATURES)
    assert dataset.target_name == "tp"
    part, _ = dataset.X.read(100, 103, dgd.data.buffers.Buffers())
    np.testing.assert_array_equal(part, X[100:103])


@pytest.mark.each(2)
@pytest.mark.parametrize("how", ["path", "dask", "lazy", "memory"])
def test_every_door_gives_the_same_fit(store: Path, weather: xr.Dataset, how: str) -> None:
    data: Any = {
        "path": store,
        "dask": xr.open_zarr(store, consolidated=False),
        "lazy": xr.open_zarr(store, consolidated=False, chunks=None),
        "memory": weather,
    }[how]
    result = dgd.fit(data, "tp", features=FEATURES)
    np.testing.assert_allclose(result.theta, dgd.fit(*flat(weather)).theta, rtol=1e-9, atol=1e-9)
    X, _ = flat(weather)
    np.testing.assert_allclose(result.model.predict(data), result.model.predict(X), rtol=1e-12)
    assert result.model.score(data, "tp").r2 == pytest.approx(1)
    assert result.model.feature_names == tuple(FEATURES)


def test_validation_reads_the_same_variables(store: Path) -> None:
    result = dgd.fit(store, "tp", features=FEATURES, validation=(store, "tp"), solver="gd", max_iter=5)
    assert result.history[-1].validation_loss is not None


def test_bits_do_not_depend_on_threads(store: Path) -> None:
    fits = [dgd.fit(store, "tp", features=FEATURES, threads=threads).theta.tobytes() for threads in (1, 2)]
    assert fits[0] == fits[1]


def test_time_and_coordinates_are_features_too(store: Path, weather: xr.Dataset) -> None:
    names = ["t2m", "lat", "time"]
    with pytest.raises(UnsupportedFormatError, match="time_unit"):
        dgd.fit(store, "tp", features=names)
    by_path = dgd.fit(store, "tp", features=names, time_unit="days")
    by_object = dgd.fit(weather, "tp", features=names, time_unit="days")
    np.testing.assert_allclose(by_path.theta, by_object.theta, rtol=1e-7)
    days = (weather.time.values - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    found = dgd.open_dataset(store, "tp", features=names, time_unit="days").read(0).X[:, 2]
    np.testing.assert_allclose(found, np.repeat(days, 35)[: len(found)])


def test_columns_of_a_matrix_are_chosen_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(50, 3))
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=20, feature_names=["a", "b", "c"]) as writer:
        writer.append(X, X @ [1.0, 2.0, 3.0])
    result = dgd.fit(tmp_path / "a.zarr", features=["c", "a"])
    np.testing.assert_allclose(result.theta, dgd.fit(X[:, [2, 0]], X @ [1.0, 2.0, 3.0]).theta, rtol=1e-9)
    np.testing.assert_allclose(
        result.model.predict(tmp_path / "a.zarr", features=["c", "a"]), result.model.predict(X[:, [2, 0]])
    )
    with pytest.raises(SchemaError, match="no column 'd', it has a, b, c"):
        dgd.fit(tmp_path / "a.zarr", features=["d"])
    with pytest.raises(SchemaError, match="no names"):
        dgd.fit(X, X[:, 0], features=["a"])
    assert main(["fit", str(tmp_path / "a.zarr"), "--features", "c,a", "--quiet"]) == 0


def test_a_labelled_matrix_is_transposed_as_its_names_say(weather: xr.Dataset) -> None:
    X, y = flat(weather)
    lazy = xr.DataArray(X.T, dims=("feature", "cell"), coords={"feature": FEATURES}).chunk({"cell": 100})
    target = xr.DataArray(y, dims=("cell",))
    result = dgd.fit(lazy, target)
    np.testing.assert_allclose(result.theta, dgd.fit(X, y).theta, rtol=1e-9, atol=1e-9)
    assert result.model.feature_names == tuple(FEATURES)
    with pytest.raises(SchemaError, match="not the same rows"):
        dgd.fit(lazy, target.rename(cell="row"))
    with pytest.raises(ConfigurationError, match="decode=False"):
        dgd.fit(lazy, target, decode=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.assign(rh=w.rh.transpose("lat", "time", "lon")), "another order"),
        (lambda w: w.assign(rh=w.rh.expand_dims(level=2).transpose(*DIMS, "level")), "without 'level'"),
        (lambda w: w.assign(rh=(("time", "lat", "site"), np.ones((12, 5, 3)))), "without 'site'"),
        (lambda w: w.drop_vars("rh"), "no (array|variable) 'rh'"),
    ],
)
@pytest.mark.parametrize("stored", [True, False])
def test_what_does_not_fit_together_is_refused(
    weather: xr.Dataset, tmp_path: Path, change: Any, message: str, stored: bool
) -> None:
    data: Any = change(weather)
    if stored:
        data.to_zarr(tmp_path / "b.zarr", consolidated=False)
        data = tmp_path / "b.zarr"
    with pytest.raises(dgd.errors.DataError, match=message):
        dgd.fit(data, "tp", features=FEATURES)


def test_a_store_without_x_says_how_to_name_features(store: Path, weather: xr.Dataset) -> None:
    with pytest.raises(dgd.errors.DatasetNotFoundError, match="features="):
        dgd.fit(store)
    with pytest.raises(ConfigurationError, match="there are t2m, rh, height"):
        dgd.fit(weather, "tp")
    with pytest.raises(ConfigurationError, match="list of different names"):
        dgd.fit(store, "tp", features=["rh", "rh"])


def test_the_command_line_fits_variables(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "m.dgd")
    assert main(["fit", str(store), "--y", "tp", "--features", ",".join(FEATURES), "--out", out, "--quiet"]) == 0
    assert "height" in capsys.readouterr().out
    assert main(["predict", out, str(store)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 12 * 5 * 7
    assert main(["score", out, str(store), "--y", "tp"]) == 0


def test_coefficients_have_their_names(store: Path) -> None:
    result = dgd.fit(store, "tp", features=FEATURES)
    found = result.to_xarray()
    assert float(found.coef.sel(feature="height")) == result.coef_[2]
    assert float(found.intercept) == result.intercept_
    assert found.attrs == {"loss": "squared", "target": "tp"}
    X = np.random.default_rng(0).normal(size=(60, 2))
    several = dgd.fit(X, np.arange(60) % 3, loss="softmax", penalty=dgd.penalties.L2(1.0)).to_xarray()
    assert several.coef.dims == ("class", "feature")
    assert several.coef.shape == (3, 2)
    assert list(several.feature.values) == ["x0", "x1"]
