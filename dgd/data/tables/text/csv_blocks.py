"""The rows of a CSV file, parsed by all processors: the text is cut where a row surely ends, into blocks of some MiB.

Where that is not sure, since quotes stand otherwise than around whole cells, the rest of the file is parsed by one
processor, as a stream: a row may then end anywhere.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

from dgd.data.tables.text.dialect import Dialect

BLOCK_BYTES = 1 << 20
"""Bytes of text parsed at a time by a processor, hence also the longest row."""
AHEAD = 1
"""Such blocks wait, parsed or not, beside one for each processor."""
LOOK_BYTES = 1 << 12
BYTEWISE = {"utf-8", "utf8", "ascii", "us-ascii", "cp1252", "windows-1252", "latin-1", "latin1", "iso-8859-1"}
"""Encodings in which the bytes of quotes, separators and line ends stand for nothing else."""
TRUE = ("true", "True", "TRUE", "1")
FALSE = ("false", "False", "FALSE", "0")


def stream(
    text: Any,
    dialect: Dialect,
    types: Mapping[str, pa.DataType],
    *,
    whole: bool = False,
    missing_texts: bool = False,
) -> pa.csv.CSVStreamingReader:
    """A streaming reader of the columns in `types`, or with none given of all, their types inferred."""
    return pa.csv.open_csv(
        text,
        read_options=_reading(dialect, ()),
        parse_options=_parsing(dialect, newlines_in_values=True),
        convert_options=_converting(dialect, types, whole=whole, missing_texts=missing_texts or not types),
    )


def parsed(
    text: Any,
    dialect: Dialect,
    types: Mapping[str, pa.DataType],
    names: Sequence[str],
    *,
    whole: bool = False,
    missing_texts: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The rows of an open file in order.

    names: of all its columns, in the order of the file. whole: whether all of them are read, not only those in `types`.
    missing_texts: whether a text may be missing, and is not what stands there.
    """
    if (dialect.encoding or "utf-8").lower() not in BYTEWISE:
        yield from stream(text, dialect, types, whole=whole, missing_texts=missing_texts)
        return
    convert = _converting(dialect, types, whole=whole, missing_texts=missing_texts)
    rest, first, ended = b"", True, False
    waiting: deque[Future[list[pa.RecordBatch]]] = deque()
    pool = ThreadPoolExecutor(pa.cpu_count(), thread_name_prefix="dgd-csv")
    try:
        while not ended:
            memory = bytearray(BLOCK_BYTES)
            memory[: len(rest)] = rest
            filled, ended = _fill(text, memory, len(rest))
            cut = filled if ended else memory.rfind(b"\n", 0, filled) + 1
            if filled and (not cut or not _ends_a_row(memory, cut, dialect)):
                rest = bytes(memory[:filled])
                break
            if filled and (first or _has_text(memory, cut)):
                reading = _reading(dialect, () if first else names)
                waiting.append(pool.submit(_block, memory, cut, reading, dialect, convert))
                first = False
            rest = bytes(memory[cut:filled])
            while len(waiting) > pa.cpu_count() + AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if not rest:
        return
    joined = pa.PythonFile(_Joined(rest, text), mode="r")
    yield from pa.csv.open_csv(
        joined,
        read_options=_reading(dialect, () if first else names),
        parse_options=_parsing(dialect, newlines_in_values=True),
        convert_options=convert,
    )


def _block(
    memory: bytearray, cut: int, reading: pa.csv.ReadOptions, dialect: Dialect, convert: pa.csv.ConvertOptions
) -> list[pa.RecordBatch]:
    """The rows of a block of text, parsed by this thread."""
    table = pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(memoryview(memory)[:cut])),
        read_options=reading,
        parse_options=_parsing(dialect, newlines_in_values=False),
        convert_options=convert,
    )
    found: list[pa.RecordBatch] = table.to_batches()
    return found


def _fill(text: Any, memory: bytearray, filled: int) -> tuple[int, bool]:
    """Read on until the memory is full; how much of it is, and whether the text has ended."""
    while filled < len(memory):
        count = text.readinto(memoryview(memory)[filled:])
        if not count:
            return filled, True
        filled += count
    return filled, False


def _has_text(memory: bytearray, cut: int) -> bool:
    """Whether there is more than empty lines."""
    return bool(memory[: min(cut, LOOK_BYTES)].strip() or memory[:cut].strip())


def _ends_a_row(memory: bytearray, cut: int, dialect: Dialect) -> bool:
    """Whether no line of a text ends within a cell: quotes stand around whole cells, within one line."""
    if not dialect.quote or memory.find(dialect.quote.encode(), 0, cut) < 0:
        return True
    text = np.frombuffer(memory, np.uint8, count=cut)
    places = np.flatnonzero(text == ord(dialect.quote))
    if len(places) % 2:
        return False
    opening, closing = places[::2], places[1::2]
    before = text[opening[opening > 0] - 1]
    after = text[closing[closing < cut - 1] + 1]
    ends = np.frombuffer(((dialect.delimiter or ",") + "\r\n").encode(), np.uint8)
    if not (np.isin(before, ends).all() and np.isin(after, ends).all()):
        return False
    lines = np.flatnonzero((text == ord("\n")) | (text == ord("\r")))
    return bool((np.searchsorted(lines, opening) == np.searchsorted(lines, closing)).all())


def _reading(dialect: Dialect, names: Sequence[str]) -> pa.csv.ReadOptions:
    """How text is read; names: of the columns, where the text has no header of its own."""
    return pa.csv.ReadOptions(
        block_size=BLOCK_BYTES,
        use_threads=False,
        encoding=dialect.encoding,
        skip_rows=0 if names else dialect.skip_lines,
        column_names=list(names),
        autogenerate_column_names=not dialect.header and not names,
    )


def _parsing(dialect: Dialect, *, newlines_in_values: bool) -> pa.csv.ParseOptions:
    return pa.csv.ParseOptions(
        delimiter=dialect.delimiter,
        quote_char=dialect.quote or False,
        newlines_in_values=newlines_in_values,
        invalid_row_handler=_Comments(dialect.comment) if dialect.comment else None,
    )


def _converting(
    dialect: Dialect, types: Mapping[str, pa.DataType], *, whole: bool, missing_texts: bool
) -> pa.csv.ConvertOptions:
    return pa.csv.ConvertOptions(
        include_columns=[] if whole else list(types),
        column_types=dict(types),
        null_values=list(dialect.missing_cells),
        true_values=list(TRUE),
        false_values=list(FALSE),
        strings_can_be_null=missing_texts,
        decimal_point=dialect.decimal,
    )


@dataclass(frozen=True)
class _Comments:
    """What pyarrow does with a row of another width: a comment is no row."""

    mark: str

    def __call__(self, row: pa.csv.InvalidRow) -> str:
        return "skip" if row.text is not None and row.text.startswith(self.mark) else "error"


class _Joined(io.RawIOBase):
    """Bytes that were read, and the file that they were read from.

    No read but the last ends between CR and LF: pyarrow drops the LF that a block begins with, also within a cell.
    """

    def __init__(self, beginning: bytes, rest: IO[bytes]) -> None:
        self._beginning, self._rest = memoryview(beginning), rest

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most so many."""
        count = len(self._beginning) if size < 0 else size
        found, self._beginning = bytes(self._beginning[:count]), self._beginning[count:]
        if size < 0 or len(found) < size:
            found += self._rest.read(size - len(found)) if size >= 0 else self._rest.read()
        while found.endswith(b"\r") and len(found) < size and (more := self._rest.read(1)):
            found += more
        if size > 1 and len(found) == size and found.endswith(b"\r"):
            found, self._beginning = found[:-1], memoryview(b"\r" + bytes(self._beginning))
        return found
