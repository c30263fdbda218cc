"""Opening a zarr group as a dataset, or a zarr array as rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dgd.data.zarr.commit_marker import check_committed, check_marker, committed_arrays, is_part
from dgd.data.zarr.documents import attributes_of, checked_attributes, parse_document, read_document
from dgd.data.zarr.listing import not_found
from dgd.data.zarr.locations import source_of
from dgd.data.zarr.manifest import MANIFEST
from dgd.data.zarr.metadata import ArrayDocument, array_format, find_array
from dgd.data.zarr.sources import Source
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import DataError, DatasetNotFoundError, MetadataError, SchemaError, UnsupportedFormatError
from dgd.errors.checks import is_file_name

DIGEST = re.compile(r"[0-9a-f]{64}")


def open_array(location: Any, name: str, storage_options: Mapping[str, Any] | None = None) -> ZarrRows:
    """The zarr array at a location as rows; `name` is what errors call it.

    An array of a dataset that dgd wrote is checked against the commit marker of its group.
    """
    source = source_of(location, storage_options)
    document = find_array(source)
    if document is None:
        raise DatasetNotFoundError(f"there is no zarr array at {source.label}; check the path or the name", array=name)
    found = array_format(document, name)
    if is_part(found.attributes):
        return _part_of_dataset(source, document, name)
    check_marker(document.parsed(), document.where)
    above = source.parent()
    if above is not None:
        try:
            attributes = Group(above[0]).attributes
        except DataError:  # what lies around an array is not always a store, nor readable
            attributes = {}
        refuse_part(attributes, above[0].label, name)
    return ZarrRows(source, found)


PARTS = ("categorical", "nullable-integer", "nullable-boolean", "nullable-string-array", "csr_matrix", "csc_matrix")
"""AnnData's elements of several arrays, of which one alone says something else."""


def refuse_part(attributes: Mapping[str, Any], element: str, name: str) -> None:
    """Raise SchemaError for an array that is a part of an element with these attributes."""
    kind = attributes.get("encoding-type")
    if kind in PARTS:
        raise SchemaError(
            f"array {name!r} is a part of {element!r} ({kind}), and means nothing by itself; name {element!r}",
            array=name,
        )


def _part_of_dataset(source: Source, document: ArrayDocument, name: str) -> ZarrRows:
    above = source.parent()
    if above is None:
        raise unmarked(document.where, name)
    return Group(above[0]).rows(above[1], name=name)


class Group:
    """A zarr group's source with its commit marker, checked."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.marker: dict[str, Any] | None = None
        self.is_part = False
        """Whether dgd wrote it as part of a dataset, whose marker is that of another group."""
        self.zarr_format = 3
        document = read_document(source, "zarr.json")
        if document is None:
            self._open_v2()
            return
        where = f"{source.label}/zarr.json"
        parsed = parse_document(document, where)
        if parsed.get("node_type") not in ("group", "array") or parsed.get("zarr_format") != 3:
            raise MetadataError(f"{where} is not the metadata of a zarr group; restore it from a copy")
        self.is_array = parsed["node_type"] == "array"
        self.attributes = attributes_of(parsed, where)
        self.is_part = is_part(self.attributes)
        self.marker = None if self.is_array or self.is_part else check_marker(parsed, where)

    def _open_v2(self) -> None:
        self.zarr_format = 2
        self.is_array = read_document(self.source, ".zarray") is not None
        document = read_document(self.source, ".zattrs")
        where = f"{self.source.label}/.zattrs"
        self.attributes = {} if document is None else checked_attributes(parse_document(document, where), where)

    def rows(self, key: str, *, name: str | None = None) -> ZarrRows:
        """One array of the group; `name` is what errors call it, by default its key."""
        source, name = self.child(key), name or key
        document = find_array(source)
        self.check_document(key, document)
        if document is None:
            raise DatasetNotFoundError(not_found(self.source, key, self.committed), array=name)
        found = array_format(document, name)
        if key not in self.committed:
            if is_part(found.attributes):
                raise unmarked(document.where, name)
            check_marker(document.parsed(), document.where)
        content = self.content(key)
        return ZarrRows(source, found, content, listed=content is not None and self._lists_checksums)

    def has(self, key: str) -> bool:
        """Whether there is something of that name."""
        inner = self.child(key)
        return key in self.committed or find_array(inner) is not None or read_document(inner, ".zgroup") is not None

    def child(self, key: str) -> Source:
        """The source of an array of the group, however deep below. Raises DatasetNotFoundError for another name."""
        if ".." in key.split("/") or key.startswith("/"):
            raise DatasetNotFoundError(
                f"{key!r} is not the name of an array in {self.source.label}: it leads out of it; give an array "
                f"elsewhere by its absolute path",
                array=key,
            )
        if not is_file_name(key):
            raise DatasetNotFoundError(
                f"{self.source.label} has no array {key!r}: no file can have that name", array=key
            )
        return self.source.child(key)

    def find(self, key: str) -> ZarrRows | None:
        """An array of the group, if it is there and can be read."""
        try:
            return self.rows(key)
        except (DatasetNotFoundError, UnsupportedFormatError, MetadataError):
            return None

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The features' names, if they are stored."""
        names = (self.marker or {}).get("features") or self.attributes.get("feature_names")
        return tuple(str(name) for name in names) if isinstance(names, list) else None

    @property
    def target_name(self) -> str | None:
        """The target's name, if it is stored."""
        name = (self.marker or {}).get("target")
        return name if isinstance(name, str) else None

    @property
    def committed(self) -> tuple[str, ...]:
        """The names of the arrays in the commit marker."""
        return () if self.marker is None else tuple(committed_arrays(self.marker, self.source.label))

    @property
    def told(self) -> dict[str, str]:
        """The names of the columns that became weight and offset, where whoever wrote the dataset said so."""
        found = {role: (self.marker or {}).get(role) for role in ("weight", "offset")}
        return {role: name for role, name in found.items() if isinstance(name, str)}

    @property
    def columns(self) -> list[Any] | None:
        """What the marker says of the columns of a table that was written by its columns; None for any other group."""
        found = (self.marker or {}).get("columns")
        return found if isinstance(found, list) else None

    @property
    def id_names(self) -> tuple[str, ...]:
        """The names of the columns that are carried beside the rows."""
        names = (self.marker or {}).get("ids")
        return tuple(map(str, names)) if isinstance(names, list) else ()

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the columns were called that became weight, offset and ids."""
        found = {role: (name,) for role, name in self.told.items()} | {"ids": self.id_names}
        return {role: names for role, names in found.items() if names}

    def check_document(self, key: str, document: ArrayDocument | None) -> None:
        """Raise MetadataError unless an array's document is the committed one."""
        if self.marker is not None:
            check_committed(None if document is None else document.digest, key, self.marker, self.source.label)

    def content(self, key: str) -> str | None:
        """The digest of an array's checksums, where its writer left one."""
        content = (self.marker or {}).get("content")
        found = content.get(key) if isinstance(content, dict) else None
        if found is not None and not (isinstance(found, str) and DIGEST.fullmatch(found)):
            raise MetadataError(
                f"{self.source.label}: the commit marker has {found!r:.80} as the content of array {key!r}, expected a "
                f"sha256; write the dataset again",
                array=key,
            )
        return found

    @property
    def _lists_checksums(self) -> bool:
        """Whether a list of checksums lies beside the chunks of each array."""
        return (self.marker or {}).get("manifest") == MANIFEST


def unmarked(where: str, name: str) -> MetadataError:
    """The error for a part of a dataset of dgd's that is no part of a complete one."""
    return MetadataError(
        f"{where}: array {name!r} was written by dgd as part of a dataset whose commit marker is gone; open it where "
        f"it was written, or write the dataset again",
        array=name,
    )
