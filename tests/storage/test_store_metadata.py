"""Metadata documents that are torn, edited or hostile: a typed error, whatever they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from foreign import SHARDED, V2, V3, document, sweep
from formats import write

import dgd
from dgd.errors import DgdError, MetadataError


@pytest.fixture(params=[V2, V3, SHARDED], ids=str)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store that dgd did not write, so that no seal guards its metadata."""
    write(tmp_path / "a.zarr", request.param)
    return tmp_path / "a.zarr"


def places(node: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON document."""
    yield at
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from places(child, (*at, key))


def changed(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place; without it, where the value is `...`."""
    if not place:
        return value
    document = deepcopy(document)
    node = document
    for key in place[:-1]:
        node = node[key]
    if value is ...:
        del node[place[-1]]
    else:
        node[place[-1]] = value
    return document


JUNK = [
    ...,
    None,
    True,
    0,
    -1,
    3,
    2**31,
    2**70,
    1.5,
    float("nan"),
    "",
    "x",
    "\0",
    "../",
    "\ud800",
    [],
    [[]],
    {},
    {"a": 1},
]


@pytest.mark.each(2)
def test_whatever_a_document_holds_the_error_is_typed(path: Path) -> None:
    """Every place of X's document with every sort of junk: opened and read as it stands, or refused by a DgdError."""
    file = document(path)
    original = json.loads(file.read_text())
    refused = 0
    for place in places(original):
        for junk in JUNK if place else JUNK[1:]:
            file.write_text(json.dumps(changed(original, place, junk)))
            try:
                sweep(path)
            except DgdError:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not JSON"),
        (b'{"zarr_format": 3, "node_t', "torn"),
        (b"\xff\xfe\x00", "torn"),
        (b"[" * 100_000, "torn"),
        (b"7", "expected an object"),
        (b"{}", "is missing"),
        (b"9" * 5000, "torn"),
    ],
)
def test_torn_documents(content: bytes, what: str, path: Path) -> None:
    document(path).write_bytes(content)
    with pytest.raises(MetadataError, match=what) as caught:
        sweep(path)
    assert str(document(path)) in str(caught.value)
    assert "restore it from a copy" in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b'{"node_type": [], "zarr_format": 3}', b'{"zarr_format": 3}']
)
def test_torn_root(content: bytes, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V3)
    (tmp_path / "a.zarr" / "zarr.json").write_bytes(content)
    with pytest.raises(MetadataError, match=r"zarr\.json"):
        sweep(tmp_path / "a.zarr")


@pytest.mark.parametrize("attributes", [7, "x", [1], [["dgd"]], True])
@pytest.mark.parametrize("where", [".", "X"])
def test_attributes_that_are_no_object(attributes: Any, where: str, tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", V3)
    file = tmp_path / "a.zarr" / where / "zarr.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "attributes": attributes}))
    with pytest.raises(MetadataError, match="attributes"):
        sweep(tmp_path / "a.zarr")


def test_documents_have_a_largest_size(path: Path) -> None:
    with document(path).open("r+b") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(MetadataError, match="68,157,440 bytes, expected at most 67,108,864"):
        sweep(path)


def test_the_fingerprint_follows_every_byte_of_the_metadata(path: Path) -> None:
    before = dgd.open_dataset(path).fingerprint
    assert dgd.open_dataset(path).fingerprint == before
    document(path).write_bytes(document(path).read_bytes() + b"\n")
    assert dgd.open_dataset(path).fingerprint != before


def test_consolidated_metadata_are_not_believed(tmp_path: Path) -> None:
    """zarr-python does not renew them when an array grows."""
    group = write(tmp_path / "a.zarr", V3)
    # Consolidated metadata are not part of the specification of format 3, says the warning.
    with pytest.warns(UserWarning, match="not part in the Zarr format 3"):
        zarr.consolidate_metadata(group.store)
    for name, rows in (("X", np.ones((4, 5))), ("y", np.ones(4))):
        zarr.open_array(tmp_path / "a.zarr" / name, mode="r+").append(rows)
    assert dgd.open_dataset(tmp_path / "a.zarr").shape == (15, 5)
