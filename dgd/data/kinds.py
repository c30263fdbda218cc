"""What kinds of columns mixed rows have, and what a row of each takes: for plans, before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Integers
from dgd.data.csr import Csr, NonZeros
from dgd.data.mixed import Coded, Mixed, Part
from dgd.errors.words import counted


@dataclass(frozen=True, slots=True)
class Kind:
    """The columns of one part of `dgd.data.mixed.Mixed`."""

    columns: int
    row_bytes: int = 0
    """What a row takes as it is read: of its numbers, or of its code and the number beside it; 0 of sparse columns."""
    coded: bool = False
    """Whether the columns are those of a category."""
    non_zeros: NonZeros | None = None
    """Of sparse columns."""

    def cut(self, columns: int) -> Kind:
        """With so many of its columns."""
        stored = self.non_zeros and replace(self.non_zeros, exact=False)
        row_bytes = self.row_bytes if self.coded else self.row_bytes * columns // self.columns
        return replace(self, columns=columns, row_bytes=row_bytes, non_zeros=stored)


@dataclass(frozen=True, slots=True)
class Kinds:
    """The parts of rows, in the order of their columns."""

    parts: tuple[Kind, ...]

    @classmethod
    def of(cls, X: Mixed, bounds: Integers) -> Kinds:
        """Those of some rows, in chunks of these bounds."""
        return cls(tuple(_kind(part, bounds) for part in X.parts))

    @property
    def coded(self) -> NDArray[np.bool_]:
        """Which columns are those of categories, (n,): they are never centred."""
        return np.repeat([part.coded for part in self.parts], [part.columns for part in self.parts])

    @property
    def row_bytes(self) -> int:
        """Of all parts but sparse ones."""
        return sum(part.row_bytes for part in self.parts)

    @property
    def row_cost(self) -> int:
        """The numbers of a row, codes included; without those of sparse columns."""
        return sum(0 if part.non_zeros is not None else 1 if part.coded else part.columns for part in self.parts)

    @property
    def non_zeros(self) -> tuple[NonZeros, ...]:
        """Those of sparse parts."""
        return tuple(part.non_zeros for part in self.parts if part.non_zeros is not None)

    def chunk_bytes(self, rows: int, dtype: np.dtype[Any]) -> int:
        """Of the fullest chunk of so many rows, decoded."""
        return rows * self.row_bytes + sum(each.chunk_bytes(rows, dtype) for each in self.non_zeros)

    def bytes_of(self, rows: int, dtype: np.dtype[Any]) -> int:
        """Of so many rows, decoded."""
        stored = sum(each.count * (dtype.itemsize + each.index_bytes) for each in self.non_zeros)
        return rows * self.row_bytes + stored

    @property
    def alike(self) -> tuple[tuple[int, bool, bool], ...]:
        """What rows below each other have in common."""
        return tuple((part.columns, part.coded, part.non_zeros is not None) for part in self.parts)

    def with_columns(self, columns: Sequence[int]) -> Kinds:
        """Those of `Mixed.with_columns`."""
        owner = np.repeat(np.arange(len(self.parts)), [part.columns for part in self.parts])[list(columns)]
        runs = np.split(owner, np.flatnonzero(np.diff(owner)) + 1)
        return Kinds(tuple(self.parts[run[0]].cut(len(run)) for run in runs))

    def __str__(self) -> str:
        categories = [part.columns for part in self.parts if part.coded]
        numbers = sum(part.columns for part in self.parts if not part.coded and part.non_zeros is None)
        sparse = sum(part.columns for part in self.parts if part.non_zeros is not None)
        said = [
            *([counted(numbers, "numeric column")] if numbers else []),
            *(
                [f"{counted(len(categories), 'coded column')} of {counted(sum(categories), 'level')}"]
                if categories
                else []
            ),
            *([counted(sparse, "sparse column")] if sparse else []),
        ]
        return ", ".join(said)


def _kind(part: Part, bounds: Integers) -> Kind:
    if isinstance(part, Csr):
        most = int(np.diff(part.indptr[bounds]).max(initial=0))
        return Kind(part.columns, non_zeros=NonZeros(len(part.data), most, part.indices.itemsize))
    if isinstance(part, Coded):
        beside = 0 if part.values is None else part.values.itemsize
        return Kind(part.columns, part.codes.itemsize + beside, coded=True)
    return Kind(part.shape[1], part.shape[1] * part.itemsize)


def coded(kinds: Kinds | None) -> NDArray[np.bool_] | None:
    """Which columns are those of categories, (n,); None where all columns are of one kind."""
    return None if kinds is None else kinds.coded


def together(kinds: Sequence[Kinds]) -> Kinds:
    """Columns side by side."""
    return Kinds(tuple(part for each in kinds for part in each.parts))
