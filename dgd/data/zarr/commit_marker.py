"""The commit marker: says whether a folder that dgd wrote is a complete dataset or array.

The attributes of its root document hold an object `dgd`:

    format    1
    state     "writing" from the first moment, "complete" from the last
    redo      how it was written, such as a command, if that is known
    seal      the sha256 of the whole root document without this entry

and for a dataset also

    rows, features, target   the number of rows, and names
    weight, offset           what these columns were called, where fits are to use them
    columns   where a table was written by its columns, in columns/, and there is no X: of each the name, array, kind,
              what it was called where it came from, dtype, and of codes the number of levels
    ids       the names of the columns id/0, id/1, …, which go with predictions
    arrays    the sha256 of each array's metadata document, and of the group's of a sparse matrix of three arrays
    manifest  the name of the file with the crc32c of each stored chunk, beside the chunks of each array
    content   the sha256 of that file, so that other values are another dataset

Each array's attributes hold {"dgd": {"part_of": ...}}, so that a root whose marker is gone is noticed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from dgd.data.plain_files import read_plain_file
from dgd.errors import IncompleteDatasetError, MetadataError

FORMAT = 1
KEY = "dgd"
LONGEST_NOTE = 500
LONGEST_BEGUN = 2**20
"""Bytes of a root document that a writer has begun; a longer one is not looked at."""
WRITING, COMPLETE = "writing", "complete"
_AGAIN = "restore it from a copy, or write the dataset again"


def digest_of(document: dict[str, Any]) -> str:
    """The seal of a root document: sha256 of its canonical JSON, the seal itself left out."""
    marker = {key: value for key, value in document["attributes"][KEY].items() if key != "seal"}
    bare = {**document, "attributes": {**document["attributes"], KEY: marker}}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()


def sealed(document: dict[str, Any], marker: dict[str, Any]) -> bytes:
    """A root document with its marker, complete and sealed, as it is written."""
    attributes = {**document["attributes"], KEY: {"format": FORMAT, "state": COMPLETE, **marker}}
    document = {**document, "attributes": attributes}
    attributes[KEY]["seal"] = digest_of(document)
    return json.dumps(document, indent=2).encode()


def check_marker(document: dict[str, Any], where: str) -> dict[str, Any] | None:
    """The marker of a root document whose attributes are an object, None if dgd did not write it.

    Raises IncompleteDatasetError if the write was interrupted, MetadataError if the document was changed since.
    """
    marker = (document.get("attributes") or {}).get(KEY)
    if marker is None:
        return None
    if not isinstance(marker, dict):
        raise MetadataError(f"{where}: the commit marker is a {type(marker).__name__}, expected an object; {_AGAIN}")
    if marker.get("state") != COMPLETE and "seal" not in marker:
        redo = marker.get("redo")
        # Anybody may have written this: it is quoted, not advised.
        noted = f" (its writer noted, unchecked by dgd: “{redo[:LONGEST_NOTE]}”)" if isinstance(redo, str) else ""
        raise IncompleteDatasetError(
            f"{where}: the write was never completed, its writer was interrupted; write it again, with "
            f"overwrite=True{noted}"
        )
    if "seal" not in marker or marker["seal"] != _digest_or_none(document):
        raise MetadataError(f"{where} was changed after it was written: its seal does not fit; {_AGAIN}")
    if marker.get("format") != FORMAT:
        raise MetadataError(f"{where} has dataset format {marker.get('format')}, expected {FORMAT}; use a newer dgd")
    return marker


def redo_of_unfinished(path: Path) -> str | None:
    """What a writer that never ended noted of how the folder is written; None for any other folder."""
    try:
        attributes = json.loads(read_plain_file(path / "zarr.json", at_most=LONGEST_BEGUN))["attributes"]
        marker = attributes[KEY]
        redo = marker["redo"] if marker["state"] == WRITING and "seal" not in marker else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return redo if isinstance(redo, str) else None


def _digest_or_none(document: dict[str, Any]) -> str | None:
    try:
        return digest_of(document)
    except RecursionError:
        return None


def committed_arrays(marker: dict[str, Any], where: str) -> dict[str, str]:
    """The digests of a dataset's arrays by name. Raises MetadataError if the marker is not a dataset's."""
    arrays = marker.get("arrays")
    if not isinstance(arrays, dict) or not arrays:
        raise MetadataError(f"{where}: the commit marker names no arrays, so this is not a dataset; {_AGAIN}")
    return arrays


def check_committed(digest: str | None, key: str, marker: dict[str, Any], where: str) -> None:
    """Raise MetadataError unless the array's document has the committed digest."""
    committed = committed_arrays(marker, where).get(key)
    if committed is None or committed == digest:
        return
    what = "is gone" if digest is None else "was changed after the dataset was written"
    raise MetadataError(f"{where}: the metadata document of array {key!r} {what}; {_AGAIN}", array=key)


def is_part(attributes: dict[str, Any]) -> bool:
    """Whether an array's attributes say that it is part of a dataset that dgd wrote."""
    marker = attributes.get(KEY)
    return isinstance(marker, dict) and "part_of" in marker
