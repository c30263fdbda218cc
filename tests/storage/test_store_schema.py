"""What does not fit together, or is not there: ranks, lengths, names, paths."""

from __future__ import annotations

from pathlib import Path

import pytest
import zarr
from foreign import V3
from formats import write

import dgd
from dgd.errors import DataError, DatasetNotFoundError, IngestError, SchemaError


def test_ranks_and_lengths(tmp_path: Path) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "X": (6, 2), "flat": (6,), "cube": (6, 2, 2), "scalar": (), "empty": (0, 2), "no columns": (6, 0),
        "y": (6,), "short": (5,), "column": (6, 1),
    }  # fmt: skip
    for name, shape in shapes.items():
        zarr.create_array(tmp_path / name, shape=shape, dtype="f8", config={"write_empty_chunks": True})[...] = 0

    def opened(X: str, y: str, weight: str | None = None) -> dgd.Dataset:
        return dgd.open_dataset(tmp_path / X, tmp_path / y, weight=weight and tmp_path / weight)

    for X, what in [("flat", r"\(6,\), expected 2 dim"), ("cube", "2 dim"), ("scalar", r"\(\), expected 2 dim")]:
        with pytest.raises(SchemaError, match=f"'X' has shape .*{what}") as caught:
            opened(X, "y")
        assert caught.value.array == "X"
    with pytest.raises(SchemaError, match="no rows"):
        opened("empty", "y")
    with pytest.raises(SchemaError, match="no columns"):
        opened("no columns", "y")
    for y in ("scalar", "cube"):
        with pytest.raises(SchemaError, match=r"'y' has shape .*expected 1 dimension or 2 dimensions of 6 rows"):
            opened("X", y)
    with pytest.raises(SchemaError, match=r"'weight' has shape \(6, 1\), expected 1 dimension of 6 rows"):
        opened("X", "column", "column")
    with pytest.raises(SchemaError, match="'y' has 5 rows and 'X' has 6") as caught:
        opened("X", "short")
    assert caught.value.array == "y"
    with pytest.raises(SchemaError, match="'weight' has 5 rows and 'X' has 6") as caught:
        opened("X", "y", "short")
    assert caught.value.array == "weight"
    opened("X", "y", "y")


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"nothing is at .*none; check the path"):
        dgd.open_dataset(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetNotFoundError, match="has no array 'X'"):
        dgd.open_dataset(tmp_path / "empty")
    (tmp_path / "table.csv").write_text("a,b\n")
    with pytest.raises(IngestError, match="has a header but no rows"):
        dgd.open_dataset(tmp_path / "table.csv")
    write(tmp_path / "a.zarr", V3)
    with pytest.raises(DatasetNotFoundError, match="has no array 'target'") as caught:
        dgd.open_dataset(tmp_path / "a.zarr", "target")
    assert caught.value.array == "target"
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(DatasetNotFoundError, match="is a zarr group, expected an array"):
        dgd.open_dataset(tmp_path / "a.zarr" / "X", tmp_path / "a.zarr")


@pytest.mark.parametrize("odd", ["a\0b", "x" * 5000, "~nobody-of-that-name/a.zarr", ""])
def test_odd_paths_are_typed_errors(odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError):
        dgd.open_dataset(odd)


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    group = write(tmp_path / "a.zarr", V3)
    group.attrs["feature_names"] = ["only", "three", "names"]
    with pytest.raises(SchemaError, match="5 columns, but there are 3 feature names"):
        dgd.open_dataset(tmp_path / "a.zarr")
    group.attrs["feature_names"] = list("abcde")
    assert dgd.open_dataset(tmp_path / "a.zarr").feature_names == tuple("abcde")
