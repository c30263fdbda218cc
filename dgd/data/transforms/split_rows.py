"""The rows of one part of a split, as rows of their own: what a chunk holds of them follows from numbers or keys."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dgd._typing import Bytes, Integers
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.dataset import Dataset
from dgd.data.mixed import Cells
from dgd.data.rows import Footprint, Rows, RowsOfRows
from dgd.data.split import Split
from dgd.data.split_part import Part, key_bits
from dgd.data.transforms.missing import some_rows
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class SplitRows(RowsOfRows):
    """The rows of an array that are in a part."""

    part: Part

    @property
    def shape(self) -> tuple[int, ...]:
        """The rows of the part, and the array's other dimensions."""
        return (int(self.part.bounds[-1]), *self.rows.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.rows.dtype

    @property
    def bounds(self) -> Integers:
        """A chunk for each one of the data that has rows of the part."""
        return self.part.bounds

    @property
    def footprint(self) -> Footprint:
        """The array's, and the rows that are taken; all its chunks are read that have some."""
        whole, stored = self.rows.footprint, self.rows.footprint.non_zeros
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        if whole.kinds is not None:
            row_bytes = -(-whole.kinds.chunk_bytes(self.longest, self.dtype) // max(1, self.longest))
        elif stored is not None:
            row_bytes = -(-stored.chunk_bytes(self.longest, self.dtype) // max(1, self.longest))
        across = int((self.part.stops - self.part.starts).max())
        return replace(
            whole,
            decoded=whole.decoded + row_bytes * (self.longest + across) + 16 * across,
            exact=False,
            non_zeros=stored and replace(stored, count=stored.count * self.shape[0] // self.rows.shape[0], exact=False),
        )

    @property
    def fingerprint(self) -> str:
        """That of the array, with the split."""
        return f"{self.rows.fingerprint}[{self.part.split}]"

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the chunks that the rows lie in; whether more should be asked for."""
        return self.rows.ahead(*self.part.ends(start, stop), self.inside(buffers))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """Those of the array that a read of these rows takes."""
        return self.rows.stored(*self.part.ends(start, stop)) if start < stop else self.rows.stored(0, 0)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Cells, int]:
        """The rows from start to stop: whole chunks are read, as a pass over all rows reads them."""
        low, high = self.part.ends(start, stop)
        block, bytes_read = self.rows.read(low, high, self.inside(buffers))
        rows = self.part.rows(start, stop) - low
        # Texts of any length are objects, which no buffer holds; a table that is looked through is columns by name.
        in_buffer = isinstance(block, np.ndarray) and not block.dtype.hasobject
        return some_rows(block, rows, buffers, "of the part") if in_buffer else block[rows], bytes_read


@dataclass(frozen=True)
class Splitting:
    """Takes the rows of one part of a split, wherever they are opened."""

    split: Split
    key: Rows | None

    def part_of(self, bounds: Integers) -> Part:
        """Which rows of data in such chunks. Raises ConfigurationError where there are none."""
        if self.key is not None and self.key.shape != (int(bounds[-1]),):
            raise SchemaError(
                f"split {self.split}: the key {self.key.name!r} has shape {self.key.shape}, expected a value for each "
                f"of {int(bounds[-1]):,} rows",
                array=self.key.name,
            )
        return Part.of(self.split, bounds, self._bits)

    @cached_property
    def _bits(self) -> Bytes | None:
        """What is kept of the key, which is read once."""
        return None if self.key is None else key_bits(self.split, self.key)

    def rows(self, rows: Rows) -> Rows:
        """Those of an array."""
        return SplitRows(rows, self.part_of(rows.bounds))

    def dataset(self, dataset: Dataset, *, anew: bool) -> Dataset:
        """Those of a dataset, unless it was opened so; anew: also of one that is a part already."""
        if dataset.part is not None and not anew:
            return dataset
        part = self.part_of(dataset.X.bounds)
        ids: dict[str, Rows] = {name: SplitRows(rows, part) for name, rows in dataset.ids.items()}
        changed: dict[str, Any] = {role: SplitRows(rows, part) for role, rows in dataset.by_role.items()}
        return replace(dataset, grid=None, ids=ids, part=part, **changed)


def in_part_of(dataset: Dataset, rows: Rows) -> Rows:
    """An array of all rows, as the rows of the part that a dataset has; itself where it has all."""
    part = dataset.part
    return SplitRows(rows, part) if part is not None and rows.shape[0] != dataset.shape[0] else rows
