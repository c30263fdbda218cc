"""Sums of many models in one pass: each what a lone pass over the same rows makes."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest
from sums import gradient_sum

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.folds import Folds
from dgd.errors import ValueRangeError
from dgd.losses import Huber, Logistic, Poisson, Softmax, Squared
from dgd.passes.sums.gradient import AtNull
from dgd.passes.sums.hessian import Hessian
from dgd.passes.sums.many import ManySums
from dgd.passes.sums.moments import ColumnMoments, TargetMoments
from dgd.passes.sums.row_sums import RowSums
from dgd.testing import MemoryChunks

RNG = np.random.default_rng(3)
M, N, K = 57, 4, 3
X = RNG.normal(size=(M, N)) + np.array([0, 1, -2, 0])
COUNTS = RNG.poisson(1.5, M).astype(float)
LOSSES: dict[str, tuple[Any, np.ndarray]] = {
    "squared": (Squared(), COUNTS),
    "logistic": (Logistic(), (COUNTS > 1).astype(float)),
    "poisson": (Poisson(), COUNTS),
    "huber": (Huber(1.0), COUNTS),
    "softmax": (Softmax(3), np.minimum(COUNTS, 2)),
    "two targets": (Logistic(), np.column_stack([COUNTS > 1, COUNTS > 0]).astype(float)),
}


def dataset(y: np.ndarray, *, ends: list[int], columns: np.ndarray = X, **more: Any) -> Dataset:
    given = {"X": columns, "y": y, **more}
    return Dataset(**{name: MemoryChunks(name, array, ends) for name, array in given.items()})


def summed(data: Dataset, chunk_sum: Any) -> Any:
    return reduce(add, (chunk_sum(data.read(k), Buffers()) for k in range(data.n_chunks)))


@pytest.mark.each(3)
@pytest.mark.parametrize("ends", [[0, 57], [0, 1, 20, 56, 57]], ids=["one chunk", "ragged"])
@pytest.mark.parametrize("name", LOSSES)
def test_each_model_is_told_what_a_lone_pass_over_its_rows_finds(name, ends):
    loss, y = LOSSES[name]
    q = loss.n_outputs(y.shape)
    shape = () if q is None else (q,)
    coef, level = RNG.normal(size=(N, K, *shape)) / 4, RNG.normal(size=(K, *shape)) / 4
    weight = RNG.integers(0, 3, M).astype(float)
    offset = RNG.normal(size=(M, *shape)) / 4
    folds = Folds(3)
    data = dataset(y, ends=ends, weight=weight, offset=offset)
    parts = ((0, ColumnMoments()), (0, TargetMoments()), (1, AtNull(None)), (2, Hessian()))
    totals = summed(data, ManySums(loss, level, coef, parts, folds))
    of_row = folds.of(Chunk(0, 0, X, None, None, 0))
    for point in range(K):
        for without in (None, 1):
            kept = weight if without is None else weight * (of_row != without)
            lone = gradient_sum(loss, level[point], coef[:, point], *(part for _, part in parts))
            expected = summed(dataset(y, ends=ends, weight=kept, offset=offset), lone)
            found = totals.sums(point, range(len(parts)), without=without)
            assert found.weight == expected.weight
            np.testing.assert_allclose(found.parts[0].loss, expected.parts[0].loss, rtol=1e-13)
            np.testing.assert_allclose(found.parts[0].gradient, expected.parts[0].gradient, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(found.parts[1].variance, expected.parts[1].variance, rtol=1e-12)
            np.testing.assert_allclose(found.parts[2].saturated, expected.parts[2].saturated, rtol=1e-13)
            if point == 1:
                np.testing.assert_allclose(found.parts[3].squares, expected.parts[3].squares, rtol=1e-12)
            if point == 2:
                np.testing.assert_allclose(found.parts[4].values, expected.parts[4].values, rtol=1e-11, atol=1e-12)
        held_out = of_row == 2
        scored = summed(
            dataset(y[held_out], ends=[0, held_out.sum()], columns=X[held_out], offset=offset[held_out]),
            gradient_sum(loss, level[point], coef[:, point]),
        )
        unweighted = summed(dataset(y, ends=ends, offset=offset), ManySums(loss, level, coef, (), folds))
        np.testing.assert_allclose(unweighted.loss[2, point], scored.parts[0].loss, rtol=1e-12)


@pytest.mark.parametrize("stored", [np.float32, np.int64])
def test_columns_far_from_zero_are_centred_in_every_fold(stored):
    columns = (X * 100).astype(stored) + np.array([0, 2**23, 0, -(2**22)], stored)
    y = COUNTS
    data = dataset(y, ends=[0, 20, 57], columns=columns)
    coef, level = RNG.normal(size=(N, K)) / 100, np.zeros(K)
    at = (0, ColumnMoments()), (1, Hessian())
    found = summed(data, ManySums(Huber(1.0), level, coef, at, Folds(2), own=True))
    parts = (gradient_sum(Huber(1.0), 0.0, coef[:, 1]).parts[0], ColumnMoments(), Hessian())
    expected = summed(data, RowSums(Huber(1.0), 0.0, coef[:, 1], parts, own=True))
    sums = found.sums(1, (0, 1))
    np.testing.assert_array_equal(sums.about, expected.about)
    assert np.any(sums.about)
    np.testing.assert_allclose(sums.parts[0].gradient, expected.parts[0].gradient, rtol=1e-10, atol=1e-8)
    np.testing.assert_allclose(sums.parts[1].mean, expected.parts[1].mean, rtol=1e-9)
    np.testing.assert_allclose(sums.parts[2].values, expected.parts[2].values, rtol=1e-9, atol=1e-6)
    moved, once = found.moved_to(None).sums(1, (0, 1)), expected.moved_to(None)
    np.testing.assert_allclose(moved.parts[0].gradient, once.parts[0].gradient, rtol=1e-9, atol=1e-6)


def test_single_precision_and_a_row_that_is_not_finite():
    loss, y = LOSSES["logistic"]
    coef, level = RNG.normal(size=(N, K)), np.zeros(K)
    double, single = (
        summed(dataset(y, ends=[0, 57]), ManySums(loss, level, coef, (), Folds(2), p)) for p in ("double", "single")
    )
    np.testing.assert_allclose(single.gradient, double.gradient, rtol=1e-4, atol=1e-4)
    assert (single.gradient != double.gradient).any()
    bad = X.copy()
    bad[41, 2] = np.nan
    with pytest.raises(ValueRangeError, match="row 41, column 2 is nan"):
        summed(dataset(y, ends=[0, 30, 57], columns=bad), ManySums(loss, level, coef, (), Folds(2)))
