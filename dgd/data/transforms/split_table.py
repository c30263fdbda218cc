"""The rows of a table that are in one part of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dgd._typing import Integers
from dgd.data.buffers import Buffers
from dgd.data.design.columns import Column, ColumnKind, Table
from dgd.data.rows import Footprint, together
from dgd.data.split_part import Part


@dataclass(frozen=True, eq=False)
class SplitTable:
    """Columns by name; a level or a missing cell of other rows is never looked at."""

    table: Table
    part: Part

    @property
    def source(self) -> str:
        """The table's."""
        return self.table.source

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The table's."""
        return self.table.kinds

    @property
    def index(self) -> frozenset[str]:
        """The table's."""
        return self.table.index

    @property
    def bounds(self) -> Integers:
        """A chunk for each one of the table that has rows of the part."""
        return self.part.bounds

    def footprint(self, names: Sequence[str]) -> Footprint:
        """The table's, twice: whole chunks are read, and the rows of the part are taken of them."""
        return together([self.table.footprint(names), self.table.footprint(names)])

    def fingerprint(self, names: Sequence[str]) -> str:
        """The table's, with the split."""
        return f"{self.table.fingerprint(names)}[{self.part.split}]"

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows of the part."""
        low, high = self.part.ends(start, stop)
        columns, bytes_read = self.table.read(names, low, high, buffers)
        rows = self.part.rows(start, stop) - low
        return {name: column[rows] for name, column in columns.items()}, bytes_read
