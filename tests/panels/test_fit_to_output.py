"""What a fit of many targets leaves on disk: maps for xarray, and after an interruption what is gone on with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wide import LAT, LON, problem, same_bits, store, written

import dgd
from dgd.data.zarr.tile_writer import TileWriter
from dgd.errors import ConfigurationError, IncompleteDatasetError, OutputInUseError

pytestmark = pytest.mark.usefixtures("small_tiles")
X, Y, WEIGHT = problem()
MAP = {"lat": np.linspace(-60, 60, LAT), "lon": np.arange(LON) * 20.0}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return store(tmp_path / "a.zarr", X, Y, (40, 5, 6), **MAP)


def test_xarray_opens_maps(path: str, tmp_path: Path) -> None:
    import xarray as xr

    for _ in range(2):
        found = dgd.fit_to(path, tmp_path / "b.zarr", strengths=[0.0, 1.0], overwrite=True)
    assert (found.out, found.targets) == (str(tmp_path / "b.zarr"), LAT * LON)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        maps = xr.open_zarr(tmp_path / "b.zarr")
    assert maps.coef.dims == ("lat", "lon", "feature")
    assert set(maps.data_vars) == {"coef", "intercept", "r2", "l2"}
    for name, values in MAP.items():
        np.testing.assert_array_equal(maps[name], values)
    place = {"lat": MAP["lat"][4], "lon": MAP["lon"][5]}
    one = dgd.fit(X, Y[:, 4, 5])
    if float(maps.l2.sel(place)) == 0:
        np.testing.assert_allclose(maps.coef.sel(place), one.coef_, rtol=1e-9)
    assert maps.r2.attrs["long_name"] == "part of the variance that is explained"


def interrupted(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The disk fails after so many tiles."""
    left = iter(range(after))
    write = TileWriter.write

    def failing(self: Any, place: Any, values: Any) -> None:
        if next(left, None) is None:
            raise OSError("the disk is gone")
        write(self, place, values)

    monkeypatch.setattr(TileWriter, "write", failing)


def test_an_interrupted_call_is_marked_and_gone_on_with(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dgd.fit_to(path, tmp_path / "whole.zarr")
    with monkeypatch.context() as patch:
        interrupted(patch, 3)
        with pytest.raises(OSError, match="the disk is gone"):
            dgd.fit_to(path, tmp_path / "b.zarr", threads=1)
    with pytest.raises(IncompleteDatasetError, match="never completed"):
        dgd.open_dataset(X[:LAT], tmp_path / "b.zarr" / "intercept")
    # One tile of the three is damaged: it is made again.
    damaged = next(each for each in sorted((tmp_path / "b.zarr" / "coef" / "c").rglob("*")) if each.is_file())
    damaged.write_bytes(damaged.read_bytes()[:-9] + b"?" * 9)
    again = dgd.fit_to(path, tmp_path / "b.zarr", panel=1)
    assert again.tiles_found == 2
    assert (again.targets, again.targets_without) == (LAT * LON, 0)
    assert "2 parts of an interrupted call" in str(again)
    assert same_bits(written(tmp_path / "whole.zarr"), written(tmp_path / "b.zarr"))
    with pytest.raises(ConfigurationError, match="exists; give another path, or overwrite=True"):
        dgd.fit_to(path, tmp_path / "b.zarr")


@pytest.mark.parametrize("change", ["x", "penalty", "array"])
def test_another_call_does_not_go_on_with_it(
    change: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other values of X or another penalty; and an array in memory, whose values nobody can compare."""
    data: Any = (X, Y) if change == "array" else (path, None)
    with monkeypatch.context() as patch:
        interrupted(patch, 3)
        with pytest.raises(OSError, match="the disk is gone"):
            dgd.fit_to(data[0], tmp_path / "b.zarr", data[1], threads=1)
    options = {"penalty": dgd.penalties.L2(0.1)} if change == "penalty" else {}
    if change == "x":
        data = store(tmp_path / "c.zarr", X + np.eye(*X.shape), Y, (40, 5, 6), **MAP), None
    with pytest.raises(ConfigurationError, match="exists"):
        dgd.fit_to(data[0], tmp_path / "b.zarr", data[1], **options)
    found = dgd.fit_to(data[0], tmp_path / "b.zarr", data[1], overwrite=True, **options)
    assert found.tiles_found == 0


CHILD = """
import sys, os, signal
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from dgd.data.targets import tiles
tiles.FEWEST, tiles.MOST = 16, 64
import dgd
from dgd.data.zarr.tile_writer import TileWriter
write, count = TileWriter.write, iter(range(2))
def killed(self, place, values):
    if next(count, None) is None:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, place, values)
TileWriter.write = killed
dgd.fit_to(sys.argv[1], sys.argv[2], threads=1)
"""


def test_a_killed_process_is_gone_on_with(path: str, tmp_path: Path) -> None:
    out = tmp_path / "b.zarr"
    done = subprocess.run([sys.executable, "-c", CHILD, path, str(out), os.getcwd()], check=False)
    assert done.returncode == -signal.SIGKILL
    found = dgd.fit_to(path, out)
    assert found.tiles_found == 2
    dgd.fit_to(path, tmp_path / "whole.zarr")
    assert same_bits(written(tmp_path / "whole.zarr"), written(out))


def test_one_writer_at_a_path(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second: list[Exception] = []
    write = TileWriter.write

    def meanwhile(self: Any, place: Any, values: Any) -> None:
        if not second:
            with pytest.raises(OutputInUseError) as caught:
                dgd.fit_to(path, tmp_path / "b.zarr")
            second.append(caught.value)
        write(self, place, values)

    monkeypatch.setattr(TileWriter, "write", meanwhile)
    dgd.fit_to(path, tmp_path / "b.zarr", threads=1)
    assert "is being written by another writer" in str(second[0])


def test_names_of_its_own_are_not_taken_by_coordinates(tmp_path: Path) -> None:
    import xarray as xr

    y = xr.DataArray(Y, dims=("time", "lat", "lon"), coords={"r2": ("lat", np.arange(LAT))})
    with pytest.raises(ConfigurationError, match="arrays of its own called r2"):
        dgd.fit_to(X, tmp_path / "b.zarr", y)
    again = xr.DataArray(Y[:, 0], dims=("time", "feature"))
    dgd.fit_to(X, tmp_path / "c.zarr", again)
    assert xr.open_zarr(tmp_path / "c.zarr", consolidated=False).coef.dims == ("feature", "feature_")
