"""Small arrays that are read whole by zarr-python, whatever their codec: labels of categories, names of columns."""

from __future__ import annotations

import json
import math
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import zarr

from dgd._typing import Array
from dgd.data.arrays.memory_rows import plain
from dgd.data.buffers import Buffers
from dgd.data.zarr.metadata import find_array
from dgd.data.zarr.sources import Source
from dgd.errors import DatasetNotFoundError, MetadataError, MissingChunkError, SchemaError, UnsupportedFormatError
from dgd.errors.words import size

LARGEST = 64 * 2**20
MOST_CHUNKS = 4096
PICKLES = ("pickle", "json2", "msgpack2")
"""Codecs of Python objects: one runs code, the others are not needed."""


def read_whole(source: Source, name: str, *, flat: bool = True) -> Array:
    """All values of a small array, which may be strings of any length; flat: of one dimension only.

    Its stored chunks are copied into a folder of this process first, within `LARGEST` bytes. Raises SchemaError for an
    array that is larger, UnsupportedFormatError for what zarr cannot read or must not.
    """
    document = find_array(source)
    if document is None:
        raise DatasetNotFoundError(f"there is no zarr array at {source.label}; check the path or the name", array=name)
    parsed = document.parsed()
    keys = chunk_keys(parsed, name, document.where)
    if flat and len(parsed["shape"]) != 1:
        raise SchemaError(f"array {name!r} has shape {parsed['shape']}, expected one dimension", array=name)
    if any(codec in json.dumps(parsed) for codec in PICKLES):
        raise UnsupportedFormatError(f"array {name!r} holds Python objects, expected strings or numbers", array=name)
    with TemporaryDirectory() as folder:
        (Path(folder) / document.key).write_bytes(document.content)
        total, absent = 0, []
        for key in keys:
            content = source.get(key, Buffers(), at_most=LARGEST)
            if content is None:
                absent.append(key)
                continue
            total += content.nbytes
            if total > LARGEST:
                raise SchemaError(f"array {name!r} has more than {size(LARGEST)}, which is not read whole", array=name)
            place = Path(folder, *key.split("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.tobytes())
        try:
            values = np.asarray(zarr.open_array(folder, mode="r")[...])
        except Exception as error:
            raise UnsupportedFormatError(
                f"array {name!r} of {source.label} cannot be read by zarr: {type(error).__name__}: {error}", array=name
            ) from error
    # All of them differ, so that one number alone can be the fill value, and be left out for that.
    if absent and (len(values) > 1 or values.dtype.kind not in "biuf"):
        raise MissingChunkError(
            f"array {name!r} of {source.label}: chunk {absent[0]} of its labels is not in the store; restore it from a "
            f"copy, or write the array again",
            array=name,
        )
    return plain(values.astype(object)) if values.dtype.kind == "T" else plain(values)


def chunk_keys(parsed: dict[str, Any], name: str, where: str, *, at_most: int = MOST_CHUNKS) -> list[str]:
    """The keys of an array's chunks, or shards. Raises MetadataError for a document that is not one, or too many."""
    try:
        return _keys(parsed, at_most)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise MetadataError(f"{where} is not an array's metadata: {error}; restore it", array=name) from error


def _keys(parsed: dict[str, Any], at_most: int) -> list[str]:
    """The keys of the chunks, or shards."""
    if parsed["zarr_format"] == 2:
        chunks, prefix, separator = parsed["chunks"], "", parsed.get("dimension_separator", ".")
    else:
        chunks = parsed["chunk_grid"]["configuration"]["chunk_shape"]
        encoding = parsed["chunk_key_encoding"]
        usual = encoding["name"] == "default"
        separator = (encoding.get("configuration") or {}).get("separator", "/" if usual else ".")
        prefix = f"c{separator}" if usual else ""
    grid = [-(-int(n) // int(c)) for n, c in zip(parsed["shape"], chunks, strict=True)]
    if math.prod(grid) > at_most:
        raise ValueError(f"shape {parsed['shape']} in chunks {chunks}: expected at most {at_most:,} chunks")
    return [prefix + separator.join(map(str, place)) for place in product(*map(range, grid))]
