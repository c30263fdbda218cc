"""Ingesting: the oracle is the csv module and `float`; every refusal names file, column and row."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import itertools
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import dgd.data.tables.ingest
from dgd.data.tables.ingest import ingest
from dgd.data.tables.parquet_files import parquet as parquet_table
from dgd.data.tables.text import csv_blocks
from dgd.data.zarr import dataset_writer
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.errors import ConfigurationError, DatasetNotFoundError, IncompleteDatasetError, IngestError, ValueRangeError

FLIGHTS = Path(__file__).parent.parent / "examples" / "data" / "flights.csv.gz"


class RecordingWriter:
    """Takes the place of the dataset writer: keeps the blocks, and whether it was committed."""

    last: RecordingWriter | None = None

    def __init__(self, path: Any, **options: Any) -> None:
        self.path, self.options = path, options
        self.blocks: list[tuple[Any, Any, Any]] = []
        self.committed = False
        RecordingWriter.last = self

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, kind: Any, *_: Any) -> None:
        self.committed = kind is None

    def append_finite(self, X: Any, y: Any, weight: Any, offset: Any, ids: Any) -> None:
        self.blocks.append((X, y, weight))

    def arrays(self) -> tuple[Any, Any, Any]:
        X, y, weight = zip(*self.blocks, strict=True)
        return np.concatenate(X), np.concatenate(y), None if weight[0] is None else np.concatenate(weight)


@pytest.fixture(autouse=True)
def recording_writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    RecordingWriter.last = None
    monkeypatch.setattr(dgd.data.tables.ingest, "DatasetWriter", RecordingWriter)
    yield
    RecordingWriter.last = None


def written() -> RecordingWriter:
    assert RecordingWriter.last is not None
    return RecordingWriter.last


def file_of(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def naive(paths: Sequence[Path], names: Sequence[str]) -> np.ndarray:
    """Columns of CSV files by the csv module and `float`, one file after the other."""
    rows = []
    for path in paths:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        delimiter = "\t" if ".tsv" in path.name else ","
        for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=delimiter):
            rows.append([{"true": 1.0, "false": 0.0}.get(row[n]) for n in names])
            rows[-1] = [float(row[n]) if v is None else v for n, v in zip(names, rows[-1], strict=True)]
    return np.array(rows)


# ---------------------------------------------------------------- what is read


@st.composite
def csv_files(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    """One to three files of the columns a, b, flag, note, y, w: in any order, dialect and length."""
    number = st.one_of(
        st.integers(-(10**6), 10**6).map(str),
        st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    )
    row = st.tuples(number, number, st.sampled_from(["true", "false"]), st.text('x",\n é', max_size=8), number, number)
    files = []
    for index in range(draw(st.integers(1, 3))):
        order = draw(st.permutations(range(6))) if index else list(range(6))
        name = f"{index}{draw(st.sampled_from(['.csv', '.csv.gz', '.tsv', '.TSV.gz']))}"
        text = io.StringIO(newline="")
        writer = csv.writer(
            text,
            delimiter="\t" if "tsv" in name.lower() else ",",
            lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        )
        for cells in [("a", "b", "flag", "note", "y", "w"), *draw(st.lists(row, min_size=1, max_size=20))]:
            writer.writerow([cells[i] for i in order])
        files.append((name, draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.getvalue().encode()))
    return files


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(files=csv_files(), block_bytes=st.integers(150, 2000))
def test_csv_equals_the_naive_reading_whatever_the_blocks(files: list[tuple[str, bytes]], block_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        patch.setattr(dgd.data.tables.ingest, "DatasetWriter", RecordingWriter)
        paths = [file_of(Path(folder) / name.replace("TSV", "tsv"), data) for name, data in files]
        ingested = ingest(paths, "out.zarr", target="y", features=["flag", "b", "a"], weight="w")
        expected = naive(paths, ["flag", "b", "a", "y", "w"])
    X, y, weight = written().arrays()
    np.testing.assert_array_equal(np.column_stack([X, y, weight]), expected)
    assert ingested.rows == len(expected)
    assert all(block.flags.c_contiguous and block.dtype == np.float64 for block, _, _ in written().blocks)


def test_flights_equal_the_naive_reading() -> None:
    names = ["month", "day", "hour", "minute", "air_time", "distance", "dep_delay"]
    ingested = ingest([FLIGHTS], "out.zarr", target="arr_delay", features=names)
    X, y, _ = written().arrays()
    assert ingested.rows == 327_346
    with gzip.open(FLIGHTS, "rt") as text:
        rows = itertools.islice(csv.DictReader(text), 50_000)
        some = [[float(row[name]) for name in (*names, "arr_delay")] for row in rows]
    np.testing.assert_array_equal(np.column_stack([X, y])[: len(some)], some)


def test_features_default_to_all_other_columns_in_the_order_of_the_first_file(tmp_path: Path) -> None:
    first = file_of(tmp_path / "1.csv", "w,b,y,a\n1,2,3,4\n")
    second = file_of(tmp_path / "2.csv", "a,b,w,y\n40,20,10,30\n")
    ingested = ingest([first, second], tmp_path / "out.zarr", target="y", weight="w", redo="dgd ingest …")
    X, y, weight = written().arrays()
    assert X.tolist() == [[2, 4], [20, 40]]
    assert y.tolist() == [3, 30]
    assert weight.tolist() == [1, 10]
    assert (ingested.features, ingested.target, ingested.weight) == (("b", "a"), "y", "w")
    assert (ingested.path, ingested.files) == (str(tmp_path / "out.zarr"), (str(first), str(second)))
    assert ingested.seconds > 0
    assert written().committed
    assert written().options == {
        "chunk_rows": None,
        "dtype": "float64",
        "feature_names": ("b", "a"),
        "target_name": "y",
        "weight_name": "w",
        "offset_name": None,
        "compression": None,
        "missing": "error",
        "overwrite": False,
        "redo": "dgd ingest …",
    }


def test_whole_numbers_in_the_first_block_may_be_fractions_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 64)
    path = file_of(tmp_path / "t.csv", "a,y\n" + "1,2\n" * 200 + "3.5,-4e-1\n")
    ingest([path], "out.zarr", target="y")
    X, y, _ = written().arrays()
    assert len(written().blocks) > 1
    assert (X[-1, 0], y[-1]) == (3.5, -0.4)


def test_a_boolean_column_is_known_by_each_files_own_first_rows(tmp_path: Path) -> None:
    spelled = file_of(tmp_path / "1.csv", "a,y\ntrue,1\nFALSE,2\n0,3\n1,4\n")
    numbers = file_of(tmp_path / "2.csv", "a,y\n1,1\n0,2\n0.5,3\n")
    ingest([spelled, numbers], "out.zarr", target="y")
    assert written().arrays()[0].ravel().tolist() == [1, 0, 0, 1, 1, 0, 0.5]


def is_finite_number(text: str) -> bool:
    try:
        return np.isfinite(float(text)) and text.isascii() and "_" not in text
    except ValueError:
        return False


@settings(max_examples=150, deadline=None)
@given(text=st.text("0123456789+-.eE_ infatyNA٣x", max_size=6))
def test_a_cell_is_the_float_python_reads_or_an_error_that_places_it(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dgd.data.tables.ingest, "DatasetWriter", RecordingWriter)
        path = file_of(Path(folder) / "t.csv", f'a,y\n1,2\n"{text}",3\n')
        if is_finite_number(text):
            ingest([path], "out.zarr", target="y")
            assert written().arrays()[0][1, 0] == float(text)
        else:
            error = refusal(path)
            assert (error.file, error.column, error.row) == (str(path), "a", 2)
            assert "row 2 (line 3)" in str(error)


def parquet_of(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_parquet_of_every_numeric_type_in_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "BATCH_BYTES", 7 * 9 * 8)
    rng = np.random.default_rng(0)
    whole, real = rng.integers(0, 100, 100), rng.standard_normal(100)
    columns = {
        "flag": pa.array(whole > 50),
        "int8": pa.array(whole, pa.int8()),
        "uint64": pa.array(whole, pa.uint64()),
        "half": pa.array(real.astype(np.float16)),
        "single": pa.array(real.astype(np.float32)),
        "double": pa.array(real),
        "decimal": pa.array([Decimal(f"{value:.4f}") for value in real], pa.decimal128(12, 4)),
        "note": pa.array([None] * 100, pa.string()),
        "dotted.name": pa.array(real),
        "y": pa.array(2 * real),
    }
    path = parquet_of(tmp_path / "t.parquet", columns, row_group_size=32)
    names = [name for name in columns if name not in ("note", "y")]
    ingest([path], "out.zarr", target="y", features=names)
    X, y, weight = written().arrays()
    expected = [
        whole > 50,
        whole,
        whole,
        real.astype(np.float16),
        real.astype(np.float32),
        real,
        real.round(4),
        real,
    ]
    np.testing.assert_array_equal(X, np.column_stack(expected))
    np.testing.assert_array_equal(y, 2 * real)
    assert weight is None
    assert max(len(block) for block, _, _ in written().blocks) == 7


def test_csv_and_parquet_together(tmp_path: Path) -> None:
    text = file_of(tmp_path / "1.csv", "a,y\n1,2\n")
    binary = parquet_of(tmp_path / "2.pq", {"y": [4, 6], "a": [3.0, 5.0]})
    ingest([text, binary], "out.zarr", target="y", dtype="float32")
    X, y, _ = written().arrays()
    assert X.tolist() == [[1], [3], [5]]
    assert y.tolist() == [2, 4, 6]
    assert X.dtype == np.float32


def test_integers_beyond_float64_are_rounded(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "t.parquet", {"a": [2**53 + 1], "y": pa.array([2**64 - 1], pa.uint64())})
    ingest([path], "out.zarr", target="y")
    X, y, _ = written().arrays()
    assert (X[0, 0], y[0]) == (2.0**53, 2.0**64)


def test_columns_that_are_not_used_may_hold_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 64)
    rows = [b'1,"x, ""y""\nz",,0,2'] * 5 + [b"3,\xe9,2013-01-01,0,4"] * 5 + [b"5,,,no longer a number,6"]
    path = file_of(tmp_path / "t.csv", b"\n".join([b"a,note,d,e,y", *rows]))
    ingest([path], "out.zarr", target="y", features=["a"])
    assert written().arrays()[0].ravel().tolist() == [1] * 5 + [3] * 5 + [5]


# ---------------------------------------------------------------- what is written


def test_the_dataset_written_holds_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dgd.data.tables.ingest, "DatasetWriter", DatasetWriter)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    path = file_of(tmp_path / "t.csv", "w,b,y,a\n" + "".join(f"1,{i},{i / 8},{-i}\n" for i in range(100)))
    ingest([path], tmp_path / "out.zarr", target="y", weight="w", dtype="float32", chunk_rows=7)
    dataset = dgd.open_dataset(tmp_path / "out.zarr", weight="weight")
    assert (dataset.feature_names, dataset.target_name, dataset.dtype) == (("b", "a"), "y", np.float32)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    i = np.arange(100)
    np.testing.assert_array_equal(group["X"][:], np.column_stack([i, -i]))
    np.testing.assert_array_equal(group["y"][:], i / 8)
    np.testing.assert_array_equal(group["weight"][:], np.ones(100))
    assert group["X"].chunks == (7, 2)


def test_numbers_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their files are read, which says the cell of one that is not finite: the writer does not look again."""
    monkeypatch.setattr(dgd.data.tables.ingest, "DatasetWriter", DatasetWriter)
    looked: list[str] = []
    monkeypatch.setattr(dataset_writer, "check_values", lambda name, *_, **__: looked.append(name))
    ingest([file_of(tmp_path / "a.csv", "x,y,w\n1,2,3\n4,5,6\n")], tmp_path / "a.zarr", target="y", weight="w")
    assert not looked
    with pytest.raises(ValueRangeError, match=r"array 'weight': row 1 is -6[.]0, expected 0 or more"):
        ingest([file_of(tmp_path / "b.csv", "x,y,w\n1,2,3\n4,5,-6\n")], tmp_path / "b.zarr", target="y", weight="w")


def test_an_ingest_that_fails_half_way_leaves_what_is_refused_and_redone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dgd.data.tables.ingest, "DatasetWriter", DatasetWriter)
    out, redo = tmp_path / "out.zarr", "dgd ingest t.csv --target y --overwrite out.zarr"
    bad = file_of(tmp_path / "t.csv", "a,y\n1,2\n3,\n")
    with pytest.raises(IngestError, match="row 2"):
        ingest([bad], out, target="y", redo=redo)
    with pytest.raises(IncompleteDatasetError, match=redo):
        dgd.open_dataset(out)
    good = file_of(tmp_path / "t.csv", "a,y\n1,2\n3,4\n")
    ingest([good], out, target="y", overwrite=True)
    assert dgd.open_dataset(out).shape == (2, 1)


# ---------------------------------------------------------------- memory and progress


class MeasuringWriter(RecordingWriter):
    """Keeps no block, only the length of the longest and the most bytes that pyarrow had allocated."""

    longest = arrow_bytes = 0

    def append_finite(self, X: Any, y: Any, weight: Any, offset: Any, ids: Any) -> None:
        self.longest = max(self.longest, len(y))
        self.arrow_bytes = max(self.arrow_bytes, pa.total_allocated_bytes())


def measured(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """The longest block, and by how much pyarrow's memory grew, on ingesting a file."""
    monkeypatch.setattr(dgd.data.tables.ingest, "DatasetWriter", MeasuringWriter)
    before = pa.total_allocated_bytes()
    ingest([path], "out.zarr", target="y")
    writer = written()
    assert isinstance(writer, MeasuringWriter)
    return writer.longest, writer.arrow_bytes - before


def test_csv_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 1 << 16)
    row = "1.25,2.5,3.75\n"
    path = file_of(tmp_path / "t.csv", "a,b,y\n" + row * 1_000_000)
    longest, arrow_bytes = measured(path, monkeypatch)
    assert longest <= 5 * (1 << 16) // len(row)
    read_ahead = 64  # blocks that pyarrow may hold: 37 on a quiet machine, 46 seen on a busy one
    assert arrow_bytes < read_ahead * (1 << 16) < path.stat().st_size / 3


def test_parquet_memory_does_not_grow_with_the_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_table, "BATCH_BYTES", 1 << 20)
    values = np.random.default_rng(0).standard_normal((2, 1_500_000))
    path = parquet_of(tmp_path / "t.parquet", {"a": values[0], "y": values[1]}, row_group_size=2_000_000)
    longest, arrow_bytes = measured(path, monkeypatch)
    assert longest == parquet_table.BATCH_BYTES // 16
    pages_and_dictionaries = 2 * (2 << 20)
    assert arrow_bytes < 5 * parquet_table.BATCH_BYTES + pages_and_dictionaries < path.stat().st_size / 1.5


def test_progress_counts_rows_and_ends_with_all_bytes_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 256)
    monkeypatch.setattr(parquet_table, "BATCH_BYTES", 160)
    paths = [
        file_of(tmp_path / "1.csv", "a,y\n" + "1,2\n" * 1000),
        file_of(tmp_path / "2.csv.gz", "a,y\n" + "1,2\n" * 1000),
        parquet_of(tmp_path / "3.parquet", {"a": [1.0] * 50, "y": [2.0] * 50}),
    ]
    seen: list[tuple[int, int]] = []
    ingest(paths, "out.zarr", target="y", progress=lambda rows, size: seen.append((rows, size)))
    assert seen == sorted(seen)
    assert [rows for rows, _ in seen] == np.cumsum([len(y) for _, y, _ in written().blocks]).tolist()
    for rows, size in zip([1000, 2000, 2050], np.cumsum([path.stat().st_size for path in paths]), strict=True):
        assert (rows, size) in seen
    assert len(seen) > 10


# ---------------------------------------------------------------- what is refused: cells


def refusal(*paths: Path, **options: Any) -> IngestError:
    with pytest.raises(IngestError) as caught:
        ingest(paths, "out.zarr", **{"target": "y", **options})
    return caught.value


FAULTS = {
    "": "is missing; expected a finite number. Leave out such rows by --missing drop",
    " ": "is missing (' '); expected a finite number. Leave out such rows",
    "   ": "is missing ('   '); expected a finite number. Leave out such rows",
    "NA": "is missing ('NA'); expected a finite number. Leave out such rows",
    "NAN": "is missing ('NAN'); expected a finite number. Leave out such rows",
    "inf": "is infinite or beyond the range of float64 ('inf'); expected a finite number. Correct such cells",
    "-1e999": "is infinite or beyond the range of float64 ('-1e999'); expected a finite number. Correct such",
    "n.v.": "is not a number ('n.v.'); expected a finite number. Correct such cells, or encode the column",
    "1_000": "is not a number ('1_000'); expected a finite number",
    "1,5": "is not a number ('1,5'); expected a finite number",
    "true": "is not a number ('true'); expected a finite number",
    "x" * 100: f"is not a number ('{'x' * 57}...'); expected a finite number",
}


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
@pytest.mark.parametrize("text", FAULTS)
def test_a_bad_cell_far_into_a_csv_file_is_placed_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, suffix: str
) -> None:
    """Of the rows before, 100 take two lines and an empty one after them: row 703 is on line 904."""
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 512)
    lines = [
        "a,b,note,y",
        *['1,2,"x\ny",3', ""] * 100,
        *["1,2,x,3"] * 602,
        f'1,"{text}",x,3',
        *["1,,x,bad"] * 9,
    ]
    path = file_of(tmp_path / f"t{suffix}", "\n".join(lines))
    error = refusal(path, features=["a", "b"])
    place = f"{path}: row 703 (line 904) of column 'b' "
    assert str(error).startswith(place + FAULTS[text])
    assert str(error).endswith(", or leave it out: --features a")
    assert (error.file, error.column, error.row) == (str(path), "b", 703)
    assert not written().committed


def test_the_row_counts_from_the_start_of_its_own_file(tmp_path: Path) -> None:
    good = file_of(tmp_path / "1.csv", "a,y\n" + "1,2\n" * 10)
    bad = file_of(tmp_path / "2.csv", "a,y\n1,2\n1,\n")
    error = refusal(good, bad)
    assert str(error) == (
        f"{bad}: row 2 (line 3) of column 'y' is missing; expected a finite number. "
        "Leave out such rows by --missing drop, or keep the cells by --missing keep (`dgd inspect` counts them)"
    )


@pytest.mark.parametrize(("upper", "lower"), [("x", ""), ("", "x"), ("inf", ""), ("", "inf"), ("x", "z")])
def test_of_several_bad_cells_the_topmost_is_reported(tmp_path: Path, upper: str, lower: str) -> None:
    rows = ["a,b,y", *["1,2,3"] * 9, f"1,{upper},3", f"{lower},2,3"]
    file_of(tmp_path / "numbers.csv", "a,b,y\n1,2,3\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_blocks, "BLOCK_BYTES", 32)
        error = refusal(file_of(tmp_path / "t.csv", "\n".join(rows)))
    assert (error.column, error.row) == ("b", 10)


def test_a_number_in_a_boolean_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 32)
    path = file_of(tmp_path / "t.csv", "a,y\n" + "true,1\n" * 20 + "3.5,1\n")
    assert str(refusal(path)) == (
        f"{path}: row 21 (line 22) of column 'a' is neither true nor false, as the cells before it are "
        "('3.5'); expected true or false. Correct such cells, or encode the column as numbers first"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is missing ('null'); expected a finite number. Leave out such rows"),
        (float("nan"), "is missing ('nan'); expected a finite number. Leave out such rows"),
        (
            float("-inf"),
            "is infinite or beyond the range of float64 ('-inf'); expected a finite number. Correct",
        ),
    ],
)
def test_a_bad_cell_far_into_a_parquet_file_is_placed_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float | None, said: str
) -> None:
    monkeypatch.setattr(parquet_table, "BATCH_BYTES", 1000)
    columns = {"a": [1.0] * 1000, "b": [*[2.0] * 702, value, *[2.0] * 297], "y": [None, *[3.0] * 999]}
    path = parquet_of(tmp_path / "t.parquet", columns, row_group_size=256)
    error = refusal(path, target="a", features=["b"])
    assert str(error).startswith(f"{path}: row 703 of column 'b' {said}")
    assert (error.file, error.column, error.row) == (str(path), "b", 703)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_feature_beyond_float32_is_refused_and_a_target_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    if suffix == ".csv":
        file_of(path, "a,b,y\n1,1,1e39\n2,2,0.1\n3,1e39,3\n")
    else:
        parquet_of(path, {"a": [1, 2, 3], "b": [1.0, 2.0, 1e39], "y": [1e39, 0.1, 3.0]})
    error = refusal(path, dtype="float32")
    assert str(error) == (
        f"{path}: row 3{' (line 4)' if suffix == '.csv' else ''} of column 'b': "
        f"{'1e39' if suffix == '.csv' else '1e+39'} is beyond the range of float32. "
        "Ingest with dtype float64, or rescale the column first"
    )
    assert (error.file, error.column, error.row) == (str(path), "b", 3)
    ingest([path], "out.zarr", target="y", weight="b", features=["a"], dtype="float32")
    X, y, weight = written().arrays()
    assert (X.dtype, y.dtype, weight.dtype) == (np.float32, np.float64, np.float64)
    assert (y.tolist(), weight.tolist()) == ([1e39, 0.1, 3], [1, 2, 1e39])


def test_text_in_another_encoding_does_not_hide_the_place(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", b"a,note,y\n1,\xe9,2\n1,\xe9,\n")
    assert str(refusal(path, features=["a"])).startswith(f"{path}: row 2 (line 3) of column 'y' is missing;")


def test_a_place_that_the_csv_module_cannot_reach_is_given_without_its_line(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", f"a,note,y\n1,{'x' * 200_000},2\n1,,\n")
    error = refusal(path, features=["a"])
    assert str(error).startswith(f"{path}: row 2 of column 'y' is missing; expected")


# ---------------------------------------------------------------- what is refused: columns


@pytest.mark.parametrize("width", [w for w in ("decimal32", "decimal64", "decimal128", "decimal256") if hasattr(pa, w)])
def test_decimals_become_the_nearest_float(tmp_path: Path, width: str) -> None:
    """As the same digits in a CSV file do; Arrow's own conversion misses it in about three of ten."""
    values = [Decimal(i * 7919 % 10**6).scaleb(-4) for i in range(1000)]
    array = pa.array(values, getattr(pa, width)(9, 4))
    ingest([parquet_of(tmp_path / "t.parquet", {"a": array, "y": array})], "out.zarr", target="y")
    X, y, _ = written().arrays()
    assert X.ravel().tolist() == y.tolist() == [float(value) for value in values]


def test_columns_of_numbers_with_text_are_refused_with_the_option_that_leaves_them_out(tmp_path: Path) -> None:
    path = file_of(
        tmp_path / "t.csv", "n 1,carrier,b,dest,y\n1,,true,1,5\n2,UA,false,JFK,6\n3,1,false,2,7\n4,2,true,3,8\n"
    )
    error = refusal(path)
    assert str(error) == (
        f"{path}: column 'carrier' holds text, expected numbers or true/false: row 2 (line 3) is 'UA'. "
        "Nor can 'dest' be used. `dgd fit` takes text from the file itself, as categories. "
        "Encode them as numbers first, or leave them out: --drop carrier,dest"
    )
    assert (error.file, error.column, error.row) == (str(path), "carrier", 2)
    assert RecordingWriter.last is None
    pasted = re.search("--drop (.*)", str(error))
    assert pasted
    ingest([path], "out.zarr", target="y", drop=pasted[1].split(","))
    assert written().arrays()[0].tolist() == [[1, 1], [2, 0], [3, 0], [4, 1]]


def test_a_target_of_numbers_with_text_is_reported_before_such_features(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", "a,b,y\nx,1,yes\n1,1,1\n2,1,2\n")
    assert str(refusal(path)) == (
        f"{path}: column 'y' holds text, expected numbers or true/false: row 1 (line 2) is 'yes'. "
        "Nor can 'a' be used. `dgd fit` takes text from the file itself, as categories. Encode them as numbers first"
    )


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (pa.array([[1.0], [2.0]]), "holds values of type list<"),
        (pa.array([{"p": 1}, {"p": 2}]), "holds values of type struct<p: int64>"),
        (pa.array([1, 2], pa.time64("us")), "holds values of type time64[us]"),
    ],
)
def test_parquet_columns_that_are_not_numbers(tmp_path: Path, array: pa.Array, said: str) -> None:
    path = parquet_of(tmp_path / "t.parquet", {"a": array, "b": [1, 2], "y": [3, 4]})
    error = refusal(path)
    assert f"{path}: column 'a' {said}" in str(error)
    assert str(error).endswith("Encode it as numbers first, or leave it out: --drop a")
    assert (error.column, error.row) == ("a", 1)


@pytest.mark.parametrize(
    ("second", "column", "said"),
    [
        ("a,y\n1,2\n", "b", "has no column 'b', expected exactly one as in {first}; it has a, y"),
        (
            "a,b,y,z\n1,2,3,4\n",
            "z",
            "has a column 'z' that {first} has not. Name the columns to use: --features a,b",
        ),
        (
            "a,b,a,y\n1,2,3,4\n",
            "a",
            "has 2 columns named 'a', expected exactly one as in {first}; it has a, b, a, y",
        ),
        (
            "a,b,y\n1,u,3\n",
            "b",
            "column 'b' holds text, expected numbers or true/false: row 1 (line 2) is 'u'",
        ),
    ],
)
def test_every_file_must_have_the_columns_of_the_first(tmp_path: Path, second: str, column: str, said: str) -> None:
    paths = [file_of(tmp_path / "1.csv", "a,b,y\n1,2,3\n"), file_of(tmp_path / "2.csv", second)]
    error = refusal(*paths)
    assert str(error).startswith(f"{paths[1]}: {said.format(first=paths[0])}")
    assert (error.file, error.column) == (str(paths[1]), column)
    assert RecordingWriter.last is None


def test_columns_named_twice_or_not_at_all(tmp_path: Path) -> None:
    twice = file_of(tmp_path / "1.csv", "a,a,y\n1,2,3\n")
    assert str(refusal(twice)) == (
        f"{twice}: has 2 columns named 'a', expected exactly one: rename one of them; it has a, a, y"
    )
    nameless = file_of(tmp_path / "2.csv", ",a,y\n0,2,3\n")
    assert str(refusal(nameless)) == (
        f"{nameless}: column 1 of the features has no name (a row index?). "
        "Give it a name in the header, or leave it out: --drop ''"
    )
    ingest([nameless], "out.zarr", target="y", drop=[""])


# ---------------------------------------------------------------- what is refused: files


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("1,2", "row 703 (line 704) has 2 cells, the header has 3. Correct or drop the row"),
        ("1,2,3,4", "row 703 (line 704) has 4 cells, the header has 3. Correct or drop the row"),
        (" ", "row 703 (line 704) has 1 cell, the header has 3. Correct or drop the row"),
        (
            '"1,2,3',
            "row 703 (line 704) has 1 cell, the header has 3. Is a quote opened there and never closed?",
        ),
    ],
)
@pytest.mark.parametrize("block_bytes", [512, 1 << 20])
def test_a_ragged_row_is_placed_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: str, said: str, block_bytes: int
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
    path = file_of(tmp_path / "t.csv", "\n".join(["a,b,y", *["1,2,3"] * 702, bad, *["1,2,3"] * 20, ""]))
    error = refusal(path)
    assert str(error) == f"{path}: {said}"
    assert (error.file, error.row) == (str(path), 703)


def test_a_ragged_first_row_below_a_quoted_header(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", b'\xef\xbb\xbf"a, b",y\n1\n1,2\n')
    assert str(refusal(path)) == (f"{path}: row 1 (line 2) has 1 cell, the header has 2. Correct or drop the row")


@pytest.mark.parametrize("rest", ['"1,2,3\n' + "1,2,3\n" * 40_000, "1," + "2" * 4000 + ",3\n"])
def test_a_row_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: str) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 1024)
    path = file_of(tmp_path / "t.csv", "a,b,y\n" + "1,2,3\n" * 702 + rest)
    error = refusal(path)
    assert str(error) == (
        f"{path}: row 703 is longer than 1,024 bytes. Is a quote opened there and never closed? "
        "A table of such rows is better kept as Parquet"
    )
    assert error.row == 703


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("t.csv", b"", "is empty, expected a header row and at least one row of data"),
        ("t.csv.gz", b"", "is empty, expected a header row and at least one row of data"),
        ("t.csv", b"\n\n", "is empty, expected a header row and at least one row of data"),
        ("t.csv", b"a,y", "has a header but no rows, expected a header row and at least one row of data"),
        ("t.csv", b"a,y\n\n", "has a header but no rows, expected a header row and at least one row of data"),
        ("t.parquet", b"a,y\n1,2\n", "cannot be read as Parquet: "),
        ("t.parquet", b"", "cannot be read as Parquet: "),
    ],
)
def test_a_file_without_a_table_in_it(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = file_of(tmp_path / name, data)
    error = refusal(path)
    assert str(error).startswith(f"{path}: {said}")
    assert error.file == str(path)
    assert RecordingWriter.last is None


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    path = parquet_of(tmp_path / "t.parquet", {"a": pa.array([], pa.float64()), "y": pa.array([], pa.float64())})
    assert str(refusal(path)) == f"{path}: has no rows, expected at least one"


@pytest.mark.each(2)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "not compressed"])
def test_a_damaged_gz_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 1 << 12)
    text = "".join(f"{i},{i * 7919 % 1000}\n" for i in range(200_000))
    data = bytearray(gzip.compress(b"a,y\n" + text.encode(), 1))
    data[-6] ^= damage == "flipped"  # in the checksum of the text
    data = {"truncated": data[:-100], "flipped": data, "not compressed": b"a,y\n1,2\n"}[damage]
    path = tmp_path / "t.csv.gz"
    path.write_bytes(data)
    error = refusal(path)
    rows = sum(len(y) for _, y, _ in RecordingWriter.last.blocks) if RecordingWriter.last else 0
    assert (rows > 100_000) == (damage != "not compressed")
    assert re.match(rf"{path}: cannot be read beyond row {rows}: .*fetch or compress it again$", str(error))
    assert error.file == str(path)
    assert RecordingWriter.last is None or not RecordingWriter.last.committed


def test_a_damaged_parquet_page(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(10_000)
    path = parquet_of(tmp_path / "t.parquet", {"a": values, "y": values}, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[40_000] ^= 1
    path.write_bytes(data)
    error = refusal(path)
    assert re.match(rf"{path}: cannot be read beyond row \d+: .*write it again$", str(error), re.DOTALL)


# ---------------------------------------------------------------- what is refused: arguments


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"target": "arr_dely"},
            "target: {file} has no column 'arr_dely'. Did you mean 'arr_delay'? It has a, arr_delay, w",
        ),
        ({"target": "zzz"}, "target: {file} has no column 'zzz'. It has a, arr_delay, w"),
        ({"weight": "W"}, "weight: {file} has no column 'W'"),
        ({"weight": "arr_delay"}, "target and weight are the same column, 'arr_delay': name two columns"),
        ({"features": ["a", "b"]}, "features: {file} has no column 'b'"),
        ({"features": ["a", "a"]}, "features names 'a' 2 times: name each column once"),
        ({"features": ["arr_delay"]}, "column 'arr_delay' is the target and a feature as well: choose one"),
        ({"features": ["w"], "weight": "w"}, "column 'w' is the weight and a feature as well: choose one"),
        ({"features": []}, "features is empty: name a column, or leave it out to take all the others"),
        ({"features": "a,w"}, "`ingest(features=...)` must be a list of column names, got 'a,w'"),
        ({"dtype": "int32"}, "`ingest(dtype=...)` must be 'float32' or 'float64', got 'int32'"),
        ({"files": []}, "`ingest(files=...)` is empty: name at least one CSV or Parquet file"),
        ({"files": "t.csv"}, "`ingest(files=...)` must be a list of paths, got 't.csv'"),
        (
            {"files": ["t.xlsx"]},
            "t.xlsx: dgd reads tables whose names end in .csv, .tsv, .txt, .dat, .data (or with .gz, .bz2",
        ),
        ({"out": "b.CSV"}, "the dataset to write would be 'b.CSV', which is named like a table"),
    ],
)
def test_arguments_that_cannot_be(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    path = file_of(tmp_path / "t.csv", "a,arr_delay,w\n1,2,3\n")
    with pytest.raises(ConfigurationError) as caught:
        ingest(**{"files": [path], "out": "out.zarr", "target": "arr_delay", **options})
    assert str(caught.value).startswith(said.format(file=path))
    assert RecordingWriter.last is None


def test_a_file_of_target_and_weight_has_no_features(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", "y,w\n1,2\n")
    with pytest.raises(ConfigurationError, match="no column is left to be a feature, it has only y, w"):
        ingest([path], "out.zarr", target="y", weight="w")


def test_a_file_without_a_header_row_is_recognised(tmp_path: Path) -> None:
    path = file_of(tmp_path / "t.csv", "1,2.5\n3,4.5\n")
    with pytest.raises(ConfigurationError, match=r"It has x0, x1 \(read with no header, columns x0, x1, …\)"):
        ingest([path], "out.zarr", target="y")


def test_a_file_that_is_not_there_and_a_directory_without_tables(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"none\.csv: no such file"):
        ingest([tmp_path / "none.csv"], "out.zarr", target="y")
    (tmp_path / "folder.parquet").mkdir()
    with pytest.raises(IngestError, match=r"folder\.parquet: no file in this directory is named like a table"):
        ingest([tmp_path / "folder.parquet"], "out.zarr", target="y")


def test_without_pyarrow_the_import_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in [name for name in sys.modules if name.startswith("dgd.data.tables")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigurationError, match=re.escape('pip install "dgd[ingest]"')):
        importlib.import_module("dgd.data.tables.ingest")
