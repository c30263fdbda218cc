"""The commit marker: what makes a folder that dgd wrote a dataset.

The attributes of the root document hold an object `dgd`:

    format    1
    state     "writing" from the first moment, "complete" from the last
    redo      the command that writes the dataset again, if it is known
    arrays    the sha256 of each array's metadata document
    features, target   names
    seal      the sha256 of the whole root document without this entry

Each array's attributes hold {"dgd": {"part_of": ...}}, so that a root whose marker is gone is noticed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from dgd.errors import IncompleteDatasetError, MetadataError
from dgd.storage.metadata import ArrayFormat

FORMAT = 1
KEY = "dgd"
WRITING, COMPLETE = "writing", "complete"


def digest_of(document: dict[str, Any]) -> str:
    """The seal of a root document: sha256 of its canonical JSON, the seal itself left out."""
    marker = {key: value for key, value in document["attributes"][KEY].items() if key != "seal"}
    bare = {**document, "attributes": {**document["attributes"], KEY: marker}}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()


def check_marker(document: dict[str, Any], where: str) -> dict[str, Any] | None:
    """The marker of a root document, None if dgd did not write it.

    Raises IncompleteDatasetError if the write was interrupted, MetadataError if the document was changed since.
    """
    attributes = document.get("attributes") or {}
    marker = attributes.get(KEY) if isinstance(attributes, dict) else None
    if marker is None:
        return None
    if not isinstance(marker, dict):
        raise MetadataError(f"{where}: the commit marker is a {type(marker).__name__}, expected an object")
    if marker.get("state") != COMPLETE and "seal" not in marker:
        redo = marker.get("redo")
        raise IncompleteDatasetError(
            f"{where}: the dataset was never completed, its writer was interrupted; "
            + (f"write it again: {redo}" if redo else "write it again, with overwrite=True")
        )
    if marker.get("seal") != digest_of(document):
        raise MetadataError(f"{where} was changed after it was written: its seal does not fit; write the dataset again")
    if marker.get("format") != FORMAT:
        raise MetadataError(f"{where} has dataset format {marker.get('format')}, expected {FORMAT}; use a newer dgd")
    return marker


def check_array(found: ArrayFormat, key: str, marker: dict[str, Any] | None, where: str) -> None:
    """Raise MetadataError unless the array's document is the one that was committed."""
    if marker is None:
        if KEY in found.attributes:
            raise MetadataError(
                f"{where}: array {key!r} was written by dgd and the group's commit marker is gone; "
                f"write the dataset again",
                array=found.name,
            )
        return
    committed = marker["arrays"].get(key)
    if committed != found.digest:
        raise MetadataError(
            f"{where}: the metadata of array {key!r} were changed after the dataset was written; "
            f"write the dataset again",
            array=found.name,
        )


def check_alone(found: ArrayFormat, where: str) -> None:
    """Raise IncompleteDatasetError if the array is one that dgd was still writing, such as predictions."""
    marker = found.attributes.get(KEY)
    if isinstance(marker, dict) and marker.get("state") == WRITING:
        raise IncompleteDatasetError(
            f"{where}: array {found.name!r} was never completed, its writer was interrupted; write it again, "
            f"with overwrite=True",
            array=found.name,
        )
