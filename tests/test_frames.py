"""DataFrames and Series of pandas and Dask: columns, names, missing cells and labels, the same in both."""

from __future__ import annotations

from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from clusters import Cluster

import dgd
from dgd.errors import ReadError, SchemaError, UnsupportedFormatError, ValueRangeError
from dgd.estimators import LogisticRegression, Ridge

pytestmark = pytest.mark.usefixtures("tiny_data_are_divided_too")

M, PARTS = 700, 7
FEATURES = ["a", "b", "c", "d"]
RIDGE = dgd.penalties.L2(0.1)


def table() -> pd.DataFrame:
    """Numbers of every kind of column, labels as text and as categories, weights."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "a": rng.normal(size=M),
            "b": pd.array(rng.integers(0, 9, M), dtype="Int64"),
            "c": pd.array(rng.random(M) < 0.3, dtype="boolean"),
            "d": pd.array(rng.normal(size=M), dtype="Float32"),
        }
    )
    frame["t"] = 2 * frame.a - frame.b.astype(float) + rng.normal(size=M)
    frame["text"] = np.where(frame.t > -3, "high", np.where(frame.t < -6, "low", "in between"))
    frame["kind"] = frame.text.astype("category")
    frame["w"] = rng.integers(0, 4, M)
    frame["when"] = pd.date_range("2020-01-01", periods=M)
    return frame


FRAME = table()


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("parquet")
    for k in range(PARTS):
        FRAME.iloc[k * 100 : (k + 1) * 100].to_parquet(folder / f"{k}.parquet")
    return str(folder)


@pytest.fixture(
    params=[
        pytest.param("pandas", marks=pytest.mark.slow),
        "filtered",
        pytest.param("persisted", marks=pytest.mark.slow),
    ]
)
def lazy(request: pytest.FixtureRequest, parquet: str) -> Any:
    """A Dask DataFrame; of some the lengths of the partitions are unknown."""
    if request.param == "pandas":
        return dd.from_pandas(FRAME, npartitions=PARTS)
    frame = dd.read_parquet(parquet)
    return frame.persist() if request.param == "persisted" else frame[frame.a > -1]


def test_dask_partition_by_partition_is_the_table_in_memory(lazy: Any) -> None:
    whole = lazy.compute()
    dataset = dgd.open_dataset(lazy[FEATURES], lazy["t"], weight=lazy["w"])
    assert dataset.n_chunks == PARTS
    assert (dataset.feature_names, dataset.target_name) == (tuple(FEATURES), "t")
    found = dgd.fit(lazy[FEATURES], lazy["t"], weight=lazy["w"])
    inside = dgd.fit(whole[FEATURES], whole["t"], weight=whole["w"])
    plain = dgd.fit(whole[FEATURES].astype(float).to_numpy(), whole["t"].to_numpy(), weight=whole["w"].to_numpy())
    assert inside.theta.tobytes() == plain.theta.tobytes()
    np.testing.assert_allclose(found.theta, inside.theta, rtol=1e-12, atol=1e-12)
    assert found.model.feature_names == inside.model.feature_names == tuple(FEATURES)
    np.testing.assert_allclose(found.model.predict(lazy[FEATURES]), inside.model.predict(whole[FEATURES]), rtol=1e-9)
    assert found.model.score(lazy[FEATURES], lazy["t"]).r2 == pytest.approx(
        inside.model.score(whole[FEATURES], whole.t).r2
    )
    assert dgd.plan(lazy[FEATURES], lazy["t"]).fits


@pytest.mark.each(2)
@pytest.mark.parametrize("column", ["text", "kind"])
def test_labels_through_dask_are_those_in_memory(parquet: str, column: str) -> None:
    lazy = dd.read_parquet(parquet)
    found = dgd.fit(lazy[FEATURES], lazy[column], loss="softmax", penalty=RIDGE)
    inside = dgd.fit(FRAME[FEATURES], FRAME[column], loss="softmax", penalty=RIDGE)
    assert found.model.classes == inside.model.classes == ("high", "in between", "low")
    np.testing.assert_allclose(found.theta, inside.theta, rtol=1e-8, atol=1e-10)
    scores = [found.model.score(rows[FEATURES], rows[column]) for rows in (lazy, FRAME)]
    assert scores[0].accuracy == scores[1].accuracy > 0.7


def test_categories_that_are_numbers_are_numbers() -> None:
    number = pd.Series(np.arange(M) % 3 + 5, name="n").astype("category")
    lazy = dd.from_pandas(number, npartitions=3)
    X = dd.from_pandas(FRAME[FEATURES], npartitions=3)
    for rows, y in ((FRAME[FEATURES], number), (X, lazy)):
        assert dgd.fit(rows, y, loss="softmax", penalty=RIDGE).model.classes == (5, 6, 7)


@pytest.mark.parametrize("kind", ["memory", "dask"])
@pytest.mark.parametrize(
    ("column", "features", "loss", "words"),
    [
        ("t", FEATURES, "squared", "array 'X', chunk .: row 350, column 1 is nan"),
        ("b", ["a"], "squared", "array 'y', chunk .: row 350 is nan"),
        ("text", ["a"], "softmax", "array 'y', row 350 has no label.*missing='drop'"),
        ("kind", ["a"], "softmax", "array 'y', row 350 has no label.*missing='drop'"),
    ],
)
def test_a_missing_cell_is_named(kind: str, column: str, features: list[str], loss: str, words: str) -> None:
    frame = FRAME.copy()
    for name in ("b", "text", "kind"):
        frame.loc[350, name] = pd.NA
    rows = dd.from_pandas(frame, npartitions=PARTS) if kind == "dask" else frame
    with pytest.raises(ValueRangeError, match=words):
        dgd.fit(rows[features], rows[column], loss=loss)


@pytest.mark.parametrize("kind", ["memory", "dask", "arrow"])
@pytest.mark.parametrize("column", ["text", "kind"])
def test_rows_without_a_label_can_be_left_out(kind: str, column: str) -> None:
    frame = FRAME.copy()
    frame.loc[[3, 350], column] = pd.NA
    rows: Any = dd.from_pandas(frame, npartitions=PARTS) if kind == "dask" else frame
    X, y = rows[["a", "d"]], rows[column]
    if kind == "arrow":
        X, y = pa.Table.from_pandas(X), pa.array(y)
    found = dgd.fit(X, y, loss="softmax", penalty=RIDGE, missing="drop")
    kept = frame.drop(index=[3, 350])
    expected = dgd.fit(kept[["a", "d"]], kept[column], loss="softmax", penalty=RIDGE)
    assert (found.rows_left_out, found.missing_cells) == (2, {"y" if kind == "arrow" else column: 2})
    assert found.model.classes == expected.model.classes
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-6, atol=1e-9)


def test_an_index_in_another_order_is_refused() -> None:
    X, y = FRAME[["a", "d"]], FRAME["t"]
    with pytest.raises(SchemaError, match=r"'y' has the index of 'X' in another order.*to_numpy"):
        dgd.fit(X, y.sort_values())
    with pytest.raises(SchemaError, match="'weight' has the index of 'X'"):
        dgd.fit(X, y, weight=FRAME["w"].iloc[::-1])
    theta = dgd.fit(X, y).theta
    for other in (y.set_axis(np.arange(M) + 5), y.set_axis(np.zeros(M)), y.set_axis([f"r{k}" for k in range(M)])):
        assert dgd.fit(X, other).theta.tobytes() == theta.tobytes()


@pytest.mark.parametrize("kind", ["memory", "dask"])
def test_columns_that_are_no_numbers_are_named(kind: str) -> None:
    rows = dd.from_pandas(FRAME, npartitions=2) if kind == "dask" else FRAME
    words = (
        r"columns 'text' \(str.*\), 'kind' \(category\), 'when' \(datetime64.*drop\(columns=\['text', 'kind', 'when'\]"
    )
    with pytest.raises(UnsupportedFormatError, match=words):
        Ridge().fit(rows, rows["t"])
    with pytest.raises(SchemaError, match=r"'when' \(times: give time_unit='days'.*drop=\['when'\]"):
        dgd.fit(rows, rows["t"])
    with pytest.raises(UnsupportedFormatError, match="array 'y' has dtype datetime64"):
        dgd.fit(rows[["a"]], rows["when"])


def test_objects_are_taken_for_what_they_hold() -> None:
    numbers = pd.DataFrame({"a": pd.Series([1, 2.5, True, 4], dtype=object), "b": [1.0, 0, 3, 1]})
    assert dgd.open_dataset(numbers, [1, 2, 3, 4]).read(0).X.tolist() == [[1, 1], [2.5, 0], [1, 3], [4, 1]]
    numbers.loc[1, "a"] = "x"
    with pytest.raises(UnsupportedFormatError, match=r"column 'a' \(object\)"):
        dgd.fit(numbers, [1, 2, 3, 4])
    labels = dd.from_pandas(pd.Series([1, 2, 1, 2]).astype("category"), npartitions=1).cat.as_unknown()
    with pytest.raises(UnsupportedFormatError, match="rows 0 to 3 have dtype int64, expected strings"):
        dgd.fit(dd.from_pandas(numbers[["b"]], npartitions=1), labels, loss="softmax")


def test_estimators_take_dask_dataframes(parquet: str) -> None:
    lazy = dd.read_parquet(parquet)
    model = Ridge().fit(lazy[FEATURES], lazy["t"], sample_weight=lazy["w"])
    assert list(model.feature_names_in_) == FEATURES
    np.testing.assert_allclose(model.coef_, Ridge().fit(FRAME[FEATURES], FRAME.t, FRAME.w).coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="column 0 of X is 'b'"):
        model.predict(lazy[["b", "a", "c", "d"]])
    classes = LogisticRegression().fit(lazy[FEATURES], lazy["kind"])
    assert classes.score(lazy[FEATURES], lazy["kind"]) == classes.score(FRAME[FEATURES], FRAME["kind"])


def test_counting_reads_one_column_and_a_pass_each_partition_once() -> None:
    seen: list[tuple[int, list[str]]] = []

    def part(k: int, columns: list[str] | None = None) -> pd.DataFrame:
        frame = FRAME[FEATURES].iloc[k * 100 : (k + 1) * 100]
        seen.append((k, columns or FEATURES))
        return frame if columns is None else frame[columns]

    lazy = dd.from_map(part, range(PARTS), meta=FRAME[FEATURES].iloc[:0])
    dataset = dgd.open_dataset(lazy, FRAME["t"])
    assert sorted(seen) == [(k, ["a"]) for k in range(PARTS)]
    seen.clear()
    assert dataset.bounds.tolist() == list(range(0, M + 1, 100))
    chunks = [dataset.read(k) for k in range(PARTS)]
    assert seen == [(k, FEATURES) for k in range(PARTS)]
    assert np.concatenate([chunk.X for chunk in chunks]).tolist() == FRAME[FEATURES].astype(float).to_numpy().tolist()


def test_what_a_frame_cannot_be(parquet: str) -> None:
    lazy = dd.read_parquet(parquet)
    with pytest.raises(SchemaError, match=r"array 'y' has 7.. rows and 'X' has \d\d\d"):
        dgd.fit(lazy[lazy.a > 0][["a"]], FRAME["t"])
    with pytest.raises(SchemaError, match="2 dimensions"):
        dgd.fit(lazy["a"], lazy["t"])
    broken = lazy[["a"]].map_partitions(_failing, meta=FRAME[["a"]].iloc[:0])
    with pytest.raises(ReadError, match="counting the rows of 'X' and 'y' failed with OSError: gone"):
        dgd.fit(broken, lazy["t"])


def _failing(part: pd.DataFrame) -> pd.DataFrame:
    raise OSError("gone")


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("where", ["parquet", "cluster"])
def test_same_bits_on_threads_and_workers(parquet: str, two_workers: Cluster, where: str) -> None:
    lazy = dd.read_parquet(parquet)
    if where == "cluster":
        lazy = two_workers.client.persist(lazy)
    theta = [
        dgd.fit(
            lazy[FEATURES], lazy["kind"], loss="softmax", penalty=RIDGE, max_iter=3, tol=0, **options
        ).theta.tobytes()
        for options in ({"threads": 1}, {"threads": 3}, {"client": two_workers.client})
    ]
    assert theta[0] == theta[1] == theta[2]
