"""A Parquet file as a table: its row groups are the chunks, texts are read by their dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.design.columns import MISSING, Codes, Column, ColumnKind
from dgd.data.rows import Footprint
from dgd.data.tables.arrow_columns import column_of, kind_of_type
from dgd.data.tables.files import NO_VALUE
from dgd.data.tables.parquet_files.footers import Footer
from dgd.data.tables.parquet_files.parquet import categorical_columns, index_columns
from dgd.data.tables.parquet_files.parquet_rows import cell_bytes, held_footer, read_groups
from dgd.data.tables.partitions import partition_value


@dataclass(frozen=True, eq=False)
class ParquetColumns:
    """The columns of a Parquet file, and those in its folders' names: name, text, and whether it is a number."""

    path: str
    digest: str
    partition: tuple[tuple[str, str, bool], ...] = ()
    source: str = ""
    """What messages call it, where that is not its path."""
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", self.source or self.path)
        metadata = self._footer().metadata
        rows = (metadata.row_group(g).num_rows for g in range(metadata.num_row_groups))
        object.__setattr__(self, "bounds", np.cumsum([0, *rows], dtype=np.int64))

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetColumns, (self.path, self.digest, self.partition, self.source)

    def _footer(self) -> Footer:
        return held_footer("X", self.path, self.digest)

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """By the types, and what the statistics say of missing cells; then those of the folders' names."""
        footer = self._footer()
        categorical = categorical_columns(footer.schema)
        found = {
            each.name: kind_of_type(
                each.type,
                may_be_missing=footer.may_be_missing(each.name),
                is_categorical=each.name in categorical,
            )
            for each in footer.schema
        }
        for name, _, is_number in self.partition:
            found.setdefault(name, ColumnKind("number", "number") if is_number else ColumnKind("category", "text"))
        return found

    @cached_property
    def index(self) -> frozenset[str]:
        """That of pandas or Dask."""
        return frozenset(index_columns(self._footer().schema))

    def _stored(self, names: Sequence[str]) -> list[str]:
        schema = self._footer().schema
        return [name for name in names if name in schema.names]

    def footprint(self, names: Sequence[str]) -> Footprint:
        """A row group's pages, and its columns as Arrow and as NumPy hold them."""
        footer = self._footer()
        stored = self._stored(names)
        used = [j for name in stored if (j := footer.column_index(name)) is not None]
        groups = [footer.metadata.row_group(g) for g in range(footer.metadata.num_row_groups)]
        encoded = [sum(group.column(j).total_compressed_size for j in used) for group in groups]
        pages = max((group.column(j).total_uncompressed_size for group in groups for j in used), default=0)
        rows = int(np.diff(self.bounds).max(initial=0))
        cells = sum(
            8 if self.kinds[name].name == "category" else 8 + cell_bytes(footer.schema.field(name).type)
            for name in stored
        )
        return Footprint(
            encoded=max(encoded, default=0),
            decoded=rows * cells + 2 * pages,
            per_pass=sum(encoded),
            exact=True,
            path="Parquet, decoded by pyarrow",
        )

    def fingerprint(self, names: Sequence[str]) -> str:
        """The digest of the file's footer, and the columns."""
        return f"parquet:{self.digest}:{tuple(names)}:{self.partition}"

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows, of every row group that holds some of them."""
        stored = self._stored(names)
        texts = [name for name in stored if self.kinds[name].name == "category"]
        found: dict[str, Column] = {}
        bytes_read = 0
        if stored:
            first, last = (int(k) for k in np.searchsorted(self.bounds, (start, stop - 1), side="right") - 1)
            groups = list(range(first, last + 1))
            table, bytes_read = read_groups("X", self.path, self._footer(), stored, groups, (start, stop), texts)
            table = table.slice(start - int(self.bounds[first]), stop - start)
            found = {name: column_of(table.column(name), self.kinds[name]) for name in stored}
        for name, text, is_number in self.partition:
            if name in names and name not in found:
                found[name] = _constant(text, stop - start, is_number=is_number)
        return found, bytes_read


def _constant(text: str, rows: int, *, is_number: bool) -> Column:
    """A column of a folder's name."""
    if is_number:
        return np.full(rows, partition_value(text))
    if text == NO_VALUE:
        return Codes(np.full(rows, MISSING, np.int8), [])
    return Codes(np.zeros(rows, np.int8), [text])
