"""The labels of a stored matrix's axes: the coordinates of text that xarray writes beside it."""

from __future__ import annotations

from dataclasses import replace

from dgd.data.rows import Rows
from dgd.data.transforms.meaning import DecodedRows
from dgd.data.zarr.group import Group
from dgd.data.zarr.metadata import find_array
from dgd.data.zarr.text_rows import holds_texts
from dgd.data.zarr.whole_arrays import read_whole
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import SchemaError, UnsupportedFormatError


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
    if document is None or not holds_texts(document) or document.parsed().get("shape") != [stored.shape[axis]]:
        return None
    try:
        labels = tuple(str(label) for label in read_whole(source, name).tolist())
    except (SchemaError, UnsupportedFormatError):
        # Names are no numbers: without them the data are what they are.
        return None
    return labels if len(set(labels)) == len(labels) else None


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
