"""Stored chunks that are opened, and read in parts."""

from __future__ import annotations

from typing import Any, Protocol


class Opening(Protocol):
    """Opens chunks whose rows are read in parts, by several threads."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a chunk."""
        ...

    @property
    def n_bytes(self) -> int:
        """Of the rows of a chunk."""
        ...

    def opened(self, start: int, stop: int) -> Any:
        """The chunk of these rows, an `OpenChunk`; None where it is to be read."""
        ...
