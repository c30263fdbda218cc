"""The ids of a dataset's rows, as dgd writes them: whole numbers or texts, read by their chunks."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Bytes
from dgd.data.buffers import Buffers
from dgd.data.checksums import Checksums, HeldChunks
from dgd.data.rows import Footprint, ReadAtOnce, Rows, as_made, regular_bounds
from dgd.data.watch import Reading
from dgd.data.zarr.answers import READ_TIMEOUT
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.documents import integers
from dgd.data.zarr.group import Group
from dgd.data.zarr.id_writer import GROUP
from dgd.data.zarr.manifest import read_manifest
from dgd.data.zarr.metadata import find_array
from dgd.data.zarr.retries import fetch
from dgd.data.zarr.sources import Source
from dgd.data.zarr.stored_chunk import StoredChunk
from dgd.data.zarr.table.kept_column import GROUP as COLUMNS
from dgd.data.zarr.table.kept_column import LEVELS
from dgd.errors import MetadataError, ReadError

LABEL = np.dtype("U16")
"""What texts that are not read yet are taken for; longer ones are read as they are."""
LARGEST_CHUNK = 2**31
"""Bytes of a stored chunk of texts."""
GUESSED = 32
"""Bytes of a text, as memory is planned."""


def stored_ids(group: Group) -> dict[str, Rows]:
    """The ids by their names, in their order; none where the dataset has none."""
    return {name: numbers_or_texts(group, f"{GROUP}/{k}", name) for k, name in enumerate(group.id_names)}


def text_ids(group: Group) -> dict[str, StoredTexts]:
    """Those that are texts, by their arrays' names, and the levels of columns."""
    found = {f"{GROUP}/{k}": rows for k, rows in enumerate(stored_ids(group).values())}
    levels = [key for key in group.committed if key.startswith(f"{COLUMNS}/") and key.endswith(LEVELS)]
    found |= {key: numbers_or_texts(group, key, key) for key in levels}
    return {key: rows for key, rows in found.items() if isinstance(rows, StoredTexts)}


def numbers_or_texts(group: Group, key: str, name: str) -> Rows:
    """An array of numbers, or one of texts as dgd writes them."""
    document = find_array(group.child(key))
    parsed = {} if document is None else document.parsed()
    if parsed.get("data_type") != "string":
        return group.rows(key, name=name)
    group.check_document(key, document)
    try:
        (rows,) = integers(parsed["shape"])
        (chunk_rows,) = integers(parsed["chunk_grid"]["configuration"]["chunk_shape"])
        codecs = [codec["name"] for codec in parsed["codecs"]]
        if chunk_rows < 1 or codecs != ["vlen-utf8", "crc32c"]:
            raise ValueError(f"chunks of {chunk_rows} rows, codecs {codecs}")
    except (KeyError, TypeError, ValueError) as error:
        raise MetadataError(f"{group.source.label}/{key} is no array of texts of dgd's: {error}", array=name) from error
    return StoredTexts(group.child(key), name, rows, chunk_rows, group.content(key))


@dataclass(frozen=True, eq=False)
class StoredTexts(ReadAtOnce):
    """Texts of any length, an array of objects a read, in chunks that are decoded as they are read."""

    source: Source
    name: str
    rows: int
    chunk_rows: int
    content: str | None
    checksums: Checksums = field(init=False, repr=False)

    listed = True
    dtype = LABEL

    def __post_init__(self) -> None:
        count = len(self.bounds) - 1
        left = partial(read_manifest, self.source, count, self.content, self.name)
        object.__setattr__(self, "checksums", Checksums(count, self._refuse, left))

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,)."""
        return (self.rows,)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The chunks."""
        return regular_bounds(self.rows, self.chunk_rows)

    @property
    def footprint(self) -> Footprint:
        """A chunk as it is stored, and its texts, whose lengths are guessed."""
        rows = min(self.rows, self.chunk_rows)
        return Footprint(rows * GUESSED, 3 * rows * GUESSED, self.rows * GUESSED, exact=False)

    @property
    def fingerprint(self) -> str:
        """The digest of the checksums."""
        return f"{self.name}:{self.content}"

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks that these rows lie in."""
        return (HeldChunks(self.checksums, start // self.chunk_rows, -(-stop // self.chunk_rows)),)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop."""
        found, bytes_read = [], 0
        for index in range(start // self.chunk_rows, -(-stop // self.chunk_rows)):
            texts, n_bytes = self._chunk(index, buffers)
            base = index * self.chunk_rows
            found.append(texts[max(start - base, 0) : stop - base])
            bytes_read += n_bytes
        return found[0] if len(found) == 1 else np.concatenate(found), bytes_read

    def _chunk(self, index: int, buffers: Buffers) -> tuple[Array, int]:
        chunk = self._at(index)
        buffers.watch.reading = Reading(chunk, READ_TIMEOUT, time.monotonic())
        try:
            encoded = fetch(self.source, chunk.key, buffers, at_most=LARGEST_CHUNK)
        except ReadError as error:
            raise chunk.unreadable(error) from error
        finally:
            buffers.watch.reading = None
        if encoded is None:
            raise chunk.missing("is not in the store")
        if len(encoded) < 8 or crc32c(encoded[:-4]).to_bytes(4, "little") != encoded[-4:].tobytes():
            raise chunk.damaged("its crc32c is not the one at its end")
        self.checksums.check(index, lambda: int.from_bytes(encoded[-4:].tobytes(), "little"), 0)
        texts = np.empty(self.chunk_rows, dtype=object)
        try:
            texts[:] = list(_texts(encoded[:-4]))
        except (struct.error, ValueError, UnicodeDecodeError) as error:
            raise chunk.damaged(f"it holds no texts: {error}") from error
        return texts[: min(self.rows - index * self.chunk_rows, self.chunk_rows)], encoded.nbytes

    def _at(self, index: int) -> StoredChunk:
        first = index * self.chunk_rows
        return StoredChunk(self.name, self.source.label, f"c/{index}", (first, min(first + self.chunk_rows, self.rows)))

    def _refuse(self, index: int, crc: int, expected: int) -> NoReturn:
        raise self._at(index).changed(crc, expected, since="was written")


def _texts(encoded: Bytes) -> Iterator[str]:
    """The texts of a chunk: their number, and of each its bytes before its UTF-8; all lengths are uint32."""
    content = encoded.tobytes()
    place = 4
    for _ in range(*struct.unpack_from("<I", content)):
        (length,) = struct.unpack_from("<I", content, place)
        place += 4
        text = content[place : place + length]
        if len(text) != length:
            raise ValueError("it ends within a text")
        yield text.decode()
        place += length
