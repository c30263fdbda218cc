"""Formats that are objects of a library, or lie behind something: HDF5, Dask, Arrow, zip files, servers."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.meaning.formats import CHUNK, NAMES, Data, data_of, numbers, served
from tests.meaning.stored import DROP, own


@data_of("NumPy", "arrays in memory")
def in_memory(folder: Path) -> Data:
    X, y = numbers()
    return Data(X, y, objects=(X, y))


@data_of("pandas", "a DataFrame with a nullable column, and a Series")
def pandas_frame(folder: Path) -> Data:
    import pandas as pd

    X, y = numbers()
    frame = pd.DataFrame(X, columns=NAMES).astype({"b": "Float64"})
    frame.loc[[4, 50], "b"] = pd.NA
    X[[4, 50], 1] = np.nan
    return Data(X, y, objects=(frame, pd.Series(y, name="t")), reading=DROP)


@data_of("Arrow", "a pyarrow Table with nulls")
def arrow_table(folder: Path) -> Data:
    import pyarrow as pa

    X, y = numbers()
    X[[4, 50], 1] = np.nan
    columns = {name: pa.array(X[:, j], from_pandas=True) for j, name in enumerate(NAMES)}
    return Data(X, y, objects=(pa.table(columns), pa.chunked_array([y[:100], y[100:]])), reading=DROP)


@data_of("SciPy CSR", "a sparse matrix in memory")
def scipy_csr(folder: Path) -> Data:
    from scipy import sparse

    X, y = numbers()
    X *= np.random.default_rng(1).random(X.shape) < 0.5
    return Data(X, y, objects=(sparse.csr_matrix(X), y))


@data_of("Dask array", "blocks of NumPy")
def dask_array(folder: Path) -> Data:
    import dask.array as da

    X, y = numbers()
    return Data(X, y, objects=(da.from_array(X, chunks=(CHUNK, 2)), da.from_array(y, chunks=77)))


@data_of("Dask CSR", "a Dask array of sparse blocks")
def dask_csr(folder: Path) -> Data:
    import dask.array as da
    from scipy import sparse

    X, y = numbers()
    return Data(X, y, objects=(da.from_array(X, chunks=(CHUNK, 3)).map_blocks(sparse.csr_matrix), y))


def in_parquet(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Columns a, b, c and t with missing cells, as pandas writes them."""
    import pandas as pd

    X, y = numbers()
    X[[4, 50], 1] = np.nan
    pd.DataFrame(X, columns=NAMES).assign(t=y).to_parquet(folder / "t.parquet")
    return X, y


@data_of("Dask DataFrame", "partitions of unknown length, with missing cells")
def dask_frame(folder: Path) -> Data:
    import dask.dataframe as dd

    X, y = in_parquet(folder)
    parts = dd.read_parquet(folder / "t.parquet").repartition(npartitions=3)
    uneven = {"predict_to": "use `predict`"}
    return Data(X, y, objects=(parts[NAMES], parts["t"]), reading=DROP, refused=uneven)


@data_of("Parquet", "a table as pandas writes it, read in place")
def parquet(folder: Path) -> Data:
    X, y = in_parquet(folder)
    named = {"y": "t", **DROP}
    return Data(X, y, path=folder / "t.parquet", named=named, refused={"info": "dgd ingest"})


@data_of("xarray DataArray", "labelled arrays over Dask, feature × sample")
def data_array(folder: Path) -> Data:
    import xarray as xr

    X, y = numbers()
    lazy = xr.DataArray(X.T, dims=("feature", "sample"), coords={"feature": NAMES}).chunk({"sample": CHUNK})
    return Data(X, y, objects=(lazy, xr.DataArray(y, dims=("sample",), name="t")))


@data_of("HDF5", "a file of h5py: its datasets, and its path")
def hdf5(folder: Path) -> Data:
    import h5py

    X, y = numbers()
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(len(X) // 5, 3), compression="gzip", shuffle=True)
        file.create_dataset("y", data=y)
    file = h5py.File(folder / "a.h5")
    return Data(X, y, path=folder / "a.h5", objects=(file["X"], file["y"]), refused={"path": "h5py"})


@data_of("zip", "a Zarr group in a zip file")
def zipped(folder: Path) -> Data:
    data = own(folder)
    shutil.make_archive(str(folder / "a"), "zip", folder / "a.zarr")
    return Data(data.X, data.y, path=folder / "a.zip", objects=(f"zip://::{folder / 'a.zip'}", None))


class Files(http.server.SimpleHTTPRequestHandler):
    """The files of a folder, without a log."""

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silence."""


@served("http", "a server of files")
def over_http(folder: Path) -> Iterator[Data]:
    data = own(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(folder)))
    server.socket.listen(128)  # whoever finds a queue of five full asks again after a second
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Data(data.X, data.y, path=f"http://127.0.0.1:{server.server_port}/a.zarr")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@served("S3", "a bucket: moto's server, through s3fs")
def over_s3(folder: Path) -> Iterator[Data]:
    import logging

    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)

    data = own(folder)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "AKID", "secret": "key", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    try:
        files = s3fs.S3FileSystem(**options, skip_instance_cache=True)
        files.mkdir("shelf")
        files.put(str(folder / "a.zarr"), "shelf/a.zarr", recursive=True)
        yield Data(data.X, data.y, path="s3://shelf/a.zarr", named={"storage_options": options})
    finally:
        server.stop()


@data_of("icechunk", "a session of an icechunk repository")
def icechunk_store(folder: Path) -> Data:
    import icechunk
    import zarr

    X, y = numbers()
    repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(folder / "ice")))
    session = repository.writable_session("main")
    group = zarr.open_group(session.store, mode="w")
    group.create_array("X", data=X, chunks=(CHUNK, 3))
    group.create_array("y", data=y, chunks=(CHUNK,))
    session.commit("written")
    read = repository.readonly_session("main").store
    return Data(X, y, path=folder / "ice", objects=(read, None), refused={"path": "readonly_session"})
