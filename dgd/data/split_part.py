"""Which rows of some data are in a part of a split, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Bytes, Integers
from dgd.data.buffers import Buffers
from dgd.data.rows import Rows
from dgd.data.split import Split, key_numbers
from dgd.data.transforms.missing import check_labels
from dgd.errors import ConfigurationError, ValueRangeError

COUNTED = 2**20
"""Rows whose numbers are looked at at a time."""


@dataclass(frozen=True, eq=False)
class Part:
    """Which rows are in a part, and how they are divided into chunks.

    starts, stops: the chunks of the data that have rows of the part; bounds: where those begin and end in the part.
    by_key: a bit for each row of the data, where a key decides; None: the row's number does.
    """

    split: Split
    starts: Integers
    stops: Integers
    bounds: Integers
    by_key: Bytes | None = None

    @classmethod
    def of(cls, split: Split, bounds: Integers, by_key: Bytes | None) -> Part:
        """Of data in such chunks. Raises ConfigurationError where none of their rows is in it."""
        whole = cls(split, bounds[:-1], bounds[1:], bounds, by_key)
        counts = np.array([whole.count(a, b) for a, b in pairwise(bounds.tolist())], np.int64)
        there = counts > 0
        if not there.any():
            raise ConfigurationError(f"split {split}: no row is in this part; take another fraction or seed")
        inside = np.concatenate(([0], np.cumsum(counts[there]))).astype(np.int64)
        return cls(split, bounds[:-1][there], bounds[1:][there], inside, by_key)

    def holds(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which of some rows of the data are in it."""
        if self.by_key is None:
            return self.split.holds(np.arange(start, stop))
        bits = np.unpackbits(self.by_key[start // 8 : -(-stop // 8)])[start % 8 :]
        return bits[: stop - start].astype(bool)

    def count(self, start: int, stop: int) -> int:
        """How many of some rows of the data are in it."""
        pieces = range(start, stop, COUNTED)
        return sum(int(np.count_nonzero(self.holds(a, min(a + COUNTED, stop)))) for a in pieces)

    def ends(self, start: int, stop: int) -> tuple[int, int]:
        """From where to where the data are read for these rows of the part: whole chunks, where it can be."""
        first, last = (int(k) for k in np.searchsorted(self.bounds, (start, stop - 1), side="right") - 1)
        if (start, stop) == (int(self.bounds[first]), int(self.bounds[last + 1])):
            return int(self.starts[first]), int(self.stops[last])
        rows = self.rows(start, stop)
        return int(rows[0]), int(rows[-1]) + 1

    def rows(self, start: int, stop: int) -> Integers:
        """The numbers in the data of the part's rows from start to stop, ascending."""
        first, last = (int(k) for k in np.searchsorted(self.bounds, (start, stop - 1), side="right") - 1)
        chunks = zip(self.starts[first : last + 1], self.stops[first : last + 1], strict=True)
        found = np.concatenate([int(a) + np.flatnonzero(self.holds(int(a), int(b))) for a, b in chunks])
        rows: Integers = found[start - int(self.bounds[first]) :][: stop - start]
        return rows


def key_bits(split: Split, key: Rows) -> Bytes:
    """A bit for each row: whether its key is in the part. Raises ValueRangeError for a row without a key."""
    found = np.empty(key.shape[0], bool)
    buffers = Buffers()
    for start, stop in pairwise(key.bounds.tolist()):
        values = key.read(start, stop, buffers)[0]
        check_labels(key.name, values, start)
        if values.dtype.kind == "f" and (bare := np.isnan(values)).any():
            row = start + int(bare.argmax())
            raise ValueRangeError(
                f"array {key.name!r}, row {row} is NaN: it has no key to split by; give such rows one, or split by the "
                f"rows' numbers",
                array=key.name,
                rows=(row, row + 1),
                row=row,
            )
        found[start:stop] = split.holds(key_numbers(values))
    return np.packbits(found)
