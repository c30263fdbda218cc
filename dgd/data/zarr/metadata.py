"""Reads an array's metadata, zarr.json (format 3) or .zarray (format 2), into a checked format."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from dgd.data.zarr import format2 as zarr2
from dgd.data.zarr import format3 as zarr3
from dgd.data.zarr.documents import checked_attributes, parse_document, read_document
from dgd.data.zarr.layout import ArrayFormat
from dgd.data.zarr.sources import Source
from dgd.errors import DataError, DatasetNotFoundError, MetadataError, UnsupportedFormatError

MOST_CHUNKS = 2**24
"""Chunks of an array; bounds of its rows, and what a fit knows of each chunk, are held in memory."""
LARGEST_CHUNK = 2**40
"""Largest decoded chunk, beyond any machine's memory: a damaged shape is noticed before memory is allocated."""


@dataclass(frozen=True)
class ArrayDocument:
    """An array's metadata document as found, nothing checked yet."""

    source: Source
    key: str
    content: bytes

    @property
    def where(self) -> str:
        """What errors call it."""
        return f"{self.source.label}/{self.key}"

    @property
    def digest(self) -> str:
        """sha256 of the document, byte for byte."""
        return hashlib.sha256(self.content).hexdigest()

    def parsed(self) -> dict[str, Any]:
        """The JSON object."""
        return parse_document(self.content, self.where)


def find_array(source: Source) -> ArrayDocument | None:
    """The metadata document of the array at a source, None if there is none."""
    for key in ("zarr.json", ".zarray"):
        content = read_document(source, key)
        if content is not None:
            return ArrayDocument(source, key, content)
    return None


def is_there(source: Source, zarr_format: int) -> bool:
    """Whether an array that was opened is still there; also where that cannot be told."""
    try:
        return read_document(source, "zarr.json" if zarr_format == 3 else ".zarray") is not None
    except DataError:
        return True


def array_format(document: ArrayDocument, name: str) -> ArrayFormat:
    """The checked format of an array. Raises DatasetNotFoundError if the document is a group's."""
    parsed, where = document.parsed(), document.where
    try:
        if document.key == ".zarray":
            found = zarr2.parse(parsed, name, attributes_beside(document.source), document.digest)
        else:
            node_type = parsed["node_type"]
            if node_type == "group":
                raise DatasetNotFoundError(
                    f"{document.source.label} is a zarr group, expected an array; give the path of one of its arrays",
                    array=name,
                )
            if node_type != "array":
                raise ValueError(f"node_type is {node_type!r}")
            found = zarr3.parse(parsed, name, where, document.digest)
        _check_grid(found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise MetadataError(
            f"{where} is not an array's metadata: {reason}; the document was torn or edited, restore it from a copy",
            array=name,
        ) from error
    return found


def attributes_beside(source: Source) -> dict[str, Any]:
    """The attributes of an array of format 2, which are a document of their own."""
    content = read_document(source, ".zattrs")
    where = f"{source.label}/.zattrs"
    return {} if content is None else checked_attributes(parse_document(content, where), where)


def _check_grid(found: ArrayFormat) -> None:
    """Raise ValueError where shape, chunks and shards contradict each other."""
    shape, chunk, outer = found.shape, found.chunk.shape, found.chunk.shape
    if len(shape) != len(chunk) or min((*chunk, 1)) < 1 or min((*shape, 0)) < 0:
        raise ValueError(f"shape {shape} and chunks {chunk} contradict each other")
    level = found.shard
    while level is not None:
        if len(level.inner.shape) != len(chunk) or any(
            c < 1 or s % c for s, c in zip(outer, level.inner.shape, strict=True)
        ):
            raise ValueError(f"shards {outer} are not whole inner chunks {level.inner.shape}")
        outer, level = level.inner.shape, level.nested
    if math.prod(found.grid) > MOST_CHUNKS or math.prod(chunk) * found.chunk.dtype.itemsize > LARGEST_CHUNK:
        raise UnsupportedFormatError(
            f"array {found.name!r} has shape {shape} in chunks {chunk}: that is more than {MOST_CHUNKS:,} chunks, or "
            f"chunks of more than 1 TiB; rewrite it in chunks of 1–16 MiB",
            array=found.name,
        )
