"""`DatasetWriter`: what is appended is what is read, whatever the blocks; what does not fit leaves no trace."""

from __future__ import annotations

import errno
import json
import os
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from formats import BIG_ENDIAN, DTYPES, values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dgd
from dgd.data import folders
from dgd.errors import (
    ConfigurationError,
    DgdError,
    IncompleteDatasetError,
    SchemaError,
    UnsupportedFormatError,
    ValueRangeError,
    WriteError,
)


def gathered(dataset: dgd.Dataset, role: str) -> np.ndarray:
    """One array of a dataset, all of it."""
    return np.concatenate([getattr(dataset.read(k), role) for k in range(dataset.n_chunks)])


@pytest.mark.parametrize(
    ("dtype", "compression"),
    list(zip((*DTYPES, *BIG_ENDIAN), cycle((None, "zstd", "none", "blosc", "gzip")), strict=False)),
)
def test_every_dtype_and_compression_comes_back(dtype: str, compression: str | None, tmp_path: Path) -> None:
    X, y, weight = values(dtype, (23, 3)), values(dtype, (23,), 1), np.arange(23, dtype="u1")
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=5, compression=compression) as writer:
        writer.append(X, y, weight)
    dataset = dgd.open_dataset(tmp_path / "a.zarr", weight="weight")
    native = np.dtype(dtype).newbyteorder("=")
    assert (dataset.X.dtype, dataset.y and dataset.y.dtype) == (native, native)
    assert gathered(dataset, "X").tobytes() == X.astype(native).tobytes()
    assert gathered(dataset, "y").tobytes() == y.astype(native).tobytes()
    assert gathered(dataset, "weight").tobytes() == weight.tobytes()
    assert dataset.bounds.tolist() == [0, 5, 10, 15, 20, 23]
    for name in ("X", "y", "weight"):
        codecs = json.loads((tmp_path / "a.zarr" / name / "zarr.json").read_text())["codecs"]
        names = [codec["name"] for codec in codecs]
        assert names == ["bytes", *([compression] if compression not in (None, "none") else []), "crc32c"]


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of small chunks would take minutes on a slow disk; what must be on disk is tested below."""
    monkeypatch.setattr(folders, "sync", lambda path: None)


@given(blocks=st.lists(st.integers(0, 17), min_size=1, max_size=8), chunk_rows=st.integers(1, 40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("no_fsync")
def test_any_blocks_into_any_chunks(blocks: list[int], chunk_rows: int, tmp_path: Path) -> None:
    total = sum(blocks)
    X, y = np.arange(2.0 * total).reshape(total, 2), np.arange(total)
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=chunk_rows, overwrite=True)
    for stop, length in zip(np.cumsum(blocks), blocks, strict=True):
        writer.append(X[stop - length : stop], y[stop - length : stop])
    assert writer.rows == total
    if total == 0:
        with pytest.raises(SchemaError, match="there are no rows to commit; append some first"):
            writer.commit()
        return
    writer.commit()
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert dataset.shape == (total, 2)
    assert dataset.chunk_rows == min(chunk_rows, total)
    assert gathered(dataset, "X").tolist() == X.tolist()
    assert gathered(dataset, "y").tolist() == y.tolist()


def test_names_dimensions_and_marker(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr", feature_names=("a", 2), target_name="price", redo="again") as writer:
        writer.append([[1.0, 2.0]], [3.0])
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert (dataset.feature_names, dataset.target_name) == (("a", "2"), "price")
    assert dataset.source == str(tmp_path / "a.zarr")
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group["X"].metadata.dimension_names == ("row", "feature")
    assert group["y"].metadata.dimension_names == ("row",)
    marker = group.attrs["dgd"]
    assert (marker["state"], marker["rows"], marker["redo"]) == ("complete", 1, "again")
    assert set(marker["arrays"]) == set(marker["content"]) == {"X", "y"}


def test_zarr_opens_it_without_a_warning_and_reads_the_same(tmp_path: Path) -> None:
    """Warnings are errors here."""
    X = values("float32", (50, 4))
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=7, compression="blosc") as writer:
        writer.append(X, X[:, 0])
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert sorted(group.array_keys()) == ["X", "y"]
    assert np.asarray(group["X"][...]).tobytes() == X.tobytes()
    assert group["X"].nchunks_initialized == group["X"].nchunks == 8


def test_what_zarr_is_configured_to_do_does_not_matter(tmp_path: Path) -> None:
    with zarr.config.set({"default_zarr_format": 2, "array.order": "F", "array.write_empty_chunks": False}):
        with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2) as writer:
            writer.append(np.zeros((5, 2)), np.zeros(5))
        model = dgd.fit(tmp_path / "a.zarr", max_iter=1).model
        dgd.predict_to(model, tmp_path / "a.zarr", tmp_path / "p.zarr")
    predicted = dgd.open_dataset(tmp_path / "a.zarr", tmp_path / "p.zarr")
    assert not gathered(predicted, "y").any()


def test_chunks_are_4_mib_unless_told(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr", dtype="float32") as writer:
        writer.append(np.zeros((4 * 2**20 // 400 + 3, 100)), np.zeros(4 * 2**20 // 400 + 3))
    assert zarr.open_array(tmp_path / "a.zarr" / "X", mode="r").chunks == (4 * 2**20 // 400, 100)
    assert zarr.open_array(tmp_path / "a.zarr" / "y", mode="r").chunks == (4 * 2**20 // 400,)


def test_other_values_are_another_dataset_and_the_same_are_the_same(tmp_path: Path) -> None:
    prints = []
    for number, value in enumerate((1.0, 1.0, 2.0)):
        with dgd.DatasetWriter(tmp_path / f"{number}.zarr", chunk_rows=3) as writer:
            for _ in range(4):
                writer.append(np.full((2, 2), value), np.ones(2))
        prints.append(dgd.open_dataset(tmp_path / f"{number}.zarr").fingerprint)
    assert prints[0] == prints[1] != prints[2]
    alone = dgd.open_dataset(tmp_path / "0.zarr" / "X", tmp_path / "0.zarr" / "y").fingerprint
    assert alone == prints[0]


@pytest.mark.parametrize(
    ("dtype", "block", "value", "what"),
    [
        ("float32", 1e300, "1e+300", "a finite number that float32 can hold"),
        ("float16", np.float32(70000), "70000.0", "float16 can hold"),
        ("int8", 128, "128", "int8 can hold"),
        ("int64", 1.5, "1.5", "int64 can hold"),
        ("int64", 2.0**63, "9.223372036854776e+18", "int64 can hold"),
        ("int64", np.uint64(2**63), "9223372036854775808", "int64 can hold"),
        ("uint64", -1, "-1", "uint64 can hold"),
        ("uint8", -1.0, "-1.0", "uint8 can hold"),
        ("bool", 2, "2", "bool can hold"),
        ("float64", np.nan, "nan", "expected a finite number; drop or fill such rows"),
        ("float32", np.inf, "inf", "expected a finite number; drop or fill such rows"),
        ("int32", -np.inf, "-inf", "expected a finite number; drop or fill such rows"),
    ],
)
def test_a_value_that_would_change_is_refused_where_it_stands(
    dtype: str, block: Any, value: str, what: str, tmp_path: Path
) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=100_000, dtype=dtype)
    good = np.zeros((3, 2), dtype=np.asarray(block).dtype)
    writer.append(good, np.zeros(3))
    bad = np.zeros((300_000, 2), dtype=good.dtype)
    bad[200_001, 1] = block
    with pytest.raises(ValueRangeError, match="array 'X'") as caught:
        writer.append(bad, np.zeros(len(bad)))
    assert f"row 200004, column 1 is {value}" in str(caught.value)
    assert what in str(caught.value)
    assert (caught.value.array, caught.value.row, caught.value.column) == ("X", 200_004, 1)
    writer.append(good, np.ones(3))
    writer.commit()
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert gathered(dataset, "y").tolist() == [0, 0, 0, 1, 1, 1]
    assert dataset.X.dtype == dtype


def test_y_keeps_the_dtype_of_its_first_block(tmp_path: Path) -> None:
    """Else 0.5 would be written as 0."""
    writer = dgd.DatasetWriter(tmp_path / "a.zarr")
    writer.append(np.zeros((1, 2)), np.array([1]))
    with pytest.raises(
        ValueRangeError, match=r"array 'y': row 1 is 0\.5, expected a finite number that int64 can hold"
    ):
        writer.append(np.zeros((1, 2)), np.array([0.5]))
    writer.append(np.zeros((1, 2)), np.array([2.0]))
    writer.commit()
    assert gathered(dgd.open_dataset(tmp_path / "a.zarr"), "y").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("block", "error", "what"),
    [
        (([[1.0, 2.0, 3.0]], [1.0]), SchemaError, r"X has shape \(1, 3\), expected \(rows, 2\)"),
        (([1.0, 2.0], [1.0]), SchemaError, r"X has shape \(2,\)"),
        (([[1.0, 2.0]], [1.0, 2.0]), SchemaError, r"y has shape \(2,\), expected \(1,\)"),
        (([[1.0, 2.0]], [[1.0]]), SchemaError, r"y has shape \(1, 1\)"),
        (([[1.0, 2.0]],), SchemaError, "this block has X, the first had X, y"),
        (([[1.0, 2.0]], [1.0], [1.0]), SchemaError, "this block has X, y, weight, the first had X, y"),
        (([["a", "b"]], [1.0]), UnsupportedFormatError, "'X' has dtype <U1"),
        (([[1.0, 2.0]], [None]), UnsupportedFormatError, "'y' has dtype object"),
        (([[1.0, 2.0]], [1j]), UnsupportedFormatError, "'y' has dtype complex128"),
    ],
)
def test_a_block_that_does_not_fit_leaves_no_trace(
    block: Any, error: type[DgdError], what: str, tmp_path: Path
) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2)
    writer.append([[1.0, 2.0]], [3.0])
    with pytest.raises(error, match=what):
        writer.append(*block)
    writer.append([[4.0, 5.0]], [6.0])
    writer.commit()
    dataset = dgd.open_dataset(tmp_path / "a.zarr")
    assert gathered(dataset, "X").tolist() == [[1, 2], [4, 5]]


def test_weights_are_not_negative(tmp_path: Path) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr")
    with pytest.raises(ValueRangeError, match=r"row 1 is -0.5, expected 0 or more") as caught:
        writer.append(np.ones((2, 1)), np.ones(2), np.array([0.0, -0.5]))
    assert (caught.value.array, caught.value.row) == ("weight", 1)


@pytest.mark.parametrize(
    ("options", "error", "what"),
    [
        ({"chunk_rows": 0}, ConfigurationError, "`chunk_rows` must be 1 or more, got 0"),
        (
            {"compression": "lzma"},
            ConfigurationError,
            "`compression` must be one of none, zstd, blosc, gzip, got 'lzma'",
        ),
        ({"dtype": "complex64"}, UnsupportedFormatError, "dtype complex64"),
        ({"dtype": object}, UnsupportedFormatError, "dtype object"),
    ],
)
def test_wrong_options_create_nothing(options: Any, error: type[DgdError], what: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=what):
        dgd.DatasetWriter(tmp_path / "a.zarr", **options)
    assert not (tmp_path / "a.zarr").exists()


def test_names_must_fit(tmp_path: Path) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", feature_names=["a"])
    with pytest.raises(SchemaError, match="X has 2 columns and there are 1 feature names; give one for each"):
        writer.append([[1.0, 2.0]], [3.0])


def test_a_committed_writer_has_ended(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr") as writer:
        writer.append([[1.0]], [1.0])
        writer.commit()
    document = (tmp_path / "a.zarr" / "zarr.json").read_bytes()
    for again in (writer.commit, lambda: writer.append([[1.0]], [1.0])):
        with pytest.raises(ConfigurationError, match="the dataset is committed, so this writer has ended"):
            again()
    assert (tmp_path / "a.zarr" / "zarr.json").read_bytes() == document


@pytest.mark.parametrize("rows", [5, 60])
def test_everything_is_on_disk_before_the_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Of few files, and of many, which are brought there by several threads."""
    synced: list[str] = []
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def noted_replace(draft: Path, target: Path) -> Path:
        if target == tmp_path / "deep" / "a.zarr" / "zarr.json" and draft.name.startswith("."):
            order.extend(synced)
            order.append("marker")
        return replace(draft, target)

    monkeypatch.setattr(folders.os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    path = tmp_path / "deep" / "a.zarr"
    with dgd.DatasetWriter(path, chunk_rows=2) as writer:
        writer.append(np.ones((rows, 2)), np.ones(rows))
    before = set(order[: order.index("marker")])
    assert {str(file) for file in path.rglob("*")} | {str(path), str(path.parent)} <= before
    assert str(path / ".zarr.json.partial") in before
    assert synced[-1] == str(path), "the marker's own name, after it was put in place"


def test_a_file_of_many_that_cannot_be_brought_to_disk_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def full(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("/X/c/17/0"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    monkeypatch.setattr(folders.os, "fsync", full)
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2)
    writer.append(np.ones((60, 2)), np.ones(60))
    with pytest.raises(WriteError):
        writer.commit()
    with pytest.raises(IncompleteDatasetError):
        dgd.open_dataset(tmp_path / "a.zarr")


def test_the_inputs_are_left_alone(tmp_path: Path) -> None:
    X, y = values("float64", (9, 2)), values("float64", (9,))
    copies = X.copy(), y.copy()
    for array in (X, y):
        array.flags.writeable = False
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=2, dtype="float32") as writer:
        writer.append(X, y)
    assert X.tobytes() == copies[0].tobytes()
    assert y.tobytes() == copies[1].tobytes()
