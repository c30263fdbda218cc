"""The value that an array says its absent chunks have."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.zarr.layout import ArrayFormat
from dgd.errors import UnsupportedFormatError

ABSENT = 0xFFFFFFFF
"""Stands for the checksum of a chunk that is not there."""


def fill_value(array: ArrayFormat) -> Array:
    """The fill value, as an array of one element. Raises UnsupportedFormatError where there is none."""
    given, dtype = array.fill_value, array.chunk.dtype
    try:
        return np.array([_value(given, dtype)]).astype(dtype, casting="unsafe" if dtype.kind == "f" else "same_kind")
    except (TypeError, ValueError, OverflowError) as error:
        raise UnsupportedFormatError(
            f"array {array.name!r} has the fill value {str(given)[:80]!r}, expected one of {dtype}; absent chunks "
            f"cannot be taken as that: write them",
            array=array.name,
        ) from error


def _value(given: Any, dtype: np.dtype[Any]) -> Any:
    if dtype.kind in "US":
        if not isinstance(given, str):
            raise TypeError("not a string")
        return np.array(given if dtype.kind == "U" else base64.b64decode(given, validate=True), dtype=dtype)
    if dtype.kind == "f" and isinstance(given, str):
        if given in ("NaN", "Infinity", "-Infinity"):
            return float(given)
        if not given.startswith("0x"):
            raise ValueError("not a number")
        return np.frombuffer(bytes.fromhex(given[2:]), dtype.newbyteorder(">"))[0]
    if dtype.kind == "b":
        if not isinstance(given, bool):
            raise TypeError("not a boolean")
        return given
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError("not a number")
    if dtype.kind in "iu":
        if given != int(given) or not np.iinfo(dtype).min <= given <= np.iinfo(dtype).max:
            raise ValueError("not an integer of that size")
        return np.array(int(given), dtype=dtype)
    return float(given)
