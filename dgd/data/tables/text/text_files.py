"""Text files, compressed or not, as bytes for pyarrow and as text for a second reading."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from typing import IO, Any, cast

import pyarrow as pa

from dgd.errors import IngestError

UNREADABLE = (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile)
"""What a damaged compressed file raises, besides zlib.error."""


def stream_of(path: str, file: pa.NativeFile) -> pa.NativeFile:
    """An open file as pyarrow reads it: decompressed by its name."""
    lower = path.lower()
    if lower.endswith(".xz"):
        return pa.PythonFile(lzma.open(file), mode="r")
    if lower.endswith(".zip"):
        return pa.PythonFile(_zipped(path, file), mode="r")
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}.get(lower[lower.rfind(".") :])
    return file if codec is None else pa.CompressedInputStream(file, codec)


def opened_text(path: str, encoding: str) -> IO[str]:
    """The decompressed text; bytes that are none in this encoding are replaced."""
    encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    return io.TextIOWrapper(_opened(path), encoding=encoding, errors="replace", newline="")


def beginning(path: str, count: int) -> bytes:
    """The first bytes of the text."""
    with _opened(path) as file:
        return file.read(count)


def _opened(path: str) -> IO[bytes]:
    lower = path.lower()
    if lower.endswith(".gz"):
        return cast(IO[bytes], gzip.open(path))
    if lower.endswith(".bz2"):
        return bz2.open(path)
    if lower.endswith(".xz"):
        return lzma.open(path)
    if lower.endswith(".zip"):
        return _zipped(path, path)
    if lower.endswith(".zst"):
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(path), "zstd"))
    return open(path, "rb")


def _zipped(path: str, file: Any) -> IO[bytes]:
    """The one file in a zip archive. Raises IngestError for one that holds several, or is encrypted."""
    archive = zipfile.ZipFile(file)
    found = [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith("__MACOSX/")]
    if len(found) != 1 or found[0].flag_bits & 1:
        what = f"holds {len(found)} files" if len(found) != 1 else "is encrypted"
        raise IngestError(f"{path} {what}, expected a zip archive of one text file; unpack it first", file=path)
    return archive.open(found[0])
