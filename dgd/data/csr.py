"""Rows of a sparse matrix in memory, by their stored values (CSR): never made dense.

row i has data[indptr[i]:indptr[i + 1]] in the columns indices[indptr[i]:indptr[i + 1]], and 0 elsewhere

Products are those of scipy's C loops: serial, in the order of the stored values, so that their bits are always the
same. They let other threads run meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, FloatArray, Vector
from dgd.errors import UnsupportedFormatError

SPARSE_EXTRA = "pip install dgd[sparse]"


@dataclass(frozen=True, slots=True, eq=False)
class Csr:
    """Some rows of a sparse matrix. An entry that is stored twice is the sum of both, as everywhere."""

    data: Array
    indices: Array
    """int32 or int64, each from 0 to columns − 1: whoever makes one has checked that."""
    indptr: Array
    """From 0 to the number of stored values."""
    columns: int

    @classmethod
    def of(cls, matrix: Any) -> Csr:
        """The same arrays, from scipy."""
        return cls(matrix.data, matrix.indices, matrix.indptr, int(matrix.shape[1]))

    @classmethod
    def of_array(cls, cells: Array) -> Csr:
        """What is not 0 in an array."""
        return cls.of(scipy_sparse().csr_array(cells))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.indptr) - 1, self.columns

    @property
    def ndim(self) -> int:
        """It is a matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        return self.data.dtype

    @property
    def nbytes(self) -> int:
        """Of the three arrays."""
        return self.data.nbytes + self.indices.nbytes + self.indptr.nbytes

    @property
    def lengths(self) -> Array:
        """The stored values of each row."""
        return np.diff(self.indptr)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError("sparse rows are not made dense unasked: `toarray()` does it")

    def __getitem__(self, rows: Any) -> Csr:
        """A slice of rows, whose values are views; or rows by their numbers or a mask, copied."""
        if not isinstance(rows, slice):
            return Csr.of(self.scipy()[rows])
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self[np.arange(start, stop, step)]
        stop = max(start, stop)
        if (start, stop) == (0, len(self)):
            return self
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        return Csr(self.data[low:high], self.indices[low:high], self.indptr[start : stop + 1] - low, self.columns)

    def astype(self, dtype: np.dtype[Any]) -> Csr:
        """The same matrix with converted values."""
        return Csr(self.data.astype(dtype), self.indices, self.indptr, self.columns)

    def scipy(self, data: Array | None = None) -> Any:
        """A `scipy.sparse.csr_array` of the same arrays, perhaps with other values; nothing is copied."""
        return self._filled(scipy_sparse().csr_array, self.shape, data)

    def transposed(self, data: Array | None = None) -> Any:
        """A `scipy.sparse.csc_array` of the same arrays: the matrix turned."""
        return self._filled(scipy_sparse().csc_array, self.shape[::-1], data)

    def _filled(self, kind: Any, shape: tuple[int, int], data: Array | None) -> Any:
        data = self.data if data is None else data
        found = kind(shape, dtype=data.dtype)
        # Given to the constructor, arrays that are parts of larger ones, such as buffers, would be copied.
        found.data, found.indices = data, self.indices
        found.indptr = self.indptr.astype(self.indices.dtype, copy=False)
        return found

    def canonical(self) -> Csr:
        """The same matrix without an entry that is stored twice; itself where there is none."""
        matrix = self.scipy()
        if matrix.has_canonical_format:
            return self
        matrix = matrix.copy()
        matrix.sum_duplicates()
        return Csr.of(matrix)

    def toarray(self) -> Array:
        """All cells."""
        cells: Array = self.scipy().toarray()
        return cells

    def with_columns(self, columns: Array) -> Csr:
        """Some columns in an order of their own, none of them twice."""
        places = np.full(self.columns, -1, self.indices.dtype)
        places[columns] = np.arange(len(columns))
        found = places[self.indices]
        kept = found >= 0
        indptr = np.concatenate(([0], np.cumsum(kept)))[self.indptr]
        return Csr(self.data[kept], found[kept], indptr, len(columns))

    def stored_where(self, found: NDArray[np.bool_]) -> tuple[Array, Array]:
        """The rows and columns of some of the stored values."""
        stored = np.flatnonzero(found)
        return np.searchsorted(self.indptr, stored, side="right") - 1, self.indices[stored]


@dataclass(frozen=True, slots=True)
class NonZeros:
    """The stored values of a sparse matrix; zeros that are stored count as well."""

    count: int
    most: int
    """Of one chunk."""
    index_bytes: int = 4
    """Of the column's number that is stored with each."""
    exact: bool = True
    """Whether they are counted, or estimated from some of the chunks."""

    def density(self, shape: tuple[int, ...]) -> float:
        """Their part of all cells."""
        return self.count / (shape[0] * shape[1])

    def chunk_bytes(self, rows: int, dtype: np.dtype[Any]) -> int:
        """Of the fullest chunk, decoded."""
        return self.most * (dtype.itemsize + self.index_bytes) + 8 * (rows + 1)


def is_sparse(rows: Any) -> bool:
    """Whether reads give `Csr`."""
    return bool(getattr(rows, "is_sparse", False))


@cache
def has_scipy() -> bool:
    """Whether it is installed."""
    try:
        scipy_sparse()
    except UnsupportedFormatError:
        return False
    return True


def scipy_sparse() -> Any:
    """The module; raises UnsupportedFormatError where it is not installed."""
    try:
        import scipy.sparse
    except ImportError as error:
        raise UnsupportedFormatError(f"sparse data need scipy; install it (`{SPARSE_EXTRA}`)") from error
    return scipy.sparse


def stacked(parts: list[Csr]) -> Csr:
    """One below the other."""
    indptr = [np.zeros(1, np.int64)]
    for part in parts:
        indptr.append(part.indptr[1:].astype(np.int64) + indptr[-1][-1])
    data = np.concatenate([part.data for part in parts])
    indices = np.concatenate([part.indices for part in parts])
    return Csr(data, indices, np.concatenate(indptr), parts[0].columns)


def side_by_side(parts: list[Csr], dtype: np.dtype[Any]) -> Csr:
    """The columns of several matrices of the same rows."""
    return Csr.of(scipy_sparse().hstack([part.scipy() for part in parts], format="csr", dtype=dtype))


def centred_sums(matrix: Csr, weight: FloatArray | None) -> tuple[float, Vector, Vector]:
    """Σw, the weighted mean of each column, and its sum of squared deviations, without cancellation.

    Σ w (x − x̄)² over what is stored, and x̄² times the weight of the rows in which nothing is.
    """
    matrix = matrix.canonical()
    rows, n = matrix.shape
    w = np.ones(rows) if weight is None else weight.astype(np.float64, copy=False)
    total = float(w.sum())
    if total == 0.0:
        return 0.0, np.zeros(n), np.zeros(n)
    values = matrix.data.astype(np.float64)
    mean = (matrix.transposed(values) @ w) / total
    values -= mean[matrix.indices]
    np.multiply(values, values, out=values)
    squares: Vector = matrix.transposed(values) @ w
    values[...] = 1.0
    pattern = matrix.transposed(values)
    absent = np.maximum(total - pattern @ w, 0.0)
    if weight is not None:
        # The weights of a column that is stored in each row sum up to others than Σw, rounded.
        absent[pattern @ np.ones(rows) == rows] = 0.0
    squares += mean * mean * absent
    return total, mean, squares
