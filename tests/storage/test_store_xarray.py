"""What dgd writes is read by xarray as it stands, without a warning (warnings are errors here)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import dgd


@pytest.fixture
def path(tmp_path: Path) -> Path:
    X = np.arange(35.0).reshape(7, 5)
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=3, feature_names=list("abcde"), target_name="t") as writer:
        writer.append(X, np.zeros(7), np.arange(7, dtype="int32"))
    return tmp_path / "a.zarr"


def check(found: xr.Dataset) -> None:
    assert found.sizes == {"row": 7, "feature": 5}
    assert found["X"].dims == ("row", "feature")
    assert found["y"].dims == found["weight"].dims == ("row",)
    assert found["X"].values.tolist() == np.arange(35.0).reshape(7, 5).tolist(), "zeros are values, not gaps"
    assert not found["y"].values.any()
    assert found["weight"].dtype == np.int32
    assert found.attrs["dgd"]["features"] == list("abcde")


def test_open_zarr(path: Path) -> None:
    with xr.open_zarr(path, consolidated=False) as found:
        check(found)
        assert found["X"].chunks == ((3, 3, 1), (5,))


def test_open_dataset(path: Path) -> None:
    with xr.open_dataset(path, engine="zarr", consolidated=False) as found:
        check(found)


def test_predictions_stand_beside_them(path: Path, tmp_path: Path) -> None:
    dgd.predict_to(dgd.fit(path, max_iter=1, learning_rate=1e-4).model, path, tmp_path / "p.zarr")
    with xr.open_dataset(tmp_path / "a.zarr", engine="zarr", consolidated=False) as found:
        predicted = xr.DataArray(dgd.open_dataset(path, tmp_path / "p.zarr").read(0).y, dims="row")
        assert (found["y"][:3] - predicted).sizes == {"row": 3}


def test_what_xarray_writes_is_read(path: Path, tmp_path: Path) -> None:
    with xr.open_zarr(path, consolidated=False) as found:
        plain = xr.Dataset({name: (found[name].dims, found[name].values) for name in ("X", "y")})
    for zarr_format in (2, 3):
        target = tmp_path / f"v{zarr_format}.zarr"
        encoding = {name: {"write_empty_chunks": True} for name in ("X", "y")}
        plain.to_zarr(target, zarr_format=zarr_format, consolidated=False, encoding=encoding)
        dataset = dgd.open_dataset(target)
        assert dataset.read(0).X.tolist() == np.arange(35.0).reshape(7, 5).tolist()
        assert dgd.info(target).arrays[0].dimension_names == ("row", "feature")
