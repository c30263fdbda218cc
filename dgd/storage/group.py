"""Opening a zarr group as a dataset, or a zarr array as rows."""

from __future__ import annotations

import os
from typing import Any

from zarr import Array as ZarrArray
from zarr import Group as ZarrGroup

from dgd.dataset import Dataset, Rows
from dgd.errors import DatasetNotFoundError, MetadataError
from dgd.storage.metadata import parse_document, read_array_format, read_document
from dgd.storage.rows import ZarrRows
from dgd.storage.seal import check_alone, check_array, check_marker
from dgd.storage.source import Source, open_source


def is_location(data: Any) -> bool:
    """Whether `data` says where a zarr array or group lies."""
    from zarr.abc.store import Store
    from zarr.storage import StorePath

    return isinstance(data, (str, os.PathLike, Store, StorePath, ZarrGroup, ZarrArray))


def source_of(location: Any) -> Source:
    """The source of a path, URL, store, group or array."""
    if isinstance(location, (ZarrGroup, ZarrArray)):
        return open_source(location.store_path)
    return open_source(location)


def open_array(location: Any, name: str) -> ZarrRows:
    """The zarr array at a location as rows; `name` is what errors call it."""
    source = source_of(location)
    found = read_array_format(source, name)
    check_alone(found, source.label)
    return ZarrRows(source, found)


class Group:
    """A zarr group's source with its commit marker, checked."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.marker: dict[str, Any] | None = None
        self.attributes: dict[str, Any] = {}
        document = read_document(source, "zarr.json")
        if document is None:
            self._open_v2()
            return
        where = f"{source.label}/zarr.json"
        parsed = parse_document(document, where)
        if parsed.get("node_type") not in {"group", "array"} or parsed.get("zarr_format") != 3:
            raise MetadataError(f"{where} is not the metadata of a zarr group; restore it from a copy")
        self.is_array = parsed["node_type"] == "array"
        self.attributes = parsed.get("attributes") or {}
        self.marker = None if self.is_array else check_marker(parsed, where)

    def _open_v2(self) -> None:
        self.is_array = read_document(self.source, ".zarray") is not None
        document = read_document(self.source, ".zattrs")
        if document is not None:
            self.attributes = parse_document(document, f"{self.source.label}/.zattrs")

    def rows(self, name: str) -> ZarrRows:
        """One array of the group."""
        source = self.source.child(name)
        try:
            found = read_array_format(source, name)
        except DatasetNotFoundError as error:
            raise DatasetNotFoundError(
                f"{self.source.label} has no array {name!r}{self._others()}; give the name of the array",
                array=name,
            ) from error
        check_array(found, name, self.marker, self.source.label)
        return ZarrRows(source, found)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """The features' names, if they are stored."""
        names = (self.marker or {}).get("features") or self.attributes.get("feature_names")
        return tuple(str(name) for name in names) if isinstance(names, list) else None

    @property
    def target_name(self) -> str | None:
        """The target's name, if it is stored."""
        return (self.marker or {}).get("target")

    def _others(self) -> str:
        known = sorted((self.marker or {}).get("arrays", ()))
        return f", it has {', '.join(known)}" if known else ""


def open_group(group: Group, *, X: str = "X", y: Rows | str | None = "y", weight: Rows | str | None = None) -> Dataset:
    """A dataset of a group's arrays; y and weight may be rows from elsewhere."""
    return Dataset(
        X=group.rows(X),
        y=group.rows(y) if isinstance(y, str) else y,
        weight=group.rows(weight) if isinstance(weight, str) else weight,
        feature_names=group.feature_names,
        target_name=group.target_name,
        source=group.source.label,
    )
