"""Rows of columns of several kinds side by side: numbers, categories by their codes, stored values of sparse columns.

A category of k levels is k columns of zeros and ones, of which only the number of the one is in memory. What a pass
does with such rows is in `dgd.passes.sums.mixed_columns`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.csr import Csr

NO_COLUMN = -1
"""The code of a row that is 0 in all columns: the reference level, or a level that was not known."""
MISSING_CODE = -2
"""The code of a missing cell: an error, or a row that is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column of codes that stands for `columns` columns: row i has `values[i]` in column `codes[i]`, else 0."""

    codes: Array
    """(rows,), signed integers from -2 to columns − 1: whoever makes one has checked that."""
    columns: int
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

    def toarray(self) -> Array:
        """All cells."""
        cells = [part if isinstance(part, np.ndarray) else part.toarray() for part in self.parts]
        return np.concatenate(cells, axis=1)
