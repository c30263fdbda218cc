"""A CSV or TSV file as a table, with the exact row and line of whatever cannot be read.

pyarrow reads the numbers, streaming. Its errors do not say in which line they are, so on an error the file is
read again with the csv module, up to the place: only an error costs that.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import pyarrow as pa
import pyarrow.csv

from dgd.data.tables.columns import Cell, Column, Kind, Selection, kind_of, refused_cell
from dgd.errors import IngestError

BLOCK_BYTES = 1 << 20
"""Bytes of text parsed at a time, hence also the longest row. pyarrow reads 32 blocks ahead."""

MISSING = (
    *("", " ", "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "n/a", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan"),
)
TRUE = ("true", "True", "TRUE", "1")
FALSE = ("false", "False", "FALSE", "0")


@dataclass(frozen=True)
class CsvTable:
    """A text file with a header row: commas or tabs, double quotes, UTF-8; compressed if it ends in .gz."""

    path: str
    size: int
    columns: tuple[Column, ...]

    def batches(self, selection: Selection) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows in order: one batch per block, booleans as bool and all else as float64.

        Each column's type is set beforehand, so that whole numbers in the first block do not make a later
        3.5 an error. The bytes run ahead of the rows by what pyarrow has read ahead.
        """
        kinds = {column.name: column.kind for column in self.columns}
        types = {n: pa.bool_() if kinds[n] == "boolean" else pa.float64() for n in selection.in_file}
        rows = 0
        try:
            file = pa.OSFile(self.path)
            for batch in _reader(self.path, file, types):
                rows += batch.num_rows
                yield batch, file.tell()
        except (pa.ArrowException, OSError) as error:
            fault = self._refused_text(selection, rows) if isinstance(error, pa.ArrowInvalid) else None
            raise fault or _unreadable(self.path, rows, error) from error

    def cell(self, row: int, name: str) -> Cell:
        """The cell as it stands in the file, with its line."""
        for index, line, cells in _records(self.path):
            if index == row:
                return Cell(row, line, cells[self._position(name)])
        return Cell(row)

    def first_refused(self, name: str) -> Cell:
        """The first cell that is neither missing nor a number."""
        position = self._position(name)
        for row, line, cells in _records(self.path):
            if row > 0 and cells[position] not in MISSING and not _reads_as("number", cells[position]):
                return Cell(row, line, cells[position])
        return Cell(1)

    def _refused_text(self, selection: Selection, rows: int) -> IngestError | None:
        """The error for the first used cell after `rows` good rows that is missing or does not convert."""
        positions = [(self._position(name), name) for name in selection.in_file]
        kinds = {column.name: column.kind for column in self.columns}
        for row, line, cells in _records(self.path):
            if row <= rows:
                continue
            if len(cells) != len(self.columns):
                return None
            for position, name in positions:
                cell = Cell(row, line, cells[position])
                if cells[position].strip() in MISSING:
                    return refused_cell(self, selection, name, cell, "missing")
                if not _reads_as(kinds[name], cells[position]):
                    return refused_cell(self, selection, name, cell, "text")
        return None

    def _position(self, name: str) -> int:
        return [column.name for column in self.columns].index(name)


def open_csv_table(path: str) -> CsvTable:
    """The table in a text file; the kind of each column is what its first block of rows looks like."""
    try:
        file = pa.OSFile(path)
        reader = _reader(path, file, {})
        columns = tuple(Column(field.name, *kind_of(field.type)) for field in reader.schema)
        empty = all(batch.num_rows == 0 for batch in reader)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, 0, error) from error
    if empty:
        raise _no_rows(path)
    return CsvTable(path, file.size(), columns)


def _reader(path: str, file: pa.NativeFile, types: Mapping[str, pa.DataType]) -> pa.csv.CSVStreamingReader:
    """A streaming reader of the columns in `types`, or with none given of all, their types inferred.

    It converts on one thread: no slower, since splitting into rows is serial anyway. `file` is left to the
    reader to close: closed before the reader goes, it would be closed under the thread that reads ahead.
    """
    return pa.csv.open_csv(
        pa.CompressedInputStream(file, "gzip") if _is_gzip(path) else file,
        read_options=pa.csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
        parse_options=pa.csv.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(types),
            column_types=dict(types),
            null_values=list(MISSING),
            true_values=list(TRUE),
            false_values=list(FALSE),
            strings_can_be_null=True,
        ),
    )


def _records(path: str) -> Iterator[tuple[int, int, list[str]]]:
    """(row, line, cells) of each record, row 0 being the header; ends early where csv cannot read on.

    Empty lines are no rows, here as for pyarrow.
    """
    with contextlib.suppress(csv.Error, OSError, EOFError, zlib.error), _opened(path) as text:
        reader = csv.reader(text, delimiter=_delimiter(path))
        row, line = 0, 1
        for cells in reader:
            if cells:
                yield row, line, cells
                row += 1
            line = reader.line_num + 1


def _opened(path: str) -> IO[str]:
    if _is_gzip(path):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return open(path, encoding="utf-8-sig", errors="replace", newline="")


def _is_gzip(path: str) -> bool:
    return path.lower().endswith(".gz")


def _delimiter(path: str) -> str:
    return "\t" if path.lower().removesuffix(".gz").endswith(".tsv") else ","


def _reads_as(kind: Kind, text: str) -> bool:
    """Whether pyarrow takes the text for a number or boolean: as Python does, but for 1_000 and ١٢٣."""
    if kind == "boolean":
        return text in (*TRUE, *FALSE)
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text


def _unreadable(path: str, rows: int, error: Exception) -> IngestError:
    """The error for a file whose structure is broken after `rows` good rows, as exact as can be had."""
    if isinstance(error, OSError):
        return IngestError(
            f"{path}: cannot be read beyond row {rows}: {error}. If it is damaged or incomplete, "
            f"fetch or compress it again",
            file=path,
        )
    if _is_utf16(path):
        return _not_utf8(path)
    if "Empty CSV file" in str(error):
        return _no_rows(path)
    width, last = 0, -1
    for row, line, cells in _records(path):
        width, last = width or len(cells), row
        if row > rows and len(cells) != width:
            return _ragged(path, Cell(row, line), cells, width)
        if row > rows and sum(map(len, cells)) + len(cells) > BLOCK_BYTES:
            return _too_long(path, row)
    if "straddling" in str(error):  # and csv gave up as well, at a cell over its limit
        return _too_long(path, last + 1)
    return IngestError(f"{path}: cannot be read beyond row {rows}: {error}", file=path)


def _too_long(path: str, row: int) -> IngestError:
    return IngestError(
        f"{path}: row {row} is longer than {BLOCK_BYTES:,} bytes. Is a quote opened there and never closed? "
        f"A table of such rows is better kept as Parquet",
        file=path,
        row=row,
    )


def _ragged(path: str, cell: Cell, cells: list[str], width: int) -> IngestError:
    found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    open_quote = any("\n" in text for text in cells)
    hint = "Is a quote opened there and never closed?" if open_quote else "Correct or drop the row"
    return IngestError(f"{path}: {cell.place} has {found}, the header has {width}. {hint}", file=path, row=cell.row)


def _no_rows(path: str) -> IngestError:
    header = next((cells for _, _, cells in _records(path)), None)
    found = "is empty" if header is None else "has a header but no rows"
    return IngestError(f"{path}: {found}, expected a header row and at least one row of data", file=path)


def _is_utf16(path: str) -> bool:
    with (gzip.open if _is_gzip(path) else open)(path, "rb") as file:
        return file.read(2) in (b"\xff\xfe", b"\xfe\xff")


def _not_utf8(path: str) -> IngestError:
    return IngestError(
        f"{path}: its text is not UTF-8. Convert it first, for example: "
        f"iconv -f {'UTF-16' if _is_utf16(path) else 'LATIN1'} -t UTF-8 OLD > NEW",
        file=path,
    )
