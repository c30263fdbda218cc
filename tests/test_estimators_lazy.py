"""Lazy input: the same coefficients as from memory, nothing gathered, and scikit-learn's tools on top of it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import dgd
from dgd.errors import ConfigurationError
from dgd.estimators import (
    ChunkKFold,
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    ZarrDesign,
)
from dgd.testing import CountingRows

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

M, CHUNK = 60, 7
RNG = np.random.default_rng(11)
X = RNG.normal(size=(M, 4)) * [1, 2, 0.5, 3] + [1, 0, -2, 5]
W = RNG.integers(1, 4, size=M).astype(float)
NUMBER = X @ [1.0, -1.0, 2.0, 0.0] + 3 + RNG.normal(size=M)
COUNTS = RNG.poisson(2.0 + (X[:, 0] > 1)).astype(float)
TWO = (NUMBER + RNG.normal(size=M) > NUMBER.mean()).astype(np.int64)
THREE = np.digitize(NUMBER + RNG.normal(size=M), [NUMBER.mean() - 1, NUMBER.mean() + 1]) * 10

FITS = [
    (LinearRegression(), NUMBER),
    (LinearRegression(fit_intercept=False, positive=True), NUMBER),
    (LinearRegression(), np.column_stack([NUMBER, COUNTS])),
    (Ridge(2.0), NUMBER),
    (Ridge(2.0), np.column_stack([NUMBER, COUNTS])),
    (Lasso(0.1), NUMBER),
    (ElasticNet(0.1, fit_intercept=False), NUMBER),
    (HuberRegressor(), NUMBER + 40 * (np.arange(M) % 8 == 0)),
    (HuberRegressor(fit_intercept=False), NUMBER),
    (PoissonRegressor(alpha=0.2), COUNTS),
    (LogisticRegression(), TWO),
    (LogisticRegression(C=0.3), THREE),
    (LogisticRegression(C=0.5, l1_ratio=0.5), THREE),
]
OPENED: dict[str, Callable[[str, Any, Any], tuple[Any, Any, Any]]] = {
    "path": lambda path, y, w: (path, None, "weight"),
    "path, y in memory": lambda path, y, w: (Path(path), y, w),
    "dataset": lambda path, y, w: (dgd.open_dataset(path, weight="weight"), None, None),
    "design": lambda path, y, w: (ZarrDesign(path, weight="weight"), None, None),
    "design, y in memory": lambda path, y, w: (ZarrDesign(path), y, w),
    "dask": lambda path, y, w: tuple(da.from_array(a, chunks=(25, *a.shape[1:])) for a in (X, y, w)),
    "dask, y in memory": lambda path, y, w: (da.from_array(X, chunks=(25, 2)), y, w),
}
WAYS = [(way, fit) for way in OPENED for fit in (FITS if way in ("path", "dask") else FITS[3::4])]


def written(path: Path, y: Any = NUMBER, **names: Any) -> str:
    with dgd.DatasetWriter(path, chunk_rows=CHUNK, **names) as writer:
        writer.append(X, y, W)
    return str(path)


@pytest.fixture
def store(tmp_path: Path) -> str:
    return written(tmp_path / "train.zarr", feature_names=list("abcd"))


@pytest.mark.each(12)
@pytest.mark.parametrize(("way", "fit"), WAYS, ids=lambda value: value if isinstance(value, str) else str(value[0]))
def test_lazy_fits_equal_fits_from_memory(way: str, fit: Any, tmp_path: Path) -> None:
    estimator, y = clone(fit[0]), fit[1]
    in_memory = estimator.fit(X, y, W)
    coef, intercept, prediction = in_memory.coef_, in_memory.intercept_, in_memory.predict(X)
    score, outliers = in_memory.score(X, y, W), getattr(in_memory, "outliers_", None)
    lazy_X, lazy_y, weight = OPENED[way](written(tmp_path / "train.zarr", y), y, W)
    estimator.fit(lazy_X, lazy_y, weight)
    assert_allclose(estimator.coef_, coef, rtol=1e-12, atol=1e-12)
    assert_allclose(estimator.intercept_, intercept, rtol=1e-12, atol=1e-12)
    assert_allclose(estimator.predict(lazy_X), prediction, rtol=1e-12, atol=1e-12)
    assert estimator.score(lazy_X, lazy_y, W if weight is None else weight) == pytest.approx(score, abs=1e-12)
    if outliers is not None:
        assert_array_equal(estimator.outliers_, outliers)
    assert estimator.n_features_in_ == 4


def test_zarr_objects_are_lazy(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    group = zarr.open_group(store, mode="r")
    monkeypatch.setattr(zarr.Array, "__array__", lambda *_, **__: pytest.fail("the array was gathered"))
    expected = Ridge().fit(X, NUMBER)
    for found in (Ridge().fit(group), Ridge().fit(group["X"], NUMBER), Ridge().fit(group["X"], group["y"])):
        assert_allclose(found.coef_, expected.coef_, rtol=1e-12)
    assert_allclose(expected.predict(group["X"]), expected.predict(X), rtol=1e-12)


def test_dask_arrays_are_never_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(da.Array, "__array__", lambda *_, **__: pytest.fail("the array was gathered"))
    blocks, y = da.from_array(X, chunks=(25, 4)), da.from_array(NUMBER, chunks=20)
    found = Ridge().fit(blocks, y)
    assert_allclose(found.coef_, Ridge().fit(X, NUMBER).coef_, rtol=1e-12)
    assert found.score(blocks, y) == pytest.approx(found.score(X, NUMBER), abs=1e-12)
    assert_allclose(Ridge().fit(X, y).coef_, found.coef_, rtol=1e-12)


def counting(store: str) -> tuple[ZarrDesign, CountingRows]:
    dataset = dgd.open_dataset(store)
    rows = CountingRows(dataset.X)
    return ZarrDesign(replace(dataset, X=rows)), rows


def test_a_design_is_never_loaded(store: str) -> None:
    design, rows = counting(store)
    assert design.shape == (M, 4)
    assert (len(design), design.ndim, design.dtype) == (M, 2, np.float64)
    with pytest.raises(TypeError, match=r"lazy.*dgd\.estimators"):
        np.asarray(design)
    with pytest.raises(TypeError):
        list(design)
    part = design[::2][np.arange(10, 0, -1)]
    assert_array_equal(part.y(), NUMBER[::2][10:0:-1])
    assert rows.reads == []
    Ridge().fit(design)
    assert max(stop - start for start, stop in rows.reads) == CHUNK
    assert len(rows.reads) == len(design.bounds[1:])


@pytest.mark.parametrize(
    "key",
    [
        slice(3, 50, 4),
        slice(None, None, -1),
        np.arange(M) % 3 == 0,
        [5, 3, 59, -60],
        np.array([8, 8, 2, 2, 8]),
        RNG.permutation(M),
        np.arange(20, 30),
        (np.array([4, 1]), Ellipsis),
        (slice(5), slice(None)),
    ],
    ids=repr,
)
def test_selected_rows_are_those_of_numpy(store: str, key: Any) -> None:
    model = LinearRegression().fit(X, NUMBER)
    part, expected = ZarrDesign(store)[key], X[key]
    assert part.shape == expected.shape
    assert_array_equal(part.y(), NUMBER[key[0] if isinstance(key, tuple) else key])
    assert_allclose(model.predict(part), model.predict(expected), rtol=1e-13)
    assert_allclose(Ridge().fit(part).coef_, Ridge().fit(expected, part.y()).coef_, rtol=1e-11, atol=1e-13)
    own = np.arange(float(len(part)))
    assert_allclose(Ridge().fit(part, own).coef_, Ridge().fit(expected, own).coef_, rtol=1e-9, atol=1e-12)
    again = pickle.loads(pickle.dumps(part))
    assert_array_equal(again.y(), part.y())


@pytest.mark.parametrize(
    "key", [np.zeros(3, dtype=bool), [M], [-M - 1], 3, np.zeros((2, 2), int), ["a"], (0, 1)], ids=repr
)
def test_what_selects_no_rows_is_refused(store: str, key: Any) -> None:
    with pytest.raises((IndexError, TypeError, ConfigurationError)):
        ZarrDesign(store)[key]


def test_an_empty_selection_has_nothing_to_fit(store: str) -> None:
    with pytest.raises(ConfigurationError, match="no row is selected"):
        Ridge().fit(ZarrDesign(store)[[]])


SPLITTERS = [KFold(3), KFold(3, shuffle=True, random_state=0), ShuffleSplit(3, random_state=1)]


@pytest.mark.parametrize("cv", SPLITTERS, ids=str)
def test_cross_validation_is_that_of_memory(store: str, cv: Any) -> None:
    design, rows = counting(store)
    expected = cross_validate(Ridge(), X, NUMBER, cv=cv, return_train_score=True)
    for y in (None, design.y()):
        found = cross_validate(Ridge(), design, y, cv=cv, return_train_score=True)
        assert_allclose(found["test_score"], expected["test_score"], rtol=1e-10)
        assert_allclose(found["train_score"], expected["train_score"], rtol=1e-10)
    assert max(stop - start for start, stop in rows.reads) <= CHUNK


def test_predictions_come_back_in_order(store: str) -> None:
    cv = KFold(4, shuffle=True, random_state=2)
    found = cross_val_predict(Ridge(), ZarrDesign(store), NUMBER, cv=cv)
    assert_allclose(found, cross_val_predict(Ridge(), X, NUMBER, cv=cv), rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_grid_search_is_that_of_memory(store: str, n_jobs: int | None) -> None:
    design = ZarrDesign(store)
    grid = {"alpha": [0.1, 1.0, 10.0]}
    expected = GridSearchCV(Ridge(), grid, cv=3).fit(X, NUMBER)
    found = GridSearchCV(Ridge(), grid, cv=3, n_jobs=n_jobs).fit(design, design.y())
    assert found.best_params_ == expected.best_params_
    assert_allclose(found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"], rtol=1e-10)
    assert_allclose(found.predict(design), expected.predict(X), rtol=1e-11)


def test_learning_curves_are_those_of_memory(store: str) -> None:
    design, rows = counting(store)
    options: dict[str, Any] = {"cv": 3, "train_sizes": [0.3, 1.0], "shuffle": True, "random_state": 0}
    expected = learning_curve(Ridge(), X, NUMBER, **options)
    found = learning_curve(Ridge(), design, design.y(), **options)
    for ours, theirs in zip(found, expected, strict=True):
        assert_allclose(ours, theirs, rtol=1e-9)
    assert max(stop - start for start, stop in rows.reads) <= CHUNK


@pytest.mark.parametrize("before", ["passthrough", FunctionTransformer(validate=False)], ids=str)
def test_a_pipeline_hands_the_design_through(store: str, before: Any) -> None:
    design, rows = counting(store)
    pipeline = make_pipeline(before, Ridge()).fit(design, design.y())
    assert_allclose(pipeline.predict(design), Ridge().fit(X, NUMBER).predict(X), rtol=1e-11)
    assert_allclose(
        cross_val_score(pipeline, design, design.y(), cv=3), cross_val_score(Ridge(), X, NUMBER, cv=3), rtol=1e-10
    )
    assert max(stop - start for start, stop in rows.reads) <= CHUNK


def test_classes_are_stratified(tmp_path: Path) -> None:
    design = ZarrDesign(written(tmp_path / "train.zarr", THREE))
    cv = StratifiedKFold(3)
    found = cross_val_score(LogisticRegression(), design, design.y(), cv=cv)
    assert_allclose(found, cross_val_score(LogisticRegression(), X, THREE, cv=cv))
    assert_array_equal(LogisticRegression().fit(design).classes_, [0, 10, 20])


def test_dask_arrays_are_cross_validated_too() -> None:
    blocks = da.from_array(X, chunks=(CHUNK, 4))
    assert_allclose(
        cross_val_score(Ridge(), blocks, NUMBER, cv=3), cross_val_score(Ridge(), X, NUMBER, cv=3), rtol=1e-10
    )


def test_columns_are_checked(store: str, tmp_path: Path) -> None:
    model = Ridge().fit(store)
    assert list(model.feature_names_in_) == list("abcd")
    other = written(tmp_path / "other.zarr", feature_names=list("abdc"))
    with pytest.raises(ValueError, match=r"column 2 of X is 'd'.*'c'"):
        model.predict(other)
    with pytest.raises(ValueError, match="X has 3 features, but Ridge is expecting 4"):
        model.predict(da.from_array(X[:, :3], chunks=(CHUNK, 3)))
    assert not hasattr(model.fit(da.from_array(X, chunks=(CHUNK, 4)), NUMBER), "feature_names_in_")


def test_what_a_lazy_input_lacks_is_said(store: str) -> None:
    blocks = da.from_array(X, chunks=(CHUNK, 4))
    with pytest.raises(ConfigurationError, match="no y"):
        Ridge().fit(blocks)
    with pytest.raises(ConfigurationError, match="lazy y belongs into the dataset"):
        Ridge().fit(ZarrDesign(store), da.from_array(NUMBER, chunks=CHUNK))
    with pytest.raises(ConfigurationError, match="one column"):
        HuberRegressor().fit(blocks, da.from_array(np.column_stack([NUMBER, NUMBER]), chunks=(CHUNK, 2)))


def test_outliers_of_lazy_rows_are_found_when_asked_for(store: str) -> None:
    design, rows = counting(store)
    order = RNG.permutation(M)
    model = HuberRegressor().fit(design[order])
    before = len(rows.reads)
    outliers = model.outliers_
    assert len(rows.reads) == before + len(design.bounds) - 1
    assert_array_equal(model.outliers_, outliers)
    assert len(rows.reads) == before + len(design.bounds) - 1
    assert_array_equal(outliers, HuberRegressor().fit(X, NUMBER).outliers_[order])
    assert_array_equal(pickle.loads(pickle.dumps(model)).outliers_, outliers)


@pytest.mark.parametrize("shuffle", [False, True])
def test_folds_are_whole_chunks_and_others_are_not_read(store: str, shuffle: bool) -> None:
    design, rows = counting(store)
    cv = ChunkKFold(3, shuffle=shuffle, random_state=0 if shuffle else None)
    assert cv.get_n_splits(design) == 3
    seen = []
    for train, test in cv.split(design):
        assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(M))
        chunks = {tuple(bounds) for bounds in zip(design.bounds[:-1], design.bounds[1:], strict=True)}
        assert {(s, e) for s, e in chunks if s in test} == {(s, e) for s, e in chunks if e - 1 in test}
        rows.reads.clear()
        Ridge().fit(design[train])
        assert not {row for start, stop in rows.reads for row in range(start, stop)} & set(test.tolist())
        seen.extend(test.tolist())
    assert sorted(seen) == list(range(M))
    found = cross_val_score(Ridge(), design, design.y(), cv=cv)
    expected = cross_val_score(Ridge(), X, NUMBER, cv=[*cv.split(design)])
    assert_allclose(found, expected, rtol=1e-10)


def test_chunks_are_those_of_dask_or_of_a_number() -> None:
    blocks = da.from_array(X, chunks=(CHUNK, 4))
    by_dask = [test.tolist() for _, test in ChunkKFold(4).split(blocks)]
    by_number = [test.tolist() for _, test in ChunkKFold(4, chunk_rows=CHUNK).split(X)]
    assert by_dask == by_number
    assert [len(test) for test in by_dask] == [21, 14, 14, 11]
    with pytest.raises(ConfigurationError, match="chunk_rows"):
        next(ChunkKFold(3).split(X))
    with pytest.raises(ConfigurationError, match="needs as many chunks"):
        next(ChunkKFold(10).split(blocks))
    with pytest.raises(ConfigurationError, match="not in the order"):
        next(ChunkKFold(3).split(ZarrDesign(dgd.open_dataset(X, NUMBER))[::-1]))
