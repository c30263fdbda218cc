"""Sums that are products of matrices: the rows of a block, and sums in the memory of sums."""

from __future__ import annotations

import itertools
import tracemalloc
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sums import gradient_sum

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.fitting.null_model import _TargetSum
from dgd.losses import Logistic, Loss, Softmax, Squared
from dgd.losses import softmax as softmax_module
from dgd.passes.sums import block_rows as rows_module
from dgd.passes.sums import dense_columns as dense_module
from dgd.passes.sums import gradient as gradient_module
from dgd.passes.sums.block_rows import block_rows, equal_parts
from dgd.passes.sums.columns import merged
from dgd.passes.sums.dense_columns import DenseColumns
from dgd.passes.sums.gradient import AtNull
from dgd.passes.sums.hessian import Expected, Hessian, block_hessian
from dgd.passes.sums.moments import ColumnMoments
from dgd.passes.sums.padded_columns import PaddedColumns
from dgd.passes.sums.row_sums import RowSums
from dgd.passes.tree import absorbed

F4, F8 = np.dtype("f4"), np.dtype("f8")


def test_a_block_has_more_rows_where_its_sums_are_large() -> None:
    assert block_rows(512, F8, outputs=1000) == 1024
    assert block_rows(100, F8, outputs=10) == 5 * 2**20 // (8 * 140)
    assert block_rows(1000, F8, hessian=True) == 2048
    assert block_rows(100, F8, hessian=True) == block_rows(100, F8)
    largest = block_rows(10**5, F8, outputs=1000, hessian=True)
    assert largest == 2**26 // (8 * 104_000)


def test_parts_are_of_equal_length_and_no_longer_than_asked() -> None:
    for rows, most in ((0, 8), (7, 8), (128, 40), (1000, 16), (1001, 999), (50, 1), (20, 17)):
        parts = equal_parts(rows, most)
        assert [i for part in parts for i in range(part.start, part.stop)] == list(range(rows))
        lengths = [part.stop - part.start for part in parts]
        assert max(lengths) <= most
        assert len(set(lengths[:-1])) <= 1
    assert [part.stop - part.start for part in equal_parts(128, 40)] == [32] * 4
    assert [part.stop - part.start for part in equal_parts(69_905, 32_768)] == [23_360, 23_360, 23_185]


def test_no_logarithm_is_left_over_but_in_the_last_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, left_over, log1p = 69_905, [], np.log1p
    monkeypatch.setattr(np, "log1p", lambda t: left_over.append(len(t)) or log1p(t))
    X = np.random.default_rng(9).normal(size=(rows, 15)).astype(np.float32)
    gradient_sum(Logistic(), 0.0, np.ones(15), precision="single")(Chunk(0, 0, X, X[:, 0] > 0, None, 0), Buffers())
    assert left_over == [rows % 64]


@pytest.mark.parametrize("loss", [Squared(), Softmax(3)], ids=["targets", "classes"])
@pytest.mark.parametrize("weighted", [False, True])
def test_outputs_taken_some_rows_at_a_time_are_those_of_the_naive_formula(
    loss: Loss, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_module, "PIECE", 3 * 7)
    rng = np.random.default_rng(1)
    X, B = rng.normal(size=(50, 4)), rng.normal(size=(4, 3))
    y = rng.normal(size=(50, 3)) if isinstance(loss, Squared) else rng.integers(0, 3, 50)
    w = rng.uniform(size=50) if weighted else None
    found = gradient_sum(loss, np.ones(3), B)(Chunk(0, 0, X, y, w, 0), Buffers()).parts[0]
    value, derivative = loss.value_and_derivative(X @ B + 1.0, loss.encode(y, F8))
    weight = np.ones(50) if w is None else w
    assert found.loss == pytest.approx(weight @ value, rel=1e-12)
    np.testing.assert_allclose(found.gradient[1:], X.T @ (derivative * weight[:, None]), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.gradient[0], weight @ derivative, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("outputs", [0, 2, 70])
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_the_gradient_of_a_block_is_added_to_a_sum(outputs: int, dtype: np.dtype) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(30, 5)).astype(dtype)
    r = rng.normal(size=(30, outputs) if outputs else 30).astype(dtype)
    total = np.ones((5, outputs) if outputs else 5, dtype)
    DenseColumns(X, Buffers()).add_transposed(r, total)
    np.testing.assert_allclose(total, 1 + X.T.astype(F8) @ r, rtol=1e-4 if dtype == F4 else 1e-12, atol=1e-6)


@pytest.mark.parametrize("n", [1, 6, 32, 33])
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_gram_in_parts_is_that_of_the_naive_formula_and_symmetric(
    n: int, dtype: np.dtype, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SCALED_BYTES", "NARROW_SCALED_BYTES"):
        monkeypatch.setattr(rows_module, name, dtype.itemsize * n * 8)
    rng = np.random.default_rng(3)
    X, before = rng.normal(size=(43, n)).astype(dtype), rng.normal(size=n + 1)
    s = rng.uniform(size=43).astype(dtype) if weighted else None
    total = np.outer(before, before)
    kept = X.copy()
    DenseColumns(X, Buffers()).add_gram(s, total)
    A = np.column_stack([np.ones(43), X]).astype(F8)
    naive = np.outer(before, before) + A.T @ (A if s is None else A * s[:, None])
    near = 1e-12 if dtype == F8 else 1e-5
    np.testing.assert_allclose(total, naive, rtol=near, atol=near)
    assert (total == total.T).all()
    assert (kept == X).all()


def test_few_columns_are_multiplied_by_a_copy_in_small_products(monkeypatch: pytest.MonkeyPatch) -> None:
    made, dot = [], np.dot
    monkeypatch.setattr(dense_module.np, "dot", lambda a, b, **to: made.append((a, b)) or dot(a, b, **to))
    for n, step in ((15, 4369), (32, 976)):
        for s, dtype in itertools.product((None, np.ones(20_000)), (F4, F8)):
            made.clear()
            dense_module.narrow_gram(np.ones((20_000, n), dtype), s, Buffers())
            assert sum(len(b) for _, b in made) == 20_000
            assert max(len(b) for _, b in made) <= (step if dtype == F8 else min(step, 1024))
            assert not any(np.shares_memory(a, b) for a, b in made)


@pytest.mark.parametrize("n", [2, 4, 8, 9, 16, 32])
def test_products_in_single_keep_their_digits(n: int) -> None:
    """Of numbers that are rounded the same way each time."""
    X = np.random.default_rng(n).integers(0, 2, size=(40_000, n)).astype(F4) * F4.type(0.1)
    exact = X.astype(F8).T @ X.astype(F8)
    for columns in (DenseColumns(X, Buffers()), PaddedColumns.of(X, F4, Buffers(), None)):
        found = columns.gram(None)[1:, 1:]
        np.testing.assert_allclose(found, exact, rtol=1e-5)


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Softmax(3)], ids=lambda loss: loss.name)
def test_sums_in_the_memory_of_sums_have_the_bits_of_new_ones(loss: Loss) -> None:
    rng = np.random.default_rng(4)
    X, y, coef = rng.normal(size=(40, 4)), rng.integers(0, 2, 40), rng.normal(size=4)
    coef = rng.normal(size=(4, 3)) if isinstance(loss, Softmax) else coef
    chunk_sum = gradient_sum(loss, np.zeros(coef.shape[1:]), coef, Hessian(), ColumnMoments())

    def halves() -> list:
        return [chunk_sum(Chunk(0, 0, X[some], y[some], None, 0), Buffers()) for some in (slice(0, 25), slice(25, 40))]

    new, same = add(*halves()), absorbed(*halves())
    assert new.weight == same.weight
    assert new.parts[0].loss == same.parts[0].loss
    assert (new.parts[0].gradient == same.parts[0].gradient).all()
    assert (new.parts[1].values == same.parts[1].values).all()
    assert (new.parts[2].squares == same.parts[2].squares).all()


@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_classes_by_row_are_those_by_class(dtype: np.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    raw, y = (10 * rng.normal(size=(90, 12))).astype(dtype), rng.integers(0, 12, 90).astype(dtype)
    raw[3], raw[4], y[5] = 1e4 * raw[3], 0.0, np.nan
    loss, found = Softmax(12), []
    for by_row in (1, 100):
        monkeypatch.setattr(softmax_module, "BY_ROW", by_row)
        found.append((*loss.value_and_derivative(raw, y), loss.response(raw), loss.value(raw, y)))
    near = {"rtol": 1e-5, "atol": 1e-6} if dtype == F4 else {"rtol": 1e-13, "atol": 1e-15}
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, **near)
        assert one.shape == other.shape
    assert np.isnan(found[0][0][5])


@pytest.mark.parametrize("n", [1, 2, 3, 31, 32, 33])
@pytest.mark.parametrize("rows", [1, 7, 8, 129, 1000])
def test_rows_centred_many_at_a_time_have_the_bits_of_each_by_itself(rows: int, n: int) -> None:
    rng = np.random.default_rng(n)
    X, w = rng.normal(300.0, 1.0, (rows, n)), rng.random(rows)
    ((weight, mean, squares),) = DenseColumns(X, Buffers()).centred_sums(w)
    assert weight == w.sum()
    np.testing.assert_array_equal(mean, w @ X / weight)
    np.testing.assert_array_equal(squares, w @ (X - mean) ** 2)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("multiplied", [False, True])
def test_moments_keep_their_digits_wherever_the_mean_is(
    padded: bool, weighted: bool, multiplied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dense_module, "PIECE_BYTES", 8 * 3 * 100)
    centred: list[int] = []
    exact = dense_module._centred
    monkeypatch.setattr(dense_module, "_centred", lambda X, *other: centred.append(len(X)) or exact(X, *other))
    tried: list[int] = []
    quick = dense_module._near_zero
    monkeypatch.setattr(dense_module, "_near_zero", lambda X, *other: tried.append(len(X)) or quick(X, *other))
    rng = np.random.default_rng(8)
    w = rng.random(1000) if weighted else None
    for mean, rows in ((0.0, 0), (2.0, 0), (30.0, 1000), (1e5, 1000)):
        X = rng.normal([0.0, 0.0, mean], [0.0, 1.0, 1.0], (1000, 3))
        columns = PaddedColumns.of(X, F8, Buffers(), None) if padded else DenseColumns(X, Buffers())
        if multiplied:
            columns.gram(None)
        centred.clear()
        tried.clear()
        total, found, squares = reduce(merged, columns.centred_sums(w))
        weight = np.ones(1000) if w is None else w
        expected = weight @ X / weight.sum()
        assert total == pytest.approx(weight.sum(), rel=1e-14)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(squares, weight @ (X - expected) ** 2, rtol=1e-11)
        assert sum(centred) == rows
        assert len(tried) == 1 or not rows
        assert bool(tried) == (rows > 0 or weighted or not multiplied)


def test_the_products_of_a_first_pass_have_the_moments_in_them(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[tuple[int, ...]] = []
    for name in ("_near_zero", "_centred", "_of_one_column"):
        made = getattr(dense_module, name)
        monkeypatch.setattr(dense_module, name, lambda X, *on, made=made: looked.append(X.shape[1]) or made(X, *on))
    rng = np.random.default_rng(5)
    X = rng.normal(size=(500, 6))
    y = X[:, 0] + rng.normal(size=500) > 0
    for options, columns in (({}, {1}), ({"precision": "single"}, {1, 6}), ({"solver": "lbfgs"}, {1, 6})):
        looked.clear()
        dgd.fit(X, y, loss="logistic", max_iter=1, **options)
        assert set(looked) == columns


@pytest.mark.parametrize("n", [6, 7])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("constant", [0.0, 0.3])
def test_rows_of_equal_curvature_are_multiplied_as_they_are(
    n: int, weighted: bool, constant: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaled: list[bool] = []
    for kind in (DenseColumns, PaddedColumns):
        add_gram = kind.add_gram

        def noted(self: DenseColumns, s: object, total: object, add_gram: object = add_gram) -> None:
            scaled.append(s is not None)
            add_gram(self, s, total)

        monkeypatch.setattr(kind, "add_gram", noted)
    rng = np.random.default_rng(6)
    X, y, w = rng.normal(size=(40, n)), rng.integers(0, 2, 40), rng.random(40) if weighted else None
    coef = np.full(n, constant)
    found = gradient_sum(Logistic(), 0.5, coef, Hessian())(Chunk(0, 0, X, y, w, 0), Buffers()).parts[1].values
    A = np.column_stack([np.ones(40), X])
    s = Logistic().second_derivative(X @ coef + 0.5, y) * (1.0 if w is None else w)
    np.testing.assert_allclose(found, A.T @ (A * s[:, None]), rtol=1e-12, atol=1e-13)
    assert scaled == [weighted or constant != 0.0]


@pytest.mark.parametrize("kind", [DenseColumns, PaddedColumns])
def test_equal_curvature_does_not_let_squares_overflow(kind: type[DenseColumns]) -> None:
    X = np.full((4, 3), 1e200)
    columns = kind(X, Buffers()) if kind is DenseColumns else kind(np.hstack([X, np.ones((4, 1))]), Buffers())
    with np.errstate(over="ignore"):
        assert not block_hessian(columns, np.full(4, 0.25), np.zeros(4)).any(), "as of a fill value where weights are 0"
        assert np.isfinite(block_hessian(columns, np.full(4, 1e-200), None)).all()


@pytest.mark.parametrize("loss", ["logistic", "huber"])
def test_a_chunk_without_weight_may_hold_any_number(loss: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1200, 3))
    y, w = (X[:, 0] + rng.logistic(size=1200) > 0).astype(float), np.ones(1200)
    expected = dgd.fit(np.delete(X, slice(200, 400), 0), np.delete(y, slice(200, 400)), loss=loss)
    w[200:400], X[200:400] = 0, 1e200
    with dgd.DatasetWriter(tmp_path / "d.zarr", chunk_rows=200) as writer:
        writer.append(X, y, w)
    found = dgd.fit(tmp_path / "d.zarr", weight="weight", loss=loss)
    assert found.converged
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-6, atol=1e-8)


class Counted(Logistic):
    """Knows how often a derivative is asked for by itself."""

    asked: ClassVar[list[str]] = []

    def derivative(self, raw_prediction: Any, y: Any) -> Any:
        """That of its base."""
        self.asked.append("first")
        return super().derivative(raw_prediction, y)

    def second_derivative(self, raw_prediction: Any, y: Any) -> Any:
        """That of its base."""
        self.asked.append("second")
        return super().second_derivative(raw_prediction, y)

    def sum_and_derivative(self, raw_prediction: Any, y: Any, weight: Any) -> Any:
        """That of its base."""
        self.asked.append("sum")
        return Logistic.sum_and_derivative(self, raw_prediction, y, weight)

    def sum_and_derivatives(self, raw_prediction: Any, y: Any, weight: Any) -> Any:
        """That of its base."""
        self.asked.append("all")
        return Logistic.sum_and_derivatives(self, raw_prediction, y, weight)


ASKED = (
    ((), ["sum"]),
    ((Hessian(),), ["all"]),
    ((AtNull(None), Hessian()), ["all"]),
    ((AtNull(None),), ["sum"]),
    ((AtNull(0.5), Hessian()), ["all", "first"]),
    ((Expected(Hessian()),), ["sum", "second"]),
    ((Expected(Hessian()), Hessian()), ["all", "second"]),
)


def test_what_a_part_has_made_of_a_loss_is_made_once() -> None:
    rng = np.random.default_rng(7)
    X, y, w = rng.normal(size=(40, 5)), rng.integers(0, 2, 40), rng.random(40)
    theta = 0.5, np.zeros(5)
    for chunk in (Chunk(0, 0, X, y, None, 0), Chunk(0, 0, X, y, w, 0)):
        for parts, asked in ASKED:
            Counted.asked.clear()
            found = gradient_sum(Counted(), *theta, *parts)(chunk, Buffers()).parts
            assert Counted.asked == asked
            assert found[0].loss == gradient_sum(Logistic(), *theta)(chunk, Buffers()).parts[0].loss
            for part, total in zip(parts, found[1:], strict=True):
                alone = RowSums(Logistic(), *theta, (part,))(chunk, Buffers()).parts[0]
                for name in ("values", "squares", "gradient"):
                    np.testing.assert_array_equal(getattr(total, name, None), getattr(alone, name, None))


def test_the_moments_of_targets_take_their_memory_once() -> None:
    rows, buffers = 70_000, Buffers()
    y = np.random.default_rng(10).normal(size=rows)
    chunk_sum, chunk = _TargetSum(Squared(), None), Chunk(0, 0, np.ones((rows, 1)), y, None, 0)
    first = chunk_sum(chunk, buffers)
    tracemalloc.start()
    try:
        assert chunk_sum(chunk, buffers).moments.mean == first.moments.mean
        assert tracemalloc.get_traced_memory()[1] < rows
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("n", [1, 2, 49, 50, 99, 100, 2048, 4096, 4097])
@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
def test_each_row_has_its_product_whatever_rows_are_beside_it(n: int, dtype: np.dtype) -> None:
    rng = np.random.default_rng(n)
    X, coef = rng.normal(size=(37, n)).astype(dtype), rng.normal(size=n).astype(dtype)
    whole, some = np.empty(37, dtype), np.empty(5, dtype)
    DenseColumns(X, Buffers()).times(coef, whole)
    exact = X.astype(np.longdouble) @ coef.astype(np.longdouble)
    size = abs(X.astype(F8)) @ abs(coef.astype(F8))
    assert (abs(whole - exact) <= 8 * np.finfo(dtype).eps * size).all()
    DenseColumns(X[11:16], Buffers()).times(coef, some)
    if dtype == F8:
        np.testing.assert_array_equal(some, whole[11:16])
    X[3, n - 1] = np.nan
    DenseColumns(X, Buffers()).times(np.zeros(n, dtype), whole)
    assert np.isnan(whole).nonzero()[0].tolist() == [3]
