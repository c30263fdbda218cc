"""Stored texts of any length, as xarray and pandas write the labels of a target: loaded, as each has its own length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.zarr.group import Group
from dgd.data.zarr.metadata import ArrayDocument, attributes_beside, find_array
from dgd.data.zarr.whole_arrays import read_whole

TEXTS = ("string", "fixed_length_utf32", "null_terminated_bytes", "variable_length_utf8")
"""Format 3's names of data types of text; format 2 has NumPy's."""


@dataclass(frozen=True, eq=False)
class TextRows(MemoryRows):
    """The texts, and the name of their dimension."""

    dimension: str | None = None


def texts_at(group: Group, key: str) -> TextRows | None:
    """An array of one dimension that holds texts, loaded; None where there is no such array.

    Raises SchemaError for one that is too large to be loaded.
    """
    source = group.child(key)
    document = find_array(source)
    if document is None:
        return None
    shape = document.parsed().get("shape")
    if not (isinstance(shape, list) and len(shape) == 1 and holds_texts(document)):
        return None
    return TextRows(key, read_whole(source, key), _dimension(document))


def holds_texts(document: ArrayDocument) -> bool:
    """Whether an array's document says that its values are texts."""
    parsed = document.parsed()
    kind: Any = parsed.get("data_type", parsed.get("dtype"))
    kind = kind.get("name") if isinstance(kind, dict) else kind
    return isinstance(kind, str) and (kind in TEXTS or kind.lstrip("<>|=")[:1] in ("U", "S", "O"))


def _dimension(document: ArrayDocument) -> str | None:
    parsed = document.parsed()
    names = parsed.get("dimension_names")
    if document.key == ".zarray":
        names = attributes_beside(document.source).get("_ARRAY_DIMENSIONS")
    return names[0] if isinstance(names, list) and len(names) == 1 and isinstance(names[0], str) else None
