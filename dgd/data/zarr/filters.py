"""Codecs that zarr's numcodecs undo: filters, whose result has a known size, and checksums of other kinds.

Slower than what dgd decodes by itself, as each makes arrays of its own, and as strict: the size of what a filter is
given and of what it makes is known before it runs. None of these can run code or hold objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numcodecs import get_codec

from dgd._typing import Bytes

CHECKSUMS = {"adler32", "crc32", "fletcher32"}
"""Four bytes each, which are checked."""
OF_ARRAYS = {"astype", "bitround", "delta", "fixedscaleoffset", "packbits", "quantize"}
"""Those that format 3 has before its bytes; the others come after."""
FILTERS = CHECKSUMS | OF_ARRAYS | {"shuffle"}
BFLOAT16 = "bfloat16"
"""The upper half of a float32, which NumPy has no dtype for: read as that, as if a filter had cut it off."""
COPIES = 3
"""Arrays of the size of a chunk that undoing one filter takes."""


def filtered_size(name: str, configuration: Mapping[str, Any], n_bytes: int) -> int:
    """The bytes that a filter makes of `n_bytes`. Raises ValueError where they are no whole numbers of its dtype."""
    if name in CHECKSUMS:
        return n_bytes + 4
    if name == BFLOAT16:
        return n_bytes // 2
    if name in ("shuffle", "bitround"):
        return n_bytes
    if name == "packbits":
        return 1 + -(-n_bytes // 8)
    before, after = _dtypes(name, configuration)
    if n_bytes % before.itemsize:
        raise ValueError(f"{name} of {before} is given {n_bytes:,} bytes")
    return n_bytes // before.itemsize * after.itemsize


def filtered_dtype(name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that a filter of arrays makes of one of `dtype`."""
    if name == "packbits":
        return np.dtype(np.uint8)
    return dtype if name in ("shuffle", "bitround", *CHECKSUMS) else _dtypes(name, configuration)[1]


def checked_configuration(name: str, configuration: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Any]:
    """The configuration, with the array's dtype where none is given. Raises ValueError for a wrong one."""
    found = {key: value for key, value in configuration.items() if key != "id"}
    if name in ("delta", "fixedscaleoffset", "quantize"):
        found.setdefault("dtype", dtype.str)
    if name == "astype":
        found.setdefault("decode_dtype", dtype.str)
    if name not in ("packbits", "shuffle", "bitround", *CHECKSUMS):
        _dtypes(name, found)
    try:
        get_codec({"id": name, **found})
    except Exception as error:
        raise ValueError(f"the configuration of {name} is wrong: {error}") from error
    return found


def undo(name: str, configuration: Mapping[str, Any], encoded: Bytes) -> Bytes:
    """What a filter was given. Raises whatever numcodecs raises."""
    if name == BFLOAT16:
        widened: Bytes = (np.frombuffer(encoded, "<u2").astype("<u4") << 16).view(np.uint8)
        return widened
    decoded = get_codec({"id": name, **configuration}).decode(encoded)
    values = np.frombuffer(decoded, np.uint8) if isinstance(decoded, bytes | bytearray) else np.asarray(decoded)
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _dtypes(name: str, configuration: Mapping[str, Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The dtypes before and after a filter: numbers of at most 8 bytes."""
    before = configuration.get("decode_dtype" if name == "astype" else "dtype")
    after = configuration.get("encode_dtype" if name == "astype" else "astype") or before
    found = []
    for entry in (before, after):
        dtype = np.dtype(entry) if isinstance(entry, str) else None
        if dtype is None or dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise ValueError(f"{name} has the dtype {entry!r}, expected numbers of at most 8 bytes")
        found.append(dtype)
    return found[0], found[1]
