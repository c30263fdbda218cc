"""A checkpoint on disk: a line with its sha256 and sizes, a JSON document, and arrays as they lie in memory.

    dgd checkpoint 1 sha256=… document=… bytes=…
    {"document": …, "arrays": [{"name", "dtype", "shape", "order"}, …]}
    the arrays' bytes, one after the other

No pickle. A new one takes the place of the last in one step, when it is on disk; the one before is kept beside it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.folders import replace_file
from dgd.errors import CheckpointError
from dgd.errors.writing import writing
from dgd.fitting.checkpoint.encoding import UNREADABLE

FIRST_LINE = re.compile(rb"dgd checkpoint (\d{1,9}) sha256=([0-9a-f]{64}) document=(\d{1,12}) bytes=(\d{1,12})\n")
FORMAT = 1
LONGEST_LINE, LARGEST_DOCUMENT, LARGEST = 160, 2**28, 2**34
DTYPES = ("<f8", "<f4", "<i8", "<i4", "<u4", "|b1")


def before(path: Path) -> Path:
    """Where the checkpoint before the last one is kept."""
    return path.with_name(f"{path.name}.before")


def write_checkpoint(path: Path, document: Any, arrays: dict[str, Array], *, keep: bool = False) -> None:
    """Put a checkpoint at the path. `keep`: the one that was there stays, as the one before.

    Raises WriteError; what was there is then as it was.
    """
    content = to_bytes(document, arrays)
    with writing(path):
        replace_file(path, content, keep=before(path) if keep else None)


def read_checkpoint(path: Path) -> tuple[Any, dict[str, Array]]:
    """The document and arrays of the checkpoint. Raises CheckpointError where it cannot be read."""
    return from_bytes(_content(path), str(path))


def read_last_checkpoint(path: Path) -> tuple[Any, dict[str, Array]]:
    """The same, or those of the one before, with a warning, where the last one is damaged or missing."""
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        try:
            found = read_checkpoint(before(path))
        except CheckpointError:
            raise error from None
        warnings.warn(f"{error}; going on from the checkpoint before it, {before(path)}", RuntimeWarning, stacklevel=4)
        return found


def to_bytes(document: Any, arrays: dict[str, Array]) -> bytes:
    """The file's content."""
    described, parts = [], []
    for name, array in arrays.items():
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        stored = array.astype(array.dtype.newbyteorder("<"), copy=False)
        described.append({"name": name, "dtype": stored.dtype.str, "shape": array.shape, "order": order})
        parts.append(stored.tobytes(order))  # type: ignore[arg-type]
    text = json.dumps({"document": document, "arrays": described}, ensure_ascii=True).encode()
    rest = b"".join([text, *parts])
    digest = hashlib.sha256(rest).hexdigest()
    return f"dgd checkpoint {FORMAT} sha256={digest} document={len(text)} bytes={len(rest)}\n".encode() + rest


def from_bytes(content: bytes, where: str) -> tuple[Any, dict[str, Array]]:
    """The document and arrays. Raises CheckpointError where the content is no checkpoint, or was changed."""
    found = FIRST_LINE.match(content[:LONGEST_LINE])
    if found is None:
        raise CheckpointError(f"{where} is not a checkpoint of dgd; give the path that `checkpoint=` had")
    if int(found[1]) != FORMAT:
        raise CheckpointError(f"{where} has checkpoint format {int(found[1])}, expected {FORMAT}; use a newer dgd")
    rest = memoryview(content)[found.end() :]
    length = int(found[3])
    if len(rest) != int(found[4]) or hashlib.sha256(rest).hexdigest().encode() != found[2]:
        raise CheckpointError(f"{where} is damaged: its sha256 is not the one in its first line")
    try:
        if not length <= min(len(rest), LARGEST_DOCUMENT):
            raise ValueError(f"a document of {length} bytes")
        parsed = json.loads(bytes(rest[:length]))
        return parsed["document"], _arrays(parsed["arrays"], rest[length:])
    except UNREADABLE as error:
        raise CheckpointError(f"{where} is not a checkpoint that this dgd can read: {error!r}") from error


def _arrays(described: Any, content: memoryview) -> dict[str, Array]:
    found: dict[str, Array] = {}
    at = 0
    for each in described:
        name, shape, order = each["name"], each["shape"], each["order"]
        if not isinstance(name, str) or name in found or each["dtype"] not in DTYPES or order not in ("C", "F"):
            raise ValueError(f"array {name!r} is of no kind that is stored")
        if not all(type(length) is int and length >= 0 for length in shape):
            raise ValueError(f"array {name!r} has the shape {shape}")
        dtype = np.dtype(each["dtype"])
        end = at + dtype.itemsize * math.prod(shape)
        if end > len(content):
            raise ValueError(f"array {name!r} is longer than the file")
        found[name] = np.frombuffer(content[at:end], dtype).reshape(shape, order=order).copy(order=order)
        at = end
    if at != len(content):
        raise ValueError(f"{len(content) - at} bytes are of no array")
    return found


def _content(path: Path) -> bytes:
    """Only from a file, and never more than a checkpoint can have: not from a pipe, a device or something endless."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {path}; give the path that `checkpoint=` had") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise CheckpointError(f"{path} is not a checkpoint of dgd; give the path that `checkpoint=` had")
        with os.fdopen(handle, "rb", closefd=False) as file:
            content = file.read(LONGEST_LINE)
            if FIRST_LINE.match(content):
                content += file.read(found.st_size)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    finally:
        os.close(handle)
    return content
