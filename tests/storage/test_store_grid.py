"""Predictions in the shape of what was predicted on: dimensions, coordinates, names of rows, as xarray reads them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from located import files

import dgd
from dgd.cli import main
from dgd.data.zarr import coordinates
from dgd.data.zarr.outputs import open_output

DATA = Path(__file__).parent.parent / "data"
DIMS, SIZES = ("time", "lat", "lon"), (11, 5, 7)
CHUNKS: dict[str, Any] = {"t2m": {"chunks": (3, 5, 7)}, "rh": {"chunks": (5, 2, 3)}, "tp": {"chunks": (3, 5, 7)}}


@pytest.fixture
def weather() -> xr.Dataset:
    rng = np.random.default_rng(0)
    t2m, rh = rng.normal(size=SIZES), rng.normal(size=SIZES)
    return xr.Dataset(
        {"t2m": (DIMS, t2m), "rh": (DIMS, rh), "tp": (DIMS, 2 * t2m - 3 * rh + 1)},
        coords={
            "time": np.datetime64("2020-01-01", "ns") + np.arange(11) * np.timedelta64(6, "h"),
            "lat": ("lat", np.linspace(-30, 30, 5).astype("float32"), {"units": "degrees_north"}),
            "basin": (("lat", "lon"), np.arange(35).reshape(5, 7)),
            "place": ("lat", np.array(["a", "bc", "déf", "", "g"], object)),
            "lead": ("time", np.arange(11) * np.timedelta64(1, "h").astype("timedelta64[ns]")),
            "run": 3,
        },
    )


@pytest.fixture
def model(weather: xr.Dataset) -> dgd.Model:
    return dgd.fit(weather, "tp", features=["t2m", "rh"]).model


def check(found: xr.Dataset, weather: xr.Dataset) -> None:
    assert found.prediction.dims == DIMS
    np.testing.assert_allclose(found.prediction, weather.tp, atol=1e-12)
    assert set(found.coords) == set(weather.coords) - {"run"}
    for name in found.coords:
        np.testing.assert_array_equal(found[name].values, weather[name].values)
        assert found[name].dims == weather[name].dims
    assert found.lat.attrs == {"units": "degrees_north"}


@pytest.mark.each(4)
@pytest.mark.parametrize("how", ["format 2", "format 3", "dask", "lazy", "memory"])
def test_predictions_have_the_shape_and_the_coordinates(
    weather: xr.Dataset, model: dgd.Model, tmp_path: Path, how: str
) -> None:
    version: Any = 2 if how == "format 2" else 3
    path = tmp_path / "w.zarr"
    weather.to_zarr(path, encoding=CHUNKS, consolidated=False, zarr_format=version)
    data: Any = {
        "dask": xr.open_zarr(path, consolidated=False),
        "lazy": xr.open_zarr(path, consolidated=False, chunks=None),
        "memory": weather,
    }.get(how, path)
    dgd.predict_to(model, data, tmp_path / "p.zarr")
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False)
    check(found, weather)
    assert found.prediction.encoding["chunks"] == (5 if how != "memory" else 11, 5, 7)
    dgd.predict_to(model, data, tmp_path / "q.zarr", threads=1)
    assert files(tmp_path / "q.zarr").keys() == files(tmp_path / "p.zarr").keys()
    chunks = [key for key in files(tmp_path / "p.zarr") if "/c/" in key]
    assert all((tmp_path / "p.zarr" / key).read_bytes() == (tmp_path / "q.zarr" / key).read_bytes() for key in chunks)


def test_coordinates_are_written_in_pieces(
    weather: xr.Dataset, model: dgd.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinates, "PIECE_BYTES", 16)
    dgd.predict_to(model, weather, tmp_path / "p.zarr")
    check(xr.open_zarr(tmp_path / "p.zarr", consolidated=False), weather)
    assert zarr.open_array(tmp_path / "p.zarr" / "time", mode="r").chunks == (2,)


def test_rows_with_a_missing_cell_and_a_change_of_the_file(
    weather: xr.Dataset, model: dgd.Model, tmp_path: Path
) -> None:
    gaps = weather.assign(rh=weather.rh.where(weather.rh < 1))
    dgd.predict_to(model, gaps, tmp_path / "p.zarr", missing="drop")
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False).prediction
    np.testing.assert_array_equal(found.isnull(), weather.rh >= 1)
    document = tmp_path / "p.zarr" / "prediction" / "zarr.json"
    document.write_text(document.read_text().replace("11", "10"))
    with pytest.raises(dgd.errors.MetadataError, match="was changed after the dataset was written"):
        dgd.open_dataset(weather.rh.values.reshape(-1, 1), tmp_path / "p.zarr" / "prediction")


@pytest.mark.parametrize("how", ["path", "object"])
def test_rows_and_columns_of_a_matrix_are_called_as_they_are(tmp_path: Path, how: str) -> None:
    rng = np.random.default_rng(1)
    X, names = rng.normal(size=(23, 3)), [f"patient {i}" for i in range(23)]
    data = xr.Dataset(
        {"X": (("sample", "gene"), X), "y": ("sample", (X[:, 1] > 0).astype("int64"))},
        coords={"sample": np.array(names, object), "gene": np.array(["a", "b", "c"], object)},
    )
    data.to_zarr(tmp_path / "a.zarr", encoding={"X": {"chunks": (10, 3)}}, consolidated=False)
    given: Any = data if how == "object" else tmp_path / "a.zarr"
    model = dgd.fit(given, loss="softmax", penalty=dgd.penalties.L2(0.1)).model
    assert model.feature_names == ("a", "b", "c")
    assert dgd.fit(given, features=["c", "a"]).model.feature_names == ("c", "a")
    dgd.predict_to(model, given, tmp_path / "p.zarr", probabilities=True)
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False).prediction
    assert found.dims == ("sample", "class")
    np.testing.assert_allclose(found.sel(sample="patient 7").values, model.predict_proba(X)[7])
    assert list(found["class"].values) == ["0", "1"] or list(found["class"].values) == [0, 1]
    renamed = data.rename(gene="output").rename_vars(y="target").drop_vars("sample")
    dgd.predict_to(model, renamed, tmp_path / "q.zarr", probabilities=True)
    assert zarr.open_array(tmp_path / "q.zarr", mode="r").shape == (23, 2)


def test_a_transposed_matrix_has_the_names_of_its_columns(tmp_path: Path) -> None:
    X = np.random.default_rng(1).normal(size=(23, 3))
    xr.Dataset(
        {"X": (("variant", "sample"), X.T), "y": ("sample", X @ [1.0, 2.0, 3.0])},
        coords={"variant": np.array(["rs1", "rs2", "rs3"], object), "sample": np.arange(23) * 10},
    ).to_zarr(tmp_path / "a.zarr", consolidated=False)
    result = dgd.fit(tmp_path / "a.zarr")
    assert result.model.feature_names == ("rs1", "rs2", "rs3")
    dgd.predict_to(result.model, tmp_path / "a.zarr", tmp_path / "p.zarr")
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False).prediction
    assert float(found.sel(sample=70)) == pytest.approx(X[7] @ [1.0, 2.0, 3.0])


@pytest.mark.parametrize("version", [2, 3])
def test_the_names_of_cells_of_an_atlas(tmp_path: Path, version: int) -> None:
    shutil.unpack_archive(DATA / f"anndata_v{version}.zip", tmp_path / "a.zarr")
    model = dgd.fit(tmp_path / "a.zarr", "obs/n").model
    model.save(tmp_path / "m.dgd")
    assert main(["predict", str(tmp_path / "m.dgd"), str(tmp_path / "a.zarr"), "--out", str(tmp_path / "p.zarr")]) == 0
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False).prediction
    names = zarr.open_group(tmp_path / "a.zarr", mode="r")["obs/_index"][:]
    assert found.dims == ("obs",)
    assert list(found.obs.values) == list(names)
    np.testing.assert_allclose(found.values, model.predict(tmp_path / "a.zarr"))


def test_some_of_the_rows_have_no_grid(weather: xr.Dataset, tmp_path: Path) -> None:
    weather.to_zarr(tmp_path / "w.zarr", encoding=CHUNKS, consolidated=False)
    both = dgd.open_dataset([tmp_path / "w.zarr", tmp_path / "w.zarr"], "tp", features=["t2m", "rh"])
    assert both.grid is None
    one = dgd.open_dataset(tmp_path / "w.zarr", "tp", features=["t2m", "rh"])
    assert one.grid is not None
    assert one.grid.sizes == SIZES


def test_values_that_are_no_numbers_become_texts(tmp_path: Path) -> None:
    values = np.array([None, float("nan"), b"caf\xc3\xa9", 3, "x"], object)
    output = open_output(tmp_path / "a.zarr", None, overwrite=False)
    coordinates.write_values(output, "a", ("r",), (5,), values.dtype, {}, lambda a, b: values[a:b])
    assert zarr.open_array(tmp_path / "a.zarr" / "a", mode="r")[:].tolist() == ["", "", "café", "3", "x"]
