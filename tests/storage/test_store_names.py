"""What names a store, and what is said of a file that is none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dask.array as da
import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from located import X, Y, files, written

import dgd
from dgd.errors import DatasetNotFoundError, SchemaError
from dgd.estimators import Ridge, ZarrDesign


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "a.zarr")


def test_a_mapper_of_fsspec_is_a_store(path: Path) -> None:
    mapper = fsspec.get_mapper(str(path))
    assert dgd.fit(mapper).theta.tobytes() == dgd.fit(path).theta.tobytes()
    assert dgd.info(mapper).fingerprint == dgd.info(path).fingerprint
    np.testing.assert_array_equal(Ridge().fit(mapper).coef_, Ridge().fit(path).coef_)


def test_a_zip_file_may_be_called_zarr(path: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "b"), "zip", path)).rename(tmp_path / "b.zarr")
    assert dgd.fit(packed).theta.tobytes() == dgd.fit(path).theta.tobytes()
    inside = shutil.make_archive(str(tmp_path / "c"), "zip", tmp_path, "a.zarr")
    with pytest.raises(DatasetNotFoundError, match=r"c.zip has no array 'X', it has a\.zarr/X, a\.zarr/y"):
        dgd.fit(inside)


def test_references_of_kerchunk(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "v2", mode="w", zarr_format=2)
    group.create_array("X", data=X, chunks=(10, 3))
    group.create_array("y", data=Y, chunks=(20,))
    refs = {
        key: content.decode()
        if key.rpartition("/")[2].startswith(".z")
        else [str(tmp_path / "v2" / key), 0, len(content)]
        for key, content in files(tmp_path / "v2").items()
    }
    (tmp_path / "refs.json").write_text(json.dumps({"version": 1, "refs": refs}))
    options = {"fo": str(tmp_path / "refs.json"), "remote_protocol": "file"}
    found = dgd.fit("reference://", storage_options=options)
    assert found.theta.tobytes() == dgd.fit(tmp_path / "v2").theta.tobytes()
    with pytest.raises(DatasetNotFoundError, match=r"opened by the URL reference:// and the storage option fo"):
        dgd.fit(tmp_path / "refs.json")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.npy", r"numpy\.load\(path, mmap_mode='r'\)"),
        ("a.nc", "open it with xarray and give the Dataset"),
        ("a.h5", "open it with h5py"),
        ("A.H5AD", r"open it with anndata, and write it with `\.write_zarr"),
        ("a", "dgd ingest"),
    ],
)
def test_a_file_that_is_no_store_is_told_how_it_is_opened(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DatasetNotFoundError, match=f"is a file, expected the folder of a Zarr .*{words}"):
        dgd.fit(tmp_path / name)


def test_estimators_take_xarray_as_fit_does(path: Path) -> None:
    blocks = da.from_array(X, chunks=(10, 3))
    rows, y = xr.DataArray(blocks, dims=("s", "f")), xr.DataArray(Y, dims="s")
    assert Ridge().fit(rows, y).coef_.tobytes() == Ridge().fit(blocks, Y).coef_.tobytes()
    with pytest.raises(SchemaError, match="are not the same rows"):
        Ridge().fit(rows, xr.DataArray(Y, dims="t"))


def test_a_design_is_opened_as_a_dataset_is(path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(path), "/shelf/a.zarr", recursive=True)
    design = ZarrDesign("memory://shelf/a.zarr", features=["c", "a"], storage_options={"any": "thing"})
    assert design.dataset.feature_names == ("c", "a")
    np.testing.assert_allclose(Ridge().fit(design).coef_, Ridge().fit(X[:, [2, 0]], Y).coef_, rtol=1e-12)
    memory.rm("/shelf", recursive=True)
