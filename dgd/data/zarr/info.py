"""What `dgd info` says about a store: its arrays, names and commit marker, with warnings and their fixes.

Only metadata documents are read, and for a local store the names and sizes of files; never a chunk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dgd.data.reading import Reading, paths_like
from dgd.data.zarr.advice import Finding, findings
from dgd.data.zarr.anndata import variable_names
from dgd.data.zarr.anndata_info import ElementInfo, anndata_elements
from dgd.data.zarr.attributes import meaning_of
from dgd.data.zarr.dataset import open_group
from dgd.data.zarr.group import Group, open_array
from dgd.data.zarr.layout import ArrayFormat
from dgd.data.zarr.listing import arrays_below, entries, not_found
from dgd.data.zarr.locations import source_of
from dgd.data.zarr.manifest import MANIFEST
from dgd.data.zarr.sources import LocalSource, ReadAhead, Source
from dgd.data.zarr.sparse_info import SparseInfo, sparse_matrices
from dgd.data.zarr.stored_ids import text_ids
from dgd.data.zarr.table.stored_table import described
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import ConfigurationError, DatasetNotFoundError, SchemaError, UnsupportedFormatError
from dgd.errors.columns_text import table_lines
from dgd.errors.words import counted, size, visible

DOCUMENTS = {"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", MANIFEST}
USUAL = ("X", "y", "weight")
SHOWN_NAMES = 12
READ_AHEAD: dict[ReadAhead, str] = {
    "page cache hints": "by page cache hints, while the disk is waited for",
    "requests": "by requests, while a chunk computes",
    "none": "none",
}


@dataclass(frozen=True)
class ArrayInfo:
    """One array, as its metadata describe it."""

    name: str
    zarr_format: int
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    """The shape of a shard, which holds several chunks; None if chunks are stored one by one."""
    dtype: str
    order: str
    """Order of a chunk's values: "C", row by row, or "F", column by column."""
    codecs: tuple[str, ...]
    checksum: bool
    stored_objects: int
    """Chunks or shards that a complete store has."""
    found_objects: int | None
    """How many of them exist; None if each would need a request."""
    stored_bytes: int | None
    """Exact; None if unknown."""
    decoded_bytes: int
    read_path: str
    """How its chunks are read; dgd always decodes them itself."""
    read_ahead: str
    """How the next chunks are fetched during computing."""
    dimension_names: tuple[str | None, ...] | None
    meaning: str
    """What its numbers stand for by the attributes; "" if for themselves."""


@dataclass(frozen=True)
class Info:
    """A store as `dgd info` describes it."""

    location: str
    zarr_format: int
    committed: bool
    """Whether dgd wrote it and completed it."""
    fingerprint: str | None
    """The fingerprint of X with y; None if there is no such dataset. A fit records it for what dgd wrote; of another
    store it records a digest of what it has read."""
    feature_names: tuple[str, ...] | None
    target_name: str | None
    names: dict[str, tuple[str, ...]]
    """What the columns were called that became weight, offset and ids."""
    arrays: tuple[ArrayInfo, ...]
    unreadable: dict[str, str]
    """Arrays that dgd does not decode, each with the reason."""
    warnings: tuple[Finding, ...]
    elements: tuple[ElementInfo, ...] = ()
    """Of an AnnData store, by the names under which they are read; the arrays are their parts."""
    sparse: tuple[SparseInfo, ...] = ()
    """Matrices that are stored by their non-zero values, in three of the arrays."""
    columns: dict[str, str] = field(default_factory=dict)
    """Of a table by its columns, what each is."""

    def as_json(self) -> dict[str, Any]:
        """Everything, in the types JSON has."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain

    def table(self, width: int | None = None) -> str:
        """Everything, as a person reads it; tables no wider than a terminal of that width."""
        marker = "written by dgd, complete" if self.committed else "not written by dgd: no commit marker"
        lines = [visible(self.location), f"Zarr format {self.zarr_format}, {marker}", ""]
        if self.elements:
            named = [tuple(map(visible, each.row())) for each in self.elements]
            lines += [*table_lines([("AnnData", "shape", "kind"), *named], width, align=str.ljust), ""]
        lines += table_lines([HEADER, *(_row(array) for array in self.arrays)], width, align=str.ljust)
        if not self.elements:
            lines += [visible(f"{name}: not readable, {reason}") for name, reason in self.unreadable.items()]
        lines += ["", *(visible(matrix.line()) for matrix in self.sparse)] if self.sparse else []
        lines += [""] if self.arrays or self.feature_names or self.target_name or self.fingerprint else []
        lines += [f"read path    {text}" for text in dict.fromkeys(map(_reading, self.arrays))]
        lines += [
            visible(f"{array.name} means{'':<{max(1, 7 - len(array.name))}}{array.meaning}")
            for array in self.arrays
            if array.meaning and not self.elements
        ]
        lines += [visible(f"column       {name}: {what}") for name, what in self.columns.items()]
        lines += [f"features     {_listed(self.feature_names)}"] if self.feature_names else []
        lines += [f"target       {visible(self.target_name)}"] if self.target_name else []
        lines += [f"{role:<13}{_listed(names)}" for role, names in self.names.items()]
        lines += [f"fingerprint  {self.fingerprint}"] if self.fingerprint else []
        for finding in self.warnings:
            lines += ["", visible(f"warning: {finding.text}"), visible(f"    fix: {finding.fix}")]
        return "\n".join(lines)


def info(location: Any, *, storage_options: Mapping[str, Any] | None = None) -> Info:
    """Describe the Zarr group or array at a path, URL or store. Nothing but metadata is read.

    The arrays of a dgd dataset's commit marker are described; of another group all, nested groups included, or of a
    store that cannot be listed X, y and weight. Of an AnnData store the elements are listed, for which the names of
    categories and variables are read. storage_options: see `open_dataset`.

    Raises DatasetNotFoundError if no array is there, IncompleteDatasetError or MetadataError for a torn document.
    """
    return _info(*readable_arrays(location, storage_options))


def readable_arrays(
    location: Any, storage_options: Mapping[str, Any] | None
) -> tuple[Group, dict[str, ZarrRows], dict[str, str]]:
    """The group at a location, its arrays by name, and why others cannot be read. Raises what `info` raises."""
    several = paths_like(os.fspath(location)) if isinstance(location, (str, os.PathLike)) else None
    if several or isinstance(location, (list, tuple)):
        first = (several or [*location, ""])[0]
        raise ConfigurationError(f"{location!s:.200} names several stores; describe or verify one of them, as {first}")
    group = Group(source_of(location, storage_options))
    if group.is_array:
        return group, {"": open_array(location, group.source.label.rstrip("/").rpartition("/")[2], storage_options)}, {}
    found: dict[str, ZarrRows] = {}
    unreadable: dict[str, str] = {}
    texts = text_ids(group)
    for name in _array_names(group):
        if name in texts:
            continue
        try:
            found[name] = group.rows(name)
        except UnsupportedFormatError as error:
            unreadable[name] = str(error)
        except DatasetNotFoundError:
            continue
    if not found and not unreadable:
        raise DatasetNotFoundError(not_found(group.source, "X", ()))
    return group, found, unreadable


def _info(group: Group, found: dict[str, ZarrRows], unreadable: dict[str, str]) -> Info:
    arrays = tuple(_array_info(rows) for rows in found.values())
    marked = group.is_array and "dgd" in next(iter(found.values())).format.attributes
    return Info(
        location=group.source.label,
        zarr_format=group.zarr_format,
        committed=group.marker is not None or marked,
        fingerprint=_fingerprint(group, found),
        feature_names=group.feature_names or (None if group.is_array else variable_names(group, "X")),
        target_name=group.target_name,
        names=group.names,
        arrays=arrays,
        unreadable=unreadable,
        elements=anndata_elements(group),
        warnings=tuple(findings(list(found.values()), {array.name: array.found_objects for array in arrays})),
        sparse=() if group.is_array else sparse_matrices(group, found),
        columns=described(group),
    )


def _array_names(group: Group) -> list[str]:
    """Where to look for arrays, the usual names first."""
    if not group.committed:
        entries(group.source)  # Raises ReadError for a local folder that may not be listed.
    names = set(group.committed or arrays_below(group.source) or USUAL)
    return [name for name in USUAL if name in names] + sorted(names - set(USUAL))


def _array_info(rows: ZarrRows) -> ArrayInfo:
    found = rows.format
    n_files, stored = _files(rows.source)
    if stored is None and found.fixed_size:
        stored = rows.footprint.per_pass
    return ArrayInfo(
        name=rows.name,
        zarr_format=found.zarr_format,
        shape=found.shape,
        chunks=found.piece.shape,
        shards=None if found.shard is None else found.chunk.shape,
        dtype=found.chunk.dtype.str if found.chunk.dtype.byteorder == ">" else found.chunk.dtype.name,
        order="C" if found.piece.order == tuple(range(len(found.shape))) else "F",
        codecs=found.codec_names,
        checksum=found.checksummed,
        stored_objects=math.prod(found.grid),
        found_objects=n_files,
        stored_bytes=stored,
        decoded_bytes=math.prod(found.shape) * found.chunk.dtype.itemsize,
        read_path=f"{rows.source.read_path}, "
        + ("values decoded by zarr, slowly" if found.decoded_by_zarr else "decoded by dgd"),
        read_ahead=READ_AHEAD[rows.source.read_ahead],
        dimension_names=found.dimension_names,
        meaning=_meaning(found),
    )


def _meaning(array: ArrayFormat) -> str:
    try:
        return str(meaning_of(array, Reading(), labels=True) or "")
    except UnsupportedFormatError as error:
        return f"not decoded: {error}"


def _files(source: Source) -> tuple[int | None, int | None]:
    """Number and bytes of the files below a local folder, without metadata documents; None for other stores."""
    if not isinstance(source, LocalSource):
        return None, None
    count = total = 0
    for folder, _, names in os.walk(source.root):
        for name in names:
            if name not in DOCUMENTS and not name.endswith(".partial"):
                count += 1
                total += source.size(os.path.join(folder, name)) or 0
    return count, total


def _fingerprint(group: Group, found: dict[str, ZarrRows]) -> str | None:
    if group.is_array or not {"X", "X/indptr"} & set(found):
        return None
    try:
        return open_group(group, y="y" if "y" in found else None).fingerprint
    except (SchemaError, UnsupportedFormatError):
        return None


def _reading(array: ArrayInfo) -> str:
    return f"{array.read_path}; read-ahead {array.read_ahead}"


HEADER = ("array", "shape", "chunks", "shards", "dtype", "order", "codecs", "checksum", "stored", "dimensions")


def _row(array: ArrayInfo) -> tuple[str, ...]:
    return (
        visible(array.name),
        _times(array.shape),
        _times(array.chunks),
        "–" if array.shards is None else _times(array.shards),
        array.dtype,
        array.order,
        " ".join(array.codecs) or "none",
        "yes" if array.checksum else "no",
        ("unknown" if array.stored_bytes is None else size(array.stored_bytes))
        + f" in {counted(array.stored_objects, 'chunk' if array.shards is None else 'shard')}",
        "–" if array.dimension_names is None else ", ".join(visible(name or "–") for name in array.dimension_names),
    )


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{n:,}" for n in shape) or "a single value"


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - SHOWN_NAMES
    return ", ".join(map(visible, names[:SHOWN_NAMES])) + (f", … ({len(names):,} in all)" if more > 0 else "")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value
