"""Rows of columns of several kinds side by side: numbers, categories by their codes, stored values of sparse columns.

A category of k levels is k columns of zeros and ones, of which only the number of the one is in memory. What a pass
does with such rows is in `dgd.passes.sums.mixed_columns`, what a plan knows of them in `dgd.data.kinds`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.csr import Csr, side_by_side
from dgd.data.csr import stacked as stacked_csr

NO_COLUMN = -1
"""The code of a row that is 0 in all columns: the reference level, or a level that was not known."""
MISSING_CODE = -2
"""The code of a missing cell: an error, or a row that is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A category by its codes: `columns` columns, of which row i has `values[i]` in that of its code, 0 in the others.

    Code −1 is a row that is 0 in all columns, the reference level or one that is not known; −2 a missing cell.
    """

    codes: Array
    """(rows,), signed integers from -2 to columns − 1; `dgd.MixedRows` checks that."""
    columns: int
    """At least 1."""
    values: Array | None = None
    """(rows,); None are ones."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self.codes), self.columns

    @property
    def nbytes(self) -> int:
        """Of codes and values."""
        return self.codes.nbytes + (0 if self.values is None else self.values.nbytes)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> Coded:
        """Some rows: views for a slice, copies else."""
        return replace(self, codes=self.codes[rows], values=None if self.values is None else self.values[rows])

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows lack a category, or a number beside it."""
        lacks: NDArray[np.bool_] = self.codes == MISSING_CODE
        return lacks if self.values is None else lacks | (np.isnan(self.values) & (self.codes >= 0))

    def astype(self, dtype: np.dtype[Any]) -> Coded:
        """The same with converted values; codes stay."""
        return self if self.values is None else replace(self, values=self.values.astype(dtype))

    def with_columns(self, columns: Array) -> Coded:
        """Some columns in an order of their own, none of them twice; rows of the others have none."""
        codes = np.full(self.columns + 2, NO_COLUMN, self.codes.dtype)
        codes[columns] = np.arange(len(columns))
        codes[MISSING_CODE] = MISSING_CODE
        return replace(self, codes=codes[self.codes], columns=len(columns))

    def stored(self) -> Csr:
        """The ones, or the values beside the codes, as a sparse matrix; of a missing category NaN in its first column.

        In float64 where there are no values.
        """
        lacks = self.codes == MISSING_CODE
        there = lacks | (self.codes >= 0)
        data = np.ones(len(self)) if self.values is None else self.values
        data = np.where(lacks, data.dtype.type(np.nan), data)[there]
        indices = np.maximum(self.codes[there], 0).astype(np.int32)
        return Csr(data, indices, np.concatenate(([0], np.cumsum(there))), self.columns)

    def toarray(self) -> Array:
        """All cells, in float64; those of a missing category are NaN."""
        cells = np.zeros(self.shape)
        there = np.flatnonzero(self.codes >= 0)
        cells[there, self.codes[there]] = 1.0 if self.values is None else self.values[there]
        cells[self.codes == MISSING_CODE] = np.nan
        return cells


Part = Array | Coded | Csr
"""Columns of one kind; an array is (rows, k)."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """Some rows of X whose columns are of several kinds, in the order of the parts."""

    parts: tuple[Part, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return len(self), sum(int(part.shape[1]) for part in self.parts)

    @property
    def ndim(self) -> int:
        """It is a matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """What holds all of its numbers."""
        numbers = [part.values if isinstance(part, Coded) else part for part in self.parts]
        return np.result_type(*(each.dtype for each in numbers if each is not None), np.float32)

    @property
    def nbytes(self) -> int:
        """Of all parts."""
        return sum(part.nbytes for part in self.parts)

    def __len__(self) -> int:
        return int(self.parts[0].shape[0])

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise TypeError("columns of several kinds are not made dense unasked: `toarray()` does it")

    def __getitem__(self, rows: Any) -> Mixed:
        """Some rows: views for a slice, copies else."""
        return Mixed(tuple(part[rows] for part in self.parts))

    def astype(self, dtype: np.dtype[Any]) -> Mixed:
        """The same with converted numbers; codes stay."""
        return Mixed(tuple(part.astype(dtype) for part in self.parts))

    def with_columns(self, columns: Array) -> Mixed:
        """Some columns in an order of their own: a part for each run of them that lies in one part here."""
        starts = starts_of(self.parts)
        owner = np.searchsorted(starts, columns, side="right") - 1
        runs = np.split(np.arange(len(columns)), np.flatnonzero(np.diff(owner)) + 1)
        return Mixed(tuple(_chosen(self.parts[owner[run[0]]], columns[run] - starts[owner[run[0]]]) for run in runs))

    def stored(self) -> Csr:
        """What is not 0, as a sparse matrix."""
        parts = [part if isinstance(part, Csr) else stored_of(part) for part in self.parts]
        return side_by_side(parts, self.dtype)

    def toarray(self) -> Array:
        """All cells."""
        cells = [part if isinstance(part, np.ndarray) else part.toarray() for part in self.parts]
        return np.concatenate(cells, axis=1).astype(self.dtype, copy=False)


Cells = Array | Csr | Mixed
"""Some rows of X as they are read: all cells, the stored values of a sparse matrix, or columns of several kinds."""


def starts_of(parts: Iterable[Any]) -> Integers:
    """The first column of each part, and the number of all columns."""
    return np.cumsum([0, *(int(part.shape[1]) for part in parts)])


def by_part(X: Mixed) -> Iterator[tuple[slice, Part]]:
    """Each part with its columns."""
    starts = starts_of(X.parts).tolist()
    for (start, stop), part in zip(pairwise(starts), X.parts, strict=True):
        yield slice(start, stop), part


def stacked(blocks: Sequence[Mixed]) -> Mixed:
    """One below the other; all have the same kinds of columns."""
    return Mixed(tuple(_stacked(each) for each in zip(*(block.parts for block in blocks), strict=True)))


def _stacked(parts: Sequence[Any]) -> Part:
    if isinstance(parts[0], Csr):
        return stacked_csr(list(parts))
    if not isinstance(parts[0], Coded):
        return np.concatenate(parts)
    values = None if parts[0].values is None else np.concatenate([part.values for part in parts])
    return replace(parts[0], codes=np.concatenate([part.codes for part in parts]), values=values)


def stored_of(cells: Array | Coded | Mixed) -> Csr:
    """What is not 0, as a sparse matrix."""
    return Csr.of_array(cells) if isinstance(cells, np.ndarray) else cells.stored()


def _chosen(part: Part, columns: Array) -> Part:
    return part[:, columns] if isinstance(part, np.ndarray) else part.with_columns(columns)
