"""The rows of one column of stored chunks: of an array whose columns are chunked, nothing else is read."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from dgd.data.checksums import HeldChunks
from dgd.data.rows import Footprint
from dgd.data.zarr.zarr_rows import ZarrRows


@dataclass(frozen=True, eq=False)
class ColumnChunk(ZarrRows):
    """The stored chunks at one place of all dimensions but the first."""

    column: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: ZarrRows, column: tuple[int, ...]) -> ColumnChunk:
        """That of an array."""
        given = {each.name: getattr(rows, each.name) for each in fields(ZarrRows) if each.init}
        return cls(**given, column=column)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_in_pieces", self.format.shard is not None)

    def __reduce__(self) -> tuple[Any, ...]:
        _, given = super().__reduce__()
        return ColumnChunk.of, (ZarrRows(*given), self.column)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, and the cells of the chunk along each dimension."""
        whole, chunk = self.format.shape[1:], self.format.chunk.shape[1:]
        sizes = (min(c, s - i * c) for i, c, s in zip(self.column, chunk, whole, strict=True))
        return (self.format.shape[0], *sizes)

    @property
    def footprint(self) -> Footprint:
        """One chunk at a time; the whole array's stored bytes, shared out evenly."""
        whole = super().footprint
        return replace(whole, per_pass=-(-whole.per_pass // max(1, math.prod(self.format.grid[1:]))), exact=False)

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """None: they are not one after the other."""
        return ()

    def _columns(self) -> Iterator[tuple[int, ...]]:
        yield self.column
