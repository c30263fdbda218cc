"""Folds of rows, chunks and groups: the same wherever and however they are read, and of one size."""

from __future__ import annotations

import numpy as np
import pytest

import dgd
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk, Dataset
from dgd.data.folds import Folds, hashed, make_folds
from dgd.errors import ConfigurationError
from dgd.testing import MemoryChunks


def dataset(rows: int, chunk: int) -> Dataset:
    bounds = np.unique([*range(0, rows, chunk), rows])
    X = MemoryChunks("X", np.arange(2.0 * rows).reshape(rows, 2), bounds)
    return Dataset(X, MemoryChunks("y", np.arange(float(rows)), bounds))


def folds_of(data: Dataset, **options: object) -> np.ndarray:
    folds = make_folds("cross_validate", data, **options)
    return np.concatenate([folds.of(data.read(k)) for k in range(data.n_chunks)])


def test_splitmix64_as_published():
    """The first outputs of the generator for seed 0, whose state is the sum of gammas."""
    assert [hex(int(h)) for h in hashed(np.arange(3), 0)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@pytest.mark.parametrize("count", [2, 5, 7])
def test_folds_of_rows_do_not_depend_on_chunks_and_are_of_one_size(count):
    whole = folds_of(dataset(103, 103), folds=count)
    for chunk in (1, 4, 50):
        np.testing.assert_array_equal(folds_of(dataset(103, chunk), folds=count), whole)
    sizes = np.bincount(whole, minlength=count)
    assert sizes.max() - sizes.min() <= 1
    assert (folds_of(dataset(103, 10), folds=count, seed=1) != whole).any()
    for block in whole[: 103 // count * count].reshape(-1, count):
        assert sorted(block) == list(range(count))


def test_rows_left_out_do_not_move_the_folds_of_others():
    data = dataset(60, 25)
    whole = folds_of(data)
    kept = np.array([0, 3, 4, 11, 24])
    folds = make_folds("cross_validate", data)
    np.testing.assert_array_equal(folds.of(data.read(1).take(kept)), whole[25 + kept])


def test_folds_of_chunks_keep_a_chunk_together():
    data = dataset(95, 10)
    found = folds_of(data, by="chunks", folds=3)
    of_chunk = [set(found[start : start + 10].tolist()) for start in range(0, 95, 10)]
    assert all(len(each) == 1 for each in of_chunk)
    assert sorted(np.bincount([each.pop() for each in of_chunk])) == [3, 3, 4]


def test_folds_of_groups():
    data = dataset(60, 25)
    groups = np.repeat(list("abcdefgh"), [20, 10, 10, 5, 5, 5, 3, 2])
    found = folds_of(data, by=groups, folds=3)
    assert all(len(set(found[groups == label])) == 1 for label in "abcdefgh")
    assert np.bincount(found).tolist() == [20, 20, 20]
    np.testing.assert_array_equal(folds_of(data, by=np.arange(60) % 4 - 7, folds=4), np.arange(60) % 4)


def test_sorted_rows_are_the_chunk_fold_by_fold():
    data = dataset(60, 25)
    folds = make_folds("cross_validate", data, 4)
    chunk = data.read(1)
    ordered, bounds = folds.sorted(chunk, Buffers())
    of_row = folds.of(chunk)
    for k in range(4):
        part = slice(bounds[k], bounds[k + 1])
        np.testing.assert_array_equal(ordered.X[part], chunk.X[of_row == k])
        np.testing.assert_array_equal(folds.of(ordered)[part], k)
    assert bounds[-1] == 25


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": 1}, "folds=...)` must be"),
        ({"folds": 61}, "at most the number of rows: 60"),
        ({"by": "columns"}, "'rows', 'chunks' or an array"),
        ({"by": "chunks"}, "there are 3"),
        ({"by": np.zeros(59)}, r"shape \(59,\)"),
        ({"by": np.zeros(60)}, "the array has 1"),
        ({"seed": -1}, "seed=...)` must be"),
    ],
)
def test_folds_that_cannot_be_are_refused(options, said):
    with pytest.raises(ConfigurationError, match=said.replace("(by", r"\(by").replace(")`", r"\)`")):
        make_folds("cross_validate", dataset(60, 25), **options)
    assert issubclass(ConfigurationError, dgd.errors.DgdError)


@pytest.mark.parametrize("count", [2, 3, 5, 7])
@pytest.mark.parametrize(("start", "rows"), [(0, 40), (1, 8), (4, 9), (6, 100), (13, 41), (35, 5), (2, 1), (9, 0)])
def test_the_order_by_folds_is_that_of_a_stable_sort(count: int, start: int, rows: int) -> None:
    """Though nothing is sorted where all rows of a range are there."""
    folds = Folds(count, seed=3)
    chunk = Chunk(0, start, np.zeros((rows, 1)), None, None, 0)
    of_row = folds.of(chunk)
    order, bounds = folds.order(chunk)
    assert bounds.tolist() == np.searchsorted(np.sort(of_row), np.arange(count + 1)).tolist()
    found = np.arange(rows) if order is None else order
    assert found.tolist() == np.argsort(of_row, kind="stable").tolist()
