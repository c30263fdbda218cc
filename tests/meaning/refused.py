"""S2: what crashed, or was refused although it is legal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BytesCodec, ShardingCodec
from zarr.codecs import numcodecs as three

import dgd
from tests.meaning.cases import case, least_squares, refused, rounded

MISSING = "MissingChunkError: restore it, or write the array again"


def with_zeros(folder: Path) -> np.ndarray:
    """A store whose first five chunks of X are zeros, which zarr does not store."""
    H = np.zeros((1000, 3))
    H[500:] = np.random.default_rng(0).normal(size=(500, 3))
    group = zarr.open_group(folder / "d.zarr", mode="w")
    group.create_array("X", data=H, chunks=(100, 3))
    group.create_array("y", data=H.sum(1) + 1, chunks=(100,))
    return H


@case("S2.1", "chunks of zeros, left out by zarr's default: the error", before=MISSING)
def absent(folder: Path) -> tuple[str, str]:
    with_zeros(folder)
    return refused(lambda: dgd.fit(folder / "d.zarr"), "missing_chunks='fill'", "--missing-chunks fill")


@case("S2.1-fill", "the same, taken as zeros and counted", before="no such choice")
def filled(folder: Path) -> tuple[str, str]:
    H = with_zeros(folder)
    found = dgd.fit(folder / "d.zarr", missing_chunks="fill")
    return (
        f"{rounded(found.coef_)}; {found.chunks_filled} chunks",
        f"{rounded(least_squares(H, H.sum(1) + 1)[1:])}; 5 chunks",
    )


@case("S2.1-counts", "counts of zero, labels sorted by class, an empty inner chunk of a shard", before=MISSING)
def filled_targets(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    X[:40] = 0
    group = zarr.open_group(folder / "d.zarr", mode="w")
    group.create_array("X", data=X, chunks=(20, 2), shards=(100, 2))
    y = np.repeat([0, 1, 2], 200)
    group.create_array("y", data=y, chunks=(100,))
    found = dgd.fit(folder / "d.zarr", missing_chunks="fill", loss="softmax", penalty=dgd.penalties.L2(1.0))
    expected = dgd.fit(X, y, loss="softmax", penalty=dgd.penalties.L2(1.0))
    return f"{rounded(found.coef_)}; {found.chunks_filled} chunks", f"{rounded(expected.coef_)}; 4 chunks"


@case("S2.2", "a Dask DataFrame", before="TypeError: must be real number, not Scalar")
def dask_frame(folder: Path) -> tuple[str, str]:
    import dask.dataframe as dd
    import pandas as pd

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 3)), columns=["a", "b", "t"])
    parts = dd.from_pandas(frame, npartitions=4)
    return rounded(dgd.fit(parts[["a", "b"]], parts["t"]).theta), rounded(least_squares(frame[["a", "b"]], frame["t"]))


@case("S2.2-xarray", "an xarray Dataset", before="TypeError: cannot directly convert …")
def dataset(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 10, 6))
    ds = xr.Dataset(
        {"a": (("t", "x"), a), "b": (("t", "x"), b), "c": (("t", "x"), a - 2 * b + rng.normal(size=a.shape))}
    )
    now, right = refused(lambda: dgd.fit(ds, "c"), "features=", "a, b")
    found = dgd.fit(ds, "c", features=["a", "b"]).theta
    expected = least_squares(np.column_stack([a.ravel(), b.ravel()]), ds.c.values.ravel())
    return f"{now}; {rounded(found)}", f"{right}; {rounded(expected)}"


@case("S2.3", "kerchunk references to a compressed HDF5 file with shuffle", before="refused: codec 'zlib as a filter'")
def references(folder: Path) -> tuple[str, str]:
    import h5py

    X = np.random.default_rng(0).normal(size=(200, 3))
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(50, 3), compression="gzip", shuffle=True)
        file.create_dataset("y", data=X.sum(1), chunks=(50,), compression="gzip")
    refs: dict[str, Any] = {".zgroup": '{"zarr_format": 2}'}
    with h5py.File(folder / "a.h5") as file:
        for name, filters in (("X", [{"id": "shuffle", "elementsize": 8}]), ("y", [])):
            found = file[name]
            refs[f"{name}/.zarray"] = json.dumps(
                {
                    "zarr_format": 2,
                    "shape": found.shape,
                    "chunks": found.chunks,
                    "dtype": "<f8",
                    "fill_value": None,
                    "order": "C",
                    "filters": [*filters, {"id": "zlib", "level": 4}],
                    "compressor": None,
                }
            )
            for k in range(found.id.get_num_chunks()):
                at = found.id.get_chunk_info(k)
                key = ".".join(str(o // c) for o, c in zip(at.chunk_offset, found.chunks, strict=True))
                refs[f"{name}/{key}"] = [str(folder / "a.h5"), at.byte_offset, at.size]
    (folder / "kc.json").write_text(json.dumps({"version": 1, "refs": refs}))
    options = {"fo": str(folder / "kc.json"), "remote_protocol": "file"}
    return rounded(dgd.fit("reference://", storage_options=options).coef_), "1, 1, 1"


@case("S2.3-cli", "dgd fit reference://kc.json", before="a traceback: missing argument 'fo'")
def reference_url(folder: Path) -> tuple[str, str]:
    (folder / "kc.json").write_text('{"version": 1, "refs": {}}')
    return refused(lambda: dgd.fit(f"reference://{folder}/kc.json"), "fo")


TWO: dict[str, Any] = {
    "bz2": {"compressors": numcodecs.BZ2()},
    "lzma": {"compressors": numcodecs.LZMA()},
    "delta": {"filters": [numcodecs.Delta("f8")]},
    "fixedscaleoffset": {"filters": [numcodecs.FixedScaleOffset(0, 1000, "f8", "i4")]},
    "quantize": {"filters": [numcodecs.Quantize(3, "f8")]},
    "bitround": {"filters": [numcodecs.BitRound(20)]},
    "astype": {"filters": [numcodecs.AsType("f4", "f8")]},
    "shuffle": {"filters": [numcodecs.Shuffle(8)]},
    "crc32": {"filters": [numcodecs.CRC32()]},
    "adler32": {"filters": [numcodecs.Adler32()]},
    "fletcher32": {"filters": [numcodecs.Fletcher32()]},
}


def codecs_of_format_3() -> dict[str, Any]:
    """How arrays are created; numcodecs warns of each."""
    inner = ShardingCodec(chunk_shape=(5, 3), codecs=[BytesCodec()])
    outer = ShardingCodec(chunk_shape=(10, 3), codecs=[inner])
    return {
        "v3 delta": {"filters": [three.Delta(dtype="float64")]},
        "v3 shuffle, bz2": {"compressors": [three.Shuffle(elementsize=8), three.BZ2()]},
        "v3 lzma": {"compressors": [three.LZMA()]},
        "v3 bitround": {"filters": [three.BitRound(keepbits=10)]},
        "shards in shards": {"serializer": outer, "compressors": (), "filters": ()},
    }


@case("S2.4", "16 codecs that dgd has no decoder for", before="each refused; no way round")
def other_codecs(folder: Path) -> tuple[str, str]:
    X = np.round(np.random.default_rng(0).normal(size=(60, 3)), 2)
    bad = []
    for version, codecs in ((2, TWO), (3, codecs_of_format_3())):
        for name, how in codecs.items():
            group = zarr.open_group(folder / f"{name}.zarr", mode="w", zarr_format=version)  # type: ignore[arg-type]
            array = group.create_array("X", shape=X.shape, dtype="f8", chunks=(20, 3), **how)
            array[...] = X
            group.create_array("y", data=X.sum(1), compressors=None)
            expected = least_squares(np.asarray(array[...]), X.sum(1))
            if not np.allclose(dgd.fit(folder / f"{name}.zarr").theta, expected):
                bad.append(name)
    return f"{', '.join(bad) or 'each'} fitted as zarr reads them", "each fitted as zarr reads them"


@case("S2.4-text", "labels of any length: xarray's default for objects, v2 |O and v3 string", before="refused")
def texts(folder: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    found = []
    for version in (2, 3):
        y = np.array(["sea", "land", "drifting ice"], dtype=object)[np.arange(90) % 3]
        ds = xr.Dataset({"X": (("s", "f"), rng.normal(size=(90, 2))), "y": ("s", y)})
        path = folder / f"{version}.zarr"
        ds.to_zarr(path, zarr_format=version, consolidated=False)  # type: ignore[call-overload]
        model = dgd.fit(path, loss="softmax", penalty=dgd.penalties.L2(0.1)).model
        found.append(", ".join(model.classes or ()))
    return "; ".join(found), "; ".join(["drifting ice, land, sea"] * 2)


@case("S2.5", "120 MiB in one chunk, compressible: planned by what is stored", before="as 1.16 GiB a thread")
def compressible(folder: Path) -> tuple[str, str]:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    X = np.tile(np.arange(50.0), (300_000, 1))
    array = group.create_array("X", data=X, chunks=X.shape)
    group.create_array("y", data=np.zeros(300_000) + 1)
    planned, right = dgd.plan(folder / "a.zarr", threads=1).encoded_bytes, "less than 1 MiB a thread"
    return (right if planned < 2**20 else f"{planned:,} bytes for {array.nbytes_stored():,} stored"), right


@case("S2.6", "pandas: Float64 with pd.NA, and a column of text", before="dtype object; neither column nor NA is named")
def nullable(folder: Path) -> tuple[str, str]:
    import pandas as pd

    frame = pd.DataFrame({"a": np.arange(50.0) ** 0.5, "b": pd.array([1.0, pd.NA] * 25, dtype="Float64")})
    y = np.arange(50.0)
    first, first_right = refused(lambda: dgd.fit(frame, y), "row 1", "missing='drop'")
    names = dgd.fit(frame.drop(columns="b").assign(c=["x", "z"] * 25), y).model.feature_names
    return f"{first}; {', '.join(names)}", f"{first_right}; a, c[z]"
