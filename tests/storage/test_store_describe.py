"""`dgd.info`: what it says of every sort of store, from metadata alone."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from formats import Format, create, structures, write
from located import in_memory

import dgd
from dgd.errors import DatasetNotFoundError, IncompleteDatasetError, MetadataError, ReadError, UnsupportedFormatError

PLAIN = (str, int, float, bool, type(None))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A dataset of dgd, with weights and names."""
    names = ["rooms", "age", "income"]
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=40, feature_names=names, target_name="price") as writer:
        writer.append(np.ones((100, 3), dtype="float32"), np.ones(100), np.ones(100, dtype="int16"))
    return tmp_path / "a.zarr"


def without_chunks(path: Path) -> Path:
    """The same store with every chunk cut to nothing: whoever read one would fail."""
    copy = path.with_name("hollow.zarr")
    shutil.copytree(path, copy)
    for file in copy.rglob("*"):
        if file.is_file() and file.name not in {"zarr.json", ".zarray", ".zattrs", ".zgroup"}:
            file.write_bytes(b"")
    return copy


def assert_plain(value: Any) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for each in value.values():
            assert_plain(each)
    elif isinstance(value, list):
        for each in value:
            assert_plain(each)
    else:
        assert type(value) in PLAIN, value


def test_a_written_dataset(written: Path) -> None:
    found = dgd.info(written)
    assert (found.location, found.zarr_format, found.committed) == (str(written), 3, True)
    assert found.feature_names == ("rooms", "age", "income")
    assert found.target_name == "price"
    assert found.fingerprint == dgd.open_dataset(written).fingerprint
    assert [array.name for array in found.arrays] == ["X", "y", "weight"]
    X = found.arrays[0]
    assert (X.shape, X.chunks, X.shards, X.dtype, X.order) == ((100, 3), (40, 3), None, "float32", "C")
    assert (X.codecs, X.checksum, X.dimension_names) == (("crc32c",), True, ("row", "feature"))
    assert (X.stored_objects, X.found_objects) == (3, 3)
    assert (X.stored_bytes, X.decoded_bytes) == (3 * (40 * 3 * 4 + 4), 100 * 3 * 4)
    assert [array.dtype for array in found.arrays] == ["float32", "float64", "int16"]


def test_the_table_of_a_written_dataset(written: Path) -> None:
    table = dgd.info(written).table()
    lines = table.splitlines()
    assert lines[:2] == [str(written), "Zarr format 3, written by dgd, complete"]
    assert lines[3].split() == [
        "array",
        "shape",
        "chunks",
        "shards",
        "dtype",
        "order",
        "codecs",
        "checksum",
        "stored",
        "dimensions",
    ]
    assert " ".join(lines[4].split()) == "X 100 × 3 40 × 3 – float32 C crc32c yes 1.42 KiB in 3 chunks row, feature"
    assert lines[4].index("100 × 3") == lines[3].index("shape") == lines[5].index("100"), "columns are aligned"
    assert "features     rooms, age, income" in lines
    assert "target       price" in lines
    assert f"fingerprint  {dgd.open_dataset(written).fingerprint}" in lines
    assert not any(line != line.rstrip() for line in lines)


def test_its_json_has_plain_types_only(written: Path) -> None:
    found = dgd.info(written).as_json()
    assert_plain(found)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["arrays"][0]["shape"] == [100, 3]
    assert set(found["warnings"][0]) == {"array", "text", "fix"}


@pytest.mark.parametrize("form", list(structures())[::3], ids=str)
def test_no_chunk_is_read(form: Format, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", form)
    found = dgd.info(tmp_path / "a.zarr")
    hollow = dgd.info(without_chunks(tmp_path / "a.zarr"))
    assert [array.codecs for array in hollow.arrays] == [array.codecs for array in found.arrays]
    X = found.arrays[0]
    assert X.codecs == tuple(name.partition("-")[0] for name in form.codec.split("+") if name != "none")
    assert X.checksum == ("crc32c" in form.codec)
    assert X.order == form.order
    assert X.zarr_format == form.zarr_format
    assert X.shards == ((8, 5) if form.shards else None)
    assert X.chunks == (4, 5)
    stored = [f for f in (tmp_path / "a.zarr" / "X").rglob("*") if f.is_file() and f.name[:5] not in ("zarr.", ".zarr")]
    stored = [file for file in stored if file.name != ".zattrs"]
    assert X.stored_bytes == sum(file.stat().st_size for file in stored)
    assert X.stored_objects == X.found_objects == len(stored)
    assert not found.committed
    assert "not written by dgd: no commit marker" in found.table()


def test_every_array_of_a_local_group(tmp_path: Path) -> None:
    for zarr_format in (2, 3):
        path = tmp_path / f"{zarr_format}.zarr"
        group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
        for name in ("weight", "a", "y", "X"):
            group.create_array(name, data=np.ones((4, 2) if name == "X" else 4), chunks=(2, 2) if name == "X" else (2,))
        group.create_group("deeper").create_array("X", data=np.ones(3))
        (path / "not an array").mkdir()
        (path / "file").write_text("")
        assert [array.name for array in dgd.info(path).arrays] == ["X", "y", "weight", "a", "deeper/X"]


def test_a_group_without_y(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr") as writer:
        writer.append(np.ones((10, 2)))
    found = dgd.info(tmp_path / "a.zarr")
    assert [array.name for array in found.arrays] == ["X"]
    assert found.fingerprint is not None
    assert found.feature_names is None
    assert "features" not in found.table()


def test_a_group_without_X(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("prices", data=np.ones(3))
    found = dgd.info(tmp_path / "a.zarr")
    assert [array.name for array in found.arrays] == ["prices"]
    assert found.fingerprint is None


@pytest.mark.parametrize("name", ["X", "y"])
def test_a_single_array(name: str, written: Path) -> None:
    found = dgd.info(written / name)
    assert [array.name for array in found.arrays] == [name]
    assert found.committed
    assert dgd.info(written / name).arrays[0] == dgd.info(written).arrays["Xy".index(name)]


def test_predictions(written: Path, tmp_path: Path) -> None:
    dgd.predict_to(dgd.fit(written, max_iter=1).model, written, tmp_path / "p.zarr")
    found = dgd.info(tmp_path / "p.zarr")
    assert found.committed
    assert (found.arrays[0].name, found.arrays[0].shape, found.arrays[0].chunks) == ("p.zarr", (100,), (40,))


def test_other_stores_say_what_they_can(written: Path, tmp_path: Path) -> None:
    """Not every store can list its names, and none is asked for the size of each chunk."""
    found = dgd.info(in_memory(written))
    assert [array.name for array in found.arrays] == ["X", "y", "weight"]
    assert found.arrays[0].stored_bytes == 3 * (40 * 3 * 4 + 4), "no compression: computed"
    assert found.arrays[0].found_objects is None
    write(tmp_path / "b.zarr", Format(3, False, "zstd", "C"))
    foreign = dgd.info(in_memory(tmp_path / "b.zarr"))
    assert [array.name for array in foreign.arrays] == ["X", "y"]
    assert foreign.arrays[0].stored_bytes is None
    assert "unknown in 3 chunks" in foreign.table()


def test_arrays_that_are_not_read_are_told_with_the_reason(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("X", data=np.ones((3, 2)))
    group.create_array("when", data=np.ones(3, dtype="complex64"))
    found = dgd.info(tmp_path / "a.zarr")
    assert [array.name for array in found.arrays] == ["X"]
    assert "dtype 'complex64'" in found.unreadable["when"]
    assert "when: not readable, array 'when' has dtype 'complex64'" in found.table()
    with pytest.raises(UnsupportedFormatError):
        dgd.info(tmp_path / "a.zarr" / "when")


def test_what_cannot_be_described(tmp_path: Path, written: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(DatasetNotFoundError):
            dgd.info(path)
    dgd.DatasetWriter(tmp_path / "b.zarr", redo="make b").append([[1.0]], [1.0])
    with pytest.raises(IncompleteDatasetError, match="make b"):
        dgd.info(tmp_path / "b.zarr")
    (written / "y" / "zarr.json").unlink()
    with pytest.raises(MetadataError, match="'y' is gone"):
        dgd.info(written)


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.zarr", Format(3, False, "zstd", "C"))

    def refused(folder: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ReadError, match=r"a\.zarr.*PermissionError: Permission denied"):
        dgd.info(tmp_path / "a.zarr")


def test_a_big_endian_array_and_many_names(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    create(group, "X", np.ones((4, 20), dtype=">f4"), (2, 20), Format(2, False, "none", "F"))
    group.attrs["feature_names"] = [f"column {i}" for i in range(20)]
    found = dgd.info(tmp_path / "a.zarr")
    assert (found.arrays[0].dtype, found.arrays[0].order) == (">f4", "F")
    assert "column 11, … (20 in all)" in found.table()
    assert len(found.as_json()["feature_names"]) == 20
