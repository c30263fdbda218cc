"""Formats on a disk: dgd's own, plain Zarr, xarray's, AnnData's, and what is missing in them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, ZstdCodec

import dgd
from tests.meaning.formats import CHUNK, NAMES, Data, data_of, numbers

SHIPPED = Path(__file__).parent.parent / "data"
"""Where two small stores lie that anndata wrote."""
DROP = {"missing": "drop"}
ONE_BY_ONE = {"info": "describe or verify one of them", "predict_to": "use `predict`"}
"""What several stores cannot be; `predict_to` where their chunks are irregular."""


@data_of("dgd", "what DatasetWriter and dgd ingest write")
def own(folder: Path) -> Data:
    X, y = numbers()
    with dgd.DatasetWriter(folder / "a.zarr", chunk_rows=CHUNK, feature_names=NAMES) as writer:
        writer.append(X, y)
    return Data(X, y, path=folder / "a.zarr", objects=(zarr.open_group(folder / "a.zarr", mode="r"), None))


def plain(folder: Path, zarr_format: int, **how: Any) -> Data:
    """X and y as zarr-python writes them."""
    X, y = numbers()
    group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=zarr_format)
    shards = how.pop("shards", False)
    for name, values, chunks in (("X", X, (CHUNK, 3)), ("y", y, (CHUNK,))):
        more: dict[str, Any] = {"shards": (2 * CHUNK, *chunks[1:])} if shards else {}
        group.create_array(name, data=values, chunks=chunks, **how, **more)
    return Data(X, y, path=folder / "a.zarr", objects=(group["X"], group["y"]))


@data_of("zarr v2", "zarr-python, format 2, uncompressed")
def v2(folder: Path) -> Data:
    return plain(folder, 2, compressors=None)


@data_of("zarr v2 blosc", "zarr-python, format 2, blosc")
def v2_blosc(folder: Path) -> Data:
    return plain(folder, 2, compressors=numcodecs.Blosc(cname="lz4", shuffle=numcodecs.Blosc.SHUFFLE))


@data_of("zarr v2 filters", "zarr-python, format 2, codecs that numcodecs decodes")
def v2_filters(folder: Path) -> Data:
    return plain(folder, 2, filters=[numcodecs.Shuffle(8)], compressors=numcodecs.BZ2())


@data_of("zarr v3", "zarr-python, format 3, uncompressed")
def v3(folder: Path) -> Data:
    return plain(folder, 3, compressors=None)


@data_of("zarr v3 blosc", "zarr-python, format 3, blosc")
def v3_blosc(folder: Path) -> Data:
    return plain(folder, 3, compressors=BloscCodec(cname="zstd", typesize=8))


@data_of("zarr v3 zstd", "zarr-python, format 3, zstd: its default")
def v3_zstd(folder: Path) -> Data:
    return plain(folder, 3, compressors=ZstdCodec())


@data_of("zarr v3 shards", "zarr-python, format 3, sharded")
def v3_shards(folder: Path) -> Data:
    return plain(folder, 3, shards=True)


PACKED = {"dtype": "int16", "scale_factor": 0.01, "add_offset": 50.0, "_FillValue": -32768, "chunks": (CHUNK, 3)}


def packed(folder: Path, zarr_format: int) -> Data:
    """An xarray store packed as weather data are, with missing cells."""
    X, y = numbers()
    X[::17, 1] = np.nan
    ds = xr.Dataset({"X": (("sample", "feature"), X), "y": ("sample", y)}, coords={"feature": NAMES})
    ds.to_zarr(folder / "a.zarr", zarr_format=zarr_format, encoding={"X": PACKED}, consolidated=False)
    read = xr.open_zarr(folder / "a.zarr", consolidated=False)
    return Data(
        read.X.values, read.y.values, path=folder / "a.zarr", named=DROP, objects=(read.X, read.y), reading=DROP
    )


@data_of("xarray packed v2", "xarray, CF packing with _FillValue, format 2")
def packed_v2(folder: Path) -> Data:
    return packed(folder, 2)


@data_of("xarray packed v3", "xarray, CF packing with _FillValue, format 3")
def packed_v3(folder: Path) -> Data:
    return packed(folder, 3)


@data_of("xarray variables", "xarray, N-d variables as columns, chunked differently")
def variables(folder: Path) -> Data:
    rng = np.random.default_rng(0)
    dims, sizes = ("time", "lat", "lon"), (11, 4, 5)
    t2m, height = 280 + rng.normal(size=sizes), rng.normal(size=sizes[1:])
    tp = 2 * t2m + height + rng.normal(size=sizes)
    ds = xr.Dataset({"t2m": (dims, t2m), "height": (dims[1:], height), "tp": (dims, tp)})
    how = {"t2m": {**PACKED, "add_offset": 280.0, "chunks": (3, 4, 5)}, "tp": {"chunks": (4, 2, 5)}}
    ds.to_zarr(folder / "a.zarr", encoding=how, consolidated=False)
    read = xr.open_zarr(folder / "a.zarr", consolidated=False)
    columns = [read[name].broadcast_like(read.tp).transpose(*dims).values.ravel() for name in ("t2m", "height")]
    features = {"features": ["t2m", "height"]}
    return Data(
        np.column_stack(columns),
        read.tp.values.ravel(),
        path=folder / "a.zarr",
        named={"y": "tp", **features},
        objects=(read, "tp"),
        reading=features,
    )


def atlas(folder: Path, zarr_format: int, X: str, y: str, **named: Any) -> Data:
    """A store that anndata 0.12 wrote, and what anndata reads of it."""
    shutil.unpack_archive(SHIPPED / f"anndata_v{zarr_format}.zip", folder / "a.zarr")
    truth = dict(np.load(SHIPPED / "anndata.npz"))
    matrix = {"X": truth["X"], "layers/dense": 2 * truth["X"]}[X]
    target = truth[y.removeprefix("obs/")]
    more = {} if X == "X" else {"X": X}
    group = zarr.open_group(folder / "a.zarr", mode="r")
    return Data(
        matrix,
        target if target.dtype.kind == "U" else target.astype(float),
        path=folder / "a.zarr",
        named={"y": y, **more, **named},
        objects=(group, y),
        reading={**more, **named},
    )


@data_of("AnnData dense", "anndata, a dense layer, a number of obs, format 3")
def anndata_dense(folder: Path) -> Data:
    return atlas(folder, 3, "layers/dense", "obs/n")


@data_of("AnnData CSR v2", "anndata, X sparse by rows, a number of obs, format 2")
def anndata_csr_v2(folder: Path) -> Data:
    return atlas(folder, 2, "X", "obs/n")


@data_of("AnnData CSR v3", "anndata, X sparse by rows, a number of obs, format 3")
def anndata_csr_v3(folder: Path) -> Data:
    return atlas(folder, 3, "X", "obs/n")


@data_of("AnnData categories", "anndata, X sparse, a categorical of obs with missing labels")
def anndata_categories(folder: Path) -> Data:
    data = atlas(folder, 3, "X", "obs/cell_type", **DROP)
    return replace(data, refused={"predict_to": "probabilities=True", "plan": "Softmax(classes"})


@data_of("AnnData nullable", "anndata, X sparse, a nullable column of obs with missing numbers")
def anndata_nullable(folder: Path) -> Data:
    return atlas(folder, 3, "X", "obs/age", **DROP)


@data_of("missing cells", "a plain store with NaN in X and y")
def missing_cells(folder: Path) -> Data:
    data = plain(folder, 3)
    X, y = data.X.copy(), data.y.copy()
    X[::19, 1] = y[3] = np.nan
    group = zarr.open_group(folder / "a.zarr", mode="r+")
    group["X"][...], group["y"][...] = X, y
    return Data(X, y, path=data.path, named=DROP, objects=(X, y), reading=DROP)


@data_of("missing chunks", "zarr's default: chunks of zeros are not stored")
def missing_chunks(folder: Path) -> Data:
    X, y = numbers()
    X[CHUNK : 2 * CHUNK] = y[CHUNK : 2 * CHUNK] = 0
    group = zarr.open_group(folder / "a.zarr", mode="w")
    group.create_array("X", data=X, chunks=(CHUNK, 3))
    group.create_array("y", data=y, chunks=(CHUNK,))
    assert not (folder / "a.zarr" / "X" / "c" / "1").exists()
    fill = {"missing_chunks": "fill"}
    return Data(X, y, path=folder / "a.zarr", named=fill, objects=(group["X"], group["y"]), reading=fill)


@data_of("list of stores", "a store for each year")
def several(folder: Path) -> Data:
    X, y = numbers()
    paths = []
    for k, (start, stop) in enumerate([(0, 100), (100, 110), (110, len(X))]):
        with dgd.DatasetWriter(folder / f"year-{k}.zarr", chunk_rows=CHUNK) as writer:
            writer.append(X[start:stop], y[start:stop])
        paths.append(folder / f"year-{k}.zarr")
    return Data(X, y, path=str(folder / "year-*.zarr"), objects=(paths, None), refused=ONE_BY_ONE)
