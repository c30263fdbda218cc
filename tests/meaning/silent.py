"""S1: what was a wrong number in silence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

import dgd
from tests.meaning.cases import case, least_squares, refused, rounded, told
from tests.meaning.doors import in_the_shell
from tests.meaning.stored import SHIPPED

INT16 = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 250.0, "_FillValue": -32768}


def packed(path: Path, encoding: dict[str, Any], zarr_format: Any = 3) -> xr.Dataset:
    """1,000 temperatures of two stations, 20 of them missing, y = 2 × the second; as xarray reads them."""
    T = 280 + 10 * np.random.default_rng(0).normal(size=(1000, 2))
    T[::50, 0] = np.nan
    ds = xr.Dataset({"X": (("s", "f"), T), "y": ("s", T[:, 1] * 2)})
    ds.to_zarr(path, mode="w", encoding={"X": encoding}, zarr_format=zarr_format, consolidated=False)
    return xr.open_zarr(path, consolidated=False)


@case("S1.1", "int16 with scale_factor, add_offset and _FillValue, as it comes", before="coef 6.5e-08, 0.02")
def as_it_comes(folder: Path) -> tuple[str, str]:
    packed(folder / "a.zarr", INT16)
    return refused(lambda: dgd.fit(folder / "a.zarr"), "row 0", "missing='drop'")


@case("S1.1-drop", "the same without its 20 rows with a missing cell", before="coef 6.5e-08, 0.02")
def dropped(folder: Path) -> tuple[str, str]:
    read = packed(folder / "a.zarr", INT16)
    return rounded(dgd.fit(folder / "a.zarr", missing="drop").coef_), rounded(least_squares(read.X, read.y)[1:])


@case("S1.1-v2", "the same in format 2, where the fill value is a field of .zarray", before="coef 6.5e-08, 0.02")
def in_format_2(folder: Path) -> tuple[str, str]:
    read = packed(folder / "a.zarr", INT16, 2)
    group = zarr.open_group(folder / "a.zarr", mode="r")
    fits = [dgd.fit(data, y, missing="drop").coef_ for data, y in ((group, "y"), (group["X"], group["y"]))]
    return rounded(fits), rounded([least_squares(read.X, read.y)[1:]] * 2)


@case("S1.1-unsigned", '_Unsigned: "true" on int8', before="coef -0.55, -1")
def unsigned(folder: Path) -> tuple[str, str]:
    X = np.random.default_rng(0).integers(0, 255, size=(500, 2)).astype("uint8")
    group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=2)
    group.create_array("X", data=X.view("int8"), chunks=(100, 2)).attrs["_Unsigned"] = "true"
    group.create_array("y", data=X @ np.array([1.0, 2.0]), chunks=(100,))
    return rounded(dgd.fit(folder / "a.zarr").coef_), "1, 2"


@case("S1.1-predict", "fitted on what xarray decodes, predicted on the packed store", before="off by 39,422, no word")
def pipeline(folder: Path) -> tuple[str, str]:
    read = packed(folder / "a.zarr", INT16)
    kept = ~np.isnan(read.X.values).any(axis=1)
    model = dgd.fit(read.X.values[kept], read.y.values[kept]).model
    found = model.predict(folder / "a.zarr", missing="drop")
    error = np.abs(found[kept] - model.predict(read.X.values[kept])).max()
    right = "the same, 20 rows NaN"
    return (right if error < 1e-9 and np.isnan(found).sum() == 20 else f"off by {error:.2g}"), right


@case("S1.1-info", "dgd info of that store", before="three screens about checksums")
def info_of_packed(folder: Path) -> tuple[str, str]:
    packed(folder / "a.zarr", INT16)
    return told(["0.01 × stored + 250", "-32768 is missing"], "info", folder / "a.zarr")


@case("D1.1", "first-day.md 1.1: 20 of 10,000 rows missing, in the shell", before="coef 0.0005, 0.03, CONVERGED")
def first_day(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    X = rng.normal(280, 5, (10_000, 2))
    y = X @ [0.5, 3] + rng.normal(size=10_000)
    X[rng.choice(10_000, 20, False), 0] = np.nan
    ds = xr.Dataset({"X": (("row", "feature"), X), "y": (("row",), y)})
    ds.to_zarr(folder / "pm.zarr", encoding={"X": {**INT16, "add_offset": 280.0}}, consolidated=False)
    read = xr.open_zarr(folder / "pm.zarr", consolidated=False)
    _, out, err = in_the_shell("fit", str(folder / "pm.zarr"), "--missing", "drop", "--json", "--quiet")
    right = rounded(least_squares(read.X, read.y)[1:]) + "; 20 rows left out"
    if not out:
        return err, right
    found = json.loads(out)
    return f"{rounded(found['coef'])}; {found['rows_left_out']} rows left out", right


@case("S1.2", "Parquet: the index of pandas and Dask as a feature", before="features a, __index_level_0__; R² 0.97")
def parquet_index(folder: Path) -> tuple[str, str]:
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=1000)})
    frame["y"] = frame.a + rng.normal(size=1000)
    frame = frame.sort_values("y").reset_index(drop=True).drop(index=[3])
    frame.to_parquet(folder / "t.parquet")
    found = dgd.ingest([folder / "t.parquet"], folder / "b.zarr", target="y")
    return f"{', '.join(found.features)}: {rounded(dgd.fit(folder / 'b.zarr').coef_)}", (
        f"a: {rounded(least_squares(frame[['a']], frame.y)[1:])}"
    )


@case("S1.3", "X stored (feature, sample), square, beside y (sample)", before="off by 168")
def transposed(folder: Path) -> tuple[str, str]:
    S = np.random.default_rng(0).normal(size=(30, 30))
    ds = xr.Dataset({"X": (("feature", "sample"), S), "y": ("sample", S.T @ np.arange(30.0))})
    ds.to_zarr(folder / "c.zarr", consolidated=False)
    error = np.abs(dgd.fit(folder / "c.zarr", fit_intercept=False).coef_ - np.arange(30)).max()
    return ("off by less than 1e-6" if error < 1e-6 else f"off by {error:.0f}"), "off by less than 1e-6"


def atlas(folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """A store that anndata wrote, and what anndata reads of it."""
    shutil.unpack_archive(SHIPPED / "anndata_v3.zip", folder / "a.zarr")
    return folder / "a.zarr", dict(np.load(SHIPPED / "anndata.npz"))


@case("S1.4-codes", 'y="obs/ct/codes", as the message advised', before="classes -1, 0, 1: missing is a class")
def codes(folder: Path) -> tuple[str, str]:
    path, _ = atlas(folder)
    return refused(lambda: dgd.fit(path, "obs/cell_type/codes", loss="softmax"), "a part of", "'obs/cell_type'")


@case("S1.4", 'y="obs/ct": a categorical by its name', before="refused: a zarr group, expected an array")
def categorical(folder: Path) -> tuple[str, str]:
    path, truth = atlas(folder)
    found = dgd.fit(path, "obs/cell_type", loss="softmax", penalty=dgd.penalties.L2(0.1), missing="drop")
    there = sorted(set(truth["cell_type"]) - {""})
    left_out = int((truth["cell_type"] == "").sum())
    return f"{', '.join(found.model.classes or ())}; {found.rows_left_out} left out", (
        f"{', '.join(there)}; {left_out} left out"
    )


@case("S1.4-mask", 'y="obs/n/values": what lies under the mask', before="intercept 215, the mean is 250")
def under_the_mask(folder: Path) -> tuple[str, str]:
    path, truth = atlas(folder)
    now, right = refused(lambda: dgd.fit(path, "obs/age/values"), "a part of", "'obs/age'")
    found = dgd.fit(path, "obs/age", missing="drop").theta
    return f"{now}; {rounded(found, 3)}", f"{right}; {rounded(least_squares(truth['X'], truth['age']), 3)}"


@case("S1.4-old", "anndata 0.7: obs/ct is an int8 array with the attribute categories", before="codes as numbers")
def old_categorical(folder: Path) -> tuple[str, str]:
    group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=2)
    rng = np.random.default_rng(0)
    group.create_array("X", data=rng.normal(size=(60, 2)))
    obs = group.create_group("obs")
    obs.create_array("ct", data=(np.arange(60) % 3).astype("int8")).attrs["categories"] = "__categories/ct"
    obs.create_group("__categories").create_array("ct", data=np.array(["B", "NK", "T"]))
    found = dgd.fit(folder / "a.zarr", "obs/ct", loss="softmax", penalty=dgd.penalties.L2(0.1)).model.classes
    return ", ".join(found or ()), "B, NK, T"


@case("S1.4-flags", "CF flag_values and flag_meanings", before="codes as numbers")
def flags(folder: Path) -> tuple[str, str]:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    rng = np.random.default_rng(0)
    group.create_array("X", data=rng.normal(size=(60, 2)))
    y = group.create_array("y", data=(np.arange(60) % 3).astype("int8"))
    y.attrs.update({"flag_values": [0, 1, 2], "flag_meanings": "sea land ice"})
    now, right = refused(lambda: dgd.fit(folder / "a.zarr"), "sea")
    classes = dgd.fit(folder / "a.zarr", loss="softmax", penalty=dgd.penalties.L2(0.1)).model.classes
    return f"{now}; {classes}", f"{right}; ('ice', 'land', 'sea')"


@case("S1.5", "the time coordinate as target", before="intercept 1195.7, no word")
def time_as_target(folder: Path) -> tuple[str, str]:
    time = np.datetime64("2020-01-01", "ns") + np.arange(100) * np.timedelta64(1, "h")
    X = np.arange(200.0).reshape(100, 2) ** 0.5
    ds = xr.Dataset({"X": (("time", "f"), X)}, coords={"time": time})
    ds.to_zarr(folder / "f.zarr", consolidated=False)
    now, right = refused(lambda: dgd.fit(folder / "f.zarr", y="time"), "times", "time_unit")
    hours = (time - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "h")
    found = dgd.fit(folder / "f.zarr", y="time", time_unit="hours").coef_
    return f"{now}; {rounded(found, 2)}", f"{right}; {rounded(least_squares(X, hours)[1:], 2)}"


@case("S1.6", "Parquet: the column of a partition", before="features a; k is gone")
def partitions(folder: Path) -> tuple[str, str]:
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(40.0), "k": np.arange(40) % 2, "y": np.arange(40.0) ** 0.5})
    frame.to_parquet(folder / "h", partition_cols=["k"])
    paths = sorted((folder / "h").glob("*/*.parquet"))
    return ", ".join(dgd.ingest(paths, folder / "b.zarr", target="y").features), "a, k"


@case("S1.8", "genotypes: −1 is missing, once the attribute missing_value says so", before="a number: off by 0.64")
def genotypes(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    calls = rng.integers(0, 3, size=(6, 300)).astype("int8")
    y = np.arange(6.0) @ calls + rng.normal(size=300)
    calls[rng.random(calls.shape) < 0.05] = -1
    group = zarr.open_group(folder / "g.zarr", mode="w")
    X = group.create_array("call_dosage", data=calls, dimension_names=["variants", "samples"])
    group.create_array("y", data=y, dimension_names=["samples"])
    X.attrs["missing_value"] = -1
    found = dgd.fit(folder / "g.zarr", X="call_dosage", missing="drop").coef_
    return rounded(found), rounded(least_squares(np.where(calls < 0, np.nan, calls).T, y)[1:])


PEAK = """
import resource, sys
import dgd, numpy as np, xarray as xr
ds = xr.open_zarr(sys.argv[1], consolidated=False, chunks={})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
given = {"path": (sys.argv[1],), "labelled": (ds.X, ds.y), "dask": (ds.X.data, ds.y.data)}[sys.argv[2]]
dgd.fit(*given, threads=1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@case(
    "S1.7",
    "a DataArray over Dask of 458 MiB: peak beside that by path",
    before="loaded whole: 2,039 MiB of 915",
    slow=True,
)
def loaded_whole(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    group = zarr.open_group(folder / "a.zarr", mode="w")
    X = group.create_array(
        "X", shape=(2_000_000, 30), dtype="f8", chunks=(50_000, 30), compressors=None, dimension_names=["s", "f"]
    )
    y = group.create_array("y", shape=(2_000_000,), dtype="f8", chunks=(50_000,), dimension_names=["s"])
    for start in range(0, 2_000_000, 50_000):
        X[start : start + 50_000] = rng.normal(size=(50_000, 30))
        y[start : start + 50_000] = rng.normal(size=50_000)
    peaks = {}
    for how in ("path", "labelled"):
        words = [sys.executable, "-W", "ignore", "-c", PEAK, str(folder / "a.zarr"), how]
        peaks[how] = float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    figures = f"{peaks['labelled']:.0f} MiB, by path {peaks['path']:.0f}"
    right = "less than 200 MiB"
    return (right if peaks["labelled"] < 200 else figures), right
