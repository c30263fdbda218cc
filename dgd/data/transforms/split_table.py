"""The rows of a table that are in one part of a split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dgd._typing import Integers
from dgd.data.any_rows import open_column
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.design.columns import Column, ColumnKind, Table
from dgd.data.design.opening import Learn, open_table
from dgd.data.reading import Reading
from dgd.data.rows import Footprint, Rows, together
from dgd.data.split_part import Part
from dgd.data.transforms.split_rows import Splitting


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


def open_split_table(
    table: Table,
    given: dict[str, Any],
    reading: Reading,
    *,
    need_target: bool,
    learn: Learn | None,
    splitting: Splitting | None,
) -> Dataset:
    """The rows of a table as a dataset, or those of a part; arrays beside it are split as it is."""
    table = table if splitting is None else SplitTable(table, splitting.part_of(table.bounds))

    def in_part(role: str, values: Any) -> Rows:
        rows = open_column(role, values, reading)
        return rows if splitting is None else splitting.rows(rows)

    dataset = open_table(table, given, reading, need_target=need_target, beside=in_part, learn=learn)
    dataset = replace(dataset, part=getattr(table, "part", None))
    return dataset if need_target else replace(dataset, y=None, weight=None)
