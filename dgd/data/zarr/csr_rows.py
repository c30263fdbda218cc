"""A stored CSR matrix as rows: the values that are stored of them, and never a dense block.

row i has data[indptr[i]:indptr[i + 1]] in the columns indices[indptr[i]:indptr[i + 1]]
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.arrays.sparse_rows import short_indices
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.csr import Csr, NonZeros
from dgd.data.row_cuts import chunk_cost, cut, cut_evenly, non_zeros
from dgd.data.rows import Footprint, Rows, together
from dgd.errors import CorruptChunkError, SchemaError


@dataclass(frozen=True, eq=False)
class CsrRows:
    """The rows of a CSR matrix whose three arrays are stored, in chunks of about as many stored values.

    evenly: whether all chunks have equally many rows.
    """

    name: str
    data: Rows
    indices: Rows
    indptr: Rows
    shape: tuple[int, int]
    evenly: bool = False
    _places: list[Integers] = field(default_factory=list, repr=False)
    """What was read of `indptr`, shared with the rows that this is changed to."""

    lies_in_memory = False
    is_sparse = True

    def __post_init__(self) -> None:
        if self.indptr.shape != (self.shape[0] + 1,) or self.data.shape != self.indices.shape:
            raise SchemaError(
                f"sparse array {self.name!r} of shape {self.shape} has {self.indptr.shape[0]} row bounds, "
                f"{self.data.shape[0]} values and {self.indices.shape[0]} column numbers: they contradict each other",
                array=self.name,
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Without what was read."""
        return type(self), (self.name, self.data, self.indices, self.indptr, self.shape, self.evenly)

    @property
    def places(self) -> Integers:
        """Where each row begins among the values: read once, 8 bytes a row."""
        if not self._places:
            self._places.append(self._read_places())
        return self._places[0]

    def _read_places(self) -> Integers:
        places = np.asarray(self.indptr.read(0, self.indptr.shape[0], Buffers())[0]).astype(np.int64)
        if places[0] != 0 or places[-1] != self.data.shape[0] or (np.diff(places) < 0).any():
            raise CorruptChunkError(
                f"sparse array {self.name!r}: its row bounds do not ascend from 0 to {self.data.shape[0]:,}, the "
                f"number of its values; write it again",
                array=self.name,
            )
        return places

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values, in a form that products are made of."""
        stored = self.data.dtype
        return np.dtype(np.float32) if stored == np.float16 else stored.newbyteorder("=")

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """Chunks of rows with about as many stored values."""
        return (cut_evenly if self.evenly else cut)(self.places, chunk_cost(self.shape[1]))

    @cached_property
    def non_zeros(self) -> NonZeros:
        """What is stored."""
        return non_zeros(self.places, self.bounds, 4 if self.shape[1] < 2**31 else 8)

    @property
    def asks_ahead(self) -> bool:
        """Whether the values do."""
        return self.data.asks_ahead

    @property
    def footprint(self) -> Footprint:
        """The stored chunks, the values and column numbers of the fullest chunk, and where each row begins."""
        data, indices, found = self.data.footprint, self.indices.footprint, self.non_zeros
        each = self.data.dtype.itemsize + self.indices.dtype.itemsize
        each += self.dtype.itemsize if self.dtype != self.data.dtype else 0
        each += found.index_bytes if self.indices.dtype.itemsize != found.index_bytes else 0
        begins = 8 * int(np.diff(self.bounds).max(initial=0))
        whole = together([data, indices])
        return replace(whole, decoded=whole.decoded + found.most * each + begins, non_zeros=found)

    @property
    def fingerprint(self) -> str:
        """Those of the three arrays."""
        return f"csr:{self.shape}:{self.data.fingerprint}:{self.indices.fingerprint}:{self.indptr.fingerprint}"

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        return int(self.places[start]), int(self.places[stop])

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the values of these rows; whether more should be asked for."""
        low, high = self._range(start, stop)
        if low == high:
            return True
        more = self.data.ahead(low, high, buffers.within("data"))
        return self.indices.ahead(low, high, buffers.within("indices")) and more

    def reading_ahead(self, chunks: int) -> CsrRows:
        """The same rows, whose arrays ask for so many chunks at most."""
        return replace(self, data=self.data.reading_ahead(chunks), indices=self.indices.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> CsrRows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        found: Any = {name: getattr(self, name).waiting_at_most(seconds) for name in ("data", "indices", "indptr")}
        return replace(self, **found)

    def cut_evenly(self) -> CsrRows:
        """The same rows in chunks of equally many."""
        return replace(self, evenly=True)

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks that the values of these rows lie in."""
        low, high = self._range(start, stop)
        return self.data.stored(low, high) + self.indices.stored(low, high)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Csr, int]:
        """What is stored of the rows from start to stop."""
        low, high = self._range(start, stop)
        places = self.places[start : stop + 1] - low
        if low == high:
            return Csr(np.zeros(0, self.dtype), np.zeros(0, np.int32), places, self.shape[1]), 0
        data, n_bytes = self.data.read(low, high, buffers.within("data"))
        indices, more = self.indices.read(low, high, buffers.within("indices"))
        n = self.shape[1]
        if indices.min() < 0 or indices.max() >= n:
            raise CorruptChunkError(
                f"sparse array {self.name!r}, rows {start} to {stop - 1}: a column number is not in 0 to "
                f"{n - 1}; write it again",
                array=self.name,
                rows=(start, stop),
            )
        found = Csr(self._usable(data, buffers), short_indices(indices, n, buffers), places, n)
        return found, n_bytes + more

    def _usable(self, values: Array, buffers: Buffers) -> Array:
        if values.dtype == self.dtype:
            return values
        converted = buffers.take("converted", values.shape, self.dtype)
        np.copyto(converted, values)
        return converted
