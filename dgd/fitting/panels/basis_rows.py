"""The weighted basis by rows: in memory, or made from X again as often as it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from dgd._typing import Array, Matrix
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds
from dgd.fitting.panels.basis import Basis, fold_of_rows


class BasisRows(Protocol):
    """w [1 Z], and the fold of each row where there are folds."""

    def reader(self, buffers: Buffers) -> Reader:
        """One that goes through the rows once, in their order."""
        ...


class Reader(Protocol):
    """Rows in their order; `bytes_read`: of X, so far."""

    bytes_read: int

    def rows(self, start: int, stop: int) -> tuple[Matrix, Array | None]:
        """w [1 Z] of these rows, and the fold of each."""
        ...


@dataclass(frozen=True, eq=False)
class HeldBasis:
    """All rows, in memory."""

    basis: Matrix
    folds: Array | None = None

    def reader(self, buffers: Buffers) -> Reader:
        """Itself: slices."""
        return _HeldReader(self)


@dataclass(eq=False)
class _HeldReader:
    held: HeldBasis
    bytes_read: int = 0

    def rows(self, start: int, stop: int) -> tuple[Matrix, Array | None]:
        folds = self.held.folds
        return self.held.basis[start:stop], None if folds is None else folds[start:stop]


@dataclass(frozen=True, eq=False)
class ReadBasis:
    """Made of X, chunk by chunk, at each reading."""

    dataset: Dataset
    basis: Basis
    folds: Folds | None = None

    def reader(self, buffers: Buffers) -> Reader:
        """One with a chunk in memory."""
        return _ChunkReader(self, buffers.within("X"))


@dataclass(eq=False)
class _ChunkReader:
    source: ReadBasis
    buffers: Buffers
    bytes_read: int = 0
    _held: tuple[int, Matrix, Array | None] = field(default_factory=lambda: (-1, np.zeros((0, 0)), None))

    def rows(self, start: int, stop: int) -> tuple[Matrix, Array | None]:
        bounds = self.source.dataset.bounds
        first, last = (int(np.searchsorted(bounds, row, side="right")) - 1 for row in (start, stop - 1))
        parts = []
        for index in range(first, last + 1):
            basis, folds = self._chunk(index)
            low, high = max(start - int(bounds[index]), 0), stop - int(bounds[index])
            parts.append((basis[low:high], None if folds is None else folds[low:high]))
        if len(parts) == 1:
            return parts[0]
        of_rows = [each for _, each in parts if each is not None]
        return np.concatenate([basis for basis, _ in parts]), np.concatenate(of_rows) if of_rows else None

    def _chunk(self, index: int) -> tuple[Matrix, Array | None]:
        if self._held[0] != index:
            chunk = self.source.dataset.read(index, self.buffers)
            self.bytes_read += chunk.bytes_read
            _, weighted = self.source.basis.of(chunk)
            folds = self.source.folds
            of_rows = None if folds is None else fold_of_rows(folds, index, chunk.start, len(weighted))
            self._held = index, weighted, of_rows
        return self._held[1], self._held[2]
