"""Reads .zarray (format 2) into a checked format. What is not on the allow-lists is refused here."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from dgd.data.zarr.codecs import Codec, check_order, v2_codec
from dgd.data.zarr.documents import chosen, integers
from dgd.data.zarr.layout import ArrayFormat, Layout
from dgd.errors import UnsupportedFormatError

DTYPE = re.compile(r"\|b1|\|[iu]1|[<>][biu]1|[<>][iu][248]|[<>]f[248]|[<>]U[1-9]\d{0,2}|\|S[1-9]\d{0,3}")
"""Type strings of real numbers of at most 8 bytes, and of labels; NumPy's parser accepts many others."""


def parse(document: dict[str, Any], name: str, attributes: dict[str, Any], digest: str) -> ArrayFormat:
    """The format of the array that a .zarray describes.

    Raises UnsupportedFormatError for what is not on the allow-lists, and various errors for a damaged document.
    """
    chosen(document["zarr_format"], (2,), "zarr_format")
    dtype = _dtype(document["dtype"], name)
    chunks = integers(document["chunks"])
    axes = tuple(range(len(chunks)))
    n_bytes = math.prod(chunks) * dtype.itemsize
    order = chosen(document["order"], ("C", "F"), "order")
    return ArrayFormat(
        name=name,
        zarr_format=2,
        shape=integers(document["shape"]),
        chunk=Layout(chunks, dtype, axes if order == "C" else axes[::-1], _codecs(document, name, dtype, n_bytes)),
        shard=None,
        key_prefix="",
        separator=chosen(document.get("dimension_separator", "."), (".", "/"), "dimension_separator"),
        attributes=attributes,
        dimension_names=_dimension_names(attributes, len(chunks)),
        digest=digest,
        fill_value=document.get("fill_value"),
    )


def _dtype(entry: Any, name: str) -> np.dtype[Any]:
    if not isinstance(entry, str) or DTYPE.fullmatch(entry) is None:
        raise UnsupportedFormatError(
            f"array {name!r} has dtype {entry!r}, expected bool, an integer or a float of at most 8 bytes; "
            f"convert it before fitting",
            array=name,
        )
    return np.dtype(entry)


def _codecs(document: dict[str, Any], name: str, dtype: np.dtype[Any], n_bytes: int) -> tuple[Codec, ...]:
    """Filters, of which one may compress where there is no compressor, then the compressor."""
    entries = [*(document.get("filters") or ()), document["compressor"]]
    codecs = tuple(v2_codec(entry, name, dtype) for entry in entries if entry is not None)
    check_order(codecs, name, n_bytes)
    return codecs


def _dimension_names(attributes: dict[str, Any], n_axes: int) -> tuple[str | None, ...] | None:
    """The names that xarray writes into the attributes, because format 2 has no field for them."""
    names = attributes.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list) or len(names) != n_axes or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)
