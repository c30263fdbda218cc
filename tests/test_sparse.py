"""Sparse rows beside the same rows dense: every method, every kind of rows, and never a dense block."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from clusters import Cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from methods import CASES, OFFSET, WEIGHT, Case
from methods import X as FULL
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sums import gradient_sum

import dgd
from dgd.data import row_cuts
from dgd.data.buffers import Buffers
from dgd.data.centre import Centre, sampled
from dgd.data.csr import Csr, NonZeros
from dgd.data.dataset import Chunk
from dgd.data.row_cuts import cut, cut_evenly
from dgd.data.rows import DenseRows, Footprint
from dgd.errors import SchemaError, ValueRangeError
from dgd.estimators import LogisticRegression, Ridge, ZarrDesign
from dgd.losses import Logistic, Softmax, Squared
from dgd.passes.sums import block_rows
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.testing import check_rows

RNG = np.random.default_rng(7)
KEPT = RNG.random(FULL.shape) < [0.3, 0.6, 0.9, 0.5]
X = np.where(KEPT, FULL, 0.0)
TINY = 40
RIDGES = [dgd.penalties.L2(0.1), dgd.penalties.L2(1.0)]
Stored = tuple[str, Any, np.ndarray]


@pytest.fixture
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks, and several micro-blocks in each."""
    monkeypatch.setattr(row_cuts, "CHUNK_NON_ZEROS", 4 * TINY)
    monkeypatch.setattr(block_rows, "MICRO_BLOCK_NON_ZEROS", TINY)


@pytest.fixture
def some_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_cuts, "CHUNK_NON_ZEROS", 2**15)
    monkeypatch.setattr(block_rows, "MICRO_BLOCK_NON_ZEROS", 2**12)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """A store of several chunks, its matrix, whose rows are ever fuller, and its target."""
    rng = np.random.default_rng(3)
    matrix = sparse.csr_matrix(np.where(rng.random((2_000, 60)) < np.linspace(0, 4, 2_000)[:, None], 1.5, 0))
    matrix.data[:] = rng.normal(size=matrix.nnz).astype(np.float32)
    matrix = matrix.astype(np.float32)
    y = matrix @ rng.normal(size=60) + rng.normal(size=2_000)
    path = tmp_path_factory.mktemp("sparse") / "sparse.zarr"
    names = [f"f{j}" for j in range(60)]
    with pytest.MonkeyPatch.context() as patch, dgd.DatasetWriter(path, feature_names=names) as out:
        patch.setattr("dgd.data.zarr.sparse_writer.CHUNK_BYTES", 2**16)
        for start in range(0, 2_000, 567):
            out.append(matrix[start : start + 567], y[start : start + 567])
    return str(path), matrix, y


@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
@pytest.mark.each(12)
def test_every_method_goes_the_way_it_goes_on_dense_rows(case: Case, tiny_chunks: None) -> None:
    options = {**case.options, "max_iter": 12, "tol": 0, "loss": case.loss}
    if getattr(case.loss, "name", case.loss) not in {"softmax"} and case.y.ndim == 1:
        options |= {"weight": WEIGHT, "offset": OFFSET}
    if "minibatch" in str(options.get("solver", "")).lower():
        options["max_iter"] = 3
    found = dgd.fit(sparse.csr_array(X), case.y, threads=2, **options)
    assert len(dgd.open_dataset(sparse.csr_array(X), case.y).bounds) > 3
    assert found.theta.tobytes() == dgd.fit(sparse.csr_array(X), case.y, threads=1, **options).theta.tobytes()
    if "minibatch" in str(options.get("solver", "")).lower():
        return  # Its batches are those of the chunks, which are others.
    assert_allclose(found.theta, dgd.fit(X, case.y, threads=1, **options).theta, rtol=1e-6, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 40),
    columns=st.integers(1, 7),
    dtype=st.sampled_from(["bool", "int8", "uint16", "int64", "float32", "float64"]),
    index=st.sampled_from(["i4", "i8"]),
    density=st.sampled_from([0.0, 0.2, 0.7, 1.0]),
    twice=st.booleans(),
    loss=st.sampled_from([Squared(), Logistic(), Softmax()]),
    seed=st.integers(0, 99),
)
def test_sums_equal_those_of_the_same_rows_dense(
    rows: int, columns: int, dtype: str, index: str, density: float, twice: bool, loss: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    cells = (3 * rng.normal(size=(rows, columns))).astype(dtype) * (rng.random((rows, columns)) < density)
    matrix = sparse.csr_array(cells.astype(dtype))
    data, indices, indptr = matrix.data, matrix.indices, matrix.indptr
    if twice and dtype != "bool":  # Each entry is stored as two halves of it, in some order.
        half = data // 2
        data, indices, indptr = np.stack([half, data - half], 1).ravel(), np.repeat(indices, 2), 2 * indptr
    X = Csr(data, indices.astype(index), indptr.astype(index), columns)
    if isinstance(loss, Softmax):
        loss = Softmax(classes=(0, 1, 2))
    outputs = (3,) if isinstance(loss, Softmax) else ()
    y, w = rng.integers(0, 2, rows).astype(float), rng.integers(0, 3, rows).astype(float)
    coef, b0 = rng.normal(size=(columns, *outputs)), rng.normal(size=outputs)
    parts = (ColumnMoments(), Hessian())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_rows, "MICRO_BLOCK_NON_ZEROS", 30)
        chunk_sum = gradient_sum(loss, b0, coef, *parts)
        found = chunk_sum(Chunk(0, 0, X, y, w, 0), Buffers())
    expected = chunk_sum(Chunk(0, 0, np.asarray(X.toarray()), y, w, 0), Buffers())
    assert found.weight == expected.weight
    (a, moments, hessian), (b, dense_moments, dense_hessian) = found.parts, expected.parts
    assert_allclose(a.loss, b.loss, rtol=1e-12, atol=1e-12)
    assert_allclose(a.gradient, b.gradient, rtol=1e-11, atol=1e-11)
    assert_allclose(moments.mean, dense_moments.mean, rtol=1e-11, atol=1e-12)
    assert_allclose(moments.squares, dense_moments.squares, rtol=1e-10, atol=1e-10)
    assert_allclose(hessian.values, dense_hessian.values, rtol=1e-10, atol=1e-10)
    whole = hessian.values if hessian.values.ndim == 2 else hessian.values[0, 0]
    assert_array_equal(whole, whole.T)


def test_a_nearly_full_column_far_from_zero_keeps_the_digits_of_a_dense_one() -> None:
    rng = np.random.default_rng(2)
    cells = np.where(rng.random((3_000, 5)) < 0.2, rng.normal(size=(3_000, 5)), 0.0)
    cells[:, 1], cells[:, 3] = 1e9 + rng.normal(size=3_000), 1.0
    y = cells[:, 0] - 2 * (cells[:, 1] - 1e9) + 0.1 * rng.normal(size=3_000)
    found, dense = dgd.fit(sparse.csr_array(cells), y), dgd.fit(cells, y)
    assert_allclose(found.coef_, dense.coef_, rtol=1e-9, atol=1e-11)
    assert found.coef_[1] == pytest.approx(-2, abs=0.01)
    assert found.coef_[3] == 0


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.float32])
def test_centring_writes_out_what_is_not_stored_of_far_columns_alone(dtype: Any) -> None:
    cells = np.zeros((600, 4), dtype)
    cells[:, 0], cells[::3, 1], cells[:, 2] = 10**6 + np.arange(600) % 7, 5, 1
    centre = sampled(Csr.of(sparse.csr_array(cells)))
    assert centre is not None
    assert_array_equal(centre, sampled(cells))
    cells[[5, 100], 0] = 0
    matrix = Csr.of(sparse.csr_array(cells))
    found = Centre(centre).subtract_stored(matrix, np.dtype(np.float64))
    assert_array_equal(found.toarray(), cells - centre)
    assert len(found.data) <= len(matrix.data) + 2
    assert sampled(matrix[:0]) is None
    assert sampled(Csr.of(sparse.csr_array((9, 2)))) is None


def test_rows_are_cut_by_what_is_stored_of_them() -> None:
    indptr = np.concatenate(([0], np.cumsum([5, 0, 0, 90, 1, 1, 1, 1])))
    assert_array_equal(cut(indptr, 20, 4), [0, 3, 4, 8])
    assert_array_equal(cut(indptr, 20, 100), np.arange(9))
    assert_array_equal(cut(np.zeros(1, int), 20), [0])
    even = cut_evenly(np.arange(0, 1001, 10), 140)
    assert_array_equal(np.diff(even)[:-1], 10)
    skewed = np.concatenate(([0], np.cumsum(np.where(np.arange(100) < 90, 1, 200))))
    bounds = cut_evenly(skewed, 300)
    assert np.diff(skewed[bounds]).max() <= 600


KINDS = ["stored", "in memory", "columns", "several stores", "Dask blocks", "rows"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.each(4)
def test_each_kind_of_sparse_rows_keeps_the_contract(kind: str, stored: Stored, some_chunks: None) -> None:
    path, matrix, y = stored
    cells = matrix.toarray()
    some = np.sort(RNG.choice(2_000, 150, replace=False))
    blocks_of = da.from_array(cells, chunks=(1_000, 31)).map_blocks(sparse.csr_array)
    rows, expected = {
        "stored": (lambda: dgd.open_dataset(path), cells),
        "in memory": (lambda: dgd.open_dataset(matrix, y), cells),
        "columns": (lambda: dgd.open_dataset(path, features=["f7", "f3", "f59"]), cells[:, [7, 3, 59]]),
        "several stores": (lambda: dgd.open_dataset([path, path]), np.concatenate([cells, cells])),
        "Dask blocks": (lambda: dgd.open_dataset(blocks_of, y), cells),
        "rows": (lambda: ZarrDesign(path)[some].dataset, cells[some]),
    }[kind]
    check_rows(rows().X, expected)


@pytest.mark.slow
def test_bits_on_threads_two_workers_and_in_resident_chunks(stored: Stored, two_workers: Cluster) -> None:
    path, matrix, y = stored
    for options in ({"loss": "squared"}, {"loss": "huber", "solver": "lbfgs", "max_iter": 9, "tol": 0}):
        one = dgd.fit(path, threads=1, **options)
        streamed = dgd.Execution(threads=2, resident=0)
        others = [
            dgd.fit(path, threads=2, **options),
            dgd.fit(path, execution=streamed, **options),
            dgd.fit(path, client=two_workers.client, **options),
            dgd.fit(matrix, y, client=two_workers.client, **options),
        ]
        assert {each.theta.tobytes() for each in others} == {one.theta.tobytes()}


def test_no_block_is_ever_dense(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows, n = 20_000, 300_000
    matrix = sparse.csr_array(
        (rng.normal(size=rows * 8), rng.integers(0, n, rows * 8), np.arange(0, rows * 8 + 1, 8)), shape=(rows, n)
    )
    y = (np.asarray(matrix.sum(axis=1)).ravel() > 0).astype(float)
    with dgd.DatasetWriter(tmp_path / "wide.zarr") as writer:
        writer.append(matrix, y)
    tracemalloc.start()
    result = dgd.fit(tmp_path / "wide.zarr", loss="logistic", penalty=dgd.penalties.L2(1e-3), max_iter=4, threads=1)
    assert result.model.score(matrix, y).accuracy > 0.9
    assert_array_equal(result.model.predict(matrix), result.model.predict(tmp_path / "wide.zarr"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.01 * rows * n * 8


def test_missing_cells_by_row_and_column(stored: Stored) -> None:
    _, matrix, y = stored
    matrix = sparse.csr_array(matrix.copy())
    place = int(matrix.indptr[1_000])
    matrix.data[place] = np.nan
    column = int(matrix.indices[place])
    with pytest.raises(ValueRangeError, match=rf"row 1000, column {column} is nan.*missing='drop'"):
        dgd.fit(matrix, y)
    with pytest.raises(ValueRangeError, match="row 1000"):
        dgd.predict(dgd.fit(stored[0]).model, matrix)
    result = dgd.fit(matrix, y, missing="drop")
    assert result.missing_cells == {f"x{column}": 1}
    kept = np.arange(2_000) != 1_000
    assert_allclose(result.theta, dgd.fit(matrix[kept], y[kept]).theta, rtol=1e-6)
    predicted = dgd.predict(result.model, matrix, missing="drop")
    assert np.isnan(predicted[1_000])
    assert np.isnan(predicted).sum() == 1


def test_a_part_is_held_out_of_sparse_rows_too(stored: Stored, some_chunks: None) -> None:
    path, matrix, y = stored
    result = dgd.fit(path, validation_fraction=0.3, seed=4, threads=1)
    assert dgd.fit(path, validation_fraction=0.3, seed=4, threads=2).theta.tobytes() == result.theta.tobytes()
    other = dgd.fit(path, validation=(matrix, y), solver="gd", max_iter=3, tol=0)
    assert other.history[-1].validation_loss == pytest.approx(other.history[-1].loss, rel=1e-9)


def test_estimators_and_predictions_to_a_store(stored: Stored, tmp_path: Path) -> None:
    path, matrix, y = stored
    found, dense = Ridge(alpha=2.0).fit(matrix, y), Ridge(alpha=2.0).fit(matrix.toarray(), y)
    assert_allclose(found.coef_, dense.coef_, rtol=1e-6)
    assert_allclose(Ridge(alpha=2.0).fit(path).predict(path), found.predict(matrix), rtol=1e-6, atol=1e-6)
    labels = np.where(y > 0, "up", "down")
    some = LogisticRegression().fit(matrix, labels)
    assert_allclose(some.predict_proba(matrix), some.predict_proba(matrix.toarray()), rtol=1e-9)
    model = dgd.fit(path).model
    dgd.predict_to(model, path, tmp_path / "predicted.zarr")
    assert_array_equal(zarr.open_array(tmp_path / "predicted.zarr")[:], dgd.predict(model, matrix))


def test_a_damaged_matrix_in_memory_is_refused() -> None:
    matrix = sparse.csr_array(X)
    matrix.indices[3] = 99
    with pytest.raises(SchemaError, match="sparse array 'X' is damaged"):
        dgd.fit(matrix, WEIGHT)


@pytest.mark.slow
def test_products_folds_and_standard_errors_are_those_of_dense_rows(stored: Stored, some_chunks: None) -> None:
    _, matrix, y = stored
    cells = matrix.toarray()
    for loss in ("huber", "squared"):
        both = [dgd.cross_validate(X, y, loss=loss, penalties=RIDGES, folds=3, max_iter=9) for X in (matrix, cells)]
        assert_allclose(both[0].fold_losses, both[1].fold_losses, rtol=1e-7)
    labels = (y > 0).astype(float)
    fits = [dgd.fit(X, labels, loss="logistic", penalty=RIDGES[0]) for X in (matrix, cells)]
    for cov in ("classical", "HC3"):
        found, dense = (fit.inference(cov, penalized="ignore").standard_errors for fit in fits)
        assert_allclose(found, dense, rtol=1e-6)


def test_dense_rows_of_a_sparse_matrix_are_planned_with_all_that_its_store_takes() -> None:
    stored = Footprint(100, 50, 900, exact=False, path="http", ahead=3, larger=7_000, non_zeros=NonZeros(5, 5))
    rows = SimpleNamespace(
        footprint=stored, shape=(10, 2), dtype=np.dtype("float64"), bounds=np.array([0, 6, 10]), name="y"
    )
    expected = replace(stored, decoded=50 + 6 * 2 * 8, non_zeros=None)
    assert DenseRows(rows).footprint == expected  # type: ignore[arg-type]
