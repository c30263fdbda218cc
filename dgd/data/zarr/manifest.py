"""The list of an array's checksums that dgd's writer leaves beside its chunks, in the file `dgd.crc32c`.

    uint32, little-endian    the crc32c that each stored chunk ends with, in the order of the chunk grid

The commit marker's `content` holds its sha256, so that the marker vouches for every byte of the dataset.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.zarr.metadata import is_there
from dgd.data.zarr.retries import fetch
from dgd.data.zarr.sources import Source, TooLong
from dgd.errors import DatasetChangedError

MANIFEST = "dgd.crc32c"


def read_manifest(source: Source, count: int, content: str | None, name: str) -> NDArray[np.uint32]:
    """The checksums of an array's chunks. Raises DatasetChangedError if they are not those the marker vouches for."""
    try:
        found = fetch(source, MANIFEST, Buffers(), at_most=4 * count)
    except TooLong:
        found = np.zeros(0, np.uint8)
    if found is None:
        error = DatasetChangedError(
            f"array {name!r} of {source.label}: its list of checksums, {MANIFEST}, is gone since the dataset was "
            f"opened, or the dataset is not on this machine; put it where all workers see it, or restore it",
            array=name,
        )
        error.elsewhere = not is_there(source, 3)
        raise error
    if found.nbytes != 4 * count or hashlib.sha256(found.tobytes()).hexdigest() != content:
        raise DatasetChangedError(
            f"array {name!r} of {source.label} is not the one that was opened: its list of checksums, {MANIFEST}, is "
            f"another one than the commit marker names; the dataset was written again, or another copy is at this path "
            f"on this machine: open it again, or restore it from a copy",
            array=name,
        )
    return np.frombuffer(found.tobytes(), dtype="<u4").astype(np.uint32)
