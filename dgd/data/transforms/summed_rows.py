"""Rows that are no longer there: their number and columns alone, beside sums that were made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, ReadAtOnce
from dgd.errors import DataError


@dataclass(frozen=True)
class SummedRows(ReadAtOnce):
    """An array of which a summary was made, and which cannot be read."""

    name: str
    shape: tuple[int, ...]
    counted: int = 0
    """The rows of a weight above 0."""
    log_weight: float = 0.0
    """Σ log w over them."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the sums."""
        return np.dtype(np.float64)

    @property
    def bounds(self) -> Integers:
        """One chunk."""
        return np.array([0, self.shape[0]], dtype=np.int64)

    @property
    def footprint(self) -> Footprint:
        """Nothing is read."""
        return Footprint(encoded=0, decoded=0, per_pass=0, exact=True)

    @property
    def fingerprint(self) -> str:
        """The shape: what the summary was made of, it says itself."""
        return f"summed:{self.shape}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """Raises DataError."""
        raise DataError(f"array {self.name!r} was summed, and its rows are not kept", array=self.name)
