"""A CSV file as a table, with the exact row and line of whatever cannot be read.

pyarrow reads the numbers, streaming. Its errors do not say in which line they are, so on an error the file is
read again with the csv module, up to the place: only an error costs that.
"""

from __future__ import annotations

import contextlib
import csv
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from dgd.data.heard import told
from dgd.data.tables.columns import Cell, Column, Kind, Selection, kind_of
from dgd.data.tables.refusals import refused_cell
from dgd.data.tables.text import csv_blocks
from dgd.data.tables.text.dialect import SAMPLE_BYTES, Dialect, guessed, reader_of
from dgd.data.tables.text.text_files import UNREADABLE, beginning, opened_text, stream_of
from dgd.errors import IngestError


@dataclass(frozen=True)
class CsvTable:
    """A text file of rows and cells, perhaps compressed."""

    path: str
    size: int
    columns: tuple[Column, ...]
    dialect: Dialect
    read_as: str
    stored: tuple[str, ...]  # the columns' names as pyarrow reads them
    inferred: tuple[pa.DataType, ...]  # their types, by the first block of rows

    def batches(self, selection: Selection, rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The rows in order: a batch for some blocks, booleans as bool, ids as text, and all else as float64.

        Each column's type is set beforehand, so that whole numbers in the first block do not make a later
        3.5 an error. The bytes run ahead of the rows by what pyarrow has read ahead.
        """
        kinds = {column.name: column.kind for column in self.columns}
        number = pa.string() if self.dialect.thousands else pa.float64()
        types = {
            self.stored[self._position(name)]: pa.string()
            if name in selection.ids
            else pa.bool_()
            if kinds[name] == "boolean"
            else number
            for name in selection.in_file
        }
        done = 0
        try:
            file = pa.OSFile(self.path)
            for batch in csv_blocks.parsed(stream_of(self.path, file), self.dialect, types, self.stored):
                columns = [
                    column if name in selection.ids else _numbers(column, self.dialect)
                    for name, column in zip(selection.in_file, batch.columns, strict=True)
                ]
                done += batch.num_rows
                yield pa.RecordBatch.from_arrays(columns, list(selection.in_file)), file.tell()
        except (pa.ArrowException, *UNREADABLE, zlib.error, UnicodeError) as error:
            fault = self._refused_text(selection, done) if isinstance(error, pa.ArrowInvalid) else None
            raise fault or _unreadable(self.path, self.dialect, done, error) from error

    def types(self, *, exact: bool) -> dict[str, pa.DataType]:
        """A type for each column, by the first block of rows; exact: whole numbers and dates as such, and not as floats
        and texts. Raises IngestError where two columns have a name.
        """
        found: dict[str, pa.DataType] = {}
        for column, kind in zip(self.columns, self.inferred, strict=True):
            if column.name in found:
                raise IngestError(f"{self.path}: several columns are called {column.name!r}: rename one of them")
            kept = exact and (pa.types.is_integer(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind))
            other = {"boolean": pa.bool_(), "number": pa.float64(), "other": pa.string()}[column.kind]
            found[column.name] = kind if kept and not (self.dialect.thousands and column.kind == "number") else other
        return found

    def typed(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The rows in order, each column of the type that it is given here, missing cells null.

        Raises ArrowInvalid at a cell of another kind, IngestError for a file that is broken.
        """
        grouped = {name for name, kind in types.items() if self.dialect.thousands and not kind.equals(pa.string())} - {
            column.name for column in self.columns if column.kind != "number"
        }
        read = {
            stored: pa.string() if name in grouped else kind
            for stored, (name, kind) in zip(self.stored, types.items(), strict=True)
        }
        rows = 0
        try:
            file = pa.OSFile(self.path)
            parsed = csv_blocks.parsed(stream_of(self.path, file), self.dialect, read, self.stored, missing_texts=True)
            for batch in told(parsed, file, self):
                columns = [
                    _numbers(column, self.dialect) if name in grouped else column
                    for name, column in zip(types, batch.columns, strict=True)
                ]
                rows += batch.num_rows
                yield pa.RecordBatch.from_arrays(columns, list(types))
        except pa.ArrowInvalid as error:
            if "conversion error" in str(error):
                raise
            raise _unreadable(self.path, self.dialect, rows, error) from error
        except (pa.ArrowException, *UNREADABLE, zlib.error, UnicodeError) as error:
            raise _unreadable(self.path, self.dialect, rows, error) from error

    def first_unlike(self) -> IngestError:
        """The error for the first cell that is not of the kind of the first block of rows."""
        kinds = {place: column for place, column in enumerate(self.columns) if column.kind != "other"}
        for row, line, cells in _records(self.path, self.dialect):
            for place, column in kinds.items() if row > 0 and len(cells) == len(self.columns) else ():
                if cells[place] in self.dialect.missing_cells or self._reads_as(column.kind, cells[place]):
                    continue
                return IngestError(
                    f"{self.path}: {Cell(row, line).place} of column {column.name!r} is {cells[place]!r:.60}, and the "
                    f"rows before it hold {column.holds}; correct such cells, or ingest the file first, with "
                    f"--na-value or --drop for them (`dgd inspect` says how)",
                    file=self.path,
                    column=column.name,
                    row=row,
                )
        return IngestError(f"{self.path}: a cell is of another kind than those before it; see `dgd inspect`")

    def cells(self) -> Iterator[list[pa.Array | None]]:
        """All cells as texts."""
        types = dict.fromkeys(self.stored, pa.string())
        rows = 0
        try:
            file = pa.OSFile(self.path)
            parsed = csv_blocks.parsed(stream_of(self.path, file), self.dialect, types, self.stored, whole=True)
            for batch in told(parsed, file, self):
                rows += batch.num_rows
                yield list(batch.columns)
        except (pa.ArrowException, *UNREADABLE, zlib.error, UnicodeError) as error:
            raise _unreadable(self.path, self.dialect, rows, error) from error

    def cell(self, row: int, name: str) -> Cell:
        """The cell as it stands in the file, with its line."""
        for index, line, cells in _records(self.path, self.dialect):
            if index == row:
                return Cell(row, line, cells[self._position(name)])
        return Cell(row)

    def first_refused(self, name: str) -> Cell:
        """The first cell that is neither missing nor a number."""
        position, missing = self._position(name), self.dialect.missing_cells
        for row, line, cells in _records(self.path, self.dialect):
            if row > 0 and cells[position] not in missing and not self.dialect.is_number(cells[position]):
                return Cell(row, line, cells[position])
        return Cell(1)

    def _refused_text(self, selection: Selection, rows: int) -> IngestError | None:
        """The error for the first used cell after `rows` good rows that is missing or does not convert."""
        positions = [(self._position(name), name) for name in selection.in_file if name not in selection.ids]
        kinds = {column.name: column.kind for column in self.columns}
        for row, line, cells in _records(self.path, self.dialect):
            if row <= rows:
                continue
            if len(cells) != len(self.columns):
                return None
            for position, name in positions:
                cell = Cell(row, line, cells[position])
                if cells[position].strip() in self.dialect.missing_cells:
                    return refused_cell(self, selection, name, cell, "missing")
                if not self._reads_as(kinds[name], cells[position]):
                    return refused_cell(self, selection, name, cell, "text")
        return None

    def _reads_as(self, kind: Kind, text: str) -> bool:
        """Whether pyarrow takes the text for a number or boolean: as Python does, but for 1_000 and ١٢٣."""
        return text in (*csv_blocks.TRUE, *csv_blocks.FALSE) if kind == "boolean" else self.dialect.is_number(text)

    def whole_numbers(self, name: str) -> bool:
        """False: what a cell holds is known when it was read."""
        return False

    def _position(self, name: str) -> int:
        return [column.name for column in self.columns].index(name)


def open_csv_table(path: str, given: Dialect | None = None) -> CsvTable:
    """The table in a text file; the kind of each column is what its first block of rows looks like."""
    dialect = given or Dialect()
    try:
        dialect = guessed(path, beginning(path, SAMPLE_BYTES), dialect)
        file = pa.OSFile(path)
        reader = csv_blocks.stream(stream_of(path, file), dialect, {})
        first = next((batch for batch in reader if batch.num_rows), None)
        stored = tuple(reader.schema.names)
    except UnicodeDecodeError as error:
        raise _other_encoding(path, dialect) from error
    except (pa.ArrowException, *UNREADABLE, zlib.error) as error:
        raise _unreadable(path, dialect, 0, error) from error
    if first is None:
        raise _no_rows(path, dialect)
    names = [name.strip() for name in stored] if dialect.header else [f"x{i}" for i in range(len(stored))]
    kinds = [_kind_of(column, dialect) for column in first.columns]
    columns = tuple(Column(name, *kind) for name, kind in zip(names, kinds, strict=True))
    said, inferred = dialect.said(names if dialect.header else ()), tuple(column.type for column in first.columns)
    return CsvTable(path, file.size(), columns, dialect, said, stored, inferred)


def _kind_of(column: pa.Array, dialect: Dialect) -> tuple[Kind, str]:
    """The kind of a column; digits in groups are numbers, which pyarrow takes for text."""
    kind = kind_of(column.type)
    if not dialect.thousands or kind[1] != "text":
        return kind
    texts = column.drop_null().to_pylist()
    return ("number", "numbers") if all(isinstance(each, str) and dialect.is_number(each) for each in texts) else kind


def _numbers(column: pa.Array, dialect: Dialect) -> pa.Array:
    """A column of numbers that was read as text, since digits stand in groups; any other as it is."""
    if column.type != pa.string():
        return column
    missing = pc.is_in(column, pa.array(dialect.missing_cells, pa.string()))
    texts = pc.if_else(missing, pa.scalar(None, pa.string()), pc.utf8_trim_whitespace(column))
    texts = pc.replace_substring(texts, dialect.thousands, "")
    if dialect.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    return pc.cast(texts, pa.float64())


def _records(path: str, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
    """(row, line, cells) of each record, row 0 being the header; ends early where csv cannot read on.

    Empty lines are no rows, here as for pyarrow.
    """
    with (
        contextlib.suppress(csv.Error, *UNREADABLE, zlib.error),
        opened_text(path, dialect.encoding or "utf-8") as text,
    ):
        skipped = sum(1 for _ in islice(text, dialect.skip_lines))
        mark = dialect.delimiter or ","
        reader = reader_of(text, mark, dialect.quote)
        row, line = 0 if dialect.header else 1, skipped + 1
        for cells in reader:
            if cells and not (dialect.comment and cells[0].startswith(dialect.comment)):
                yield row, line, cells
                row += 1
            line = skipped + reader.line_num + 1


def _unreadable(path: str, dialect: Dialect, rows: int, error: Exception) -> IngestError:
    """The error for a file whose structure is broken after `rows` good rows, as exact as can be had."""
    if isinstance(error, (*UNREADABLE, zlib.error)):
        return IngestError(
            f"{path}: cannot be read beyond row {rows}: {error}. If it is damaged or incomplete, "
            f"fetch or compress it again",
            file=path,
        )
    if isinstance(error, UnicodeError):
        return _other_encoding(path, dialect)
    if "Empty CSV file" in str(error):
        return _no_rows(path, dialect)
    width, last = 0, -1
    for row, line, cells in _records(path, dialect):
        width, last = width or len(cells), row
        if row > rows and len(cells) != width:
            return _ragged(path, Cell(row, line), cells, width)
        if row > rows and sum(map(len, cells)) + len(cells) > csv_blocks.BLOCK_BYTES:
            return _too_long(path, row)
    if "straddling" in str(error):  # and csv gave up as well, at a cell over its limit
        return _too_long(path, last + 1)
    return IngestError(f"{path}: cannot be read beyond row {rows}: {error}", file=path)


def _too_long(path: str, row: int) -> IngestError:
    return IngestError(
        f"{path}: row {row} is longer than {csv_blocks.BLOCK_BYTES:,} bytes. Is a quote opened there and never closed? "
        f"A table of such rows is better kept as Parquet",
        file=path,
        row=row,
    )


def _ragged(path: str, cell: Cell, cells: list[str], width: int) -> IngestError:
    found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    open_quote = any("\n" in text for text in cells)
    hint = "Is a quote opened there and never closed?" if open_quote else "Correct or drop the row"
    return IngestError(f"{path}: {cell.place} has {found}, the header has {width}. {hint}", file=path, row=cell.row)


def _no_rows(path: str, dialect: Dialect) -> IngestError:
    header = next((cells for _, _, cells in _records(path, dialect)), None)
    found = "is empty" if header is None else "has a header but no rows"
    return IngestError(f"{path}: {found}, expected a header row and at least one row of data", file=path)


def _other_encoding(path: str, dialect: Dialect) -> IngestError:
    return IngestError(
        f"{path}: its text is not {dialect.encoding}; say how it is encoded, for example --encoding cp1252", file=path
    )
