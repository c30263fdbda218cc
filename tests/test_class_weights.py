"""Weights of classes: those of scikit-learn, of lazy targets as of others, counted where the labels are looked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from clusters import two_in_this_process
from sklearn import linear_model

import dgd
from dgd.data.dataset import Dataset
from dgd.errors import ConfigurationError, DataError
from dgd.estimators import LogisticRegression, LogisticRegressionCV, ZarrDesign, base
from dgd.testing import CountingRows, MemoryChunks

RNG = np.random.default_rng(21)
M, CHUNK = 90, 13
X = RNG.normal(size=(M, 4)) * [1, 2, 0.5, 3] + [1, 0, -2, 5]
NUMBER = X @ [1.0, -0.5, 1.0, 0.0] + RNG.normal(size=M)
W = RNG.integers(0, 4, size=M).astype(float)
TWO = np.where(NUMBER > 0.5, "yes", "no")
THREE = np.digitize(NUMBER, [-1.5, 1]) * 10
BALANCED: Any = "balanced"


def written(path: Path, y: np.ndarray, X: np.ndarray = X, weight: Any = W) -> str:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    for name, array in {"X": X, "y": y, "weight": weight}.items():
        if array is not None:
            group.create_array(
                name,
                data=array,
                chunks=(CHUNK, *array.shape[1:]),
                config={"write_empty_chunks": True},
            )
    return str(path)


def theirs(y: np.ndarray, class_weight: Any, weight: Any = W, X: np.ndarray = X) -> Any:
    return linear_model.LogisticRegression(class_weight=class_weight, tol=1e-12, max_iter=10_000).fit(X, y, weight)


@pytest.mark.each(4)
@pytest.mark.parametrize(
    ("y", "class_weight"),
    [(TWO, BALANCED), (TWO, {"yes": 3.0, "no": 0.5}), (THREE, BALANCED), (THREE, {10: 0.25})],
    ids=["two", "two given", "three", "three given"],
)
def test_lazy_fits_are_those_of_scikit_learn(y: np.ndarray, class_weight: Any, tmp_path: Path) -> None:
    store = written(tmp_path / "train.zarr", y)
    known = theirs(y, class_weight)
    in_memory = LogisticRegression(class_weight=class_weight).fit(X, y, W)
    chunks = [da.from_array(array, chunks=(25, *array.shape[1:])) for array in (X, y, W)]
    ways: list[tuple[Any, ...]] = [(store, None, "weight"), (ZarrDesign(store, weight="weight"),), (chunks[0], y, W)]
    # Text is no target of Dask.
    for way in ways + ([tuple(chunks)] if y is THREE else []):
        found = LogisticRegression(class_weight=class_weight).fit(*way)
        np.testing.assert_allclose(found.coef_, in_memory.coef_, rtol=1e-10, atol=1e-12)
        np.testing.assert_array_equal(found.classes_, known.classes_)
    # scikit-learn balances by rows, or by their weights: which, depends on its version.
    if class_weight != "balanced":
        np.testing.assert_allclose(in_memory.coef_, known.coef_, atol=1e-6)
    bare = LogisticRegression(class_weight=class_weight).fit(ZarrDesign(store, weight=None), y)
    np.testing.assert_allclose(bare.coef_, theirs(y, class_weight, None).coef_, atol=1e-6)


def test_balanced_is_what_weights_of_rows_would_say(tmp_path: Path) -> None:
    sums = {label: W[label == THREE].sum() for label in np.unique(THREE)}
    weight = W * [W.sum() / (3 * sums[label]) for label in THREE]
    found = LogisticRegression(class_weight="balanced").fit(written(tmp_path / "train.zarr", THREE), None, "weight")
    np.testing.assert_allclose(found.coef_, LogisticRegression().fit(X, THREE, weight).coef_, rtol=1e-10, atol=1e-12)


def counting(**arrays: np.ndarray) -> Dataset:
    bounds = [*range(0, M, CHUNK), M]
    return Dataset(**{name: CountingRows(MemoryChunks(name, array, bounds)) for name, array in arrays.items()})


@pytest.fixture
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pass reads every chunk."""

    def fit(dataset: Dataset, *, threads: Any, **arguments: Any) -> dgd.Result:
        return dgd.fit(dataset, execution=dgd.Execution(threads=threads, resident=0), **arguments)

    monkeypatch.setattr(base, "fit", fit)


@pytest.mark.parametrize("weighted", [False, True])
def test_counting_takes_no_read_of_its_own(weighted: bool, nothing_stays: None) -> None:
    reads = []
    for class_weight in (None, BALANCED, {0: 2.0}):
        dataset = counting(X=X, y=THREE, **({"weight": W} if weighted else {}))
        found = LogisticRegression(class_weight=class_weight).fit(dataset)
        chunks = dataset.n_chunks
        assert len(dataset.X.reads) == found.n_iter_ * chunks
        # For the labels, and for the best constant.
        assert len(dataset.y.reads) == (found.n_iter_ + 2) * chunks
        reads.append(0 if dataset.weight is None else len(dataset.weight.reads) - found.n_iter_ * chunks)
    assert reads == [reads[0]] * 3


def test_rows_that_are_left_out_are_not_counted(nothing_stays: None) -> None:
    holed = X.copy()
    holed[::7, 1] = np.nan
    kept = ~np.isnan(holed).any(axis=1)
    dataset = replace(counting(X=holed, y=THREE, weight=W), missing="drop")
    found = LogisticRegression(class_weight="balanced").fit(dataset)
    expected = LogisticRegression(class_weight="balanced").fit(X[kept], THREE[kept], W[kept])
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-10, atol=1e-12)
    # One pass says both the labels' weights and Σw, which a fit without class weights makes as well.
    assert len(dataset.X.reads) == (found.n_iter_ + 1) * dataset.n_chunks


def test_weights_that_are_stored_beside_a_target_in_memory_are_not_forgotten(tmp_path: Path) -> None:
    design = ZarrDesign(written(tmp_path / "train.zarr", NUMBER), weight="weight")
    found = LogisticRegression(class_weight={"yes": 5.0}).fit(design, TWO)
    np.testing.assert_allclose(found.coef_, theirs(TWO, {"yes": 5.0}).coef_, atol=1e-6)


@pytest.mark.slow
def test_the_same_bits_on_two_workers(tmp_path: Path, tiny_data_are_divided_too: None) -> None:
    store = written(tmp_path / "train.zarr", THREE)
    estimator = LogisticRegression(class_weight="balanced")
    here = estimator.fit(store, None, "weight").coef_
    with two_in_this_process() as client, client.as_current():
        there = estimator.fit(store, None, "weight").coef_
    np.testing.assert_array_equal(there, here)


def test_strength_is_chosen_with_weights_of_classes(tmp_path: Path) -> None:
    store = written(tmp_path / "train.zarr", TWO, weight=None)
    found = LogisticRegressionCV(Cs=[0.01, 1.0], cv=3, class_weight="balanced").fit(store)
    single = theirs(TWO, BALANCED, None).set_params(C=found.C_).fit(X, TWO)
    np.testing.assert_allclose(found.coef_, single.coef_, atol=1e-6)


def test_rows_without_a_text_are_refused_or_left_out(tmp_path: Path) -> None:
    texts = np.where(np.arange(M) % 9 == 4, "", TWO)
    store, kept = written(tmp_path / "train.zarr", texts, weight=None), texts != ""
    for class_weight in (None, "balanced"):
        estimator = LogisticRegression(class_weight=class_weight)
        with pytest.raises(DataError, match="row 4 has no label"):
            estimator.fit(store)
        estimator.fit(ZarrDesign(store, missing="drop"))
        np.testing.assert_allclose(estimator.coef_, theirs(TWO[kept], class_weight, None, X[kept]).coef_, atol=1e-6)


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    store = written(tmp_path / "train.zarr", TWO)
    refused: list[tuple[Any, type[Exception], str]] = [
        ("even", ConfigurationError, "a dictionary or 'balanced'"),
        ({"yes": -1.0}, ConfigurationError, "numbers of 0 or more, got -1.0 for class 'yes'"),
        ({"yes": "much"}, ConfigurationError, "numbers of 0 or more"),
        ({"Yes": 2.0}, ConfigurationError, "class 'Yes', which no row is in"),
        ({"yes": 0.0}, ValueError, "only class .*'no'.* has weights above 0"),
    ]
    for class_weight, error, said in refused:
        for data in ((store,), (X, TWO)):
            with pytest.raises(error, match=said):
                LogisticRegression(class_weight=class_weight).fit(*data)
    with pytest.raises(DataError, match="holds one label only"):
        LogisticRegression(class_weight="balanced").fit(counting(X=X, y=np.ones(M, int)))
    with pytest.raises(DataError, match="expected a weight of 0 or more"):
        LogisticRegression(class_weight="balanced").fit(counting(X=X, y=THREE, weight=W - 1))
