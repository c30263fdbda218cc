"""Fits of numbers, codes and sparse columns side by side, beside the same rows dense: every method, no dense block."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clusters import Cluster, two_in_this_process
from hypothesis import given, settings
from hypothesis import strategies as st
from methods import CASES, OFFSET, WEIGHT, Case, M
from methods import X as FULL
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sums import gradient_sum

import dgd
from dgd.data import row_cuts
from dgd.data.arrays.mixed_rows import MixedRows
from dgd.data.buffers import Buffers
from dgd.data.csr import Csr
from dgd.data.dataset import Chunk, Dataset
from dgd.data.mixed import Coded, Mixed
from dgd.data.resident_chunks import ResidentMemory
from dgd.data.transforms.joined_columns import JoinedColumns
from dgd.data.transforms.selected_columns import SelectedColumns
from dgd.data.transforms.selected_rows import SelectedRows, Selection
from dgd.data.transforms.stacked_rows import StackedRows
from dgd.errors import SchemaError, ValueRangeError
from dgd.estimators import Ridge, ZarrDesign
from dgd.losses import Logistic, Softmax, Squared
from dgd.passes.sums import block_rows, coded_columns
from dgd.passes.sums.gram_sum import GramSum
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.r_factor import RFactorSum
from dgd.passes.workspace import workspace_bytes
from dgd.testing import check_rows

RNG = np.random.default_rng(11)
TINY = 60
L2 = dgd.penalties.L2


def parts_of(rows: int, rng: np.random.Generator, *, far: float = 0.0) -> list[Any]:
    """Numbers, codes of two sizes, codes with numbers beside them, sparse columns."""
    return [
        rng.normal(size=(rows, 2)) + np.array([0, far]),
        Coded(rng.integers(-1, 3, rows).astype(np.int8), 3),
        Coded(rng.integers(0, 4, rows).astype(np.int32), 5),
        Coded(rng.integers(-1, 2, rows).astype(np.int16), 2, rng.normal(size=rows)),
        sparse.csr_array(np.where(rng.random((rows, 2)) < 0.4, rng.normal(size=(rows, 2)), 0.0)),
    ]


def rows_of(parts: list[Any]) -> tuple[MixedRows, np.ndarray]:
    rows = MixedRows("X", parts)
    return rows, rows.whole.toarray()


ROWS, CELLS = rows_of([FULL, *parts_of(M, RNG)[1:]])
TARGET = CELLS[:, 4] - CELLS[:, 8] + RNG.normal(size=M)


@pytest.fixture
def tiny_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several chunks, and several micro-blocks in each."""
    monkeypatch.setattr(row_cuts, "CHUNK_NON_ZEROS", 10 * TINY)
    monkeypatch.setattr(row_cuts, "PER_COLUMN", 0)
    monkeypatch.setattr(block_rows, "PER_COLUMN", 0)
    monkeypatch.setattr(block_rows, "MICRO_BLOCK_NON_ZEROS", 6 * TINY)


@pytest.mark.parametrize("case", CASES, ids=[case.label for case in CASES])
@pytest.mark.each(12)
def test_every_method_goes_the_way_it_goes_on_dense_rows(case: Case, tiny_chunks: None) -> None:
    options = {**case.options, "max_iter": 12, "tol": 0, "loss": case.loss}
    if getattr(case.loss, "name", case.loss) not in {"softmax"} and case.y.ndim == 1:
        options |= {"weight": WEIGHT, "offset": OFFSET}
    epochs = "minibatch" in str(options.get("solver", "")).lower()
    if epochs:
        options["max_iter"] = 3
    if isinstance(getattr(options.get("penalty"), "l2", None), list | np.ndarray):
        options["penalty"] = L2(0.1)
    rows = MixedRows("X", ROWS.given)
    assert len(rows.bounds) > 3
    found = dgd.fit(rows, case.y, threads=2, **options)
    assert found.theta.tobytes() == dgd.fit(rows, case.y, threads=1, **options).theta.tobytes()
    if not epochs:  # Their batches are those of the chunks, which are others.
        assert_allclose(found.theta, dgd.fit(CELLS, case.y, threads=1, **options).theta, rtol=1e-6, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 30),
    order=st.permutations(range(5)),
    kept=st.integers(1, 5),
    loss=st.sampled_from([Squared(), Logistic(), Softmax(classes=(0, 1, 2))]),
    scipy=st.booleans(),
    seed=st.integers(0, 99),
)
def test_sums_equal_those_of_the_same_rows_dense(
    rows: int, order: list[int], kept: int, loss: Any, scipy: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = parts_of(rows, rng)
    X = Mixed(tuple(Csr.of(found[k]) if k == 4 else found[k] for k in order[:kept]))
    outputs = (3,) if isinstance(loss, Softmax) else ()
    y, w = rng.integers(0, 2, rows).astype(float), rng.integers(0, 3, rows).astype(float)
    coef, b0 = rng.normal(size=(X.shape[1], *outputs)), rng.normal(size=outputs)
    chunk_sum = gradient_sum(loss, b0, coef, ColumnMoments(), Hessian())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(block_rows, "MICRO_BLOCK_NON_ZEROS", 70)
        patch.setattr(block_rows, "PER_COLUMN", 0)
        patch.setattr(coded_columns, "has_scipy", lambda: scipy)
        sums = chunk_sum(Chunk(0, 0, X, y, w, 0), Buffers())
    expected = chunk_sum(Chunk(0, 0, X.toarray().astype(float), y, w, 0), Buffers())
    (a, moments, hessian), (b, dense_moments, dense_hessian) = sums.parts, expected.parts
    assert_allclose(a.loss, b.loss, rtol=1e-12, atol=1e-12)
    assert_allclose(a.gradient, b.gradient, rtol=1e-11, atol=1e-11)
    assert_allclose(moments.mean, dense_moments.mean, rtol=1e-11, atol=1e-12)
    assert_allclose(moments.squares, dense_moments.squares, rtol=1e-10, atol=1e-10)
    assert_allclose(hessian.values, dense_hessian.values, rtol=1e-10, atol=1e-10)
    whole = hessian.values if hessian.values.ndim == 2 else hessian.values[0, 0]
    assert_array_equal(whole, whole.T)


@pytest.mark.parametrize("outputs", [(), (3,)])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_sums_have_the_same_bits_with_scipy_and_without(
    outputs: tuple[int, ...], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = parts_of(500, np.random.default_rng(1))[:4]
    chunk = Chunk(0, 0, Mixed(tuple(found)), RNG.normal(size=(500, *outputs)), RNG.random(500), 0)
    coef = RNG.normal(size=(12, *outputs))
    chunk_sum = gradient_sum(Squared(), np.zeros(outputs), coef, Hessian(), precision=precision)
    one = chunk_sum(chunk, Buffers())
    monkeypatch.setattr(coded_columns, "has_scipy", lambda: False)
    other = chunk_sum(chunk, Buffers())
    for a, b in zip(one.parts, other.parts, strict=True):
        for name in ("gradient", "values"):
            assert np.array_equal(getattr(a, name, 0), getattr(b, name, 0))


def test_numbers_far_from_zero_are_centred_and_codes_never() -> None:
    rng = np.random.default_rng(3)
    parts = parts_of(2_000, rng, far=1e9)
    parts[1] = Coded(np.zeros(2_000, np.int8), 1)  # The same for all rows: of a dense column the intercept takes it.
    rows, cells = rows_of(parts)
    y = cells[:, 0] - 2 * (cells[:, 1] - 1e9) + cells[:, 4] + 0.1 * rng.normal(size=2_000)
    for options in ({}, {"solver": "lbfgs"}, {"loss": "huber"}):
        found, dense = (dgd.fit(X, y, penalty=L2(1e-4), standardize=True, **options) for X in (rows, cells))
        assert_allclose(found.coef_, dense.coef_, rtol=1e-6, atol=1e-8)
        assert found.coef_[1] == pytest.approx(-2, abs=0.01)
    assert_allclose(dgd.predict(found.model, rows), dgd.predict(dense.model, cells), rtol=1e-6, atol=1e-6)


def test_a_level_that_nearly_all_rows_have_is_not_centred() -> None:
    rng = np.random.default_rng(8)
    common = np.zeros(70_000, np.int8)
    common[5] = -1
    rows, cells = rows_of([rng.normal(size=70_000) + 1e6, Coded(common, 1)])
    y = 3 + (cells[:, 0] - 1e6) + 0.1 * rng.normal(size=70_000)
    for options in ({}, {"solver": "lbfgs"}, {"loss": "huber", "standardize": False}):
        found, dense = (dgd.fit(X, y, penalty=L2(1e-6), **options) for X in (rows, cells))
        assert_allclose(found.coef_[0], dense.coef_[0], rtol=1e-6)
        assert_allclose(dgd.predict(found.model, rows), dgd.predict(dense.model, cells), atol=1e-4)


@pytest.mark.parametrize("make", [GramSum(), RFactorSum()])
def test_products_of_all_kinds_are_those_of_dense_rows(make: Any) -> None:
    rows, cells = rows_of(parts_of(300, np.random.default_rng(4), far=1e6))
    y, w = RNG.normal(size=300), RNG.random(300)
    found, dense = (make(Chunk(0, 0, X, y, w, 0), Buffers()) for X in (rows.whole, cells))
    found, dense = (getattr(each, "gram", each) for each in (found, dense))
    dense = dense.moved_to(found.about, found.level)
    assert_allclose(found.products, dense.products, rtol=1e-9, atol=1e-9)
    assert_allclose(found.cross, dense.cross, rtol=1e-8, atol=1e-8)
    assert_array_equal(found.products, found.products.T)


KINDS = ["memory", "columns", "below", "beside", "some rows"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_mixed_rows_keeps_the_contract(kind: str, tiny_chunks: None) -> None:
    rows = MixedRows("X", ROWS.given)
    assert len(rows.bounds) > 3
    order = (3, 5, 0, 6, 15, 9, 10, 1)
    some = Selection.of_rows(np.array([3, 4, 90, 91, 92, 200]), rows.bounds)
    beside = MixedRows("Z", [CELLS[:, :1], Coded(np.zeros(M, np.int8), 2)])
    found, expected = {
        "memory": (rows, CELLS),
        "columns": (SelectedColumns(rows, order), CELLS[:, order]),
        "below": (StackedRows((rows, rows)), np.concatenate([CELLS, CELLS])),
        "beside": (
            JoinedColumns("X", (rows, beside), ((*range(1, 17),), (0, 17, 18))),
            np.hstack([CELLS[:, :1], CELLS, np.ones((M, 1)), np.zeros((M, 1))]),
        ),
        "some rows": (SelectedRows(rows, some), CELLS[[3, 4, 90, 91, 92, 200]]),
    }[kind]
    check_rows(found, expected)


def test_rows_of_other_kinds_are_not_put_below() -> None:
    one = Dataset(X=ROWS)
    for parts in ([CELLS], [FULL, Coded(np.zeros(M, np.int8), CELLS.shape[1] - 4)]):
        other = Dataset(X=MixedRows("X", parts))
        with pytest.raises(SchemaError, match=r"dataset 1 .*'X' has .*, and has 4 numeric columns, 3 coded columns"):
            dgd.data.transforms.stacked_rows.stacked([one, other])


def test_bits_on_threads_two_workers_and_in_resident_chunks(tiny_chunks: None) -> None:
    rows = MixedRows("X", ROWS.given)
    copied = StackedRows((rows,))  # Which does not lie in memory: its chunks are kept.
    with two_in_this_process() as client:
        for options in ({"loss": "squared"}, {"loss": "huber", "solver": "lbfgs", "max_iter": 5, "tol": 0}):
            one = dgd.fit(rows, TARGET, threads=1, **options)
            others = [
                dgd.fit(rows, TARGET, threads=2, **options),
                dgd.fit(Dataset(X=copied, y=dgd.open_dataset(rows, TARGET).y), threads=2, **options),
                dgd.fit(rows, TARGET, client=client, **options),
            ]
            assert {each.theta.tobytes() for each in others} == {one.theta.tobytes()}


@pytest.mark.slow
def test_bits_on_two_worker_processes(two_workers: Cluster) -> None:
    rng = np.random.default_rng(6)
    parts = [*parts_of(60_000, rng), Coded(rng.integers(-1, 5_000, 60_000).astype(np.int16), 5_000)]
    rows, y = MixedRows("X", parts), rng.normal(size=60_000)
    assert len(rows.bounds) > 2
    for options in ({"loss": "huber"}, {"solver": "lbfgs"}, {"solver": "minibatch"}):
        options = {**options, "max_iter": 4, "tol": 0, "penalty": L2(0.01)}
        one = dgd.fit(rows, y, threads=1, **options)
        assert dgd.fit(rows, y, client=two_workers.client, **options).theta.tobytes() == one.theta.tobytes()


def test_missing_categories_are_named_or_left_out(tiny_chunks: None) -> None:
    parts = list(ROWS.given)
    codes = parts[1].codes.copy()
    codes[[70, 140]] = -2
    parts[1] = Coded(codes, 3)
    rows = MixedRows("X", parts)
    for options in ({}, {"loss": "huber"}, {"solver": "newton"}):
        with pytest.raises(ValueRangeError, match=r"row 70, column 4 is nan, expected a category \(columns 4 to 6\)"):
            dgd.fit(rows, TARGET, **options)
    result = dgd.fit(rows, TARGET, missing="drop")
    assert result.missing_cells == {"x4": 2}
    kept = np.setdiff1d(np.arange(M), [70, 140])
    assert_allclose(result.theta, dgd.fit(CELLS[kept], TARGET[kept]).theta, rtol=1e-6, atol=1e-9)
    predicted = dgd.predict(result.model, rows, missing="drop")
    assert_array_equal(np.flatnonzero(np.isnan(predicted)), [70, 140])


def test_a_number_beside_a_code_that_is_not_finite_is_found() -> None:
    values = np.ones(M)
    values[5] = np.inf
    rows = MixedRows("X", [FULL, Coded(np.arange(M) % 3, 3, values)])
    with pytest.raises(ValueRangeError, match="row 5, column 6 is inf"):
        dgd.fit(rows, TARGET)


def test_folds_validation_inference_and_scores_are_those_of_dense_rows() -> None:
    labels = (TARGET > 0).astype(float)
    for loss in ("huber", "squared"):
        both = [
            dgd.cross_validate(X, TARGET, loss=loss, penalties=[L2(0.1), L2(1.0)], folds=3, max_iter=9)
            for X in (ROWS, CELLS)
        ]
        assert_allclose(both[0].fold_losses, both[1].fold_losses, rtol=1e-7)
    some, cells = rows_of([ROWS.given[k] for k in (0, 1, 3, 4)])  # Each level has rows, and one has no column.
    fits = [dgd.fit(X, labels, loss="logistic", penalty=L2(0.1)) for X in (some, cells)]
    for cov in ("classical", "HC3"):
        found, dense = (fit.inference(cov, penalized="ignore").standard_errors for fit in fits)
        assert_allclose(found, dense, rtol=1e-6)
    assert fits[0].model.score(some, labels).accuracy == fits[1].model.score(cells, labels).accuracy
    held = [dgd.fit(X, TARGET, validation_fraction=0.3, seed=4, solver="gd", max_iter=3, tol=0) for X in (ROWS, CELLS)]
    assert held[0].history[-1].validation_loss == pytest.approx(held[1].history[-1].validation_loss, rel=1e-9)


def test_estimators_take_them_and_designs_of_them() -> None:
    some, cells = rows_of([ROWS.given[k] for k in (0, 1, 3)])
    dense = Ridge(alpha=2.0).fit(cells, TARGET)
    for X in (some, ZarrDesign(some)):
        found = Ridge(alpha=2.0).fit(X, TARGET)
        assert_allclose(found.coef_, dense.coef_, rtol=1e-6, atol=1e-9)
        assert_allclose(found.predict(X), dense.predict(cells), rtol=1e-6, atol=1e-9)
    odd = np.arange(M)[::-2]
    found, dense = (
        Ridge(alpha=2.0).fit(ZarrDesign(some)[odd], TARGET[odd]),
        Ridge(alpha=2.0).fit(cells[odd], TARGET[odd]),
    )
    assert_allclose(found.coef_, dense.coef_, rtol=1e-6, atol=1e-9)


def test_a_copy_is_sparse_or_dense(tmp_path: Path) -> None:
    dgd.copy(ROWS, tmp_path / "sparse.zarr", TARGET)
    dgd.copy(ROWS, tmp_path / "dense.zarr", TARGET, sparse=False)
    found = dgd.open_dataset(tmp_path / "sparse.zarr").read(0).X
    assert_array_equal(found.toarray(), CELLS)
    assert_array_equal(dgd.open_dataset(tmp_path / "dense.zarr").read(0).X, CELLS)


def test_neither_a_gram_nor_a_dense_block_is_made_of_many_levels() -> None:
    rng = np.random.default_rng(5)
    rows, n = 30_000, 100_000
    X = MixedRows("X", [Coded(rng.integers(0, n, rows).astype(np.int32), n) for _ in range(3)])
    y = rng.normal(size=rows)
    tracemalloc.start()
    for loss, target in (("squared", y), ("logistic", (y > 0).astype(float))):
        result = dgd.fit(X, target, loss=loss, penalty=L2(1e-3), max_iter=4, threads=1)
        assert result.history
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 8 * 3 * n


def test_a_plan_counts_codes_as_they_are_stored() -> None:
    rows = MixedRows("X", [RNG.normal(size=(9_000, 2)), Coded(np.zeros(9_000, np.int16), 400)])
    dataset = dgd.open_dataset(rows, np.zeros(9_000))
    assert dataset.decoded_bytes("X") == dataset.chunk_rows * (2 * 8 + 2)
    plan = dgd.plan(rows, np.zeros(9_000), loss="logistic", solver="lbfgs")
    assert "402 features (2 numeric columns, 1 coded column of 400 levels)" in plan.line()


@pytest.mark.parametrize("hessian", [False, True])
@pytest.mark.parametrize("levels", [(5,), (16, 3, 105, 12, 20), (4_000, 300)])
def test_the_blocks_of_a_thread_take_what_is_planned(levels: tuple[int, ...], hessian: bool) -> None:
    rng = np.random.default_rng(9)
    hessian = hessian and sum(levels) < 1_000
    given = [Coded(rng.integers(-1, k, 200_000).astype(np.int16), k) for k in levels]
    dataset = dgd.open_dataset(MixedRows("X", [rng.normal(size=(200_000, 2)), *given]), rng.normal(size=200_000))
    parts = (ColumnMoments(), *([Hessian()] if hessian else []))
    chunk_sum = gradient_sum(Logistic(), 0.0, np.zeros(dataset.shape[1]), *parts)
    chunk, buffers = dataset.read(0), Buffers()
    chunk = replace(chunk, y=(np.asarray(chunk.y) > 0).astype(float))
    tracemalloc.start()
    chunk_sum(chunk, buffers)
    taken = tracemalloc.get_traced_memory()[1] + held_bytes(buffers)
    tracemalloc.stop()
    planned = workspace_bytes(dataset, 1, np.dtype(float), hessian=hessian)
    assert taken <= planned <= 6 * taken


def held_bytes(buffers: Buffers) -> int:
    """What they hold beside what Python's allocator knows of."""
    own = sum(memory.nbytes for memory in buffers._memory.values() if memory.nbytes >= 2**20)
    return own + sum(map(held_bytes, buffers._within.values()))


def test_a_resident_chunk_lies_in_the_memory_that_is_planned_for_it(tiny_chunks: None) -> None:
    dataset = Dataset(X=StackedRows((MixedRows("X", ROWS.given[:4]),)))
    memory = ResidentMemory(dataset, 1)
    copied = memory.copy(dataset.read(0), 0).X
    assert_array_equal(copied.toarray(), dataset.read(0).X.toarray())
    for part in copied.parts:
        arrays = [part] if isinstance(part, np.ndarray) else [part.codes]
        arrays += [] if getattr(part, "values", None) is None else [part.values]
        assert all(np.shares_memory(each, memory._memory) for each in arrays)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"parts of \[3, 4\] rows"):
        MixedRows("X", [np.zeros(3), Coded(np.zeros(4, np.int8), 2)])
    with pytest.raises(SchemaError, match=r"part 0 has codes of float64 .*cat\.codes"):
        MixedRows("X", [Coded(np.zeros(4), 2)])
    matrix = sparse.csr_array(FULL)
    matrix.indices[3] = 99
    with pytest.raises(SchemaError, match="sparse array 'X' is damaged"):
        MixedRows("X", [FULL, matrix])
    with pytest.raises(SchemaError, match="part 1 is a category of 0 columns; leave it out"):
        MixedRows("X", [np.zeros(2), Coded(np.full(2, -1), 0)])
    for code in (2, -3):
        with pytest.raises(ValueRangeError, match=f"row 1 has the code {code}, expected one from 0 to 1"):
            MixedRows("X", [Coded(np.array([0, code]), 2)])
