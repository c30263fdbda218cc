"""Learning curves: fits of the first rows and losses on rows not seen, from one pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import PredefinedSplit
from sklearn.model_selection import learning_curve as by_sklearn
from test_factor_hand_over import Counting
from test_summary import WEIGHT, M, X, Y, chunked

import dgd
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.folds import make_folds
from dgd.errors import ConfigurationError, DataError
from dgd.penalties import L1, L2

SIZES = [40, 250, 500, 777, M]
PENALTIES = [None, L2(0.3), L1(0.2)]


def expected(folds: Any, fold: int, size: int, penalty: Any, y: Any, weight: Any) -> tuple[Any, float, float]:
    """θ and the losses of a fit to the rows themselves."""
    w = np.ones(M) if weight is None else weight
    rows, held = (folds != fold) & (np.arange(M) < size), folds == fold
    result = dgd.fit(X[rows], y[rows], weight=w[rows], penalty=penalty, solver="newton")
    error = (y - result.predict(X)).reshape(M, -1) ** 2
    return (
        result,
        float(w[rows] @ error[rows].sum(axis=1) / w[rows].sum()),
        float(w[held] @ error[held].sum(axis=1) / w[held].sum()),
    )


@pytest.mark.each(13)
@pytest.mark.parametrize("by", ["rows", "chunks", "groups"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
@pytest.mark.parametrize("y", [Y[:, 0], Y], ids=["one", "three"])
@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_each_fit_is_that_of_its_rows(penalty: Any, y: Any, weight: Any, by: str) -> None:
    dataset = chunked(y=y, weight=weight)
    groups: Any = np.arange(M) // 7 if by == "groups" else by
    sizes = SIZES if by != "chunks" else SIZES[2:]
    found = dgd.learning_curve(dataset, penalty=penalty, sizes=sizes, folds=3, by=groups, seed=4)
    made = make_folds("learning_curve", dataset, 3, groups, 4)
    folds = np.concatenate([made.of(dataset.read(k)) for k in range(dataset.n_chunks)])
    assert found.sizes.tolist() == sizes
    for line, size in enumerate(sizes):
        for fold in range(3):
            result, training, validation = expected(folds, fold, size, penalty, y, weight)
            assert found.train_rows[line, fold] == ((folds != fold) & (np.arange(M) < size)).sum()
            np.testing.assert_allclose(found.thetas[line, fold][1:], result.theta[1:], rtol=1e-7, atol=1e-9)
            assert found.train_losses[line, fold] == pytest.approx(training, rel=1e-8)
            assert found.validation_losses[line, fold] == pytest.approx(validation, rel=1e-8)


def test_one_pass_and_the_same_bits_on_any_number_of_threads(tiny_data_are_divided_too: None) -> None:
    dataset = dgd.Dataset(Counting("X", X), MemoryRows("y", Y))
    one = dgd.learning_curve(dataset, sizes=SIZES, threads=1)
    assert dataset.X.reads == dataset.n_chunks  # type: ignore[attr-defined]
    three = dgd.learning_curve(dataset, sizes=SIZES, threads=3)
    for name in ("thetas", "train_losses", "validation_losses"):
        assert getattr(one, name).tobytes() == getattr(three, name).tobytes()


@pytest.mark.parametrize("alpha", [0.0, 30.0])
def test_it_is_that_of_sklearn(alpha: float) -> None:
    """With rows of folds in turn, so that the first n of a training set are those of the first rows."""
    folds, y = np.arange(1200) % 4, Y[:1200, 0]
    estimator = Ridge(alpha=alpha) if alpha else LinearRegression()
    sizes, training, validation = by_sklearn(
        estimator, X[:1200], y, cv=PredefinedSplit(folds), train_sizes=[30, 300, 900], scoring="neg_mean_squared_error"
    )
    dataset = chunked(X[:1200], y)
    for line, rows in enumerate(sizes * 4 // 3):
        # scikit-learn's alpha is beside a sum.
        penalty = L2(2 * alpha / sizes[line]) if alpha else None
        found = dgd.learning_curve(dataset, penalty=penalty, sizes=[int(rows)], folds=4, by=folds)
        assert found.train_sizes.tolist() == [sizes[line]]
        np.testing.assert_allclose(found.train_losses[0], -training[line], rtol=1e-7)
        np.testing.assert_allclose(found.validation_losses[0], -validation[line], rtol=1e-7)


def test_rows_that_are_left_out_and_parts_of_rows() -> None:
    holed = Y[:, 0].copy()
    holed[::7] = np.nan
    some = dgd.Dataset(chunked().X, MemoryRows("y", holed), missing="drop")
    found = dgd.learning_curve(some, sizes=(0.2, 1.0), folds=4)
    assert found.rows_left_out == -(-M // 7)
    assert found.sizes.tolist() == [242, M]
    zeros = dgd.learning_curve(chunked(y=Y[:, 0], weight=np.where(np.arange(M) % 7, 1.0, 0.0)), sizes=(242, M), folds=4)
    np.testing.assert_allclose(found.validation_losses, zeros.validation_losses, rtol=1e-9)


def test_what_it_says() -> None:
    found = dgd.learning_curve(chunked(y=Y[:, 0]), sizes=[6, 1000], folds=3)
    assert "few digits are sure" in found.table().splitlines()[1]
    assert "few digits" not in found.table().splitlines()[2]
    assert str(found).startswith("2 sizes × 3 folds in 1 pass")
    assert json.loads(json.dumps(found.as_json()))["train_rows"] == found.train_rows.tolist()


@pytest.mark.parametrize("sizes", [[], [0.5, 0.5], [0.5, 0.2], [0, 10], [-1], [1.5], [M + 1], "abc", 5, [[1]], [True]])
def test_sizes_that_are_none(sizes: Any) -> None:
    with pytest.raises(ConfigurationError, match="ascending parts of the 1,207 rows"):
        dgd.learning_curve(X, Y[:, 0], sizes=sizes)


def test_first_rows_that_leave_nothing_to_fit() -> None:
    with pytest.raises(DataError, match="of the first 1 row none counts outside fold"):
        dgd.learning_curve(X, Y[:, 0], sizes=[1, 100])
    with pytest.raises(DataError, match="weights of fold 1 sum to 0"):
        dgd.learning_curve(X, Y[:, 0], weight=(np.arange(M) % 3 != 1) * 1.0, folds=3, by=np.arange(M) % 3)
