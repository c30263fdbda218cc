"""Which files a path names, and which of their columns are the table's: folders, partitions, indices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr

import dgd
from dgd.cli import main
from dgd.data.tables import files
from dgd.data.tables.files import TableFile, table_files
from dgd.errors import IngestError

ROWS = 60


def table() -> pd.DataFrame:
    """Rows sorted by their target, so that an index that is taken for a feature explains it."""
    rng = np.random.default_rng(3)
    a = rng.normal(size=ROWS)
    return pd.DataFrame({"a": a, "y": a + rng.normal(size=ROWS)}).sort_values("y").reset_index(drop=True)


def fitted_on_a(frame: pd.DataFrame) -> float:
    centred = frame["a"] - frame["a"].mean()
    return float(centred @ frame["y"] / (centred @ centred))


def without_pandas_metadata(path: Path) -> None:
    """As after a rewrite by another program, which keeps the columns and not what pandas noted of them."""
    found = pq.read_table(path)
    pq.write_table(found.replace_schema_metadata(None), path)


@pytest.mark.parametrize("kind", ["filtered", "named", "two levels", "rewritten", "Dask's"])
def test_the_index_of_a_dataframe_is_no_feature(tmp_path: Path, kind: str) -> None:
    frame, path = table(), tmp_path / "t.parquet"
    frame = frame.drop(index=[3])
    index: tuple[str, ...] = ("__index_level_0__",)
    if kind == "named":
        frame.index.name, index = "id", ("id",)
    elif kind == "two levels":
        frame.index, index = (
            pd.MultiIndex.from_arrays([frame.index, frame.index], names=["id", None]),
            ("id", "__index_level_1__"),
        )
    elif kind == "Dask's":
        frame.index.name, index = "__null_dask_index__", ("__null_dask_index__",)
    frame.to_parquet(path)
    if kind == "rewritten":
        without_pandas_metadata(path)
    written = dgd.ingest([path], tmp_path / "out.zarr", target="y")
    assert (written.features, written.left_out) == (("a",), index)
    assert dgd.fit(tmp_path / "out.zarr").coef_[0] == pytest.approx(fitted_on_a(frame), rel=1e-9)


def test_an_index_that_is_named_is_a_column_like_any_other(tmp_path: Path) -> None:
    frame = table().drop(index=[3])
    frame.index.name = "id"
    frame.to_parquet(tmp_path / "t.parquet")
    written = dgd.ingest([tmp_path / "t.parquet"], tmp_path / "out.zarr", target="y", features=["id", "a"])
    assert (written.features, written.left_out) == (("id", "a"), ())
    written = dgd.ingest([tmp_path / "t.parquet"], tmp_path / "out.zarr", target="id", overwrite=True)
    assert (written.features, written.left_out) == (("a", "y"), ())


@pytest.mark.parametrize("said", [b"{", b"[]", b'{"index_columns": 3}', b'{"index_columns": [{"kind": "range"}, 7]}'])
def test_metadata_of_pandas_that_make_no_sense_are_not_followed(tmp_path: Path, said: bytes) -> None:
    frame = pa.table({"a": [1.0, 2.0], "y": [1.0, 3.0]}).replace_schema_metadata({b"pandas": said})
    pq.write_table(frame, tmp_path / "t.parquet")
    assert dgd.ingest([tmp_path / "t.parquet"], tmp_path / "out.zarr", target="y").features == ("a",)


def test_files_with_and_without_an_index_go_together(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "a.parquet", index=False)
    table().drop(index=[3]).to_parquet(tmp_path / "b.parquet")
    written = dgd.ingest([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "out.zarr", target="y")
    assert (written.rows, written.features, written.left_out) == (2 * ROWS - 1, ("a",), ("__index_level_0__",))


def partitioned(tmp_path: Path, **columns: Any) -> Path:
    frame = table().assign(**columns)
    frame.to_parquet(tmp_path / "part", partition_cols=list(columns), index=False)
    return tmp_path / "part"


@pytest.mark.parametrize("by", ["folder", "files"])
def test_the_columns_of_a_partition_are_columns(tmp_path: Path, by: str) -> None:
    folder = partitioned(tmp_path, year=2020 + np.arange(ROWS) % 3, month=1 + np.arange(ROWS) % 2)
    files = [folder] if by == "folder" else sorted(folder.glob("*/*/*.parquet"))
    written = dgd.ingest(files, tmp_path / "out.zarr", target="y")
    assert written.features == ("a", "year", "month")
    read = pd.read_parquet(folder).astype({"year": float, "month": float})
    expected = np.linalg.lstsq(
        np.column_stack([np.ones(ROWS), read[["a", "year", "month"]].to_numpy() - [0, 2020, 0]]),
        read["y"].to_numpy(),
        rcond=None,
    )[0]
    np.testing.assert_allclose(dgd.fit(tmp_path / "out.zarr").coef_, expected[1:], rtol=1e-8)


def test_a_partition_can_be_target_weight_and_left_out(tmp_path: Path) -> None:
    folder = partitioned(tmp_path, w=1 + np.arange(ROWS) % 3)
    dgd.ingest([folder], tmp_path / "t.zarr", target="w", features=["y"])
    assert sorted(zarr.open_array(tmp_path / "t.zarr" / "y")[:]) == sorted(1 + np.arange(ROWS) % 3)
    written = dgd.ingest([folder], tmp_path / "w.zarr", target="y", weight="w")
    assert (written.features, written.weight) == (("a",), "w")


def test_a_partition_of_text_is_a_category_and_one_without_a_value_is_refused_by_name(tmp_path: Path) -> None:
    folder = partitioned(tmp_path, city=["Köln", "Aix en Provence"] * (ROWS // 2))
    assert dgd.ingest([folder], tmp_path / "out.zarr", target="y").levels == {"city": 2}
    assert dgd.fit(tmp_path / "out.zarr").model.feature_names == ("a", "city[Köln]")
    assert dgd.ingest([folder], tmp_path / "out.zarr", target="y", features=["a"], overwrite=True).rows == ROWS
    hole = partitioned(tmp_path / "b", k=np.where(np.arange(ROWS) < 2, np.nan, 1.0))
    with pytest.raises(IngestError, match=r"row 1 of column 'k' is missing \('__HIVE_DEFAULT_PARTITION__'\)"):
        dgd.ingest([hole], tmp_path / "hole.zarr", target="y")


def test_a_column_of_the_file_goes_before_one_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a=7").mkdir()
    table().to_parquet(tmp_path / "a=7" / "t.parquet", index=False)
    assert dgd.ingest([tmp_path], tmp_path / "out.zarr", target="y").features == ("a",)
    assert dgd.fit(tmp_path / "out.zarr").coef_[0] == pytest.approx(fitted_on_a(table()), rel=1e-9)


def test_a_folder_is_read_by_what_is_in_it(tmp_path: Path) -> None:
    for name in (
        "part.0.csv",
        "part.10.csv",
        "part.9.csv",
        "deep/part.1.tsv",
        "_metadata.csv",
        ".hidden.csv",
        "readme.txt",
    ):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        separator = "\t" if name.endswith("tsv") else ","
        (tmp_path / "d" / name).write_text(f"a{separator}y\n1{separator}2\n")
    found = [Path(file.path).relative_to(tmp_path / "d").as_posix() for file in table_files([str(tmp_path / "d")])]
    assert found == ["deep/part.1.tsv", "part.0.csv", "part.9.csv", "part.10.csv"]


def test_a_folder_of_many_files_is_not_walked_to_tell_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a Zarr array of millions of chunks whose root is lost."""
    for k in range(30):
        (tmp_path / "c" / str(k)).mkdir(parents=True)
        (tmp_path / "c" / str(k) / "0").touch()
    looked_at: list[str] = []
    monkeypatch.setattr(files, "MOST_LOOKED_AT", 10)
    monkeypatch.setattr(files, "is_table", lambda path: looked_at.append(path) is not None)
    assert files.parquet_paths(tmp_path) is None
    assert len(looked_at) == 10


def test_the_names_of_folders_are_read_as_hive_writes_them() -> None:
    from dgd.data.tables.files import _partition

    assert _partition("/x=1/data/k=a%2Fb/year=2020/t.parquet") == (("k", "a/b"), ("year", "2020"))
    assert _partition("t.parquet") == ()
    assert _partition("=3/t.parquet") == ()


def test_files_that_are_partitioned_otherwise_are_refused(tmp_path: Path) -> None:
    for name in ("year=1/t.csv", "t.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a,y\n1,2\n")
    with pytest.raises(
        IngestError, match=r"year=1/t\.csv: its folders name the columns year, those of .*t\.csv name none"
    ):
        table_files([str(tmp_path)])
    assert table_files([str(tmp_path / "t.csv")]) == [TableFile(str(tmp_path / "t.csv"))]


def test_the_command_names_the_features_and_what_is_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table().drop(index=[3]).to_parquet(tmp_path / "t.parquet")
    assert main(["ingest", str(tmp_path / "t.parquet"), str(tmp_path / "out.zarr"), "--target", "y"]) == 0
    said = capfd.readouterr().out
    assert "features: a\n" in said
    assert "left out: __index_level_0__ (the index of a DataFrame; --features takes it by name)\n" in said


def test_a_command_that_failed_is_repeated_as_it_is_and_nothing_else_is_replaced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "t.csv", tmp_path / "out.zarr"
    file.write_text("a,y\n1,2\n3,\n")
    command = ["ingest", str(file), str(out), "--target", "y"]
    assert main(command) == 3
    file.write_text("a,y\n1,2\n3,4\n")
    assert main([*command[:-1], "a"]) == 2
    assert main(command) == 0
    assert dgd.open_dataset(out).shape == (2, 1)
    capfd.readouterr()
    assert main(command) == 2
    assert "exists" in capfd.readouterr().err
