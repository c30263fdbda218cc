"""Datasets in several stores, one below the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import dgd
from dgd.cli import main
from dgd.data.buffers import Buffers
from dgd.data.zarr.sources import StoreSource
from dgd.errors import ConfigurationError, DatasetNotFoundError, SchemaError


@pytest.fixture
def years(tmp_path: Path) -> tuple[list[Path], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(240, 3)), rng.normal(size=240)
    paths = []
    for k, (start, stop) in enumerate([(0, 100), (100, 110), (110, 240)]):
        group = zarr.open_group(tmp_path / f"year-{k}.zarr", mode="w")
        group.attrs["feature_names"] = ["a", "b", "c"]
        group.create_array("X", data=X[start:stop].astype("f4" if k == 1 else "f8"), chunks=(30, 3))
        group.create_array("y", data=y[start:stop], chunks=(45,))
        paths.append(tmp_path / f"year-{k}.zarr")
    X[100:110] = X[100:110].astype("f4")
    return paths, X, y


def test_a_list_and_a_pattern_are_one_dataset(years: tuple[list[Path], np.ndarray, np.ndarray]) -> None:
    paths, X, y = years
    expected = dgd.fit(X, y)
    pattern = str(paths[0].parent / "year-*.zarr")
    for data in (paths, pattern, [str(path) for path in paths]):
        result = dgd.fit(data)
        np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
        np.testing.assert_allclose(result.model.predict(data), expected.model.predict(X), rtol=1e-9)
    assert result.model.feature_names == ("a", "b", "c")
    assert dgd.fit(paths, threads=1).theta.tobytes() == dgd.fit(paths, threads=2).theta.tobytes()
    dataset = dgd.open_dataset(paths)
    assert dataset.shape == (240, 3)
    found, _ = dataset.X.read(95, 120, dgd.data.buffers.Buffers())
    np.testing.assert_array_equal(found, X[95:120])
    assert main(["fit", pattern, "--quiet"]) == 0
    score = result.model.score(paths)
    assert score.rows == 240


def test_a_remote_part_is_asked_for_ahead_behind_local_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = StoreSource.ahead

    def ahead(self: StoreSource, keys: Any, *arguments: Any, **options: Any) -> bool:
        asked.append(self.label)
        return plain(self, keys, *arguments, **options)

    monkeypatch.setattr(StoreSource, "ahead", ahead)
    paths = [str(tmp_path / "a.zarr"), str(tmp_path / "b.zarr"), "memory://behind-local/c.zarr"]
    for path in paths:
        with dgd.DatasetWriter(path, chunk_rows=10, compression=None) as writer:
            writer.append(np.ones((60, 2)), np.ones(60))
    dataset, buffers = dgd.open_dataset(paths), Buffers()
    for k in range(dataset.n_chunks):
        dataset.ahead(k, buffers)
        dataset.read(k, buffers)
    assert asked


def test_variables_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    parts = []
    for k in range(2):
        t = rng.normal(size=(4, 3, 2))
        part = xr.Dataset({"t": (("time", "lat", "lon"), t), "p": (("time", "lat", "lon"), 2 * t + 1)})
        part.to_zarr(tmp_path / f"{k}.zarr", consolidated=False)
        parts.append(part)
    result = dgd.fit(str(tmp_path / "*.zarr"), "p", features=["t"])
    np.testing.assert_allclose(result.theta, [1, 2])
    assert result.model.provenance["rows"] == 48


def test_what_differs_is_refused(years: tuple[list[Path], np.ndarray, np.ndarray], tmp_path: Path) -> None:
    paths, _, y = years
    zarr.open_group(paths[1], mode="r+").attrs["feature_names"] = ["a", "z", "c"]
    with pytest.raises(SchemaError, match=r"dataset 1 .*column 1 is 'z', and 'b' there"):
        dgd.fit(paths)
    with pytest.raises(DatasetNotFoundError, match="no path is like"):
        dgd.fit(str(tmp_path / "decade-*.zarr"))
    with pytest.raises(ConfigurationError, match="are named"):
        dgd.fit(paths, y)
