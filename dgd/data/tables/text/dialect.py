"""How a text file writes rows and cells: given, or guessed from its first mebibyte and then said."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dgd.errors import ConfigurationError, IngestError

SAMPLE_BYTES = 2**20
SAMPLE_LINES = 2_000
DELIMITERS = (",", ";", "\t", "|", " ")
"""In the order in which they are tried."""
SURE = 0.9
"""The part of a sample's lines that have the cells of the header, from which a delimiter is taken."""

MISSING = (
    *("", " ", "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "n/a", "NULL", "null", "None"),
    *("NaN", "nan", "-NaN", "-nan"),
)
"""Cells that are always missing."""
SPELLINGS = ("?", "-", "--", ".", "..", "*", "na", "Na", "nil", "NIL", "none", "missing", "Missing", "MISSING")
"""Cells that are taken for missing where all others of their column are numbers."""

DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)
BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
BY_DOT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?", re.ASCII)


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; what is None is guessed from the file's first mebibyte.

    delimiter: one character between cells. decimal: "." or ",". thousands: a character that groups digits; "" for
    none. quote: around cells that hold a delimiter. encoding: as Python names it. comment: what a line begins with
    that is no row; "" for none. header: whether the first row names the columns; without one they are x0, x1, ….
    skip_lines: lines before the header. missing: spellings of a missing cell, besides the usual ones (NA, NaN, …).

    Raises ConfigurationError for what cannot be.
    """

    delimiter: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    quote: str | None = None
    encoding: str | None = None
    comment: str | None = None
    header: bool | None = None
    skip_lines: int = 0
    missing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("delimiter", "quote", "decimal", "thousands"):
            value = getattr(self, name)
            if value and (len(value) > 1 or not value.isascii() or value in "\r\n"):
                raise ConfigurationError(f"`Dialect({name}=...)` must be one ASCII character, got {value!r}")
        if self.decimal not in (None, ".", ","):
            raise ConfigurationError(f"`Dialect(decimal=...)` must be '.' or ',', got {self.decimal!r}")
        if self.delimiter == "":
            raise ConfigurationError("`Dialect(delimiter=...)` is empty; give the character between cells")
        if self.thousands and self.thousands == (self.decimal or "."):
            raise ConfigurationError(
                f"`Dialect(thousands={self.thousands!r})` is the decimal mark as well; give `decimal` beside it"
            )
        if self.encoding is not None:
            _check_encoding(self.encoding)

    @property
    def missing_cells(self) -> tuple[str, ...]:
        """Every spelling of a missing cell."""
        return (*MISSING, *(self.missing or ()))

    def number(self, text: str) -> float:
        """The number that a cell stands for, as pyarrow reads it. Raises ValueError for another text."""
        text = text.strip()
        if self.thousands:
            text = text.replace(self.thousands, "")
        if self.decimal == ",":
            if "." in text:
                raise ValueError(text)
            text = text.replace(",", ".")
        if not text.isascii() or "_" in text:
            raise ValueError(text)
        return float(text)

    def is_number(self, text: str) -> bool:
        """Whether a cell is a number."""
        try:
            self.number(text)
        except ValueError:
            return False
        return True

    def said(self, named: Sequence[str] = ()) -> str:
        """What is not as usual, for people; empty if nothing is. named: the first row, where it is the header."""
        parts = [
            f"separator {_shown(self.delimiter)}" if self.delimiter not in (None, ",") else "",
            f"decimal mark {self.decimal!r}" if self.decimal == "," else "",
            f"{self.thousands!r} between thousands" if self.thousands else "",
            f"quotes {self.quote}" if self.quote not in (None, '"', "") else "",
            f"encoding {self.encoding}" if self.encoding not in (None, "utf-8") else "",
            f"comments after {self.comment}" if self.comment else "",
            "no header, columns x0, x1, …" if self.header is False else "",
            f"missing cells {', '.join(map(repr, self.missing))}" if self.missing else "",
        ]
        numbers = [name for name in named if self.is_number(name)]
        if numbers:
            parts.append(f"column names that are numbers ({', '.join(map(repr, numbers[:3]))}): is there no header?")
        return "; ".join(part for part in parts if part)


def guessed(path: str, sample: bytes, given: Dialect) -> Dialect:
    """The dialect of a file that begins with `sample`, with nothing left open.

    Raises IngestError where two readings are as likely, naming what tells them apart.
    """
    encoding = given.encoding or _encoding(sample)
    lines = _lines(sample, encoding)[given.skip_lines :]
    comment = _comment(lines) if given.comment is None else given.comment
    is_row = [bool(line.strip()) and not (comment and line.startswith(comment)) for line in lines]
    # pyarrow knows no comments: those before the header are lines that it skips.
    skipped = given.skip_lines + (is_row.index(True) if comment and True in is_row else 0)
    lines = [line for line, is_one in zip(lines, is_row, strict=True) if is_one]
    quote = given.quote if given.quote is not None else _quote(lines)
    delimiter = given.delimiter or _delimiter(path, lines, quote)
    rows = _rows(lines, delimiter, quote)
    dialect = replace(given, encoding=encoding, comment=comment, quote=quote, delimiter=delimiter, skip_lines=skipped)
    cells = [cell.strip() for row in rows[1:] for cell in row]
    decimal, thousands = _marks(path, cells, dialect, rows=len(rows) - 1)
    dialect = replace(dialect, decimal=decimal, thousands=thousands)
    if dialect.header is None:
        dialect = replace(dialect, header=not (rows and rows[0] and all(map(dialect.is_number, rows[0]))))
    if dialect.missing is None:
        dialect = replace(dialect, missing=_missing(rows[1:] if dialect.header else rows, dialect))
    return dialect


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise ConfigurationError(
            f"`Dialect(encoding=...)` must be an encoding of Python, such as 'utf-8' or 'cp1252', got {encoding!r}"
        ) from None


def _encoding(sample: bytes) -> str:
    """UTF-8 if the bytes are that, UTF-16 if they begin so, else what Windows writes in the West."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _lines(sample: bytes, encoding: str) -> list[str]:
    """The whole lines of the sample, its first ones."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample).removeprefix("\ufeff")
    lines = text.splitlines(keepends=True)
    if len(sample) >= SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    return lines[:SAMPLE_LINES]


def _comment(lines: Sequence[str]) -> str:
    """ "#" if lines at the beginning do; a single one that has as many cells as the next is the header."""
    marked = next((i for i, line in enumerate(lines) if not line.startswith("#")), 0)
    if marked == 0:
        return ""
    is_header = marked == 1 and any(
        lines[0].count(mark) == lines[1].count(mark) > 0 for mark in DELIMITERS if mark != " "
    )
    return "" if is_header else "#"


def _quote(lines: Sequence[str]) -> str:
    """A single quote if cells stand in such, and double ones nowhere."""
    text = "".join(lines)
    begins = len(re.findall(r"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n]|$)", text, re.MULTILINE))
    return "'" if '"' not in text and begins > len(lines) / 2 else '"'


def reader_of(lines: Iterable[str], delimiter: str, quote: str | None) -> Any:
    """The csv module's reader of lines."""
    if not quote:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=delimiter, quotechar=quote)


def _rows(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    try:
        return list(reader_of(lines, delimiter, quote))
    except csv.Error:
        return []


def _delimiter(path: str, lines: Sequence[str], quote: str) -> str:
    """The first delimiter that gives nearly all lines the cells of the first line, and more than one."""
    if re.search(r"\.tsv(\.\w+)?$", path, re.IGNORECASE):
        return "\t"
    shares = {}
    for delimiter in DELIMITERS:
        rows = _rows([" ".join(line.split()) for line in lines] if delimiter == " " else lines, delimiter, quote)
        widths = Counter(map(len, rows))
        width = len(rows[0]) if rows else 0
        if width > 1:
            shares[delimiter] = widths[width] / widths.total()
    best = next((delimiter for delimiter, share in shares.items() if share >= SURE), None)
    if best != " " or not any("  " in line.strip() for line in lines):
        return best or ","
    raise IngestError(
        f"{path}: its columns are aligned by several spaces; put one character between cells first, for example: "
        f"tr -s ' ' < OLD > NEW.csv",
        file=path,
    )


def _marks(path: str, cells: Sequence[str], dialect: Dialect, *, rows: int) -> tuple[str, str]:
    """The decimal mark, and what groups thousands; where commas stand between cells, a few of them prove nothing."""
    decimal, thousands = dialect.decimal, dialect.thousands
    commas = [cell for cell in cells if "," in cell]
    grouped = [cell for cell in commas if BY_COMMA.fullmatch(cell)]
    dotted = [cell for cell in commas if BY_DOT.fullmatch(cell) and not BY_COMMA.fullmatch(cell)]
    decimals = [cell for cell in commas if DECIMAL_COMMA.fullmatch(cell) and not BY_COMMA.fullmatch(cell)]
    plain = Dialect(decimal=".")
    points = any("." in cell and "," not in cell and plain.is_number(cell) for cell in cells)
    least = rows / 2 if dialect.delimiter == "," else 1
    if decimal is None and (dotted or (not points and len(decimals) >= least)):
        decimal = ","
    sure = points or any("." in cell or cell.count(",") > 1 for cell in grouped)
    if decimal is None and thousands is None and grouped and not sure:
        raise IngestError(
            f"{path}: {grouped[0]!r} may be {grouped[0].replace(',', '.')} or {grouped[0].replace(',', '')}: say "
            f"whether the comma is the decimal mark (--decimal ,) or groups thousands (--thousands ,)",
            file=path,
        )
    decimal = decimal or "."
    if thousands is None:
        pattern, pieces = (BY_COMMA, grouped) if decimal == "." else (BY_DOT, cells)
        mark = "," if decimal == "." else "."
        thousands = mark if any(map(pattern.fullmatch, pieces)) else ""
    return decimal, thousands


def _missing(rows: Sequence[Sequence[str]], dialect: Dialect) -> tuple[str, ...]:
    """Spellings of a missing cell, in columns where all else is numbers."""
    found: dict[str, None] = {}
    usual = set(MISSING)
    for column in zip(*(row for row in rows if len(row) == len(rows[0])), strict=True) if rows else ():
        cells = {cell.strip() for cell in column} - usual
        others = [cell for cell in cells if not dialect.is_number(cell)]
        if others and len(others) < len(cells) and all(cell in SPELLINGS for cell in others):
            found.update(dict.fromkeys(sorted(others)))
    return tuple(found)


def _shown(delimiter: str | None) -> str:
    return {"\t": "tab", " ": "space"}.get(delimiter or "", repr(delimiter))
