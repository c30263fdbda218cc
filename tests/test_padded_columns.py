"""Few columns beside ones and zeros, for products that BLAS makes quickly: the same sums as of the columns alone."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from sums import gradient_sum

from dgd.data.buffers import Buffers
from dgd.data.centre import Centre
from dgd.data.dataset import Chunk
from dgd.losses import Logistic, Softmax, Squared
from dgd.passes.sums import block_rows as rows_module
from dgd.passes.sums.blocks import Blocks
from dgd.passes.sums.columns import merged
from dgd.passes.sums.dense_columns import DenseColumns
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.padded_columns import MOST, PaddedColumns, pays

F4, F8 = np.dtype("f4"), np.dtype("f8")
NEAR = {F4: {"rtol": 1e-4, "atol": 1e-3}, F8: {"rtol": 1e-11, "atol": 1e-11}}


@pytest.mark.parametrize("dtype", [F4, F8], ids=str)
@pytest.mark.parametrize("stored", ["f2", "f4", "f8", "i1"])
@pytest.mark.parametrize("centred", [False, True])
def test_every_product_is_that_of_the_columns_alone(
    dtype: np.dtype, stored: str, centred: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SCALED_BYTES", "NARROW_SCALED_BYTES"):
        monkeypatch.setattr(rows_module, name, 4 * 8 * 24)
    rng = np.random.default_rng(1)
    X = (8 * rng.normal(size=(91, 7))).astype(stored)
    centre = Centre(np.arange(7.0)) if centred else None
    padded = PaddedColumns.of(X, dtype, Buffers(), centre)
    cells = (X.astype(F8) - (np.arange(7.0) if centred else 0.0)).astype(dtype)
    plain, near = DenseColumns(cells, Buffers()), NEAR[dtype]
    assert padded.shape == plain.shape == (91, 7)
    assert padded.dtype == dtype
    np.testing.assert_array_equal(padded.array(), cells)
    s = rng.random(91).astype(dtype)
    for q in ((), (3,)):
        coef, r = rng.normal(size=(7, *q)).astype(dtype), rng.normal(size=(91, *q)).astype(dtype)
        found, expected, sums = np.empty((91, *q), dtype), np.empty((91, *q), dtype), np.ones((7, *q), dtype)
        padded.times(coef, found)
        plain.times(coef, expected)
        np.testing.assert_allclose(found, expected, **near)
        np.testing.assert_allclose(padded.product(coef), expected, **near)
        np.testing.assert_allclose(padded.transposed_times(r), plain.transposed_times(r), **near)
        padded.add_transposed(r, sums)
        np.testing.assert_allclose(sums, 1 + plain.transposed_times(r).T, **near)
    for each in (None, s):
        gram = padded.gram(each)
        np.testing.assert_allclose(gram, plain.gram(each), **near)
        assert (gram == gram.T).all()
    np.testing.assert_allclose(padded.cross(s - 0.5), plain.cross(s - 0.5), **near)
    for found, expected in zip(*(reduce(merged, each.centred_sums(s)) for each in (padded, plain)), strict=True):
        np.testing.assert_allclose(found, expected, **near)
    np.testing.assert_array_equal(padded.rows(slice(5, 9)).array(), cells[5:9])


def test_a_row_has_the_same_prediction_whatever_rows_are_beside_it() -> None:
    X, coef = np.random.default_rng(2).normal(size=(50, 15)), np.linspace(-1, 1, 15)
    whole, some = np.empty(50), np.empty(1)
    PaddedColumns.of(X, F8, Buffers(), None).times(coef, whole)
    for row in range(50):
        PaddedColumns.of(X[row : row + 1], F8, Buffers(), None).times(coef, some)
        assert some[0] == whole[row]


def test_columns_are_padded_where_one_is_lacking_and_a_hessian_is_summed() -> None:
    assert [n for n in range(20) if pays(n)] == [3, 7, 11, 15, 19]
    assert not any(pays(n) for n in range(MOST, MOST + 4))
    for n, hessian, kind in ((15, True, PaddedColumns), (15, False, DenseColumns), (16, True, DenseColumns)):
        X = np.ones((20, n), np.float32)
        (block,) = Blocks(Chunk(0, 0, X, None, None, 0), np.zeros(n), 0.0, Buffers(), hessian=hessian)
        assert type(block.columns) is kind


@pytest.mark.parametrize("loss", [Squared(), Logistic(), Softmax(3)], ids=lambda loss: loss.name)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_and_hessian_are_those_of_the_naive_formula(loss: object, weighted: bool) -> None:
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(200, 7)), rng.integers(0, 2, 200)
    q = (3,) if isinstance(loss, Softmax) else ()
    coef, w = rng.normal(size=(7, *q)), rng.random(200) if weighted else None
    found = gradient_sum(loss, np.full(q, 0.5), coef, Hessian())(Chunk(0, 0, X, y, w, 0), Buffers())
    raw, A, weight = X @ coef + 0.5, np.column_stack([np.ones(200), X]), np.ones(200) if w is None else w
    encoded = loss.encode(y, F8)
    r = loss.derivative(raw, encoded) * weight.reshape(-1, *[1] * len(q))
    second = loss.second_derivative(raw, encoded)
    expected = np.einsum("r,ri,r...,rj->...ij", weight, A, second, A)
    np.testing.assert_allclose(found.parts[0].gradient, A.T @ r, rtol=1e-10, atol=1e-11)
    np.testing.assert_allclose(found.parts[1].values, expected, rtol=1e-10, atol=1e-11)
