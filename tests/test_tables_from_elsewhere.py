"""Tables that are text, come by standard input or lie behind a URL: the same rows as those of a local Parquet file."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pytest

import dgd
from dgd.cli import main
from dgd.data.tables import brought
from dgd.data.tables.files import is_text
from dgd.data.tables.parquet_files import as_parquet
from dgd.data.tables.text import csv_blocks
from dgd.errors import DatasetNotFoundError, IngestError

ROWS = 400


def table() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    kind = rng.choice(["u", "v", "w"], ROWS)
    a = rng.normal(size=ROWS)
    return pd.DataFrame(
        {"a": a, "k": rng.integers(0, 4, ROWS), "kind": kind, "y": a + 2.0 * (kind == "v") + rng.normal(size=ROWS)}
    )


def written(tmp_path: Path) -> tuple[Path, Path]:
    table().to_csv(tmp_path / "t.csv", index=False)
    table().to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.csv", tmp_path / "t.parquet"


def test_text_is_fitted_as_parquet_is_to_the_last_digit(tmp_path: Path) -> None:
    text, parquet = written(tmp_path)
    ours, theirs = (dgd.fit(str(path), y="y", categorical=["k"]) for path in (text, parquet))
    assert ours.model.feature_names == theirs.model.feature_names
    assert ours.coef_.tolist() == theirs.coef_.tolist()
    of_text, of_parquet = (theirs.model.predict(str(path)) for path in (text, parquet))
    assert of_text.tobytes() == of_parquet.tobytes()
    assert ours.model.score(str(parquet), y="y").r2 == theirs.model.score(str(text), y="y").r2


def test_a_text_file_is_parsed_once_as_long_as_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = written(tmp_path)
    parsed = []
    write = as_parquet._write
    monkeypatch.setattr(as_parquet, "_write", lambda table, place: (parsed.append(table.path), write(table, place)))
    for _ in range(2):
        dgd.fit(str(text), y="y", features=["a"])
    assert parsed == [str(text)]
    table().head(50).to_csv(text, index=False)
    assert dgd.open_dataset(str(text), "y", features=["a"]).shape == (50, 1)
    assert len(parsed) == 2


def test_whole_numbers_that_are_not_whole_later_and_dates_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    rows = [f"{k},{k}.5,2020-01-0{1 + k % 9},{k % 2}" for k in range(100)]
    (tmp_path / "t.csv").write_text("\n".join(["n,a,when,y", *rows, "7.25,1,later,1", "NA,,,0"]))
    dataset = dgd.open_dataset(str(tmp_path / "t.csv"), "y", features=["n", "a"], missing="drop")
    assert np.asarray(dataset.read(0).X)[-1].tolist() == [7.25, 1.0]
    assert dataset.read(0).X.shape == (101, 2)


def test_a_cell_of_another_kind_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    (tmp_path / "t.csv").write_text("a,y\n" + "1,2\n" * 300 + "n.v.,2\n" + "3,4\n" * 100)
    with pytest.raises(IngestError, match=r"row 301 \(line 302\) of column 'a' is 'n.v.', and the rows before it hold"):
        dgd.fit(str(tmp_path / "t.csv"), y="y")


def test_a_folder_of_text_with_hive_columns(tmp_path: Path) -> None:
    for year in (2020, 2021):
        (tmp_path / "d" / f"year={year}").mkdir(parents=True)
        table().assign(y=lambda t, year=year: t.y + year).to_csv(tmp_path / "d" / f"year={year}" / "t.csv", index=False)
    assert is_text(tmp_path / "d")
    found = dgd.fit(str(tmp_path / "d"), y="y", features=["a", "year"])
    assert found.model.feature_names == ("a", "year")
    assert found.coef_[1] == pytest.approx(1, abs=1e-8)


def test_the_command_says_that_text_is_parsed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text, _ = written(tmp_path)
    model = str(tmp_path / "m.dgd")
    assert main(["fit", str(text), "--target", "y", "--drop", "k", "--out", model]) == 0
    said = capfd.readouterr()
    assert f"{text} is parsed once, into a temporary file" in said.err
    assert "kind[v]" in said.out
    assert main(["predict", model, str(text)]) == 0
    assert len(capfd.readouterr().out.splitlines()) == ROWS
    assert main(["predict", model, str(tmp_path / "no.csv")]) == 3
    assert "parsed" not in capfd.readouterr().err


def test_the_commands_say_how_a_text_of_another_dialect_was_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text, model = tmp_path / "s.csv", str(tmp_path / "m.dgd")
    text.write_text("a;k;y\n" + "".join(f"{j},5;{'uv'[j % 2]};{2 * j},25\n" for j in range(9)))
    for command in (["fit", str(text), "--target", "y", "--out", model], ["predict", model, str(text)]):
        assert main(command) == 0
        assert f"{text}: separator ';'; decimal mark ','" in capfd.readouterr().err


@pytest.fixture
def piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = written(tmp_path)
    brought._standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.read_bytes())))


@pytest.mark.usefixtures("piped")
def test_standard_input(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["ingest", "-", str(tmp_path / "o.zarr"), "--target", "y", "--drop", "kind"]) == 0
    assert dgd.open_dataset(tmp_path / "o.zarr").shape == (ROWS, 2)
    assert main(["inspect", "-", "--target", "y"]) == 0
    assert "400 rows × 4 columns" in capfd.readouterr().out


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_url(tmp_path: Path, suffix: str) -> None:
    paths = dict(zip(("csv", "parquet"), written(tmp_path), strict=True))
    url = f"memory://here/{os.path.basename(tmp_path)}/t.{suffix}"
    with fsspec.open(url, "wb") as file:
        file.write(paths[suffix].read_bytes())
    assert dgd.ingest([url], tmp_path / "o.zarr", target="y", drop=["kind"]).rows == ROWS
    assert (
        dgd.fit(url, y="y", drop=["k"]).coef_.tolist()
        == dgd.fit(str(paths["parquet"]), y="y", drop=["k"]).coef_.tolist()
    )
    assert dgd.inspect(url).rows == ROWS


def test_info_of_a_url_takes_storage_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    copied = brought.local_file

    def spied(path: str, options: Any) -> Any:
        given.append(options)
        return copied(path, None)

    monkeypatch.setattr(import_module("dgd.data.tables.inspection.inspect"), "local_file", spied)
    with fsspec.open("memory://here/info.csv", "wb") as file:
        file.write(written(tmp_path)[0].read_bytes())
    assert main(["info", "memory://here/info.csv", "--storage-option", "anon=true"]) == 0
    assert given == [{"anon": True}]


def test_what_is_not_there_says_so_without_secrets(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"nothing is at memory://here/none\.csv"):
        dgd.ingest(["memory://here/none.csv"], tmp_path / "o.zarr", target="y")
    given: Any = {"token": "sesame"}
    with pytest.raises(Exception) as caught:
        dgd.ingest(["nosuch://u:sesame@host/t.csv?key=sesame"], tmp_path / "o.zarr", target="y", storage_options=given)
    assert "sesame" not in f"{caught.value}{caught.value.__cause__}"


def test_messages_name_the_text_that_was_parsed_and_not_its_copy(tmp_path: Path) -> None:
    text = tmp_path / "t.csv"
    text.write_text("a,b,y\n1,u,2\n2,v,\n,u,5\n4,v,9\n")
    for options in ({}, {"features": ["a"]}, {"drop": ["nothing"]}, {"features": ["a", "c"]}):
        for y in ("y", "z", "1"):
            with pytest.raises(dgd.errors.DgdError) as raised:
                dgd.fit(text, y, **options)
            assert "dgd-tables" not in str(raised.value), raised.value
    model = dgd.fit(text, "y", missing="drop").model
    text.write_text("a,y\n1,2\n")
    with pytest.raises(dgd.errors.DgdError, match=r"t\.csv") as raised:
        model.predict(text)
    assert "dgd-tables" not in str(raised.value)


def test_a_zip_archive_of_one_text_file_is_a_table(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{k},{'uvw'[k % 3]},{k * k}\n" for k in range(40))
    (tmp_path / "t.csv").write_text(text)
    expected = dgd.fit(tmp_path / "t.csv", "y").theta
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("within/t.csv", text)
    assert dgd.fit(tmp_path / "t.csv.zip", "y").theta.tobytes() == expected.tobytes()
    assert dgd.inspect(tmp_path / "t.csv.zip").rows == 40
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", text)
        archive.writestr("b.csv", text)
    with pytest.raises(IngestError, match=r"two\.csv\.zip holds 2 files, expected a zip archive of one text file"):
        dgd.fit(tmp_path / "two.csv.zip", "y")
    (tmp_path / "bad.csv.zip").write_bytes((tmp_path / "t.csv.zip").read_bytes()[:60])
    with pytest.raises(IngestError, match=r"bad\.csv\.zip"):
        dgd.fit(tmp_path / "bad.csv.zip", "y")
