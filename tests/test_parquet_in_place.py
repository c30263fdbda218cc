"""Parquet read where it lies: the numbers, the bits, what is refused, what is noticed, and the memory it takes."""

from __future__ import annotations

import datetime
import decimal
import itertools
import os
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clusters import Cluster

import dgd
from dgd.cli import main
from dgd.data.buffers import Buffers
from dgd.data.tables.parquet_files.parquet_rows import ParquetRows, footer_of
from dgd.errors import ConfigurationError, DatasetChangedError, ReadError, SchemaError, ValueRangeError

ROWS, GROUP = 1_003, 100


def frame(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=rows), rng.integers(0, 5, rows)
    y = 2 * a - b + rng.normal(size=rows)
    return pd.DataFrame({"a": a, "b": b, "y": y, "w": rng.integers(1, 4, rows), "k": np.where(y > 0, "up", "down")})


def parquet(path: Path, table: pd.DataFrame | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (frame() if table is None else table).to_parquet(path, row_group_size=GROUP, index=False, **options)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parquet(tmp_path_factory.mktemp("parquet") / "t.parquet")


def in_memory(**options: Any) -> dgd.Result:
    table = frame()
    return dgd.fit(table[["a", "b"]].to_numpy(dtype=float), table["y"].to_numpy(), **options)


def test_a_fit_is_that_of_the_same_numbers_in_memory(path: Path) -> None:
    fitted = dgd.fit(path, "y", features=["a", "b"])
    np.testing.assert_allclose(fitted.theta, in_memory().theta, rtol=1e-12)
    assert (fitted.model.feature_names, fitted.model.target_name) == (("a", "b"), "y")
    weighted = dgd.fit(path, "y", weight="w", features=["a", "b"])
    np.testing.assert_allclose(weighted.theta, in_memory(weight=frame()["w"].to_numpy()).theta, rtol=1e-12)
    turned = dgd.fit(path, "y", features=["b", "a"])
    np.testing.assert_allclose(turned.coef_, fitted.coef_[::-1], rtol=1e-12)


def test_the_bits_are_those_of_a_dataset_with_the_row_groups_as_chunks(path: Path, tmp_path: Path) -> None:
    dgd.ingest([path], tmp_path / "t.zarr", target="y", features=["a", "b"], chunk_rows=GROUP)
    there = dgd.fit(tmp_path / "t.zarr").theta
    assert dgd.fit(path, "y", features=["a", "b"]).theta.tobytes() == there.tobytes()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data_are_divided_too")
def test_same_bits_on_threads_and_workers(path: Path, two_workers: Cluster) -> None:
    fitted = [
        dgd.fit(path, "y", features=["a", "b"], **where)
        for where in ({"threads": 1}, {"threads": 2}, {"client": two_workers.client})
    ]
    assert len({result.theta.tobytes() for result in fitted}) == 1


def test_labels_are_classes(path: Path) -> None:
    fitted = dgd.fit(path, "k", features=["a", "b"], loss="logistic")
    assert fitted.model.classes == ("down", "up")
    expected = dgd.fit(frame()[["a", "b"]], frame()["k"], loss="logistic")
    np.testing.assert_allclose(fitted.theta, expected.theta, rtol=1e-8)


def test_a_missing_label_is_refused_or_left_out(tmp_path: Path) -> None:
    table = frame()
    table.loc[[3, 500], "k"] = None
    given = parquet(tmp_path / "t.parquet", table)
    with pytest.raises(ValueRangeError, match="row 3 "):
        dgd.fit(given, "k", features=["a", "b"], loss="logistic")
    fitted = dgd.fit(given, "k", features=["a", "b"], loss="logistic", missing="drop")
    whole = table.dropna(subset=["k"])
    expected = dgd.fit(whole[["a", "b"]], whole["k"], loss="logistic")
    assert fitted.model.classes == ("down", "up")
    np.testing.assert_allclose(fitted.theta, expected.theta, rtol=1e-8)


def test_predictions_scores_and_estimators_read_it(path: Path, tmp_path: Path) -> None:
    fitted = dgd.fit(path, "y", features=["a", "b"])
    model = fitted.model
    new = parquet(tmp_path / "new.parquet", frame()[["k", "b", "a"]])
    expected = frame()[["a", "b"]].to_numpy() @ fitted.coef_ + fitted.intercept_
    np.testing.assert_allclose(dgd.predict(model, new), expected, rtol=1e-12)
    assert dgd.score(model, path, y="y").rows == ROWS
    dgd.predict_to(model, new, tmp_path / "p.zarr")


def test_a_directory_a_list_and_a_pattern_are_one_table(path: Path, tmp_path: Path) -> None:
    table = frame()
    for k, part in enumerate(np.array_split(np.arange(ROWS), 11)):
        columns = list(table.columns) if k % 2 else list(reversed(table.columns))
        parquet(tmp_path / "d" / f"part.{k}.parquet", table.iloc[part][columns])
    files = [str(tmp_path / "d" / f"part.{k}.parquet") for k in range(11)]
    thetas = [
        dgd.fit(given, "y", features=["a", "b"]).theta.tobytes()
        for given in (tmp_path / "d", files, f"{tmp_path}/d/part.?.parquet,"[:-1])
    ]
    assert thetas[0] == thetas[1]
    assert dgd.open_dataset(tmp_path / "d", "y", features=["a", "b"]).shape == (ROWS, 2)
    np.testing.assert_array_equal(read_all(dgd.open_dataset(files, "y", features=["b"]))[:, 0], table["b"])


def read_all(dataset: dgd.Dataset) -> np.ndarray:
    bounds = dataset.X.bounds
    return np.concatenate([dataset.X.read(int(a), int(b), Buffers())[0].copy() for a, b in itertools.pairwise(bounds)])


def test_columns_of_folders_are_columns(tmp_path: Path) -> None:
    table = frame().assign(year=2020 + np.arange(ROWS) % 3).drop(columns="k")
    table.to_parquet(tmp_path / "h", partition_cols=["year"], index=False)
    dataset = dgd.open_dataset(tmp_path / "h", "y")
    assert dataset.feature_names == ("a", "b", "w", "year")
    assert sorted(np.unique(read_all(dataset)[:, 3])) == [2020, 2021, 2022]
    read = pd.read_parquet(tmp_path / "h").astype(float)
    design = np.column_stack([np.ones(ROWS), read[["a", "b", "w"]], read["year"] - 2021])
    expected = np.linalg.lstsq(design, read["y"], rcond=None)[0]
    np.testing.assert_allclose(dgd.fit(dataset).coef_, expected[1:], rtol=1e-9)
    assert dgd.open_dataset(tmp_path / "h", "year", features=["a"]).y.read(0, 5, Buffers())[0].tolist() == [2020] * 5


def test_the_index_of_pandas_is_no_feature(tmp_path: Path) -> None:
    frame().drop(columns="k").drop(index=[3]).to_parquet(tmp_path / "t.parquet")
    assert dgd.open_dataset(tmp_path / "t.parquet", "y").feature_names == ("a", "b", "w")
    named = dgd.open_dataset(tmp_path / "t.parquet", "y", features=["__index_level_0__"])
    assert read_all(named)[:4, 0].tolist() == [0, 1, 2, 4]


TYPES = {
    "bool": (pa.array([True, False, True]), np.bool_),
    "int8": (pa.array([1, -2, 3], pa.int8()), np.int8),
    "uint64": (pa.array([1, 2**53 + 1, 3], pa.uint64()), np.uint64),
    "float16": (pa.array(np.array([1, 0.5, 3], np.float16)), np.float16),
    "float32": (pa.array([0.1, 0.5, 3], pa.float32()), np.float32),
    "decimal": (pa.array([decimal.Decimal("1.1"), decimal.Decimal("0.1"), None]), np.float64),
    "missing int": (pa.array([1, None, 3]), np.float64),
    "missing float": (pa.array([1.5, None, 3], pa.float32()), np.float32),
    "missing bool": (pa.array([True, None, False]), np.float64),
    "dictionary": (pa.array([5, 7, 5]).dictionary_encode(), np.int64),
    "null": (pa.nulls(3), np.float64),
    "a name with a . in it": (pa.array([1.0, 2.0, 3.0]), np.float64),
}


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_of_numbers(tmp_path: Path, kind: str) -> None:
    column, dtype = TYPES[kind]
    table = pa.table({kind: column, "y": [1.0, 2.0, 3.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    dataset = dgd.open_dataset(tmp_path / "t.parquet", "y")
    assert dataset.X.dtype == dtype
    expected = [np.nan if value is None else float(value) for value in column.to_pylist()]
    np.testing.assert_array_equal(read_all(dataset)[:, 0].astype(float), np.array(expected, dtype=float))


def test_integers_without_statistics_are_taken_for_floats(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "y": [1.0, 2.0]}), tmp_path / "t.parquet", write_statistics=False)
    assert dgd.open_dataset(tmp_path / "t.parquet", "y").X.dtype == np.float64


def test_missing_cells_are_refused_or_left_out(tmp_path: Path) -> None:
    table = frame()
    table.loc[[7, 250], "a"] = None
    table.loc[9, "y"] = None
    given = parquet(tmp_path / "t.parquet", table)
    with pytest.raises(ValueRangeError, match=r"row 7, column 0"):
        dgd.fit(given, "y", features=["a", "b"])
    fitted = dgd.fit(given, "y", features=["a", "b"], missing="drop")
    whole = table.dropna(subset=["a", "y"])
    expected = dgd.fit(whole[["a", "b"]].to_numpy(float), whole["y"].to_numpy())
    np.testing.assert_allclose(fitted.theta, expected.theta, rtol=1e-12)
    assert np.isnan(dgd.predict(fitted.model, given, missing="drop")).sum() == 2


@pytest.mark.parametrize(
    ("arguments", "options", "error", "said"),
    [
        (("z",), {}, ConfigurationError, r"y: .*t\.parquet has no column 'z'\. It has a, b, y, w, k"),
        (("yy",), {}, ConfigurationError, r"Did you mean 'y'\?"),
        (("y",), {"features": ["a", "c"]}, ConfigurationError, "features: .*has no column 'c'"),
        (("y",), {"weight": "k", "features": ["a"]}, SchemaError, "column 'k' holds text, expected numbers for weight"),
        (
            (np.ones(ROWS),),
            {"features": ["a"]},
            ConfigurationError,
            "y of a table is the name of a column, got a ndarray",
        ),
        (("y",), {"transpose": True}, ConfigurationError, "transpose"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(
    path: Path, arguments: Any, options: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        dgd.open_dataset(path, *arguments, **options)


def test_dates_and_lists_are_named(tmp_path: Path) -> None:
    table = pa.table({"d": [datetime.date(2020, 1, 1)], "l": [[1, 2]], "a": [1.0], "y": [2.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(
        SchemaError, match=r"2 columns cannot .*: 'd' \(times: give time_unit.*'l' \(list<.*drop=\['d', 'l'\]"
    ):
        dgd.open_dataset(tmp_path / "t.parquet", "y")


def test_a_file_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    parquet(tmp_path / "b.parquet", frame()[["a", "y"]])
    with pytest.raises(SchemaError, match=r"b\.parquet has no column 'b'; it has a, y"):
        dgd.open_dataset(tmp_path, "y", features=["a", "b"])


def test_a_file_that_was_rewritten_since_is_noticed(tmp_path: Path) -> None:
    given = parquet(tmp_path / "t.parquet")
    dataset = dgd.open_dataset(given, "y", features=["a"])
    os.utime(given)
    assert dataset.X.read(0, 5, Buffers())[0].shape == (5, 1)
    parquet(given, frame() + frame()[["a", "b", "y", "w"]].assign(k=""))
    with pytest.raises(DatasetChangedError, match=r"t\.parquet is another file than the one that was opened"):
        dgd.fit(dataset)


def test_damage_is_placed(tmp_path: Path) -> None:
    given = parquet(tmp_path / "t.parquet", write_page_checksum=True, compression=None)
    good, numbers = given.read_bytes(), frame()[["a", "b", "w"]].to_numpy(float)
    said: list[str] = []
    for place in range(100, len(good) // 2, len(good) // 60):
        data = bytearray(good)
        data[place] ^= 1
        given.write_bytes(data)
        try:
            np.testing.assert_array_equal(read_all(dgd.open_dataset(given, "y", features=["a", "b", "w"])), numbers)
        except ReadError as error:
            said.append(str(error))
    assert len(said) > 10
    placed = re.compile(r"rows \d+ to \d+ of .*t\.parquet cannot be read: .*write it again", re.DOTALL)
    assert all(placed.search(text) for text in said)
    (tmp_path / "no.parquet").write_bytes(b"PAR1 no PAR1")
    with pytest.raises(ReadError, match=r"no\.parquet: cannot be read as Parquet"):
        dgd.fit(tmp_path / "no.parquet", "y")


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_a_read_takes_what_is_planned(tmp_path: Path, compression: str) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40_000, 20)), columns=[f"c{j}" for j in range(20)])
    table.to_parquet(tmp_path / "t.parquet", row_group_size=20_000, compression=compression)
    rows = ParquetRows(
        "X", str(tmp_path / "t.parquet"), footer_of(str(tmp_path / "t.parquet")).digest, tuple(table.columns[:12])
    )
    pool = pa.default_memory_pool()
    # It counts for itself, whatever others have left in the pool.
    proxied = pa.proxy_memory_pool(pool)
    pa.set_memory_pool(proxied)
    try:
        rows.read(0, 20_000, Buffers())
        peak = proxied.max_memory()
    finally:
        pa.set_memory_pool(pool)
    block = 20_000 * 12 * 8
    assert 0.3 * rows.footprint.encoded < peak <= rows.footprint.encoded + rows.footprint.decoded - block


def test_rows_are_sent_as_a_path(path: Path) -> None:
    rows = dgd.open_dataset(path, "y", features=["a", "b"]).X
    assert len(pickle.dumps(rows)) < 1_000
    expected = frame()[["a", "b"]].to_numpy(float)[95:205]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).read(95, 205, Buffers())[0], expected)


def test_the_command_line_fits_and_predicts_tables(
    path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "m.dgd"
    assert main(["fit", str(path), "--y", "y", "--features", "a,b", "--out", str(model), "--quiet"]) == 0
    assert main(["predict", str(model), str(path), "--out", str(tmp_path / "p.zarr")]) == 0
    assert main(["score", str(model), str(path), "--y", "y"]) == 0
    assert "r2" in capfd.readouterr().out
