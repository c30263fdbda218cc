"""A table that was written by its columns, as a table again: what a design reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.design.columns import Codes, Column, ColumnKind, SharedLevels
from dgd.data.rows import Footprint, Rows, as_made, together
from dgd.data.zarr.group import Group
from dgd.data.zarr.stored_ids import numbers_or_texts
from dgd.data.zarr.table.kept_column import GROUP, LEVELS, KeptColumn, from_json
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import DataError, MetadataError
from dgd.errors.words import counted


@dataclass(frozen=True, eq=False)
class StoredColumn:
    """A column's array, and that of its levels, if it has some."""

    kept: KeptColumn
    rows: ZarrRows
    levels: Rows | None = None


@dataclass(frozen=True, eq=False)
class StoredTable:
    """Columns in a Zarr group, with the parts that they had in the ingest."""

    source: str
    columns: tuple[StoredColumn, ...]
    features: tuple[str, ...]
    roles: tuple[tuple[str, str], ...]
    """y, weight and offset, with their columns."""
    _levels: dict[str, SharedLevels] = field(default_factory=dict, init=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @cached_property
    def by_name(self) -> dict[str, StoredColumn]:
        """The columns."""
        return {column.kept.name: column for column in self.columns}

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """As they were ingested."""
        return {name: column.kept.column_kind for name, column in self.by_name.items()}

    @cached_property
    def index(self) -> frozenset[str]:
        """What was ingested as target, weight or offset is no feature unless it is named."""
        return frozenset(self.by_name) - set(self.features)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The chunks, which are those of every column."""
        return self.columns[0].rows.bounds

    def footprint(self, names: Sequence[str]) -> Footprint:
        """A chunk of each column, stored, decoded and copied, and the levels."""
        used = [self.by_name[name] for name in names] or [self.columns[0]]
        whole = together([column.rows.footprint for column in used])
        rows = int(np.diff(self.bounds).max(initial=0))
        copies = rows * sum(column.rows.dtype.itemsize for column in used)
        levels = sum(column.levels.footprint.decoded for column in used if column.levels is not None)
        return replace(whole, decoded=whole.decoded + copies + levels)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Those of the arrays."""
        used = [self.by_name[name] for name in names]
        return "|".join(
            column.rows.fingerprint + ("" if column.levels is None else f":{column.levels.fingerprint}")
            for column in used
        )

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows; they are copies, so that another read leaves them as they are."""
        found: dict[str, Column] = {}
        bytes_read = 0
        for name in names:
            column = self.by_name[name]
            values, n_bytes = column.rows.read(start, stop, buffers.within(name))
            values, bytes_read = np.array(values), bytes_read + n_bytes
            if column.kept.kind == "category":
                found[name] = Codes(values, self._levels_of(column))
            else:
                found[name] = values.view(column.kept.dtype) if column.kept.kind == "time" else values
        return found, bytes_read

    def _levels_of(self, column: StoredColumn) -> SharedLevels:
        """Read once, and not in every pass."""
        known = self._levels.get(column.kept.name)
        if known is None:
            rows = column.levels
            values = [] if rows is None else rows.read(0, rows.shape[0], Buffers())[0].tolist()
            known = self._levels[column.kept.name] = SharedLevels(values)
        return known


def stored_table(group: Group) -> StoredTable | None:
    """The table in a group; None for any other group. Raises MetadataError where it is not as its marker says."""
    if group.columns is None:
        return None
    try:
        columns = tuple(_column(group, *from_json(document)) for document in group.columns)
    except DataError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise MetadataError(
            f"{group.source.label}: the commit marker's columns are not those of a table: {error}; restore it from a "
            f"copy, or write the dataset again"
        ) from error
    roles = group.told | ({} if group.target_name is None else {"y": group.target_name})
    return StoredTable(group.source.label, columns, group.feature_names or (), tuple(roles.items()))


def _column(group: Group, kept: KeptColumn, levels: int | None) -> StoredColumn:
    key = f"{GROUP}/{kept.array}"
    rows = replace(group.rows(key, name=kept.name), ahead_at_most=0)
    if rows.dtype != kept.stored_dtype or len(rows.shape) != 1:
        raise MetadataError(
            f"{group.source.label}: array {key!r} holds {rows.dtype}, and the commit marker says {kept.stored_dtype}; "
            f"write the dataset again",
            array=kept.name,
        )
    return StoredColumn(kept, rows, numbers_or_texts(group, f"{key}{LEVELS}", kept.name) if levels else None)


def described(group: Group) -> dict[str, str]:
    """What each column of the table in a group is, in words; nothing of another group."""
    table = stored_table(group)
    columns = () if table is None else table.columns
    return {column.kept.name: _words(column) for column in columns}


def _words(column: StoredColumn) -> str:
    kept = column.kept
    if kept.kind == "category":
        levels = 0 if column.levels is None else column.levels.shape[0]
        return f"category of {counted(levels, 'level')}, as {kept.array}"
    return f"{kept.kind} ({kept.what}), as {kept.array}"
