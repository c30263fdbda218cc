"""CSV as people write it: what is guessed is right and said, what is given is followed, what is unclear is refused."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.data.tables.text.dialect import Dialect
from dgd.errors import ConfigurationError, IngestError

A = np.array([1.5, -2.25, 1234.5, 0.0, 1e6])
Y = np.array([3.0, 4.0, 5.0, 6.5, 7.0])


def rows(number: Any, separator: str, *, header: str | None = "a{0}y", quote: str = "") -> str:
    lines = [] if header is None else [header.format(separator)]
    lines += [f"{quote}{number(a)}{quote}{separator}{quote}{number(y)}{quote}" for a, y in zip(A, Y, strict=True)]
    return "\n".join(lines) + "\n"


def plain(value: float) -> str:
    return repr(float(value))


def comma(value: float) -> str:
    return f"{value:g}".replace(".", ",") if abs(value) < 1e5 else f"{value:.1f}".replace(".", ",")


def grouped(value: float) -> str:
    return f"{value:,.2f}"


def european(value: float) -> str:
    return grouped(value).translate(str.maketrans(",.", ".,"))


FILES = {
    "semicolons": (rows(plain, ";"), "separator ';'"),
    "semicolons and decimal commas": (rows(comma, ";"), "separator ';'; decimal mark ','"),
    "decimal commas and points between thousands": (
        rows(european, ";"),
        "separator ';'; decimal mark ','; '.' between thousands",
    ),
    "commas between thousands": (rows(grouped, ";"), "separator ';'; ',' between thousands"),
    "commas between thousands, quoted": (rows(grouped, ",", quote='"'), "',' between thousands"),
    "decimal commas, quoted": (rows(comma, ",", quote='"'), "decimal mark ','"),
    "tabs in .csv": (rows(plain, "\t"), "separator tab"),
    "bars": (rows(plain, "|"), "separator '|'"),
    "spaces": (rows(plain, " "), "separator space"),
    "spaces after commas": (rows(plain, ", "), ""),
    "single quotes": (rows(plain, ",", header="'a'{0}'y'", quote="'"), "quotes '"),
    "comments before the header": ("# made by hand\n\n#   a, y\n" + rows(plain, ","), "comments after #"),
    "comments between": (
        rows(plain, ",").replace("-2.25", "# said\n-2.25").replace("a,y", "# x\na,y"),
        "comments after #",
    ),
    "a header that begins with #": (rows(plain, ",", header="#a{0}y"), ""),
    "no header": (rows(plain, ",", header=None), "no header, columns x0, x1, …"),
    "byte order mark": ("\ufeff" + rows(plain, ","), ""),
    "CRLF": (rows(plain, ",").replace("\n", "\r\n"), ""),
}


def read(tmp_path: Path, text: str | bytes, name: str = "t.csv", **options: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    written = dgd.ingest([path], tmp_path / "out.zarr", overwrite=True, **options)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    return written, group["X"][:, 0], group["y"][:]


@pytest.mark.parametrize("kind", FILES)
def test_a_file_is_read_as_it_was_written_and_that_is_said(tmp_path: Path, kind: str) -> None:
    text, said = FILES[kind]
    written, X, y = read(tmp_path, text, target="x1" if kind == "no header" else "y")
    np.testing.assert_allclose(X, A, rtol=1e-15)
    np.testing.assert_array_equal(y, Y)
    assert written.features == ("x0",) if kind == "no header" else ("#a",) if "begins" in kind else ("a",)
    assert list(written.read_as.values()) == ([said] if said else [])


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-8"])
def test_names_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    written, X, _ = read(tmp_path, rows(plain, ",").replace("a,", "größe,").encode(encoding), target="y")
    assert written.features == ("größe",)
    np.testing.assert_array_equal(X, A)
    assert list(written.read_as.values()) == ([] if encoding == "utf-8" else [f"encoding {encoding}"])


COMPRESS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": pa.Codec("zstd").compress}


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_files_are_read_as_they_are(tmp_path: Path, ending: str) -> None:
    data = rows(comma, ";").encode()
    if ending == ".zst":
        with pa.CompressedOutputStream(pa.OSFile(str(tmp_path / "z"), "wb"), "zstd") as file:
            file.write(data)
        packed = (tmp_path / "z").read_bytes()
    else:
        packed = COMPRESS[ending](data)
    _, X, y = read(tmp_path, packed, name=f"t.csv{ending}", target="y")
    np.testing.assert_array_equal(X, A)
    np.testing.assert_array_equal(y, Y)
    hole = data.replace(b"0;6,5", b";6,5")
    (tmp_path / "hole.csv").write_bytes(hole)
    with pytest.raises(IngestError, match=r"row 4 \(line 5\) of column 'a' is missing"):
        dgd.ingest([tmp_path / "hole.csv"], tmp_path / "hole.zarr", target="y")


@pytest.mark.parametrize("damage", ["cut", "not compressed"])
@pytest.mark.parametrize("ending", COMPRESS)
def test_a_damaged_compressed_file_says_so(tmp_path: Path, ending: str, damage: str) -> None:
    data = b"a,y\n" + b"1.5,2\n" * 50_000
    packed = data
    if damage == "cut":
        packed = (pa.compress(data, "zstd", asbytes=True) if ending == ".zst" else COMPRESS[ending](data))[:-12]
    with pytest.raises(IngestError, match=r"cannot be read beyond row \d+: .*fetch or compress it again"):
        read(tmp_path, packed, name=f"t.csv{ending}", target="y")


def test_what_is_given_is_followed(tmp_path: Path) -> None:
    dialect = Dialect(
        delimiter=";", decimal=",", thousands="", comment="%", header=False, skip_lines=2, missing=("n/k",)
    )
    text = "title;of;it\nunits;;\n% said\n2,5;3;4\n1,5;2;n/k\n"
    written, X, y = read(tmp_path, text, dialect=dialect, target="x1", missing="drop", features=["x0", "x2"])
    assert (X.tolist(), y.tolist(), written.rows_left_out, written.missing) == ([2.5], [3.0], 1, {"x2": 1})
    with pytest.raises(IngestError, match=r"row 2 \(line 5\) of column 'x2' is missing \('n/k'\)"):
        read(tmp_path, text, dialect=dialect, target="x1")


def test_a_spelling_of_missing_cells_is_known_by_its_column(tmp_path: Path) -> None:
    text = "a,b,y\n1,?,2\n2,3,?\n3,4,5\n4,-,6\n"
    written, X, y = read(tmp_path, text, target="y", missing="drop")
    assert (X.tolist(), y.tolist()) == ([3.0], [5.0])
    assert (written.rows, written.rows_left_out, written.missing) == (1, 3, {"b": 2, "y": 1})
    assert list(written.read_as.values()) == ["missing cells '-', '?'"]
    with pytest.raises(IngestError, match="column 'c' holds text"):
        read(tmp_path, "c,y\n?,1\nred,2\n3,4\n5,6\n7,8\n", target="y")


@pytest.mark.parametrize("policy", ["drop", "keep"])
def test_missing_cells_by_policy(tmp_path: Path, policy: str) -> None:
    text = "a,b,y\n1,,2\n2,3,4\n3,4,5\nNA,4,NaN\n4,9,6\n"
    written, X, y = read(tmp_path, text, target="y", missing=policy)
    assert written.missing == {"a": 1, "b": 1, "y": 1}
    if policy == "drop":
        assert (X.tolist(), y.tolist(), written.rows_left_out) == ([2, 3, 4], [4, 5, 6], 2)
        return
    np.testing.assert_array_equal(X, [1, 2, 3, np.nan, 4])
    np.testing.assert_array_equal(y, [2, 4, 5, np.nan, 6])
    kept = dgd.fit(tmp_path / "out.zarr", missing="drop")
    read(tmp_path, text, target="y", missing="drop")
    np.testing.assert_allclose(kept.coef_, dgd.fit(tmp_path / "out.zarr").coef_, atol=1e-12)


def test_no_row_is_left(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"every row has a missing cell \(2 of them in column 'b'\)"):
        read(tmp_path, "a,b,y\n1,,2\n2,,4\n", target="y", missing="drop")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_to_predict_need_no_target(tmp_path: Path, suffix: str) -> None:
    table = pa.table({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    path = tmp_path / f"t.{suffix}"
    pa.parquet.write_table(table, path) if suffix == "parquet" else pa.csv.write_csv(table, path)
    written = dgd.ingest([path], tmp_path / "out.zarr")
    assert (written.features, written.target) == (("a", "b"), None)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert (list(group), group["X"][:].tolist()) == (["X"], [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a;y\n1,234;1\n2,345;2\n", r"'1,234' may be 1\.234 or 1234: .*--decimal ,.*--thousands ,"),
        ("a   y\n1.5   2\n22.5  3\n", r"aligned by several spaces.*tr -s ' '"),
    ],
)
def test_what_is_unclear_is_refused_with_the_way_out(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(IngestError, match=said):
        read(tmp_path, text, target="y")


def test_the_way_out_of_the_unclear_comma(tmp_path: Path) -> None:
    text = "a;y\n1,234;1\n2,345;2\n"
    assert read(tmp_path, text, target="y", dialect=Dialect(decimal=","))[1].tolist() == [1.234, 2.345]
    assert read(tmp_path, text, target="y", dialect=Dialect(thousands=","))[1].tolist() == [1234, 2345]


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a;y\n1.234,5;1\n2.345,5;3\nx;2\n", "a"),
        ("a,y\n" + "1,1\n" * 40 + '"1,5",1\n', "a"),
        ("a,y\n" + "1.5,1\n" * 40 + '"1,5",1\n', "a"),
        ("a;y\n" + "1,5;1\n" * 40 + "1.5;1\n", "a"),
    ],
)
def test_a_cell_against_the_marks_is_no_number(tmp_path: Path, text: str, column: str) -> None:
    with pytest.raises(IngestError, match=f"column '{column}'"):
        read(tmp_path, text, target="y")


def test_names_that_are_numbers_have_a_word(tmp_path: Path) -> None:
    written, *_ = read(tmp_path, "150,4,setosa,y\n5.1,3.5,1.4,0\n4.9,3,1.4,0\n", target="y")
    assert list(written.read_as.values()) == ["column names that are numbers ('150', '4'): is there no header?"]


def test_a_missing_column_says_how_the_file_was_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"has no column 'z'. It has a, y \(read with separator ';'\)"):
        read(tmp_path, rows(plain, ";"), target="z")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": "::"}, "one ASCII character"),
        ({"decimal": ";"}, "'.' or ','"),
        ({"thousands": ",", "decimal": ","}, "decimal mark as well"),
        ({"encoding": "klingon"}, "an encoding of Python"),
        ({"quote": "\n"}, "one ASCII character"),
    ],
)
def test_dialects_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Dialect(**options)


def test_the_command_line_takes_and_says_all_of_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "t.csv", tmp_path / "out.zarr"
    path.write_text("about it\na;b;y\n1,5;n;2\n2,5;3;4\n3,5;4;5\n")
    options = ["--delimiter", ";", "--decimal", ",", "--skip-lines", "1", "--na-value", "n", "--missing", "drop"]
    assert main(["ingest", str(path), str(out), "--target", "y", *options]) == 0
    said = capfd.readouterr().out
    assert f"{path}: separator ';'; decimal mark ','; missing cells 'n'" in said
    assert "left out: 1 row with a missing cell (b 1)" in said
    assert zarr.open_group(out, mode="r")["X"][:].tolist() == [[2.5, 3], [3.5, 4]]
    assert main(["ingest", str(path), str(out), "--no-header", "--decimal", ";"]) == 2
    assert "--decimal" in capfd.readouterr().err
