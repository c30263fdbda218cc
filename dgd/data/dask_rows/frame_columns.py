"""A Dask DataFrame as a table: its partitions are the chunks, each computed where it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from dask.array import Array as DaskArray
from numpy.typing import NDArray

from dgd.data.arrays.frame_columns import column_of, kind_of_dtype
from dgd.data.buffers import Buffers
from dgd.data.dask_rows.arrays import compute
from dgd.data.dask_rows.frames import partition_lengths, partitions
from dgd.data.design.columns import Column, ColumnKind, joined
from dgd.data.rows import Footprint, as_made
from dgd.errors import ReadError

TEXT_BYTES = 64
"""What a cell of text may take."""


@dataclass(frozen=True, eq=False)
class DaskTable:
    """A Dask DataFrame. The lengths of its partitions have been counted."""

    frame: Any
    lengths: tuple[int, ...]
    source: str = "the Dask DataFrame"
    _graphs: dict[tuple[str, ...], DaskArray] = field(default_factory=dict, init=False, repr=False)
    """Of the columns that were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @classmethod
    def of(cls, frame: Any) -> DaskTable:
        """A frame whose partitions are counted now."""
        return cls(frame, partition_lengths({"X": frame})["X"])

    @cached_property
    def kinds(self) -> dict[str, ColumnKind]:
        """By the dtypes; any cell may be missing."""
        dtypes = zip(self.frame.columns, self.frame.dtypes, strict=True)
        return {str(name): kind_of_dtype(dtype, may_be_missing=True) for name, dtype in dtypes}

    @property
    def index(self) -> frozenset[str]:
        """A DataFrame's index is no column."""
        return frozenset()

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """The partitions that have rows."""
        return np.cumsum([0, *(length for length in self.lengths if length)], dtype=np.int64)

    @cached_property
    def _filled(self) -> list[int]:
        """The numbers of the partitions that have rows."""
        return [k for k, length in enumerate(self.lengths) if length]

    def footprint(self, names: Sequence[str]) -> Footprint:
        """The largest partition as pandas holds it; what computing it takes is not known."""
        row = sum(8 if self.kinds[name].is_number else TEXT_BYTES for name in names)
        rows = int(np.diff(self.bounds).max(initial=0))
        per_pass = row * int(self.bounds[-1])
        return Footprint(row * rows, row * rows, per_pass, exact=False, path="Dask DataFrame")

    def _graph(self, names: Sequence[str]) -> DaskArray:
        """An array whose blocks are the partitions, with these columns."""
        key = tuple(names)
        if key not in self._graphs:
            self._graphs[key] = partitions(self.frame[list(names)], _itself, (self.lengths,), np.empty(0))
        return self._graphs[key]

    def fingerprint(self, names: Sequence[str]) -> str:
        """Dask's own name for the frame: a token of how it is made."""
        return f"dask:{self.frame._name}:{tuple(names)}"

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows, of every partition that holds some of them."""
        first, last = (int(k) for k in np.searchsorted(self.bounds, (start, stop - 1), side="right") - 1)
        array = self._graph(names)
        parts: list[dict[str, Column]] = []
        bytes_read = 0
        for k in range(first, last + 1):
            begin = int(self.bounds[k])
            part = self._computed(array.blocks[self._filled[k]], start, stop)
            part = part.iloc[max(start - begin, 0) : stop - begin]
            parts.append({name: column_of(part[name], self.kinds[name], self.source) for name in names})
            bytes_read += int(part.memory_usage().sum())
        return {name: joined([part[name] for part in parts]) for name in names}, bytes_read

    def _computed(self, block: DaskArray, start: int, stop: int) -> Any:
        try:
            return compute(block)
        except Exception as error:
            raise ReadError(
                f"{self.source}: computing rows {start} to {stop - 1} failed with {type(error).__name__}: {error}; "
                f"look into how the DataFrame is made",
                array="X",
                rows=(start, stop),
            ) from error


def _itself(part: Any) -> Any:
    return part
