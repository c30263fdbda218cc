"""Some rows of an array in their order, for folds of a cross-validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Integers
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.csr import Csr, is_sparse
from dgd.data.dataset import Dataset
from dgd.data.mixed import Cells, Mixed
from dgd.data.rows import Footprint, Rows


@dataclass(frozen=True, eq=False)
class Selection:
    """Which rows: ascending ranges, and how they are divided into chunks.

    starts, stops: half-open ranges of the array's rows, none of them empty. bounds: the chunks of what is selected, one
    for each chunk of the array that anything is selected of.
    """

    starts: Integers
    stops: Integers
    bounds: Integers

    @classmethod
    def of_chunks(cls, chunks: Integers, bounds: Integers) -> Selection:
        """Whole chunks."""
        chunks = np.sort(chunks)
        starts, stops = bounds[:-1][chunks], bounds[1:][chunks]
        return cls(starts, stops, np.concatenate(([0], np.cumsum(stops - starts))).astype(np.int64))

    @classmethod
    def of_rows(cls, rows: Integers, bounds: Integers) -> Selection:
        """Ascending row numbers; a number that comes twice is two rows."""
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        firsts = np.concatenate(([0], breaks)).astype(np.int64)
        lasts = np.concatenate((breaks, [len(rows)])).astype(np.int64) - 1
        return cls(rows[firsts], rows[lasts] + 1, np.unique(np.searchsorted(rows, bounds)).astype(np.int64))

    @property
    def places(self) -> Integers:
        """Where each range begins among the selected rows, and their number."""
        return np.concatenate(([0], np.cumsum(self.stops - self.starts))).astype(np.int64)

    def rows(self, first: int, last: int) -> Integers:
        """The array's row numbers of the ranges from first to last."""
        lengths = (self.stops - self.starts)[first : last + 1]
        places = np.cumsum(lengths) - lengths
        return np.repeat(self.starts[first : last + 1] - places, lengths) + np.arange(lengths.sum())


class SelectedRows:
    """The selected rows of another array as rows of their own; a chunk with none of them is never read."""

    def __init__(self, rows: Rows, selection: Selection) -> None:
        self.rows = rows
        self.selection = selection
        self._places = selection.places

    @property
    def name(self) -> str:
        """The array's name."""
        return self.rows.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The rows selected, and the array's other dimensions."""
        return (int(self._places[-1]), *self.rows.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.rows.dtype

    @property
    def bounds(self) -> Integers:
        """One chunk for each chunk that anything is selected of."""
        return self.selection.bounds

    @property
    def footprint(self) -> Footprint:
        """That of the array, and memory for rows that are joined from several chunks or scattered.

        A pass reads the chunks it touches; where those of the array differ in size, that is an estimate.
        """
        whole = self.rows.footprint
        stored = whole.non_zeros
        row_bytes = self.dtype.itemsize * int(np.prod(self.shape[1:]))
        longest = max(1, int(np.diff(self.bounds).max(initial=1)))
        if whole.kinds is not None:
            row_bytes = -(-whole.kinds.chunk_bytes(longest, self.dtype) // longest)
        if stored is not None:
            row_bytes = -(-stored.chunk_bytes(longest, self.dtype) // longest)
        places = np.searchsorted(self._places, (self.bounds[:-1], self.bounds[1:] - 1), side="right") - 1
        low = self.selection.starts[places[0]] + self.bounds[:-1] - self._places[places[0]]
        high = self.selection.starts[places[1]] + self.bounds[1:] - self._places[places[1]]
        chunks = np.searchsorted(self.rows.bounds, (low, high - 1), side="right")
        in_memory = whole.encoded + whole.decoded == 0
        across = 0 if in_memory else int((high - low)[chunks[0] != chunks[1]].max(initial=0))
        scattered = int(np.diff(self.bounds)[places[0] != places[1]].max(initial=0))
        touched = len(np.unique(np.concatenate([np.arange(a, b + 1) for a, b in chunks.T])))
        return replace(
            whole,
            decoded=whole.decoded + row_bytes * (across + scattered),
            per_pass=round(whole.per_pass * touched / (len(self.rows.bounds) - 1)),
            exact=False,
            non_zeros=stored and replace(stored, count=stored.count * self.shape[0] // self.rows.shape[0], exact=False),
        )

    @property
    def fingerprint(self) -> str:
        """That of the array, with the selection."""
        digest = hashlib.sha256(self.selection.starts.tobytes() + self.selection.stops.tobytes())
        return f"{self.rows.fingerprint}[{digest.hexdigest()}]"

    @property
    def is_sparse(self) -> bool:
        """Whether the array is."""
        return is_sparse(self.rows)

    @property
    def lies_in_memory(self) -> bool:
        """Whether the array does."""
        return self.rows.lies_in_memory

    @property
    def asks_ahead(self) -> bool:
        """Whether the array does."""
        return self.rows.asks_ahead

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the rows of the array that a read takes; whether more should be asked for."""
        *_, low, high = self._within(start, stop)
        return self.rows.ahead(low, high, buffers.within("selected"))

    def reading_ahead(self, chunks: int) -> SelectedRows:
        """The same rows, asking for so many chunks at most."""
        return SelectedRows(self.rows.reading_ahead(chunks), self.selection)

    def waiting_at_most(self, seconds: float) -> SelectedRows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return SelectedRows(self.rows.waiting_at_most(seconds), self.selection)

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """Those of the array that a read of these rows takes."""
        *_, low, high = self._within(start, stop)
        return self.rows.stored(low, high)

    def _within(self, start: int, stop: int) -> tuple[int, int, int, int]:
        """The first and the last range of these rows, and where they begin and end in the array."""
        starts, places = self.selection.starts, self._places
        first, last = (int(i) for i in np.searchsorted(places, (start, stop - 1), side="right") - 1)
        return first, last, int(starts[first] + start - places[first]), int(starts[last] + stop - places[last])

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Cells, int]:
        """The selected rows from start to stop: one read of the array, from the first to the last of them."""
        places = self._places
        first, last, low, high = self._within(start, stop)
        block, bytes_read = self.rows.read(low, high, buffers.within("selected"))
        if first == last:
            return block, bytes_read
        wanted = self.selection.rows(first, last)[start - places[first] :][: stop - start] - low
        if isinstance(block, Csr | Mixed):
            return block[wanted], bytes_read
        gathered = buffers.take("gathered", (stop - start, *self.shape[1:]), self.dtype)
        np.take(block, wanted, axis=0, out=gathered, mode="clip")
        return gathered, bytes_read


def select(dataset: Dataset, selection: Selection) -> Dataset:
    """The dataset of the selected rows alone."""
    return replace(dataset, grid=None, ids={}).map(lambda rows: SelectedRows(rows, selection))
