"""Predictions as tables: names, ids, order, the same bytes everywhere, and what is at the place meanwhile."""

from __future__ import annotations

import datetime
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clusters import Cluster, two_in_this_process
from test_write_errors import files_of_at_most
from traced import peak_of

import dgd
from dgd.cli import main
from dgd.errors import ConfigurationError, ModelError, ReadError, ValueRangeError, WriteError

ROWS, GROUP = 1_003, 100


def frame(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=rows), rng.normal(size=rows)
    day = [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(k)) for k in range(rows)]
    kind = np.array(["no", "só", 'yes, "sir"'])[
        np.argmax(np.stack([a, b, a * 0 + 0.3]) + rng.normal(size=(3, rows)), 0)
    ]
    return pd.DataFrame(
        {"key": [f"r{k:04}" for k in range(rows)], "day": day, "b": b, "n": np.arange(rows) + 2**53, "a": a,
         "y": 2 * a - b + rng.normal(size=rows), "kind": kind, "up": np.where(a > b, 3, 8)}
    )  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("t") / "t.parquet"
    frame().to_parquet(path, row_group_size=GROUP, index=False)
    return path


@pytest.fixture(scope="module")
def fitted(table: Path) -> dgd.Result:
    return dgd.fit(table, "y", features=["a", "b"])


@pytest.fixture(scope="module")
def classes(table: Path) -> dgd.Result:
    return dgd.fit(table, "kind", features=["a", "b"], loss="softmax")


def of_numbers(table: pd.DataFrame) -> dgd.Model:
    """A model of two classes that are numbers."""
    loss = dgd.losses.Logistic(classes=(3, 8))
    return dgd.fit(table[["a", "b"]], table["up"], loss=loss, penalty=dgd.penalties.L2(0.1)).model


def read(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.mark.parametrize("ending", ["parquet", "csv", "csv.gz"])
def test_the_rows_in_their_order_with_ids_of_any_type(
    fitted: dgd.Result, table: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"p.{ending}"
    dgd.predict_to(fitted.model, table, out, ids=["key", "n", "day"])
    found = read(out)
    assert list(found.columns) == ["key", "n", "day", "prediction"]
    assert found["key"].tolist() == frame()["key"].tolist()
    assert found["n"].tolist() == frame()["n"].tolist()
    assert found["day"].astype(str).tolist() == frame()["day"].astype(str).tolist()
    assert found["prediction"].to_numpy().tobytes() == dgd.predict(fitted.model, table).tobytes()
    assert os.listdir(tmp_path) == [out.name]


def test_classes_and_probabilities_by_name(classes: dgd.Result, table: Path, tmp_path: Path) -> None:
    for name in ("p.parquet", "p.csv"):
        dgd.predict_to(classes.model, table, tmp_path / name, probabilities=True)
        found = read(tmp_path / name)
        labels = classes.model.classes or ()
        assert list(found.columns) == ["prediction", *(f"probability_{label}" for label in labels)]
        assert found["prediction"].tolist() == dgd.predict(classes.model, table).tolist()
        proba = dgd.predict(classes.model, table, probabilities=True)
        np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(), proba)
    numbers = of_numbers(frame())
    dgd.predict_to(numbers, table, tmp_path / "up.parquet")
    assert read(tmp_path / "up.parquet")["prediction"].tolist() == dgd.predict(numbers, table).tolist()


def test_intervals_and_outputs_by_name(fitted: dgd.Result, classes: dgd.Result, table: Path, tmp_path: Path) -> None:
    model = fitted.inference().model
    dgd.predict_to(model, table, tmp_path / "p.parquet", interval=0.9)
    found = read(tmp_path / "p.parquet")
    assert list(found.columns) == ["prediction", "standard_error", "lower", "upper"]
    np.testing.assert_array_equal(found.to_numpy(), dgd.predict(model, table, interval=0.9))
    model = classes.inference().model
    dgd.predict_to(model, table, tmp_path / "c.parquet", interval=0.9, probabilities=True)
    found = read(tmp_path / "c.parquet")
    expected = dgd.predict(model, table, interval=0.9, probabilities=True)
    assert list(found.columns[5:9]) == ["probability_só", "standard_error_só", "lower_só", "upper_só"]
    np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(), expected.reshape(ROWS, -1))
    X, Y = frame()[["a", "b"]].to_numpy(), frame()[["y", "n"]].to_numpy(dtype=float)
    two = dgd.fit(X, Y).model
    dgd.predict_to(two, X, tmp_path / "two.parquet")
    np.testing.assert_array_equal(read(tmp_path / "two.parquet")[["prediction_0", "prediction_1"]], two.predict(X))


def test_the_same_bytes_on_threads_and_workers(
    fitted: dgd.Result, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_data_are_divided_too: None
) -> None:
    monkeypatch.setattr("dgd.models.prediction.table_rows.WINDOW_BYTES", 300 * 72)
    with two_in_this_process() as client:
        wheres: list[dict[str, Any]] = [{"threads": 1}, {"threads": 3}, {"client": client}]
        for k, where in enumerate(wheres):
            dgd.predict_to(fitted.model, table, tmp_path / f"{k}.parquet", ids=["key"], **where)
            dgd.predict_to(fitted.model, frame(), tmp_path / f"{k}.csv", ids=["key"], **where)
    for ending in ("parquet", "csv"):
        assert len({(tmp_path / f"{k}.{ending}").read_bytes() for k in range(3)}) == 1
    assert pq.read_metadata(tmp_path / "0.parquet").num_row_groups == 3
    assert read(tmp_path / "0.parquet")["key"].tolist() == frame()["key"].tolist()
    pd.testing.assert_frame_equal(read(tmp_path / "0.csv"), read(tmp_path / "0.parquet"))


def test_errors_name_the_rows_of_the_whole_table(
    fitted: dgd.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgd.models.prediction.table_rows.WINDOW_BYTES", 300 * 8)
    spoiled = frame()
    spoiled.loc[777, "b"] = np.inf
    spoiled.to_parquet(tmp_path / "t.parquet", row_group_size=GROUP, index=False)
    with pytest.raises(ValueRangeError, match="chunk 7: row 777, column 1 is inf"):
        dgd.predict_to(fitted.model, tmp_path / "t.parquet", tmp_path / "p.parquet")
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_a_row_with_a_missing_cell_has_null(fitted: dgd.Result, classes: dgd.Result, tmp_path: Path) -> None:
    gaps = frame()
    gaps.loc[[0, 450, 1002], "a"] = np.nan
    gaps.loc[7, "key"] = None
    gaps.to_parquet(tmp_path / "t.parquet", row_group_size=GROUP, index=False)
    numbers = of_numbers(frame())
    for model in (fitted.model, classes.model, numbers):
        dgd.predict_to(
            model, tmp_path / "t.parquet", tmp_path / "p.parquet", ids=["key"], missing="drop", overwrite=True
        )
        found = pq.read_table(tmp_path / "p.parquet")
        assert np.flatnonzero(found["prediction"].is_null()).tolist() == [0, 450, 1002]
        assert np.flatnonzero(found["key"].is_null()).tolist() == [7]
    dgd.predict_to(fitted.model, tmp_path / "t.parquet", tmp_path / "p.csv", ids=["key"], missing="drop")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[:2] == ["key,prediction", '"r0000",']
    assert lines[8].startswith(",")


def test_ids_of_frames_arrow_zarr_and_folders(fitted: dgd.Result, table: Path, tmp_path: Path) -> None:
    expected = dgd.predict(fitted.model, table)
    for data in (frame(), pa.Table.from_pandas(frame())):
        dgd.predict_to(fitted.model, data, tmp_path / "p.parquet", ids=["n", "key"], overwrite=True)
        found = read(tmp_path / "p.parquet")
        assert list(found.columns) == ["n", "key", "prediction"]
        assert found["n"].tolist() == frame()["n"].tolist()
        np.testing.assert_allclose(found["prediction"], expected, rtol=1e-13)
    for k, part in enumerate(np.array_split(np.arange(ROWS), 3)):
        (tmp_path / "d" / f"year={2000 + k}").mkdir(parents=True)
        frame().iloc[part].to_parquet(tmp_path / "d" / f"year={2000 + k}" / "0.parquet", row_group_size=90)
    dgd.predict_to(fitted.model, tmp_path / "d", tmp_path / "p.parquet", ids=["year", "key"], overwrite=True)
    found = read(tmp_path / "p.parquet")
    assert found["key"].tolist() == frame()["key"].tolist()
    assert found.groupby("year").size().to_dict() == {"2000": 335, "2001": 334, "2002": 334}
    table = frame()[["key", "n", "a", "b", "y"]]
    table.to_parquet(tmp_path / "t.parquet", index=False)
    dgd.ingest([tmp_path / "t.parquet"], tmp_path / "ids.zarr", target="y", ids=["key", "n"], chunk_rows=90)
    for given in (None, ["n", "key"], []):
        dgd.predict_to(fitted.model, tmp_path / "ids.zarr", tmp_path / "p.parquet", ids=given, overwrite=True)
        found = read(tmp_path / "p.parquet")
        names = ["key", "n"] if given is None else given
        assert list(found.columns) == [*names, "prediction"]
        pd.testing.assert_frame_equal(found[names].astype(object), frame()[names].astype(object))
    frame()[["a", "b", "n"]].astype(float).to_csv(tmp_path / "t.csv", index=False)
    dgd.ingest([tmp_path / "t.csv"], tmp_path / "t.zarr", features=["a", "b"], target="n")
    dgd.predict_to(fitted.model, tmp_path / "t.zarr", tmp_path / "p.parquet", ids=["y"], overwrite=True)
    assert read(tmp_path / "p.parquet")["y"].tolist() == frame()["n"].astype(float).tolist()


def test_columns_are_found_by_name_and_differences_are_told_by_name(
    fitted: dgd.Result, table: Path, tmp_path: Path
) -> None:
    expected = dgd.predict(fitted.model, table)
    renamed = frame().rename(columns={"a": "aa", "b": "bb"})
    renamed.to_parquet(tmp_path / "r.parquet", index=False)
    for data in (renamed, tmp_path / "r.parquet", pa.Table.from_pandas(renamed)):
        with pytest.raises(ModelError, match=r"lacks the columns 'a', 'b', on which.*it has 'key', 'day', 'bb', "):
            dgd.predict(fitted.model, data)
        with pytest.raises(ModelError, match=r"is 'aa' meant to be 'a'\? is 'bb' meant to be 'b'\?"):
            dgd.predict_to(fitted.model, data, tmp_path / "p.parquet")
    for data in (frame()[["b", "a"]], pa.Table.from_pandas(frame())):
        np.testing.assert_allclose(dgd.predict(fitted.model, data), expected, rtol=1e-13)
    assert not (tmp_path / "p.parquet").exists()


def refusals(table: Path, tmp_path: Path) -> dict[str, tuple[Any, dict[str, Any], str]]:
    (tmp_path / "mine.csv").write_text("id,price\n1,2\n")
    frame(3).to_parquet(tmp_path / "mine.parquet")
    (tmp_path / "folder.csv").mkdir()
    return {
        "another format": (tmp_path / "p.xlsx", {}, r"Parquet.*CSV.*Zarr"),
        "no folder": (tmp_path / "no" / "p.csv", {}, "no folder"),
        "a folder": (tmp_path / "folder.csv", {}, "is a folder"),
        "the input": (table, {"overwrite": True}, "its own input"),
        "a file": (tmp_path / "mine.csv", {}, "overwrite=True"),
        "the user's CSV": (tmp_path / "mine.csv", {"overwrite": True}, "no table of predictions"),
        "the user's Parquet": (tmp_path / "mine.parquet", {"overwrite": True}, "no table of predictions"),
        "a URL": ("memory://p.parquet", {}, "is a URL"),
        "an unknown id": (tmp_path / "p.csv", {"ids": ["kye"]}, r"no column 'kye'. Did you mean 'key'"),
        "an id twice": (tmp_path / "p.csv", {"ids": ["key", "key"]}, "different names"),
        "a text for a list": (tmp_path / "p.csv", {"ids": "key"}, "list of different names"),
        "ids of an array": (tmp_path / "p.zarr", {"ids": ["key"]}, "go into a table"),
    }


@pytest.mark.parametrize("case", range(12))
def test_mistakes_are_refused_and_harm_nothing(fitted: dgd.Result, table: Path, tmp_path: Path, case: int) -> None:
    out, options, message = list(refusals(table, tmp_path).values())[case]
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} | {table: table.read_bytes()}
    with pytest.raises(ConfigurationError, match=message):
        dgd.predict_to(fitted.model, table, out, **options)
    assert {path: path.read_bytes() for path in before} == before


def test_string_classes_in_zarr_are_refused_with_the_way_out(classes: dgd.Result, table: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.parquet or \.csv"):
        dgd.predict_to(classes.model, table, tmp_path / "p.zarr")


def test_an_id_called_prediction_is_refused(fitted: dgd.Result, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="rename it"):
        dgd.predict_to(
            fitted.model, frame().rename(columns={"key": "prediction"}), tmp_path / "p.csv", ids=["prediction"]
        )


def test_what_was_there_stays_until_the_new_one_is_whole(fitted: dgd.Result, table: Path, tmp_path: Path) -> None:
    for name in ("p.parquet", "p.csv"):
        out = tmp_path / name
        dgd.predict_to(fitted.model, table, out)
        before = out.read_bytes()
        with files_of_at_most(4_000), pytest.raises(WriteError, match=f"{name} cannot be written"):
            dgd.predict_to(fitted.model, table, out, ids=["key"], overwrite=True)
        assert out.read_bytes() == before
        dgd.predict_to(fitted.model, table, out, ids=["key"], overwrite=True)
        assert out.read_bytes() != before
    assert sorted(os.listdir(tmp_path)) == ["p.csv", "p.parquet"]


def test_a_damaged_table_ends_it(fitted: dgd.Result, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame().to_parquet(
        path, row_group_size=GROUP, index=False, compression="none", write_page_checksum=True, use_dictionary=False
    )
    content = bytearray(path.read_bytes())
    offset = pq.read_metadata(path).row_group(5).column(0).data_page_offset + 200
    content[offset] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReadError, match="the ids"):
        dgd.predict_to(fitted.model, path, tmp_path / "p.parquet", ids=["key"])


KILLED = """
import os, signal, sys
import dgd.data.tables.written.writers as writers
write = writers.CsvWriter.write
def killed(self, table):
    write(self, table)
    os.kill(os.getpid(), NUMBER)
writers.CsvWriter.write = killed
from dgd.cli import main
NUMBER = int(sys.argv.pop(1))
sys.exit(main())
"""


@pytest.mark.each(2)
@pytest.mark.parametrize("number", [9, 2])
def test_a_stopped_one_leaves_nothing_that_lasts(fitted: dgd.Result, table: Path, tmp_path: Path, number: int) -> None:
    fitted.model.save(tmp_path / "m.dgd")
    command = ["predict", str(tmp_path / "m.dgd"), str(table), "--out", str(tmp_path / "p.csv")]
    ended = subprocess.run([sys.executable, "-c", KILLED, str(number), *command], capture_output=True, text=True)
    assert ended.returncode == (-signal.SIGKILL if number == 9 else 130), ended.stderr
    assert not (tmp_path / "p.csv").exists()
    assert main(command) == 0
    assert sorted(os.listdir(tmp_path)) == ["m.dgd", "p.csv"]


def test_the_command_writes_csv_to_stdout_and_nothing_else(
    fitted: dgd.Result, table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fitted.model.save(tmp_path / "m.dgd")
    arguments = ["predict", str(tmp_path / "m.dgd"), str(table), "--id", "key"]
    assert main([*arguments, "--out", "-"]) == 0
    said = capfd.readouterr()
    found = pd.read_csv(io.StringIO(said.out))
    np.testing.assert_array_equal(found["prediction"], dgd.predict(fitted.model, table))
    unread = "columns that the model does not know were not read: 'day', 'n', 'kind', 'up'\n"
    assert said.err == unread
    assert main(arguments) == 2
    assert "--out p.parquet" in capfd.readouterr().err
    assert main([*arguments, "--out", "-", "--json"]) == 2
    assert main([*arguments, "--out", str(tmp_path / "p.parquet")]) == 0
    assert capfd.readouterr().err.endswith(f"predictions written to {tmp_path}/p.parquet\n{unread}")
    assert main([*arguments, "--out", str(tmp_path / "p.parquet")]) == 2
    assert "--overwrite" in capfd.readouterr().err


def test_tables_are_written_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dgd.models.prediction.table_rows.WINDOW_BYTES", 8 * 8_000)
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "x.zarr", chunk_rows=2000) as writer:
        for _ in range(60):
            writer.append(rng.normal(size=(2000, 30)))
    model = dgd.Model(rng.normal(size=30), 0.5, "squared")
    for name in ("p.csv", "p.parquet"):
        dgd.predict_to(model, tmp_path / "x.zarr", tmp_path / name, threads=1)
        most = 4 * 2000 * 30 * 8
        given = (model, tmp_path / "x.zarr", tmp_path / name)
        peak = peak_of(lambda given=given: dgd.predict_to(*given, threads=1, overwrite=True), most)
        assert peak < most


def test_a_text_file_has_the_same_bits_as_parquet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frame().to_parquet(tmp_path / "t.parquet", row_group_size=GROUP, index=False)
    frame()[["a", "key", "kind", "b"]].to_csv(tmp_path / "t.csv", index=False)
    model = dgd.fit(tmp_path / "t.parquet", "up", features=["a", "kind", "b"], loss="softmax").model
    model.save(tmp_path / "m.dgd")
    for name in ("parquet", "csv"):
        given = ["--id", "key", "--probabilities", "--out", str(tmp_path / f"p.{name}")]
        assert main(["predict", str(tmp_path / "m.dgd"), str(tmp_path / f"t.{name}"), *given]) == 0
    assert "parsed once" in capfd.readouterr().err
    pd.testing.assert_frame_equal(read(tmp_path / "p.parquet"), read(tmp_path / "p.csv"), check_exact=True)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_data_are_divided_too")
def test_the_same_bytes_from_worker_processes(
    fitted: dgd.Result, table: Path, tmp_path: Path, two_workers: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dgd.models.prediction.table_rows.WINDOW_BYTES", 300 * 72)
    for k, where in enumerate(({"threads": 2}, {"client": two_workers.client})):
        dgd.predict_to(fitted.model, table, tmp_path / f"{k}.parquet", ids=["key", "day"], **where)
    assert (tmp_path / "0.parquet").read_bytes() == (tmp_path / "1.parquet").read_bytes()
