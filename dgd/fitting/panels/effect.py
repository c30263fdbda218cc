"""One panel: summed, solved and written, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.rows import Footprint, ReadAtOnce, regular_bounds
from dgd.data.targets.tiles import Piece, Place
from dgd.fitting.panels.panel_sums import PanelSums
from dgd.fitting.panels.solving import Solver, Sums

COEF, INTERCEPT, R2, L2, ROWS = "coef", "intercept", "r2", "l2", "rows_used"


@dataclass(frozen=True)
class Tally:
    """What some panels came to."""

    targets: int = 0
    without: int = 0
    """Targets without coefficients."""
    partial: int = 0
    """Targets with coefficients from some of the rows."""
    bytes_read: int = 0
    found: int = 0
    """Tiles that were there already."""

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.targets + other.targets,
            self.without + other.without,
            self.partial + other.partial,
            self.bytes_read + other.bytes_read,
            self.found + other.found,
        )


@dataclass(frozen=True, eq=False)
class Panels(ReadAtOnce):
    """A row for each panel: what an executor goes through. Its width is what a panel reads, for who cuts the work."""

    count: int
    panel_bytes: int
    name: str = "panels"
    dtype = np.dtype(np.float64)
    fingerprint = "panels"
    footprint = Footprint(0, 0, 0, exact=True)

    @property
    def shape(self) -> tuple[int, int]:
        """Panels, and numbers of each."""
        return self.count, max(1, self.panel_bytes // 8)

    @property
    def bounds(self) -> Any:
        """One panel at a time."""
        return regular_bounds(self.count, 1)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """Nothing."""
        return np.broadcast_to(np.zeros(1), (stop - start, self.shape[1])), 0


@dataclass(frozen=True, eq=False)
class FitPanel:
    """Fits the targets of a panel and writes their tiles; done twice it leaves the same."""

    sums: PanelSums
    solver: Solver
    writer: Any
    panel: int
    """Tiles of a panel at most."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Tally:
        tiles, total = self.sums.tiles, Tally()
        todo = []
        for k in tiles.panels(self.panel)[chunk.index]:
            there = self._there(tiles.order[k])
            if there is None:
                todo.append(k)
            else:
                total += there
        if not todo:
            return total
        sums, bytes_read = self.sums(todo, buffers)
        total += Tally(bytes_read=bytes_read)
        for k, pieces in zip(todo, sums, strict=True):
            place = tiles.order[k]
            values = self._tile(place, pieces)
            self.writer.write(place, values)
            total += self._counted(values)
        return total

    def _tile(self, place: Place, pieces: Sequence[tuple[Piece, Sums]]) -> dict[str, Array]:
        """The numbers of a tile, in the order of its cells."""
        shape = tuple(part.stop - part.start for part in self.sums.tiles.at(place))
        values = {
            name: np.empty((*shape, *(() if length is None else (length,)))) for name, length in self._names.items()
        }
        for piece, sums in pieces:
            solved = self.solver(sums)
            cells = tuple(part.stop - part.start for part in piece.in_tile)
            found = {INTERCEPT: solved.intercept, R2: solved.r2, L2: solved.l2, ROWS: solved.rows}
            for name in self._names.keys() - {COEF}:
                values[name][piece.in_tile] = found[name].reshape(cells)
            values[COEF][piece.in_tile] = solved.coef.T.reshape(*cells, -1)
        return values

    @property
    def _names(self) -> dict[str, int | None]:
        names: dict[str, int | None] = self.writer.names
        return names

    def _there(self, place: Place) -> Tally | None:
        """What an interrupted writer has left of a tile, None where it is not whole."""
        found = {name: self.writer.read(place, name) for name in self._names}
        if any(values is None for values in found.values()):
            return None
        inside = tuple(slice(part.stop - part.start) for part in self.sums.tiles.at(place))
        counted = self._counted({name: values[inside] for name, values in found.items() if values is not None})
        return Tally(counted.targets, counted.without, counted.partial, 0, 1)

    def _counted(self, values: dict[str, Array]) -> Tally:
        without = np.isnan(values[INTERCEPT])
        partial = 0
        if ROWS in values:
            partial = int(((values[ROWS] < self.solver.factored.weighted) & ~without).sum())
        return Tally(without.size, int(without.sum()), partial)
