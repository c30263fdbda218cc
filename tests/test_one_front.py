"""`dgd.fit` and the estimators take the same data, and say the same of what they do not take."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp
import xarray as xr
import zarr

import dgd
from dgd.errors import DgdError
from dgd.estimators import LinearRegression, ZarrDesign

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0] + 1
GAPS = np.where(np.arange(180).reshape(60, 3) == 10, np.nan, X)
Given = tuple[Any, Any, dict[str, Any]]


class Annotated:
    """What `anndata.AnnData` shows of itself."""

    __module__ = "anndata.here"

    def __init__(self) -> None:
        kinds = pd.Categorical(np.where(X[:, 0] > 0, "B", "T"))
        self.X, self.layers, self.obsm = sp.csr_matrix(X), {"twice": 2 * X}, {"X_pca": X[:, :2] ** 2}
        self.obs = pd.DataFrame({"n": Y, "kind": kinds, "age": pd.array([1, None] * 30, dtype="Int64")})
        self.var_names, self.obs_names = pd.Index(list("abc")), pd.Index([f"cell {i}" for i in range(60)])


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("front")
    for name in "ab":
        with dgd.DatasetWriter(folder / f"{name}.zarr", chunk_rows=20, feature_names="abc") as writer:
            writer.append(X, Y)
    data(folder)[["u", "v", "y"]].to_zarr(folder / "v.zarr", consolidated=False)
    shutil.unpack_archive(Path(__file__).parent / "data" / "anndata_v3.zip", folder / "atlas.zarr")
    (folder / "t.csv").write_text("a,b\n1,2\n")
    np.save(folder / "x.npy", X)
    return folder


def data(at: Path) -> xr.Dataset:
    columns = {"X": (("r", "f"), X), "y": ("r", Y), "u": ("r", X[:, 0]), "v": ("r", X[:, 1])}
    return xr.Dataset(columns, coords={"f": list("abc")})


GOOD: dict[str, Callable[[Path], Given]] = {
    "text of a path": lambda at: (str(at / "a.zarr"), None, {}),
    "path": lambda at: (at / "a.zarr", None, {}),
    "dataset": lambda at: (dgd.open_dataset(at / "a.zarr"), None, {}),
    "group": lambda at: (zarr.open_group(at / "a.zarr", mode="r"), None, {}),
    "list": lambda at: ([at / "a.zarr", at / "b.zarr"], None, {}),
    "pattern": lambda at: (str(at / "[ab].zarr"), None, {}),
    "columns": lambda at: (at / "a.zarr", None, {"features": ["c", "a"]}),
    "variables": lambda at: (at / "v.zarr", "y", {"features": ["u", "v"]}),
    "xarray": lambda at: (data(at), None, {}),
    "xarray, columns": lambda at: (data(at), "y", {"features": ["c", "u"]}),
    "xarray, variables": lambda at: (data(at)[["u", "v", "y"]], "y", {"features": ["u", "v"]}),
    "DataArray": lambda at: (data(at).X, data(at).y, {}),
    "atlas": lambda at: (at / "atlas.zarr", "obs/n", {}),
    "atlas, beside X": lambda at: (at / "atlas.zarr", "obs/n", {"features": ["X", "obsm/X_pca"]}),
    "atlas, layer": lambda at: (at / "atlas.zarr", "obs/n", {"X": "layers/dense"}),
    "AnnData": lambda at: (Annotated(), "obs/n", {}),
    "AnnData, beside X": lambda at: (Annotated(), "obs/n", {"features": ["obs/age", "X"], "missing": "drop"}),
    "AnnData, layer": lambda at: (Annotated(), "obs/n", {"X": "layers/twice"}),
    "NumPy": lambda at: (X, Y, {}),
    "lists": lambda at: (X.tolist(), Y.tolist(), {}),
    "Dask": lambda at: (da.from_array(X, chunks=(20, 3)), da.from_array(Y, chunks=20), {}),
    "zarr arrays": lambda at: (zarr.open_array(at / "a.zarr/X", mode="r"), zarr.open_array(at / "a.zarr/y"), {}),
    "paths of arrays": lambda at: (at / "a.zarr" / "X", at / "a.zarr" / "y", {}),
    "pandas": lambda at: (pd.DataFrame(X, columns=list("abc")), pd.Series(Y), {}),
    "Dask's frames": lambda at: (
        dd.from_pandas(pd.DataFrame(X), npartitions=3),
        dd.from_pandas(pd.Series(Y), npartitions=3),
        {},
    ),
    "CSR": lambda at: (sp.csr_array(X), Y, {}),
    "Arrow": lambda at: (pa.table({name: X[:, j] for j, name in enumerate("abc")}), Y, {}),
    "gaps": lambda at: (GAPS, Y, {"missing": "drop"}),
}
BAD: dict[str, Callable[[Path], Given]] = {
    "nothing there": lambda at: (at / "none.zarr", None, {}),
    "CSV": lambda at: (at / "t.csv", None, {}),
    "NumPy's file": lambda at: (at / "x.npy", None, {}),
    "no such name": lambda at: (at / "a.zarr", "z", {}),
    "no such column": lambda at: (at / "a.zarr", None, {"features": ["q"]}),
    "no X": lambda at: (at / "v.zarr", "y", {}),
    "xarray without X": lambda at: (data(at)[["u", "v", "y"]], "y", {}),
    "no such column of obs": lambda at: (Annotated(), "obs/zz", {}),
    "category as feature": lambda at: (at / "atlas.zarr", "obs/n", {"features": ["X", "obs/cell_type"]}),
    "category of AnnData": lambda at: (Annotated(), "obs/n", {"features": ["X", "obs/kind"]}),
    "options of a dataset": lambda at: (dgd.open_dataset(at / "a.zarr"), None, {"decode": False}),
    "unknown policy": lambda at: (at / "a.zarr", None, {"missing": "fill"}),
    "object": lambda at: (SimpleNamespace(), Y, {}),
    "number": lambda at: (3, Y, {}),
    "dictionary": lambda at: ({"a": X[:, 0]}, Y, {}),
    "None": lambda at: (None, Y, {}),
    "masked X": lambda at: (np.ma.masked_less(X, -1), Y, {}),
    "masked y": lambda at: (X, np.ma.masked_less(Y, -1), {}),
    "Dask without y": lambda at: (da.from_array(X, chunks=20), None, {}),
    "Dask of other lengths": lambda at: (da.from_array(X, chunks=20), da.from_array(Y[:50], chunks=20), {}),
    "Dask of complex numbers": lambda at: (da.from_array(X + 1j, chunks=20), da.from_array(Y, chunks=20), {}),
}
ARRAYS: dict[str, tuple[Any, Any]] = {
    "one dimension": (X[:, 0], Y),
    "other lengths": (X, Y[:50]),
    "gaps": (GAPS, Y),
    "texts": (X.astype(str), Y),
    "complex": (X + 1j, Y),
    "no rows": (X[:0], Y[:0]),
    "no y": (X, None),
}
"""Arrays in memory, of which scikit-learn's checks of an estimator expect scikit-learn's words."""


def by_estimator(given: Given) -> Any:
    """What an estimator takes as X, or a design where options say how it is read."""
    first, y, options = given
    if options:
        return LinearRegression().fit(ZarrDesign(first, y, **options)).coef_
    return LinearRegression().fit(first, y).coef_


@pytest.mark.parametrize("kind", GOOD)
def test_what_one_takes_the_other_takes(at: Path, kind: str) -> None:
    given = GOOD[kind](at)
    expected = dgd.fit(given[0], given[1], **given[2]).coef_
    np.testing.assert_allclose(by_estimator(given), expected, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", BAD)
def test_what_one_refuses_the_other_refuses_in_the_same_words(at: Path, kind: str) -> None:
    given = BAD[kind](at)
    with pytest.raises(DgdError) as expected:
        dgd.fit(given[0], given[1], **given[2])
    with pytest.raises(DgdError) as found:
        by_estimator(given)
    assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))


def test_text_is_categories_to_a_fit_and_refused_with_a_way_out_by_an_estimator() -> None:
    table = pd.DataFrame({"a": list("xyz") * 20})
    assert dgd.fit(table, Y).model.feature_names == ("a[y]", "a[z]")
    with pytest.raises(DgdError, match="get_dummies"):
        LinearRegression().fit(table, Y)


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_in_memory_are_refused_by_both_each_in_its_library_s_words(kind: str) -> None:
    with pytest.raises(DgdError):
        dgd.fit(*ARRAYS[kind])
    with pytest.raises(ValueError):
        LinearRegression().fit(*ARRAYS[kind])


def test_an_annotated_matrix_has_its_names(tmp_path: Path) -> None:
    cells = Annotated()
    result = dgd.fit(cells, "obs/kind", loss="logistic", penalty=dgd.penalties.L2(0.1), features=["X", "obsm/X_pca"])
    assert result.model.classes == ("B", "T")
    assert result.model.feature_names == ("a", "b", "c", "obsm/X_pca[0]", "obsm/X_pca[1]")
    expected = dgd.fit(
        np.hstack([X, X[:, :2] ** 2]), np.asarray(cells.obs.kind), loss="logistic", penalty=dgd.penalties.L2(0.1)
    )
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-9)
    dgd.predict_to(result.model, cells, tmp_path / "p.zarr", probabilities=True)
    found = xr.open_zarr(tmp_path / "p.zarr", consolidated=False).prediction
    np.testing.assert_allclose(found.sel(obs="cell 7"), result.model.predict_proba(cells)[7])
    assert list(found["class"].values) == ["B", "T"]
