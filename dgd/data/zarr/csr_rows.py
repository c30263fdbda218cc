"""A stored CSR matrix as rows: its non-zero values are read, and put into a dense block at a time.

row i has data[indptr[i]:indptr[i + 1]] in the columns indices[indptr[i]:indptr[i + 1]]
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.rows import Footprint, Rows
from dgd.errors import CorruptChunkError, SchemaError

DENSE_BYTES = 16 * 2**20
"""Of a block of rows, as float64."""


@dataclass(frozen=True, eq=False)
class CsrRows:
    """The rows of a CSR matrix whose three arrays are stored."""

    name: str
    data: Rows
    indices: Rows
    indptr: Rows
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        if self.indptr.shape != (self.shape[0] + 1,) or self.data.shape != self.indices.shape:
            raise SchemaError(
                f"sparse array {self.name!r} of shape {self.shape} has {self.indptr.shape[0]} row bounds, "
                f"{self.data.shape[0]} values and {self.indices.shape[0]} column numbers: they contradict each other",
                array=self.name,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, self.data, self.indices, self.indptr, self.shape)

    @cached_property
    def places(self) -> Integers:
        """Where each row begins among the values: read once, 8 bytes a row."""
        places = self.indptr.read(0, self.indptr.shape[0], Buffers())[0].astype(np.int64)
        if places[0] != 0 or places[-1] != self.data.shape[0] or (np.diff(places) < 0).any():
            raise CorruptChunkError(
                f"sparse array {self.name!r}: its row bounds do not ascend from 0 to {self.data.shape[0]:,}, the "
                f"number of its values; write it again",
                array=self.name,
            )
        return places

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        return self.data.dtype

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Blocks of as many rows as are `DENSE_BYTES` when dense."""
        step = max(1, DENSE_BYTES // (8 * max(1, self.shape[1])))
        return np.append(np.arange(0, self.shape[0], step, dtype=np.int64), np.int64(self.shape[0]))

    @property
    def lies_in_memory(self) -> bool:
        """Blocks are put together at each read."""
        return False

    @property
    def asks_ahead(self) -> bool:
        """Whether the values do."""
        return self.data.asks_ahead

    @property
    def footprint(self) -> Footprint:
        """The stored chunks, the values of the fullest block, and the block itself."""
        data, indices = self.data.footprint, self.indices.footprint
        values = int(np.diff(self.places[self.bounds]).max(initial=0))
        cells = int(np.diff(self.bounds).max(initial=0)) * self.shape[1]
        each = self.data.dtype.itemsize + self.indices.dtype.itemsize + 3 * 8
        return Footprint(
            encoded=data.encoded + indices.encoded,
            decoded=data.decoded + indices.decoded + values * each + cells * self.dtype.itemsize,
            per_pass=data.per_pass + indices.per_pass,
            exact=data.exact and indices.exact,
            path=data.path,
            ahead=data.ahead,
            larger=max(data.larger, indices.larger),
        )

    @property
    def fingerprint(self) -> str:
        """Those of the three arrays."""
        return f"csr:{self.shape}:{self.data.fingerprint}:{self.indices.fingerprint}:{self.indptr.fingerprint}"

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        return int(self.places[start]), int(self.places[stop])

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the values of these rows; whether more should be asked for."""
        low, high = self._range(start, stop)
        return low < high and self.data.ahead(low, high, buffers.within("data"))

    def reading_ahead(self, chunks: int) -> CsrRows:
        """The same rows, whose arrays ask for so many chunks at most."""
        return replace(self, data=self.data.reading_ahead(chunks), indices=self.indices.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> CsrRows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        found = {name: getattr(self, name).waiting_at_most(seconds) for name in ("data", "indices", "indptr")}
        return replace(self, **found)

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks that the values of these rows lie in."""
        low, high = self._range(start, stop)
        return self.data.stored(low, high) + self.indices.stored(low, high)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, dense."""
        low, high = self._range(start, stop)
        block = buffers.take("dense", (stop - start, self.shape[1]), self.dtype)
        block[...] = 0
        if low == high:
            return block, 0
        values, n_bytes = self.data.read(low, high, buffers.within("data"))
        columns, more = self.indices.read(low, high, buffers.within("indices"))
        if columns.min() < 0 or columns.max() >= self.shape[1]:
            raise CorruptChunkError(
                f"sparse array {self.name!r}, rows {start} to {stop - 1}: a column number is not in 0 to "
                f"{self.shape[1] - 1}; write it again",
                array=self.name,
                rows=(start, stop),
            )
        rows = np.repeat(np.arange(stop - start), np.diff(self.places[start : stop + 1]))
        # An entry that is stored twice is the sum of both, as everywhere.
        np.add.at(block.reshape(-1), rows * self.shape[1] + columns, values)
        return block, n_bytes + more
