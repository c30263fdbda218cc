"""A table with the columns that stand in its folders' names: `year=2020/part-0.parquet` has a column `year`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from dgd.data.tables.columns import Cell, Column, Selection, Table
from dgd.data.tables.files import NO_VALUE
from dgd.data.tables.text.dialect import Dialect

PLAIN = Dialect(decimal=".")
"""How a number stands in a folder's name."""


@dataclass(frozen=True)
class PartitionedTable:
    """A table whose rows share the values of a partition; a column of the file's own goes before one of that name."""

    table: Table
    partition: tuple[tuple[str, str], ...]
    kinds: tuple[Column, ...]

    @property
    def path(self) -> str:
        """The file's."""
        return self.table.path

    @property
    def size(self) -> int:
        """The file's."""
        return self.table.size

    @property
    def columns(self) -> tuple[Column, ...]:
        """The file's, then the partition's."""
        return (*self.table.columns, *self.kinds)

    @property
    def read_as(self) -> str:
        """As for the file."""
        return self.table.read_as

    def batches(self, selection: Selection, rows: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """The file's batches, each with the partition's columns beside."""
        added = {name: text for name, text in self._own.items() if name in selection.read}
        inner = replace(selection, elsewhere=tuple(added))
        for batch, bytes_read in self.table.batches(inner, rows):
            arrays = {name: batch.column(name) for name in batch.schema.names}
            for name, text in added.items():
                value = pa.scalar(text) if name in selection.ids else pa.scalar(partition_value(text), pa.float64())
                arrays[name] = pa.repeat(value, batch.num_rows)
            yield pa.RecordBatch.from_pydict(arrays), bytes_read

    @property
    def dialect(self) -> Dialect | None:
        """The file's."""
        return self.table.dialect

    def cells(self) -> Iterator[list[pa.Array | None]]:
        """The file's, and the folder's value in every row."""
        kinds = {column.name: column.kind for column in self.kinds}
        for columns in self.table.cells():
            rows = next((len(column) for column in columns if column is not None), 0)
            added: list[pa.Array | None] = []
            for name, text in self._own.items():
                typed = self.dialect is None and kinds[name] == "number"
                scalar = pa.scalar(partition_value(text), pa.float64()) if typed else pa.scalar(text)
                added.append(pa.repeat(scalar, rows))
            yield [*columns, *added]

    def cell(self, row: int, name: str) -> Cell:
        """The file's cell, or the folder's text."""
        if name not in self._own:
            return self.table.cell(row, name)
        return Cell(row, text=self._own[name])

    def first_refused(self, name: str) -> Cell:
        """The folder's text, for a column of the partition."""
        return self.table.first_refused(name) if name not in self._own else self.cell(1, name)

    def whole_numbers(self, name: str) -> bool:
        """As for the file; a folder's name is text."""
        return name not in self._own and self.table.whole_numbers(name)

    @property
    def _own(self) -> dict[str, str]:
        names = {column.name for column in self.kinds}
        return {name: text for name, text in self.partition if name in names}


def with_partitions(tables: Sequence[Table], partitions: Sequence[tuple[tuple[str, str], ...]]) -> list[Table]:
    """The tables with their partitions' columns, which hold numbers where the folders of all files say numbers."""
    numbers = partition_numbers(partitions)
    return [
        _with_partition(table, partition, numbers) if partition else table
        for table, partition in zip(tables, partitions, strict=True)
    ]


def partition_numbers(partitions: Sequence[tuple[tuple[str, str], ...]]) -> set[str]:
    """The columns of partitions that hold numbers in every folder's name."""
    texts: dict[str, list[str]] = {}
    for partition in partitions:
        for name, text in partition:
            texts.setdefault(name, []).append(text)
    return {name for name, values in texts.items() if all(text == NO_VALUE or PLAIN.is_number(text) for text in values)}


def partition_value(text: str) -> float:
    """The number in a folder's name; NaN for the name of those without one."""
    return float("nan") if text == NO_VALUE else float(text)


def _with_partition(table: Table, partition: tuple[tuple[str, str], ...], numbers: set[str]) -> Table:
    taken = {column.name for column in table.columns}
    kinds = tuple(
        Column(name, "number", "numbers") if name in numbers else Column(name, "other", "text")
        for name, _ in partition
        if name not in taken
    )
    return PartitionedTable(table, partition, kinds)
