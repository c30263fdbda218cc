"""A value that is not finite is found in the pass that reads it, by row and column, with nothing read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from formats import Format, create
from sums import gradient_sum

import dgd
from dgd import testing
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group
from dgd.data.zarr.locations import source_of
from dgd.errors import CorruptChunkError, ValueRangeError
from dgd.losses import Squared
from dgd.passes.executor import InlineExecutor

ROWS, CHUNK = 57, 8
FORMATS = [Format(2, False, "zstd", "F"), Format(3, False, "crc32c", "C"), Format(3, True, "gzip", "F")]


def written(path: Path, form: Format, array: str, row: int, column: int | None, value: float) -> dgd.Dataset:
    """A store of 57 rows with one bad value; y and weight are chunked unlike X."""
    rng = np.random.default_rng(0)
    arrays = {"X": rng.normal(size=(ROWS, 3)), "y": rng.normal(size=ROWS), "weight": np.ones(ROWS)}
    arrays[array][row if column is None else (row, column)] = value
    group = zarr.open_group(path, mode="w", zarr_format=form.zarr_format)
    for name, data in arrays.items():
        create(group, name, data, (CHUNK, 2) if name == "X" else (5,), form)
    return open_group(Group(testing.FaultySource(source_of(path))), weight="weight")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", FORMATS, ids=str)
@pytest.mark.parametrize(
    ("array", "row", "column"),
    [("X", 0, 0), ("X", 33, 2), ("X", 56, 1), ("y", 0, None), ("y", 40, None), ("weight", 9, None)],
)
def test_where_it_stands(array: str, row: int, column: int | None, form: Format, value: float, tmp_path: Path) -> None:
    dataset = written(tmp_path / "a.zarr", form, array, row, column, value)
    with pytest.raises(ValueRangeError, match="expected a") as caught:
        InlineExecutor().sweep(dataset, gradient_sum(Squared(), 0.0, np.zeros(3)))
    error = caught.value
    chunk = row // dataset.chunk_rows
    assert (error.array, error.row, error.column, error.chunk) == (array, row, column, chunk)
    assert error.rows == (chunk * dataset.chunk_rows, min((chunk + 1) * dataset.chunk_rows, ROWS))
    place = f"row {row}" + ("" if column is None else f", column {column}")
    assert f"array {array!r}, chunk {chunk}: {place} is {value}" in str(error)
    source = dataset.X.source  # type: ignore[attr-defined]
    chunks = [key for key in source.requests if key.startswith("X/") and key[2:3] in "c0123456789"]
    assert len(chunks) == len(set(chunks)), "no chunk is read again to find the place"


def test_a_fit_ends_with_it_and_not_with_a_number(tmp_path: Path) -> None:
    dataset = written(tmp_path / "a.zarr", FORMATS[1], "X", 33, 2, np.nan)
    with pytest.raises(
        ValueRangeError, match="row 33, column 2 is nan, expected a finite number; drop or fill"
    ) as caught:
        dgd.fit(dataset, max_iter=5, threads=3)
    assert (caught.value.row, caught.value.column) == (33, 2)


def test_a_negative_weight(tmp_path: Path) -> None:
    dataset = written(tmp_path / "a.zarr", FORMATS[2], "weight", 31, None, -0.5)
    with pytest.raises(ValueRangeError, match=r"row 31 is -0\.5") as caught:
        dgd.fit(dataset, max_iter=1, threads=1)
    assert (caught.value.array, caught.value.row) == ("weight", 31)


def test_padding_is_no_value(tmp_path: Path) -> None:
    """What a ragged chunk holds beyond the array's edge is nobody's data."""
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", shape=(10, 3), chunks=(8, 2), dtype="f8", fill_value=np.nan)[...] = np.ones((10, 3))
    group.create_array("y", shape=(10,), chunks=(8,), dtype="f8", fill_value=np.inf)[...] = np.ones(10)
    assert np.isfinite(dgd.fit(tmp_path / "a.zarr", max_iter=3).loss)


def test_a_boolean_is_zero_or_one(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    create(group, "X", np.ones((6, 2), dtype=bool), (3, 2), Format(3, False, "none", "C"))
    create(group, "y", np.ones(6), (3,), Format(3, False, "none", "C"))
    (tmp_path / "a.zarr" / "X" / "c" / "1" / "0").write_bytes(b"\1\1\2\1\0\1")
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    dataset.read(0)
    with pytest.raises(CorruptChunkError, match=r"rows 3 to 5\) is damaged: it holds bytes other than 0 and 1"):
        dataset.read(1)
