"""A sparse matrix in memory as rows, made dense one row block at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.memory_rows import MEMORY_CHUNK_BYTES
from dgd.data.rows import Footprint, ReadAtOnce, check_dtype, regular_bounds


@dataclass(frozen=True, eq=False)
class SparseRows(ReadAtOnce):
    """The rows of a CSR matrix, in the chunks that the same matrix would have if it were dense: the same bits."""

    name: str
    matrix: Any
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_dtype(self.name, self.dtype)
        rows, n = self.shape
        object.__setattr__(self, "bounds", regular_bounds(rows, max(1, MEMORY_CHUNK_BYTES // (8 * max(1, n)))))

    @property
    def shape(self) -> tuple[int, ...]:
        """The matrix's shape."""
        return tuple(int(size) for size in self.matrix.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The matrix's dtype."""
        dtype: np.dtype[Any] = np.dtype(self.matrix.dtype)
        return dtype

    @property
    def stored_bytes(self) -> int:
        """Bytes of the values and their indices."""
        return int(self.matrix.data.nbytes + self.matrix.indices.nbytes + self.matrix.indptr.nbytes)

    @property
    def footprint(self) -> Footprint:
        """One dense chunk and the sparse rows it is made of."""
        rows = int(np.diff(self.bounds).max(initial=0))
        dense = rows * self.shape[1] * self.dtype.itemsize
        stored = self.stored_bytes
        return Footprint(encoded=min(stored, 2 * dense), decoded=dense, per_pass=stored, exact=True, held=stored)

    @property
    def fingerprint(self) -> str:
        """Shape, dtype and the number of stored values; what is in memory is not hashed."""
        return f"sparse:{self.shape}:{self.dtype.str}:{self.matrix.nnz}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows, dense, in a buffer."""
        block = buffers.take("dense", (stop - start, self.shape[1]), self.dtype)
        part = self.matrix[start:stop]
        part.toarray(out=block)
        return block, int(part.data.nbytes + part.indices.nbytes)
