"""The pass before a table is written by its columns: the levels of texts, the units of times, and missing cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.design.columns import Column, Frame, Level, Table, found_levels, in_order, missing_cells
from dgd.data.design.terms.categories import MOST_LEVELS, small
from dgd.data.heard import tell
from dgd.data.zarr.table.kept_column import KeptColumn, array_names
from dgd.errors import DataError


@dataclass
class Looked:
    """What rows have shown."""

    levels: dict[str, set[Level]] = field(default_factory=dict)
    units: dict[str, np.dtype[Any]] = field(default_factory=dict)

    def look(self, frame: Frame) -> None:
        """At some rows. Raises DataError where a column has too many levels."""
        for name, levels in self.levels.items():
            levels |= found_levels(frame.columns[name])[0]
            if len(levels) > MOST_LEVELS:
                raise DataError(
                    f"{frame.source}: column {name!r} has more than {MOST_LEVELS:,} levels; leave it out "
                    f"(--drop {name}), carry it beside (--id {name}), or fit the file itself and hash it, "
                    f"`hashed({name}, 65536)` in a formula",
                    array=name,
                )
        for name, unit in self.units.items():
            self.units[name] = np.promote_types(unit, frame.columns[name].dtype)  # type: ignore[union-attr]


def frames(table: Table, names: Sequence[str]) -> Iterator[Frame]:
    """The rows, a chunk at a time."""
    bounds = table.bounds
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        if start < stop:
            columns, _ = table.read(names, start, stop, Buffers())
            yield Frame(columns, stop - start, start, table.source)


def whole_rows(columns: dict[str, Column], rows: int) -> NDArray[np.bool_]:
    """Which rows have no missing cell."""
    whole = np.ones(rows, bool)
    for column in columns.values():
        whole &= ~missing_cells(column)
    return whole


def kept_columns(table: Table, names: Sequence[str], *, drops: bool) -> tuple[KeptColumn, ...]:
    """The columns as they are written; drops: whether rows with a missing cell are left out."""
    kinds = {name: table.kinds[name] for name in names}
    looked = Looked(
        {name: set() for name, kind in kinds.items() if kind.name == "category"},
        {name: np.dtype("datetime64[D]") for name, kind in kinds.items() if kind.name == "time"},
    )
    for frame in frames(table, list(names) if drops else [*looked.levels, *looked.units]):
        looked.look(frame.without_missing(names) if drops else frame)
        tell(f"finding the levels of {table.source}", frame.start + len(frame), 0, 0)
    arrays = array_names(names)
    found = []
    for name, kind in kinds.items():
        levels = in_order(looked.levels[name]) if name in looked.levels else None
        dtype = looked.units.get(name, kind.dtype) if levels is None else small(len(levels))
        found.append(KeptColumn(name, arrays[name], kind.name, kind.what, dtype.str, levels))
    return tuple(found)
