"""Coordinates of rows: found beside the variables of a group, and written beside predictions, for xarray to read.

A stored one of format 3 is copied as it is, chunk by chunk; any other is read and written again in pieces.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import MemoryStore

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.grid import Coordinate
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.group import Group
from dgd.data.zarr.metadata import MOST_CHUNKS, ArrayDocument, find_array
from dgd.data.zarr.outputs import ROOT, Output
from dgd.data.zarr.whole_arrays import LARGEST, chunk_keys, read_whole

V2_DIMENSIONS = "_ARRAY_DIMENSIONS"
PIECE_BYTES = 16 * 2**20
TIMES = {
    "M": {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian"},
    "m": {"units": "nanoseconds", "dtype": "timedelta64[ns]"},
}
"""The attributes of times that are stored as integers."""


def beside(group: Group, variables: Iterable[str]) -> list[str]:
    """The coordinates that are no dimension's, as the attributes of variables and of the group name them (CF)."""
    found = [group.attributes, *(group.rows(name).format.attributes for name in variables)]
    return [name for each in found for name in str(each.get("coordinates", "")).split()]


def stored_coordinates(group: Group, dims: tuple[str, ...], others: Iterable[str] = ()) -> tuple[Coordinate, ...]:
    """The arrays of a group along these dimensions that are called as one of them, or are among the others."""
    found = []
    for name in dict.fromkeys((*dims, *others)):
        document = find_array(group.child(name)) if "/" not in name else None
        along = None if document is None else _dims(document)
        if document is not None and along is not None and along and set(along) <= set(dims):
            found.append(Coordinate(name, along, document))
    return tuple(found)


def _dims(document: ArrayDocument) -> tuple[str, ...] | None:
    """The names of an array's dimensions, None where it has none."""
    in_format_3 = document.key == ROOT
    names = document.parsed().get("dimension_names") if in_format_3 else _v2_attributes(document).get(V2_DIMENSIONS)
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else None


def _v2_attributes(document: ArrayDocument) -> dict[str, Any]:
    found = document.source.get(".zattrs", Buffers(), at_most=LARGEST)
    parsed = {} if found is None else json.loads(found.tobytes())
    return parsed if isinstance(parsed, dict) else {}


def write_coordinate(output: Output, coordinate: Coordinate) -> bytes:
    """Write a coordinate as an array of a group; returns its metadata document."""
    if isinstance(coordinate.values, np.ndarray):
        names = coordinate.values
        return write_values(
            output, coordinate.name, coordinate.dims, names.shape, names.dtype, {}, lambda a, b: names[a:b]
        )
    if not isinstance(coordinate.values, ArrayDocument):
        return _of_xarray(output, coordinate)
    if coordinate.values.key == ROOT:
        return _copied(output, coordinate.name, coordinate.dims, coordinate.values)
    return _of_format_2(output, coordinate.name, coordinate.dims, coordinate.values)


def _copied(output: Output, name: str, dims: tuple[str, ...], document: ArrayDocument) -> bytes:
    """The same chunks, under the same keys; those that are not there stay away."""
    parsed = document.parsed()
    for key in chunk_keys(parsed, name, document.where, at_most=MOST_CHUNKS):
        content = document.source.get(key, Buffers(), at_most=LARGEST)
        if content is not None:
            output.set(f"{name}/{key}", content.tobytes())
    attributes = {key: value for key, value in (parsed.get("attributes") or {}).items() if key != KEY}
    changed = json.dumps({**parsed, "dimension_names": list(dims), "attributes": attributes}, indent=2).encode()
    output.set(f"{name}/{ROOT}", changed)
    return changed


def _of_format_2(output: Output, name: str, dims: tuple[str, ...], document: ArrayDocument) -> bytes:
    values = read_whole(document.source, name, flat=False)
    attributes = {key: value for key, value in _v2_attributes(document).items() if key != V2_DIMENSIONS}
    fill = document.parsed().get("fill_value")
    if isinstance(fill, int | float) and values.dtype.kind in "iuf":
        # In format 2 it is the field of this name; xarray packs a float in format 3.
        packed = base64.b64encode(struct.pack("<d", fill)).decode()
        attributes["_FillValue"] = packed if values.dtype.kind == "f" else int(fill)
    return write_values(output, name, dims, values.shape, values.dtype, attributes, lambda a, b: values[a:b])


def _of_xarray(output: Output, coordinate: Coordinate) -> bytes:
    """Values of xarray: times as integers since 1970, as it decodes them, and objects as texts."""
    variable = coordinate.values.variable
    attributes = {key: value for key, value in variable.attrs.items() if isinstance(value, str | int | float)}
    kind = variable.dtype.kind
    dtype = np.dtype(np.int64) if kind in "mM" else np.dtype(variable.dtype)

    def read(start: int, stop: int) -> Array:
        values: Array = np.asarray(variable[start:stop].values)
        return values.astype(f"{kind}8[ns]").astype(np.int64) if kind in "mM" else values

    attributes |= TIMES.get(kind, {})
    return write_values(output, coordinate.name, coordinate.dims, variable.shape, dtype, attributes, read)


def write_values(
    output: Output,
    name: str,
    dims: tuple[str, ...],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    attributes: dict[str, Any],
    read: Callable[[int, int], Array],
) -> bytes:
    """Write an array of numbers or texts in pieces along its first dimension; returns its metadata document."""
    texts = dtype.kind in "OUST"
    width = 8 if texts else dtype.itemsize
    step = max(1, min(max(shape[0], 1), PIECE_BYTES // max(1, width * int(np.prod(shape[1:], dtype=np.int64)))))
    kept: dict[str, Any] = {}
    array = zarr.create_array(
        MemoryStore(kept),
        zarr_format=3,
        shape=shape,
        chunks=(step, *(max(1, size) for size in shape[1:])),
        dtype="string" if texts else dtype,
        compressors=(ZstdCodec(level=1), Crc32cCodec()),
        dimension_names=dims,
        attributes=attributes,
        config={"write_empty_chunks": True},
    )
    document: bytes = kept[ROOT].to_bytes()
    for start in range(0, shape[0], step):
        part = read(start, min(start + step, shape[0]))
        array[start : start + len(part)] = _as_texts(part) if texts else part
        for key in kept.keys() - {ROOT}:
            output.set(f"{name}/{key}", kept.pop(key).to_bytes())
    output.set(f"{name}/{ROOT}", document)
    return document


def _as_texts(values: Array) -> Array:
    """Each value as a text; bytes as UTF-8, nothing as an empty one."""

    def text(value: Any) -> str:
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return "" if value is None or value != value else str(value)

    found = np.empty(values.shape, dtype=object)
    for place in product(*map(range, values.shape)):
        found[place] = text(values[place])
    return found
