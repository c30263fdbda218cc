"""S3: what was said that led nowhere, or elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import numcodecs as three

import dgd
from tests.meaning.cases import case, least_squares, refused, rounded, told
from tests.meaning.silent import atlas


@case("S3.1", "v3 with a filter: which codec it is", before="stored with codec 'bytes', expected one of bytes, …")
def filter_is_named(folder: Path) -> tuple[str, str]:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    group.create_array("X", data=np.ones((20, 2)), filters=[three.Delta(dtype="float64")])
    group.create_array("y", data=np.ones(20))
    return told(["delta", "values decoded by zarr"], "info", folder / "a.zarr")


@case("S3.2", "dgd info of an AnnData store", before="there is no zarr array in X; obs is not listed")
def info_of_an_atlas(folder: Path) -> tuple[str, str]:
    path, _ = atlas(folder)
    return told(["X/data", "obs/n", "obs/cell_type/codes", "layers/dense"], "info", path)


@case("S3.3", "a weather store without X", before="has no array 'X'")
def no_matrix(folder: Path) -> tuple[str, str]:
    ds = xr.Dataset({name: (("t", "x"), np.ones((4, 3))) for name in ("t2m", "rh", "tp")})
    ds.to_zarr(folder / "w.zarr", consolidated=False)
    return refused(lambda: dgd.fit(folder / "w.zarr"), "rh, t2m, tp", "features=")


@case("S3.4", "a bucket that does not exist", before="s3://nobuck/d3.zarr has no array 'X'")
def no_bucket(folder: Path) -> tuple[str, str]:
    return refused(lambda: dgd.fit("memory://nobuck/d3.zarr"), "nothing is at", "bucket")


@case(
    "S3.8", "dgd info of 1-row chunks: the fix", before="write y again in chunks of 1 row; 6 of 6 warnings on checksums"
)
def advice(folder: Path) -> tuple[str, str]:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    group.create_array("X", data=np.ones((50, 2)), chunks=(1, 2))
    group.create_array("y", data=np.ones(50), chunks=(50,))
    now, right = told(["dgd copy", "--chunk-rows 50"], "info", folder / "a.zarr")
    table = dgd.info(folder / "a.zarr").table()
    counted = f"{table.count('no checksum')} line on checksums, {table.count('chunks of 1 rows')} of 1 row"
    return f"{now}; {counted}", f"{right}; 1 line on checksums, 0 of 1 row"


@case("S3.5", "ingest of s3://…", before="no such file")
def remote_table(folder: Path) -> tuple[str, str]:
    return refused(
        lambda: dgd.ingest(["s3://b/t.csv"], folder / "a.zarr", target="y"), "needs fsspec", "download it yourself"
    )


@case("S3.6", "a;b: a table whose cells are separated by ';'", before="row 1 has 2 cells, the header has 1")
def semicolons(folder: Path) -> tuple[str, str]:
    (folder / "s.csv").write_text("a;y\n" + "\n".join(f"{k};{2 * k}" for k in range(30)))
    dgd.ingest([folder / "s.csv"], folder / "s.zarr", target="y")
    return rounded(dgd.fit(folder / "s.zarr").theta), "0, 2"


@case("S3.9", "fsspec.get_mapper(...), and a list of stores", before="has shape (12,), expected 2 dimensions")
def mapper(folder: Path) -> tuple[str, str]:
    X = np.random.default_rng(0).normal(size=(60, 2))
    for name, part in (("a", X[:30]), ("b", X[30:])):
        with dgd.DatasetWriter(folder / f"{name}.zarr", chunk_rows=10) as writer:
            writer.append(part, part.sum(1) ** 2)
    found = dgd.fit(fsspec.get_mapper(str(folder / "a.zarr"))), dgd.fit([folder / "a.zarr", folder / "b.zarr"])
    expected = least_squares(X[:30], X[:30].sum(1) ** 2), least_squares(X, X.sum(1) ** 2)
    return rounded([each.theta for each in found]), rounded(expected)


FILES = {
    "a.npy": "numpy.load",
    "a.nc": "open it with xarray",
    "a.json": "reference://",
    "t.csv": "has a header but no rows",
    "a.h5ad": "anndata",
}


@case("S3.10", ".npy, .nc, kerchunk's .json, .csv, .h5ad given to fit", before="all: dgd ingest")
def other_files(folder: Path) -> tuple[str, str]:
    wrong = []
    for name, words in FILES.items():
        (folder / name).write_bytes(b"x")
        now, right = refused(lambda path=folder / name: dgd.fit(path), words)  # type: ignore[misc]
        wrong += [] if now == right else [f"{name}: {now}"]
    return "; ".join(wrong) or "each with its own way in", "each with its own way in"


@case("S3.10-zip", "a zip named .zarr, and one with a folder inside", before="dgd ingest; has no array 'X'")
def zips(folder: Path) -> tuple[str, str]:
    with dgd.DatasetWriter(folder / "a.zarr", chunk_rows=10) as writer:
        writer.append(np.eye(20)[:, :2], np.arange(20.0))
    Path(shutil.make_archive(str(folder / "b"), "zip", folder / "a.zarr")).rename(folder / "b.zarr")
    inside = shutil.make_archive(str(folder / "c"), "zip", folder, "a.zarr")
    now, right = refused(lambda: dgd.fit(inside), "a.zarr/X")
    return (
        f"{rounded(dgd.fit(folder / 'b.zarr').theta)}; {now}",
        f"{rounded(dgd.fit(folder / 'a.zarr').theta)}; {right}",
    )


@case("S3.11", "predict with one NaN row", before="refuses the run: drop such rows before fitting")
def one_missing_row(folder: Path) -> tuple[str, str]:
    X = np.random.default_rng(0).normal(size=(30, 2))
    model = dgd.fit(X, X.sum(1)).model
    X[7, 1] = np.nan
    now, right = refused(lambda: model.predict(X), "row 7", "missing='drop'")
    found = model.predict(X, missing="drop")
    return f"{now}; NaN in rows {np.flatnonzero(np.isnan(found))}", f"{right}; NaN in rows [7]"


@case("S3.12", "pandas X and y with different indexes", before="aligned by position in silence")
def other_index(folder: Path) -> tuple[str, str]:
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(30.0)}, index=np.arange(30))
    y = pd.Series(np.arange(30.0), index=np.arange(30)[::-1])
    return refused(lambda: dgd.fit(frame, y), "index")


@case("S3.14", "an error of reading says the place once", before="chunk c/3/0 … URL: key 'c/3/0' cannot be read (…)")
def place_once(folder: Path) -> tuple[str, str]:
    now, right = refused(lambda: dgd.fit("http://127.0.0.1:9/a.zarr"), "127.0.0.1:9")
    try:
        dgd.fit("http://127.0.0.1:9/a.zarr")
    except dgd.errors.DgdError as error:
        return f"{now}; {str(error).count('a.zarr')} times", f"{right}; 1 times"
    return now, right
