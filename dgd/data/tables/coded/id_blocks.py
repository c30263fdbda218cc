"""The ids of a table's rows, so many at a time as are asked for: they are read as they stand in the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from dgd._typing import Array
from dgd.data.tables.batches import id_values
from dgd.data.tables.columns import Selection, Table

ROWS = 2**16


class IdBlocks:
    """Ids by name, in the order of the rows."""

    def __init__(self, tables: Sequence[Table], selection: Selection, whole: Mapping[str, bool]) -> None:
        only = replace(selection, features=(), target=None, weight=None, offset=None)
        self._whole = whole
        self._blocks = self._read(tables, only) if whole else iter(())
        self._waiting: list[dict[str, Array]] = []

    def _read(self, tables: Sequence[Table], only: Selection) -> Iterator[dict[str, Array]]:
        for table in tables:
            for batch, _ in table.batches(only, ROWS):
                yield {
                    name: id_values(table, name, batch.column(name), whole=whole) for name, whole in self._whole.items()
                }

    def take(self, rows: int) -> dict[str, Array]:
        """Those of the next rows."""
        if not self._whole:
            return {}
        first = next(iter(self._whole))
        while sum(len(block[first]) for block in self._waiting) < rows:
            self._waiting.append(next(self._blocks))
        joined = {name: np.concatenate([block[name] for block in self._waiting]) for name in self._whole}
        self._waiting = [{name: values[rows:] for name, values in joined.items()}]
        return {name: values[:rows] for name, values in joined.items()}
