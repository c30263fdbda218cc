"""Inspecting: each kind of file that people have goes in by the command that is printed, or is refused, and how."""

from __future__ import annotations

import gzip
import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dgd
from dgd.cli import main
from dgd.data.opening import open_data
from dgd.data.tables.inspection import column_look
from dgd.errors import ConfigurationError

IRIS = "5.1,3.5,1.4,setosa\n4.9,3.0,1.3,setosa\n6.2,2.9,4.3,versicolor\n5.9,3.2,4.8,versicolor\n"

# name of the kind: (name of the file, its text, target, features that go in, rows that go in)
KINDS: dict[str, tuple[str, str | bytes, str | None, list[str], int]] = {
    "plain": ("t.csv", "a,b,y\n1,2,3\n4,5,6\n7,9,9\n", "y", ["a", "b"], 3),
    "no target": ("t.csv", "a,b\n1,2\n4,5\n7,9\n", None, ["a", "b"], 3),
    "one column": ("t.csv", "y\n1\n4\n7\n", None, ["y"], 3),
    "one row": ("t.csv", "a,y\n1,2\n", "y", ["a"], 1),
    "booleans": ("t.csv", "a,y\ntrue,1\nfalse,2\ntrue,3\n", "y", ["a"], 3),
    "text": ("t.csv", "species,a,y\nu,1,2\nv,2,3\nu,4,4\n", "y", ["species", "a"], 3),
    "ids": ("t.csv", "name,a,y\nu,1,2\nv,2,3\nw,4,4\n", "y", ["a"], 3),
    "numbers and notes": ("t.csv", "a,note,y\n1,,2\n2,late,3\n4,,4\n", "y", ["a"], 3),
    "ISO dates": ("t.csv", "date,a,y\n2020-01-01,1,2\n2020-01-02,2,3\n2020-01-03,4,4\n", "y", ["a"], 3),
    "dates and times": ("t.csv", "t,a,y\n2020-01-01 10:00:00,1,2\n2020-01-01 11:00:00,2,3\n", "y", ["a"], 2),
    "American dates": ("t.csv", "date,a,y\n1/31/2020,1,2\n2/1/2020,2,3\n2/2/2020,4,4\n", "y", ["a"], 3),
    "German dates": ("t.csv", "date;a;y\n31.01.2020;1,5;2\n01.02.2020;2,5;3\n", "y", ["a"], 2),
    "empty cells": ("t.csv", "a,b,y\n1,,2\n2,3,3\n4,5,4\n", "y", ["a", "b"], 2),
    "NA": ("t.csv", "a,b,y\n1,NA,2\n2,3,3\n4,5,NA\n", "y", ["a", "b"], 1),
    "question marks": ("t.data", "a,b,y\n1,?,2\n2,3,3\n4,5,4\n", "y", ["a", "b"], 2),
    "nan of numpy": ("t.csv", "a,b,y\n1.0,nan,2\n2,3,3\n4,5,4\n", "y", ["a", "b"], 2),
    "n.v. far down": ("t.csv", "a,b,y\n" + "1,2,3\n2,4,5\n" * 20 + "3,n.v.,4\n", "y", ["a", "b"], 40),
    "every row lacks one": ("t.csv", "a,b,y\n1,,2\n,3,3\n4,,4\n", "y", ["a", "b"], 3),
    "a column of nothing": ("t.csv", "a,b,y\n1,,2\n2,,3\n4,,4\n", "y", ["a"], 3),
    "constant": ("t.csv", "a,k,y\n1,7,2\n2,7,3\n4,7,4\n", "y", ["a"], 3),
    "pandas' index": ("t.csv", ",a,y\n0,1.5,2\n1,2,3\n2,4,4\n", "y", ["a"], 3),
    "R's row names": ("t.csv", '"","a","y"\n"1",1.5,2\n"2",2,3\n"3",4,4\n', "y", ["a"], 3),
    "infinite": ("t.csv", "a,b,y\n1,inf,2\n2,3,3\n4,5,4\n", "y", ["a"], 3),
    "tabs": ("t.csv", "a\tb\ty\n1\t2\t3\n4\t5\t6\n7\t9\t9\n", "y", ["a", "b"], 3),
    "tsv": ("t.tsv", "a\tb\ty\n1\t2\t3\n4\t5\t6\n7\t9\t9\n", "y", ["a", "b"], 3),
    "semicolons": ("t.csv", "a;b;y\n1.5;2;3\n4;5;6\n7;9;9\n", "y", ["a", "b"], 3),
    "decimal commas": ("t.csv", "a;b;y\n1,5;2;3\n4,5;5;6\n7;9;9\n", "y", ["a", "b"], 3),
    "bars": ("t.txt", "a|b|y\n1|2|3\n4|5|6\n7|9|9\n", "y", ["a", "b"], 3),
    "spaces": ("t.dat", "a b y\n1 2 3\n4 5 6\n7 9 9\n", "y", ["a", "b"], 3),
    "spaces after commas": ("t.csv", "a, b, y\n1, 2, 3\n4, 5, 6\n7, 9, 9\n", "y", ["a", "b"], 3),
    "thousands": ("t.csv", 'a,b,y\n"1,234.5",2,3\n"12,345.5",5,6\n"7.5",9,9\n', "y", ["a", "b"], 3),
    "no header": ("t.csv", "1.5,2,3\n4,5,6\n7,9,9\n", "x2", ["x0", "x1"], 3),
    "no header, with text": ("iris.data", IRIS, None, [], 0),
    "comments": ("t.csv", "# made by hand\n# in May\na,b,y\n1,2,3\n4,5,6\n7,9,9\n", "y", ["a", "b"], 3),
    "byte order mark": ("t.csv", "\ufeffa,b,y\n1,2,3\n4,5,6\n7,9,9\n", "y", ["a", "b"], 3),
    "CRLF": ("t.csv", "a,b,y\r\n1,2,3\r\n4,5,6\r\n7,9,9\r\n", "y", ["a", "b"], 3),
    "latin-1": ("t.csv", "größe,b,y\n1,2,3\n4,5,6\n7,9,9\n".encode("cp1252"), "y", ["größe", "b"], 3),
    "UTF-16": ("t.csv", "größe,b,y\n1,2,3\n4,5,6\n7,9,9\n".encode("utf-16"), "y", ["größe", "b"], 3),
    "gzip": ("t.csv.gz", gzip.compress(b"a,b,y\n1,2,3\n4,5,6\n7,9,9\n"), "y", ["a", "b"], 3),
    "quotes": ("t.csv", '"a","b","y"\n"1","2","3"\n"4","5","6"\n"7","9","9"\n', "y", ["a", "b"], 3),
    "lines in quotes": ("t.csv", 'a,note,y\n1,"u\nv",3\n4,"u\nv",6\n7,w,9\n', "y", ["a", "note"], 3),
    "a name with a comma": ("t.csv", '"a, b",c,y\nu,2,3\nu,5,6\nv,9,9\n', "y", ["a, b", "c"], 3),
    "names with spaces": ("t.csv", "the a,the b,the y\n1,u,3\n4,u,6\n7,v,9\n", "the y", ["the a", "the b"], 3),
    "whole floats": ("t.csv", "a,y\n1e3,1E-3\n2e+3,2\n3.,.5\n", "y", ["a"], 3),
    "zip codes": ("t.csv", "zip,a,y\n01234,1,2\n98765,2,3\n00001,4,4\n", "y", ["zip", "a"], 3),
    "text target": ("t.csv", "a,species\n1,u\n2,v\n4,u\n", "species", ["a"], 3),
    "all text": ("t.csv", "a,b\nu,v\nu,w\nx,w\n", None, ["a", "b"], 3),
    # Refused: something has to be said, or mended.
    "a name twice": ("t.csv", "a,a,y\n1,2,3\n4,5,6\n7,9,9\n", "y", [], 0),
    "ragged": ("t.csv", "a,b,y\n1,2,3\n4,5\n7,9,9\n", "y", [], 0),
    "a target of one text": ("t.csv", "a,species\n1,u\n2,u\n4,u\n", "species", [], 0),
}
REFUSED = {
    "no header, with text": "say --no-header, or --header if they are",
    "a target of one text": "target 'species': text",
    "a name twice": "2 columns are called 'a': rename one of them",
    "ragged": r"row 2 \(line 3\) has 2 cells, the header has 3",
}


def inspected(capfd: pytest.CaptureFixture[str], *arguments: Any) -> dict[str, Any]:
    assert main(["inspect", *map(str, arguments), "--json"]) == 0
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def test_every_kind_of_file_goes_in_by_the_command_that_is_printed_or_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted: list[str] = []
    for kind, (name, text, target, features, rows) in KINDS.items():
        folder = tmp_path / kind.replace(" ", "_").replace("'", "").replace(",", "").replace(".", "")
        folder.mkdir()
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        options = () if target is None else ("--target", target)
        if kind in REFUSED:
            code, said = main(["inspect", str(path), *options]), capfd.readouterr()
            assert code == (3 if kind == "ragged" else 0), kind
            assert re.search(REFUSED[kind], said.out + said.err), (kind, said)
            assert "ingest it with" not in said.out, kind
            continue
        found = inspected(capfd, path, *options)
        if kind == "text target":
            assert found["fit"] == f"dgd fit {path} --target species --loss logistic"
        if found["fit"] is not None:
            assert main([*shlex.split(found["fit"])[1:], "--quiet"]) == 0, (kind, found["fit"], capfd.readouterr().err)
            capfd.readouterr()
            fitted.append(kind)
        words = shlex.split(found["command"])
        assert words[:3] == ["dgd", "ingest", str(path)], kind
        words[3] = str(folder / "out.zarr")
        assert main(words[1:]) == 0, (kind, found["command"], capfd.readouterr().err)
        capfd.readouterr()
        dataset = open_data(words[3], None, None, need_target=False)
        named = list(dgd.info(words[3]).feature_names or ())
        assert (named, dataset.shape[0]) == (features, rows), (kind, found["command"])
    assert len(KINDS) >= 48
    assert len(fitted) >= 30


def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "whole": np.arange(60) % 7,
            "number": rng.normal(size=60),
            "flag": np.arange(60) % 2 == 0,
            "kind": pd.Categorical(["u", "v", "w"] * 20),
            "when": pd.date_range("2020-01-01", periods=60),
            "holes": [None, 1.5] * 30,
            "list": [[1, 2]] * 60,
            "k": 3,
        }
    ).drop(index=[3])
    frame.to_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_a_parquet_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path)
    found = {column["name"]: column for column in inspected(capfd, path)["columns"]}
    assert {name: (column["holds"], column["missing"], column["note"]) for name, column in found.items()} == {
        "whole": ("numbers", 0, ""),
        "number": ("numbers", 0, ""),
        "flag": ("booleans", 0, ""),
        "kind": ("text", 0, "text"),
        "when": ("dates", 0, "dates"),
        "holes": ("numbers", 30, ""),
        "list": ("text", 0, "values of type list<element: int64>"),
        "k": ("numbers", 0, "constant"),
        "__index_level_0__": ("numbers", 0, "the index of a DataFrame"),
    }
    assert found["kind"]["levels"] == 3
    assert found["when"]["values"] == "2020-01-01 00:00:00 to 2020-02-29 00:00:00"
    command = dgd.inspect(path, target="number").command
    assert command is not None
    assert command.endswith("t.zarr --target number --drop when,list,k --missing drop")
    assert main([*shlex.split(command)[1:3], str(tmp_path / "o.zarr"), *shlex.split(command)[4:]]) == 0
    assert dgd.open_dataset(tmp_path / "o.zarr").shape == (29, 5)
    capfd.readouterr()
    assert main(["info", str(path)]) == 0
    said = capfd.readouterr().out
    assert "59 rows × 9 columns" in said
    assert "kind" in said


def test_columns_of_folders_and_files_that_lack_one(tmp_path: Path) -> None:
    for year, text in ((2020, "a,y\n1,2\n3,4\n"), (2021, "a,y\n5,6\n7,9\n")):
        (tmp_path / f"year={year}").mkdir()
        (tmp_path / f"year={year}" / "t.csv").write_text(text)
    found = dgd.inspect(tmp_path, target="y")
    assert [(column.name, column.values) for column in found.columns] == [
        ("a", "1 to 7"),
        ("y", "2 to 9"),
        ("year", "2020 to 2021"),
    ]
    (tmp_path / "year=2021" / "t.csv").write_text("b,y\n5,6\n")
    found = dgd.inspect(tmp_path, target="y")
    assert found.command is None
    assert any("year=2021/t.csv: has no column 'a', which other files have" in each for each in found.obstacles)


def test_the_rows_that_would_be_left_out_are_counted_for_the_columns_that_are_used(tmp_path: Path) -> None:
    lines = [f"{k},{'' if k % 3 else k},{'' if k % 5 else k},{'' if k % 2 else 'u'},{k}" for k in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,text,y", *lines]))
    found = dgd.inspect(tmp_path / "t.csv", target="y")
    used = [k for k in range(60) if not k % 3 and not k % 5]
    assert found.rows_with_missing == 60 - len(used)
    written = dgd.ingest([tmp_path / "t.csv"], tmp_path / "o.zarr", target="y", drop=["text"], missing="drop")
    assert (written.rows, written.missing) == (len(used), {"b": 40, "c": 48})


def test_levels_are_counted_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_look, "MOST_LEVELS", 50)
    pq.write_table(
        pa.table({"many": [f"u{k}" for k in range(200)], "few": ["u", "v"] * 100, "y": np.arange(200)}),
        tmp_path / "t.parquet",
    )
    many, few, _ = dgd.inspect(tmp_path / "t.parquet").columns
    assert (many.levels, many.values) == (None, "more than 50 different texts")
    assert few.levels == 2


def test_a_dialect_that_is_given_is_in_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("about\na\tb\ty\n1\tx\t2\n3\tx\t4\n4\tu\t7\n")
    found = inspected(capfd, tmp_path / "t.csv", "--delimiter", "tab", "--skip-lines", "1", "--target", "y")
    assert found["command"].endswith("t.zarr --target y --delimiter tab --skip-lines 1")


def test_a_target_that_is_no_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    with pytest.raises(ConfigurationError, match="no column is called 'z'; there are a, y"):
        dgd.inspect(tmp_path / "t.csv", target="z")
