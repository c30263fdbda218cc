"""The labels of a stored matrix's axes: the coordinates of text that xarray writes beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dgd.data.meaning import DecodedRows
from dgd.data.rows import Rows
from dgd.data.zarr.group import Group
from dgd.data.zarr.metadata import find_array
from dgd.data.zarr.whole_arrays import read_whole
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import SchemaError, UnsupportedFormatError

TEXTS = ("string", "fixed_length_utf32", "null_terminated_bytes", "variable_length_utf8")
"""Format 3's names of data types of text; format 2 has NumPy's."""


def axis_labels(group: Group, X: Rows | None, axis: int) -> tuple[str, ...] | None:
    """What the columns (axis 1) of a matrix in a group are called, or its rows (0); None where nothing says so."""
    stored = X.rows if isinstance(X, DecodedRows) else X
    if not isinstance(stored, ZarrRows) or len(stored.shape) != 2:
        return None
    name = (stored.format.dimension_names or (None, None))[axis]
    if not name or name.startswith(".") or "/" in name:
        return None
    source = group.child(name)
    document = find_array(source)
    if document is None or not _is_text(document.parsed(), stored.shape[axis]):
        return None
    try:
        labels = tuple(str(label) for label in read_whole(source, name).tolist())
    except (SchemaError, UnsupportedFormatError):
        # Names are no numbers: without them the data are what they are.
        return None
    return labels if len(set(labels)) == len(labels) else None


def _is_text(document: dict[str, Any], length: int) -> bool:
    """Whether an array's document says that it holds so many texts."""
    kind = document.get("data_type", document.get("dtype"))
    kind = kind.get("name") if isinstance(kind, dict) else kind
    texts = isinstance(kind, str) and (kind in TEXTS or kind.lstrip("<>|=")[:1] in ("U", "S", "O"))
    return texts and document.get("shape") == [length]


def turned_by_labels(group: Group, X: Rows, known: tuple[str, ...]) -> Rows:
    """X transposed, where its rows are called what a model's features are called, and its columns are not."""
    if axis_labels(group, X, 0) != known or axis_labels(group, X, 1) == known:
        return X
    if isinstance(X, DecodedRows):
        return replace(X, rows=_turned(X.rows))
    return _turned(X)


def _turned(rows: Rows) -> Rows:
    assert isinstance(rows, ZarrRows)
    return replace(rows, format=rows.format.transposed)
