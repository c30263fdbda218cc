"""Metadata documents: JSON that may be damaged or edited."""

from __future__ import annotations

import json
from typing import Any

from dgd.data.buffers import Buffers
from dgd.data.zarr.retries import fetch
from dgd.data.zarr.sources import Source, TooLong
from dgd.errors import MetadataError

LARGEST_DOCUMENT = 64 * 2**20


def read_document(source: Source, key: str) -> bytes | None:
    """A metadata document's bytes, None if there is none."""
    try:
        content = fetch(source, key, Buffers(), at_most=LARGEST_DOCUMENT)
    except TooLong as error:
        where = f"{source.label}/{key}"
        raise MetadataError(f"{where} is not a metadata document: {error}; restore it from a copy") from error
    return None if content is None else content.tobytes()


def parse_document(document: bytes, where: str) -> dict[str, Any]:
    """The JSON object of a metadata document."""
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{where} is not JSON ({error}): the document is torn; restore it from a copy") from error
    if not isinstance(parsed, dict):
        raise MetadataError(
            f"{where} holds a JSON {type(parsed).__name__}, expected an object: the document is torn; "
            f"restore it from a copy"
        )
    return parsed


def attributes_of(parsed: dict[str, Any], where: str) -> dict[str, Any]:
    """The attributes of a zarr.json, empty if it has none."""
    return checked_attributes(parsed.get("attributes"), where)


def checked_attributes(found: Any, where: str) -> dict[str, Any]:
    """Attributes, which must be an object."""
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MetadataError(f"{where}: the attributes are a {type(found).__name__}, expected an object")
    return found


def integers(values: Any) -> tuple[int, ...]:
    """A list of integers. Raises ValueError for anything else, whole floats included."""
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError(f"{values!r} is not a list of integers")
    return tuple(values)


def chosen(value: Any, known: tuple[Any, ...], what: str) -> Any:
    """A value that must be one of a few. Raises ValueError for any other."""
    if not any(type(value) is type(each) and value == each for each in known):
        raise ValueError(f"{what} is {value!r}, expected {' or '.join(map(repr, known))}")
    return value
