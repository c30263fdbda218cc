"""The commit marker: what is not what was committed is refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from foreign import edit, sweep
from formats import Format, write
from located import in_memory

import dgd
from dgd.data.zarr.commit_marker import sealed
from dgd.errors import DataError, IncompleteDatasetError, MetadataError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A dataset of dgd: five chunks of 20 rows, the last one short."""
    rng = np.random.default_rng(0)
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=20) as writer:
        writer.append(rng.normal(size=(90, 3)), rng.normal(size=90), np.ones(90))
    return tmp_path / "a.zarr"


def test_the_writer_leaves_out_nothing(tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=4) as writer:
        writer.append(np.zeros((12, 2)), np.zeros(12), np.zeros(12))
    dataset = dgd.open_dataset(tmp_path / "a.zarr", weight="weight")
    for k in range(3):
        assert not dataset.read(k).X.any()


@pytest.mark.parametrize("document", ["X/zarr.json", "y/zarr.json", "weight/zarr.json"])
def test_an_array_document_is_gone(document: str, written: Path) -> None:
    (written / document).unlink()
    with pytest.raises(MetadataError, match=f"array {document[:-10]!r} is gone") as caught:
        dgd.open_dataset(written, weight="weight")
    assert caught.value.array == document[:-10]


def test_the_root_document_is_gone(written: Path) -> None:
    (written / "zarr.json").unlink()
    with pytest.raises(MetadataError, match="whose commit marker is gone"):
        dgd.open_dataset(written)
    with pytest.raises(MetadataError, match="whose commit marker is gone"):
        dgd.open_dataset(written / "X", written / "y")


@pytest.mark.parametrize(
    ("found", "edited"),
    [
        ('"float64"', '"int64"'),
        ("90,", "80,"),
        ("90,", "900,"),
        ("20,", "10,"),
        ('"little"', '"big"'),
        ('"crc32c"', '"crc32d"'),
        ("\n", " "),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_edited_metadata_of_a_written_dataset(alone: bool, found: str, edited: str, written: Path) -> None:
    """The commit marker knows each document, also where the array is opened by itself."""
    document = written / "X" / "zarr.json"
    assert found in document.read_text()
    document.write_text(document.read_text().replace(found, edited))
    with pytest.raises(DataError) as caught:
        dgd.open_dataset(written / "X", written / "y") if alone else dgd.open_dataset(written)
    assert isinstance(caught.value, MetadataError) or "crc32d" in str(caught.value)


def test_edited_chunk_shape_and_dtype_of_a_foreign_array(tmp_path: Path) -> None:
    """Nothing guards these but the chunks' own size."""
    changes = ({"dtype": "<f4"}, {"chunks": [3, 5]}, {"chunks": [5, 5]}, {"shape": [14, 5]}, {"chunks": [4, 6]})
    for number, change in enumerate(changes):
        path = tmp_path / f"{number}.zarr"
        write(path, Format(2, False, "none", "C"))
        edit(path, **change)
        with pytest.raises(DataError):
            sweep(path)


def test_arrays_of_two_datasets_do_not_mix(written: Path, tmp_path: Path) -> None:
    with dgd.DatasetWriter(tmp_path / "b.zarr", chunk_rows=10) as writer:
        writer.append(np.ones((90, 3)), np.ones(90))
    shutil.rmtree(written / "X")
    shutil.copytree(tmp_path / "b.zarr" / "X", written / "X")
    with pytest.raises(MetadataError, match="the metadata document of array 'X' was changed"):
        dgd.open_dataset(written)


def test_an_array_of_an_unfinished_dataset_is_refused_by_itself(tmp_path: Path) -> None:
    writer = dgd.DatasetWriter(tmp_path / "a.zarr", chunk_rows=4, redo="make it")
    writer.append(np.ones((4, 2)), np.ones(4))
    with pytest.raises(IncompleteDatasetError, match="unchecked by dgd: “make it”"):
        dgd.open_dataset(tmp_path / "a.zarr" / "X", tmp_path / "a.zarr" / "y")


def resealed(path: Path, **changes: Any) -> None:
    """Change the marker and seal it again: what another version of dgd might write."""
    document = json.loads((path / "zarr.json").read_text())
    marker = {**document["attributes"]["dgd"], **changes}
    del marker["seal"]
    (path / "zarr.json").write_bytes(sealed(document, marker))


def test_a_seal_that_fits_is_believed(written: Path) -> None:
    before = dgd.open_dataset(written).fingerprint
    resealed(written, redo="another command")
    assert dgd.open_dataset(written).fingerprint == before
    resealed(written, content={**dict.fromkeys(("X", "y", "weight"), "0" * 64)})
    assert dgd.open_dataset(written).fingerprint != before


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"format": 2}, "has dataset format 2, expected 1; use a newer dgd"),
        ({"format": None}, "has dataset format None, expected 1"),
        ({"arrays": None}, "names no arrays"),
        ({"arrays": ["X", "y"]}, "names no arrays"),
        ({"arrays": {"X": "0" * 64}}, "array 'X' was changed"),
        ({"arrays": {}}, "names no arrays"),
    ],
)
def test_markers_of_another_kind(changes: dict[str, Any], what: str, written: Path) -> None:
    resealed(written, **changes)
    for opened in (dgd.open_dataset, dgd.info, lambda path: dgd.open_dataset(path / "X", path / "y")):
        with pytest.raises(MetadataError, match=what):
            opened(written)  # type: ignore[operator]


@pytest.mark.parametrize("marker", [7, "complete", ["complete"], True])
def test_a_marker_that_is_no_object(marker: Any, written: Path) -> None:
    document = json.loads((written / "zarr.json").read_text())
    document["attributes"]["dgd"] = marker
    (written / "zarr.json").write_text(json.dumps(document))
    with pytest.raises(MetadataError, match="the commit marker is a"):
        dgd.open_dataset(written)


def test_a_marker_of_any_depth(written: Path) -> None:
    """At some depth it is read and cannot be sealed again."""
    text = (written / "zarr.json").read_text()
    for deep in (500, *range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()), 50_000):
        (written / "zarr.json").write_text(text.replace('"redo": null', '"redo": ' + "[" * deep + "]" * deep))
        with pytest.raises(MetadataError):
            dgd.open_dataset(written)


def test_an_array_added_later_is_read_as_a_foreign_one(written: Path) -> None:
    """The marker vouches for what was committed; it forbids nothing beside it."""
    zarr.open_group(written, mode="r+").create_array("weight 2", data=np.full(90, 2.0), chunks=(20,))
    dataset = dgd.open_dataset(written, weight="weight 2")
    assert dataset.read(4).weight.tolist() == [2.0] * 10  # type: ignore[union-attr]


def test_an_array_of_another_dataset_is_not_one_added_later(written: Path) -> None:
    shutil.copytree(written / "y", written / "y 2")
    with pytest.raises(
        MetadataError, match="array 'y 2' was written by dgd as part of a dataset whose commit marker is"
    ):
        dgd.open_dataset(written, "y 2")


def test_a_changed_root_is_noticed(written: Path) -> None:
    group = zarr.open_group(written, mode="r+")
    group.attrs["note"] = "added by hand"
    with pytest.raises(MetadataError, match="its seal does not fit"):
        dgd.open_dataset(written)


def test_an_array_alone_far_from_its_dataset_is_refused(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written / "X", tmp_path / "elsewhere" / "X")
    for location in (tmp_path / "elsewhere" / "X", in_memory(written / "X")):
        with pytest.raises(MetadataError, match="whose commit marker is gone; open it where it was written"):
            dgd.open_dataset(location, written / "y")
