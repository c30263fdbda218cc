"""Arrays of other libraries: sparse, Dask's sparse blocks, Arrow, HDF5, DLPack; and what would be loaded whole."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import numpy as np
import pyarrow as pa
import pytest
import xarray as xr
from clusters import Cluster
from scipy import sparse

import dgd
from dgd.data.arrays.memory_rows import memory_bounds
from dgd.errors import ReadError, SchemaError, UnsupportedFormatError, ValueRangeError
from dgd.estimators import Ridge

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

RNG = np.random.default_rng(4)
M, N, CHUNK = 1000, 6, 130
X = RNG.normal(size=(M, N)) * (RNG.random((M, N)) < 0.3)
Y = X @ np.arange(N) + RNG.normal(size=M)
THETA = dgd.fit(X, Y).theta
BLOCKS = da.from_array(X, chunks=(CHUNK, 4))


class Lazy:
    """An array that is made when it is asked for, like a variable of xarray on disk."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self.dtype = shape, np.dtype(float)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.ones(self.shape)


class OnDevice:
    """A tensor of some device; an exporter of DLPack that is not NumPy."""

    def __init__(self, array: np.ndarray, device: int = 1) -> None:
        self.array, self.device = array, device

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
def test_a_sparse_matrix_is_the_dense_one(kind: Any) -> None:
    np.testing.assert_allclose(dgd.fit(kind(X), Y).theta, THETA, rtol=1e-10)
    np.testing.assert_allclose(dgd.fit(X, sparse.csr_matrix(Y[:, None])).theta.ravel(), THETA, rtol=1e-10)
    model = dgd.fit(kind(X), Y).model
    np.testing.assert_allclose(model.predict(kind(X)), model.predict(X))
    assert dgd.plan(kind(X), Y).fits


@pytest.mark.each(2)
@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csr_array, sparse.coo_array])
@pytest.mark.parametrize("columns", [N, 4])
def test_dask_blocks_of_sparse_matrices_are_those_of_dense_ones(kind: Any, columns: int) -> None:
    dense = BLOCKS.rechunk((CHUNK, columns))
    blocks = dense.map_blocks(kind)
    y = da.from_array(Y, chunks=77)
    np.testing.assert_allclose(dgd.fit(blocks, y).theta, dgd.fit(dense, y).theta, rtol=1e-10)
    np.testing.assert_allclose(Ridge().fit(blocks, y).coef_, Ridge().fit(dense, y).coef_, rtol=1e-10)


def test_an_arrow_table_gives_the_bits_of_its_array() -> None:
    table = pa.table({f"f{j}": X[:, j] for j in range(N)})
    batches = table.to_batches(max_chunksize=90)
    for found in (table, pa.Table.from_batches(batches), pa.RecordBatchReader.from_batches(table.schema, batches)):
        result = dgd.fit(found, pa.chunked_array([Y[:500], Y[500:]]))
        assert result.theta.tobytes() == THETA.tobytes()
    assert dgd.fit(table, Y).model.feature_names == tuple(f"f{j}" for j in range(N))
    assert list(Ridge().fit(table, Y).feature_names_in_) == table.column_names
    mixed = pa.table(
        {"a": pa.array([1, 2, 3], pa.int8()), "b": [True, False, True], "c": pa.array([0.5, 1, 2], pa.float32())}
    )
    assert dgd.open_dataset(mixed, [1, 2, 3]).read(0).X.tolist() == [[1, 1, 0.5], [2, 0, 1], [3, 1, 2]]


def test_missing_cells_labels_and_text_of_arrow() -> None:
    rows = pa.table({"a": [1.0, 2, 3, 4], "b": pa.array([1, None, 3, 4])})
    with pytest.raises(ValueRangeError, match="row 1, column 1 is nan"):
        dgd.fit(rows, [1, 2, 3, 4])
    labels = pa.array(["no", "yes", "no", "yes"])
    for y in (labels, labels.dictionary_encode(), pa.chunked_array([labels])):
        result = dgd.fit(rows.select(["a"]), y, loss="logistic", penalty=dgd.penalties.L2(1))
        assert result.model.classes == ("no", "yes")
    with pytest.raises(ValueRangeError, match="row 2 has no label"):
        dgd.fit(rows.select(["a"]), pa.array(["no", "yes", None, "yes"]), loss="logistic")
    with pytest.raises(SchemaError, match=r"1 column cannot be used as it is: 'd' \(times"):
        dgd.fit(rows.append_column("s", labels).append_column("d", pa.array([1, 2, 3, 4], pa.date32())), [1, 2, 3, 4])


@pytest.mark.parametrize("chunks", [None, (64, 3), (64, N)])
def test_hdf5_is_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: Any) -> None:
    monkeypatch.setattr("dgd.data.arrays.hdf5_rows.MEMORY_CHUNK_BYTES", 8 * N * 200)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=chunks, compression=chunks and "gzip")
        file.create_dataset("y", data=Y)
        dataset = dgd.open_dataset(file["X"], file["y"])
        assert dataset.bounds[1] == (200 if chunks is None else 192)
        result = dgd.fit(dataset)
        assert result.theta.tobytes() == dgd.fit(da.from_array(X, chunks=(dataset.bounds[1], N)), Y).theta.tobytes()
        np.testing.assert_array_equal(Ridge().fit(file["X"], file["y"]).coef_, Ridge().fit(dataset).coef_)
        file["X"].attrs["scale_factor"] = 0.1
        with pytest.raises(UnsupportedFormatError, match="'scale_factor' changes what the numbers mean"):
            dgd.fit(file["X"], file["y"])
    with pytest.raises(ReadError, match="file is closed; keep it open"):
        dgd.fit(dataset)


def test_dlpack_is_taken_from_the_cpu_alone() -> None:
    assert dgd.fit(OnDevice(X), OnDevice(Y)).theta.tobytes() == THETA.tobytes()
    with pytest.raises(UnsupportedFormatError, match=r"'X' is a OnDevice that lies in the memory of another device"):
        dgd.fit(OnDevice(X, device=2), Y)
    with pytest.raises(UnsupportedFormatError, match=r"'X' is a OnDevice that NumPy cannot take over"):
        dgd.fit(OnDevice(np.array([["a"]])), Y)


def test_what_is_not_in_memory_is_not_loaded_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dgd.open_dataset(Lazy((30, 2)), np.ones(30)).shape == (30, 2)
    with pytest.raises(SchemaError, match=r"a test_other_arrays Lazy of 68\.7 MiB, and all of it would be loaded"):
        dgd.open_dataset(Lazy((9_000_000, 1)), np.ones(9_000_000))
    monkeypatch.setattr("dgd.data.arrays.other_arrays.MOST_LOADED", 1000)
    for known in (X.tolist(), xr.DataArray(X), memoryview(X), X[:, ::2]):
        assert dgd.open_dataset(known, Y).shape[0] == M
    reader = pa.RecordBatchReader.from_batches(*(lambda t: (t.schema, t.to_batches()))(pa.table({"a": Y})))
    with pytest.raises(SchemaError, match=r"'X' is a stream \(RecordBatchReader\) of more than 1000 B"):
        dgd.fit(reader, Y)


@pytest.mark.slow
@pytest.mark.slow
def test_same_bits_on_threads_and_workers(tmp_path: Path, two_workers: Cluster) -> None:
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(100, 6))
    with h5py.File(tmp_path / "b.h5") as file:
        kinds = [
            sparse.csr_matrix(X),
            BLOCKS.map_blocks(sparse.csr_array),
            pa.table(list(X.T), list("abcdef")),
            file["X"],
        ]
        for rows in kinds:
            dataset = dgd.open_dataset(rows, Y)
            assert pickle.loads(pickle.dumps(dataset)).fingerprint == dataset.fingerprint
            theta = [dgd.fit(dataset, max_iter=3, tol=0, threads=threads).theta.tobytes() for threads in (1, 3)]
            assert theta == [dgd.fit(dataset, max_iter=3, tol=0, client=two_workers.client).theta.tobytes()] * 2


@pytest.mark.parametrize(
    ("shape", "rows"),
    [
        ((0,), 524_288),
        ((100, 3), 174_762),
        ((4_000_000, 16), 62_500),
        ((10**9, 16), 131_072),
        ((40_000, 1_024), 2_048),
        ((1_000, 1_024), 512),
        ((10, 10**7), 1),
    ],
)
def test_chunks_in_memory_grow_with_the_data_and_with_wide_rows(shape: tuple[int, ...], rows: int) -> None:
    """Up to 16 MiB: as many as 64 chunks, or two rows for each column."""
    assert memory_bounds(shape)[:2].tolist() == [0, min(rows, shape[0])][: 1 + bool(shape[0])]
