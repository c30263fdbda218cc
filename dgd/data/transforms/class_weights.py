"""Weights of rows by their class: that of the target's label, times the row's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Array, Integers, Vector
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.rows import Footprint, Rows, together


@dataclass(frozen=True, eq=False)
class ClassWeights:
    """The weight of each label of y, times `weight` where rows have one of their own.

    labels: ascending, as y holds them; factors: the weight of each. A value that is none of them has 1.
    A dataset, which reads y anyway, hands it over (`of_target`), so that it is read once.
    """

    y: Rows
    labels: Array
    factors: Vector
    weight: Rows | None = None

    name = "weight"
    dtype = np.dtype(np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,)."""
        return (self.y.shape[0],)

    @property
    def bounds(self) -> Integers:
        """The row chunks of the target."""
        return self.y.bounds

    @property
    def footprint(self) -> Footprint:
        """That of the rows' own weights, and memory for the target and three numbers a row."""
        longest = int(np.diff(self.bounds).max(initial=0))
        own = Footprint(0, 3 * longest * self.dtype.itemsize, 0, exact=True)
        target = replace(self.y.footprint, per_pass=0, held=0, exact=True)
        return together([target, own] if self.weight is None else [self.weight.footprint, target, own])

    @property
    def fingerprint(self) -> str:
        """Those of the arrays, with the labels and their weights."""
        digest = hashlib.sha256(repr((self.labels.tolist(), self.factors.tolist())).encode("utf-8", "surrogatepass"))
        own = "" if self.weight is None else self.weight.fingerprint
        return f"{own}×{self.y.fingerprint}[{digest.hexdigest()}]"

    @property
    def lies_in_memory(self) -> bool:
        """Whether the arrays do."""
        return self.y.lies_in_memory and (self.weight is None or self.weight.lies_in_memory)

    @property
    def asks_ahead(self) -> bool:
        """Whether the rows' own weights do; the target is asked for as such."""
        return self.weight is not None and self.weight.asks_ahead

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the rows' own weights."""
        return self.weight is not None and self.weight.ahead(start, stop, buffers.within("own"))

    def reading_ahead(self, chunks: int) -> ClassWeights:
        """The same, asking for so many chunks at most."""
        return self._of(lambda rows: rows.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> ClassWeights:
        """The same, each stored chunk of which may take so many seconds to read."""
        return self._of(lambda rows: rows.waiting_at_most(seconds))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """Those of the rows' own weights; the target has its own."""
        return () if self.weight is None else self.weight.stored(start, stop)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The weights of the rows from start to stop; the target is read for them."""
        target, n_bytes = self.y.read(start, stop, buffers.within("target"))
        found, more = self.of_target(target, start, stop, buffers)
        return found, n_bytes + more

    def of_target(self, target: Array, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The same, for a target that was read."""
        place = np.minimum(np.searchsorted(self.labels, target), len(self.labels) - 1)
        found = np.where(self.labels[place] == target, self.factors[place], 1.0)
        if self.weight is None:
            return found, 0
        own, n_bytes = self.weight.read(start, stop, buffers.within("own"))
        found *= own
        return found, n_bytes

    def _of(self, change: Any) -> ClassWeights:
        return replace(self, y=change(self.y), weight=None if self.weight is None else change(self.weight))
