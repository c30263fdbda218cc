"""A sparse matrix in memory as rows, whose stored values are used where they lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.csr import Csr
from dgd.data.row_cuts import chunk_cost, cut, cut_evenly, non_zeros
from dgd.data.rows import Footprint, ReadAtOnce, check_dtype
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class SparseRows(ReadAtOnce):
    """The rows of a CSR matrix of scipy, in chunks of about as many stored values.

    evenly: whether all chunks have equally many rows.
    """

    name: str
    matrix: Any
    evenly: bool = False
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    lies_in_memory = True
    is_sparse = True

    def __post_init__(self) -> None:
        check_dtype(self.name, self.dtype)
        try:
            parts = self.matrix.data, self.matrix.indices, self.matrix.indptr
            # Another object: a check may convert what it checks.
            type(self.matrix)(parts, shape=self.matrix.shape, copy=False).check_format(full_check=True)
        except ValueError as error:
            raise SchemaError(f"sparse array {self.name!r} is damaged: {error}", array=self.name) from error
        bounds = (cut_evenly if self.evenly else cut)(self.matrix.indptr, chunk_cost(self.shape[1]))
        object.__setattr__(self, "bounds", bounds)

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
        """No memory besides the matrix itself, unless its column numbers are longer than need be."""
        stored, found = self.stored_bytes, non_zeros(self.matrix.indptr, self.bounds, 4)
        copied = found.most * 4 if self.matrix.indices.dtype != np.int32 else 0
        return Footprint(encoded=0, decoded=copied, per_pass=stored, exact=True, held=stored, non_zeros=found)

    @property
    def fingerprint(self) -> str:
        """Shape, dtype and the number of stored values; what is in memory is not hashed."""
        return f"sparse:{self.shape}:{self.dtype.str}:{self.matrix.nnz}"

    def cut_evenly(self) -> SparseRows:
        """The same rows in chunks of equally many."""
        return SparseRows(self.name, self.matrix, evenly=True)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Csr, int]:
        """The rows; their values are views."""
        indptr = self.matrix.indptr[start : stop + 1]
        low, high = int(indptr[0]), int(indptr[-1])
        indices = short_indices(self.matrix.indices[low:high], self.shape[1], buffers)
        part = Csr(self.matrix.data[low:high], indices, indptr - low, self.shape[1])
        return part, part.nbytes


def short_indices(indices: Array, columns: int, buffers: Buffers) -> Array:
    """Column numbers as scipy takes them: int32 if they fit."""
    wanted = np.dtype(np.int32 if columns < 2**31 else np.int64)
    if indices.dtype == wanted:
        return indices
    converted = buffers.take("short indices", indices.shape, wanted)
    np.copyto(converted, indices, casting="unsafe")
    return converted
