"""What a column holds, seen batch by batch in bounded memory: kinds of cells, missing ones, levels, extremes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dgd.data.tables.batches import floats
from dgd.data.tables.text.dialect import Dialect

MOST_LEVELS = 10_000
"""Different texts of a column that are told apart; of more it is known that they are more."""
MOST_LEVEL_BYTES = 2**21
"""Bytes of all of them together."""
EXAMPLES = 3
FEW = 3
"""Different texts among numbers that may stand for missing cells."""
MOSTLY = 0.9
"""The part of the other cells that are then numbers."""
DATE = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}:?\d{2}))?)?"
    r"|\d{1,2}[./]\d{1,2}[./](\d{4}|\d{2})( \d{1,2}:\d{2}(:\d{2})?)?"
)
"""A date, or a date and time, as most programs write one."""


@dataclass
class ColumnLook:
    """Counts of the cells of one column, by what they are."""

    rows: int = 0
    missing: int = 0
    numbers: int = 0
    booleans: int = 0
    dates: int = 0
    texts: int = 0
    infinite: int = 0
    lowest: Any = None
    highest: Any = None
    levels: dict[str, None] | None = field(default_factory=dict)
    """The different texts; None where they are too many."""
    strange: dict[str, None] = field(default_factory=dict)
    """The first texts that are no numbers."""
    counts_rows: bool = True
    """Whether its cells number the rows, from 0 or 1 on."""
    _level_bytes: int = 0

    def add_texts(self, cells: pa.Array, dialect: Dialect) -> NDArray[np.bool_]:
        """Look at cells as they stand in a text file; which of them are missing."""
        missing = pc.is_in(cells, pa.array(dialect.missing_cells, pa.string())).to_numpy(zero_copy_only=False)
        there = cells.filter(pa.array(~missing))
        values = _numbers(there, dialect)
        if values is not None:
            self._add_numbers(values)
        else:
            self.counts_rows = False
            found = pc.value_counts(there)
            for text, count in zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True):
                self._add_text(text, count, dialect)
        return self._counted(cells, missing)

    def add_values(self, cells: pa.Array) -> NDArray[np.bool_]:
        """Look at cells of a declared type; which of them are missing."""
        kind = cells.type
        if pa.types.is_dictionary(kind):
            cells = cells.dictionary_decode()
            kind = cells.type
        missing = np.asarray(cells.is_null().to_numpy(zero_copy_only=False))
        there = cells.filter(pa.array(~missing))
        if pa.types.is_boolean(kind):
            self.booleans += len(there)
            self._between(floats(there, np.dtype(np.float64)))
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            values = floats(cells, np.dtype(np.float64))
            missing = np.isnan(values)
            self._add_numbers(values[~missing])
        elif pa.types.is_date(kind) or pa.types.is_timestamp(kind):
            self.dates += len(there)
            if len(there):
                ends = pc.min_max(there).as_py()
                self._between_two(str(ends["min"]), str(ends["max"]))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            found = pc.value_counts(there)
            self.texts += len(there)
            for text in found.field(0).to_pylist():
                self._add_level(text)
        else:
            self.texts += len(there)
            self.levels = None
        self.counts_rows &= self.numbers > 0
        return self._counted(cells, missing)

    def _counted(self, cells: pa.Array, missing: NDArray[np.bool_]) -> NDArray[np.bool_]:
        self.rows += len(cells)
        self.missing += int(missing.sum())
        self.counts_rows &= not self.missing
        return missing

    def _add_numbers(self, values: NDArray[np.float64]) -> None:
        finite = np.isfinite(values)
        self.infinite += int((~finite).sum())
        if self.counts_rows and len(values):
            first = self.numbers + (0 if self.lowest is None else int(self.lowest))
            first = int(values[0]) if not self.numbers and values[0] in (0, 1) else first
            self.counts_rows = bool((values == first + np.arange(len(values))).all())
        self.numbers += len(values)
        self._between(values[finite])

    def _between(self, values: NDArray[np.floating[Any]]) -> None:
        if len(values):
            self._between_two(float(values.min()), float(values.max()))

    def _between_two(self, low: Any, high: Any) -> None:
        if self.lowest is None or isinstance(low, type(self.lowest)):
            self.lowest = low if self.lowest is None else min(self.lowest, low)
            self.highest = high if self.highest is None else max(self.highest, high)

    def _add_text(self, text: str, count: int, dialect: Dialect) -> None:
        if dialect.is_number(text):
            self.numbers += count
            value = dialect.number(text)
            self.infinite += 0 if np.isfinite(value) else count
            if np.isfinite(value):
                self._between_two(value, value)
            return
        if text.strip().lower() in ("true", "false"):
            self.booleans += count
            self._between_two(float(text.strip().lower() == "true"), float(text.strip().lower() == "true"))
            return
        if len(self.strange) <= FEW:
            self.strange[text] = None
        if DATE.fullmatch(text.strip()):
            self.dates += count
        else:
            self.texts += count
        self._add_level(text)

    def _add_level(self, text: str) -> None:
        if self.levels is None or text in self.levels:
            return
        self._level_bytes += len(text)
        if len(self.levels) >= MOST_LEVELS or self._level_bytes > MOST_LEVEL_BYTES:
            self.levels = None
            return
        self.levels[text] = None

    @property
    def holds(self) -> str:
        """What it holds, in a word or two."""
        found = {
            "numbers": self.numbers,
            "booleans": self.booleans,
            "dates": self.dates,
            "text": self.texts,
        }
        kinds = [kind for kind, count in found.items() if count]
        return " and ".join(kinds) if kinds else "nothing"

    @property
    def is_constant(self) -> bool:
        """Whether all cells are there and the same."""
        if self.missing or not self.rows:
            return False
        if self.texts or (self.dates and self.lowest is None):
            return self.levels is not None and len(self.levels) == 1 and not (self.numbers or self.booleans)
        return self.lowest is not None and self.lowest == self.highest and not self.infinite

    @property
    def spellings(self) -> tuple[str, ...]:
        """Texts among numbers that may stand for missing cells; none where they are many, or no numbers beside."""
        others = self.texts + self.dates + self.booleans
        few = 0 < len(self.strange) <= FEW and not self.dates and not self.booleans
        return tuple(self.strange) if few and self.numbers >= MOSTLY * (self.numbers + others) else ()

    @property
    def shown(self) -> str:
        """Its values, in a few words."""
        if self.texts or (self.dates and self.lowest is None):
            if self.levels is None:
                return f"more than {MOST_LEVELS:,} different texts"
            names = list(self.levels)[:EXAMPLES]
            more = ", …" if len(self.levels) > EXAMPLES else ""
            return f"{len(self.levels):,} different: {', '.join(map(repr, names))}{more}"
        if self.lowest is None:
            return ""
        low, high = (f"{each:.12g}" if isinstance(each, float) else each for each in (self.lowest, self.highest))
        return f"{low} to {high}" if low != high else f"{low} in every row" if not self.missing else f"{low}"


def _numbers(cells: pa.Array, dialect: Dialect) -> NDArray[np.float64] | None:
    """The numbers that texts stand for, None if one of them is none."""
    texts = pc.utf8_trim_whitespace(cells)
    if dialect.decimal == "," and dialect.thousands != "." and pc.any(pc.match_substring(texts, ".")).as_py():
        return None
    if dialect.thousands:
        texts = pc.replace_substring(texts, dialect.thousands, "")
    if dialect.decimal == ",":
        texts = pc.replace_substring(texts, ",", ".")
    try:
        return np.asarray(pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False))
    except pa.ArrowInvalid:
        return None
