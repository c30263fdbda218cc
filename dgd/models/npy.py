"""Arrays of float64 in NumPy's format `.npy`, version 1.0: written by NumPy, read by the few lines here.

    \\x93NUMPY 1 0   the header's length, 2 bytes   {'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }   values

`numpy.load` evaluates the header as Python text and takes memory for the shape before it looks at the file's length.
"""

from __future__ import annotations

import io
import math
import re

import numpy as np

from dgd._typing import Array, Vector

MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': ('[^']{1,16}'), 'fortran_order': (False|True), 'shape': \((|\d{1,12},|\d{1,12}, \d{1,12})\), \} *\n"
)
FLOAT64 = b"'<f8'"
LONGEST_HEADER = 512
"""Of the file's first bytes up to the values."""


def npy_bytes(array: Array) -> bytes:
    """The file of an array."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def npy_array(content: bytes) -> Vector:
    """The array of float64, of at most two dimensions, in a file. Raises ValueError for anything else."""
    start = len(MAGIC) + 2
    if not content.startswith(MAGIC) or len(content) < start:
        raise ValueError("it does not begin as an .npy file of version 1.0")
    stop = start + int.from_bytes(content[len(MAGIC) : start], "little")
    header = HEADER.fullmatch(content[start:stop]) if stop <= LONGEST_HEADER else None
    if header is None:
        raise ValueError(
            "its .npy header is not that of an array of at most two dimensions; arrays of Python objects or records "
            "(pickle) are never loaded"
        )
    descr, in_columns, sizes = header.groups()
    if descr != FLOAT64:
        raise ValueError(
            f"it holds {descr.decode('ascii', 'replace')}, expected '<f8' (float64); pickle is never loaded"
        )
    shape = tuple(int(size) for size in sizes.split(b",") if size.strip())
    if 8 * math.prod(shape) != len(content) - stop:
        raise ValueError(
            f"it has {len(content) - stop:,} bytes of values, and its shape {shape} has {8 * math.prod(shape):,}"
        )
    values = np.frombuffer(content, "<f8", offset=stop).astype(np.float64)
    array: Vector = values.reshape(shape, order="F" if in_columns == b"True" else "C")
    return array
