"""The sums of one panel: its stored chunks are read once each, group by group of rows, and multiplied by the basis.

    Σ w (y − ℓ)        Σ w z (y − ℓ)        Σ w (y − ℓ)²        ℓ: near the mean, from the first rows

Rows and cells of each product follow from the stored array alone, so that a target's bits do not depend on the panel
it is in, nor on who sums it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NoReturn, Self

import numpy as np

from dgd._typing import Array, Matrix, Vector
from dgd.data.buffers import Buffers
from dgd.data.centre import sampled_level
from dgd.data.rows import Rows
from dgd.data.targets.opening import Targets
from dgd.data.targets.tiles import Piece, Place, Tiles
from dgd.errors import ValueRangeError
from dgd.fitting.panels.basis_rows import BasisRows
from dgd.fitting.panels.missing_cells import MissingCells, pair_count
from dgd.fitting.panels.row_groups import LEAST_ROWS, RowGroups
from dgd.fitting.panels.solving import Sums
from dgd.passes.executor import LOOK_AHEAD
from dgd.passes.tree import Node, cut_level, sum_node

STRIP = 1024
"""Cells of a product at most."""
PRODUCT_CELLS = 2**17
"""Of y in a product: a mebibyte, which stays in a core's cache."""
PAIR_CELLS = 2**18
"""Of the products of rows with themselves, which targets ask for that lack some rows."""
LEVEL_ROWS = 16
"""Of the first group, from which the levels are taken."""


@dataclass(eq=False)
class _Products:
    """Of each piece, (K, 2 + r, w): the squares are last."""

    pieces: list[Array]

    def __add__(self, other: Self) -> Self:
        """The sum, in the memory of the first: nobody needs that again."""
        for own, more in zip(self.pieces, other.pieces, strict=True):
            own += more
        return self


@dataclass(frozen=True, eq=False)
class PanelSums:
    """How panels are summed."""

    targets: Targets
    tiles: Tiles
    groups: RowGroups
    basis: BasisRows
    rank: int
    folds: int = 1
    centred: bool = True
    """Whether a level is subtracted, which an intercept brings back."""
    drop: bool = False
    """Whether missing cells are left out, target by target."""

    def __call__(self, tiles: Sequence[int], buffers: Buffers) -> tuple[list[list[tuple[Piece, Sums]]], int]:
        """The sums of each piece of these tiles, and the stored bytes read for them."""
        run = _Run(self, [list(self.tiles.pieces(self.tiles.order[k])) for k in tiles], buffers)
        n_leaves = len(self.groups.leaves)
        found = sum_node(Node(cut_level(n_leaves, 1), 0), n_leaves, run.leaf)
        each = iter(run.sums(found.pieces))
        return [[(piece, next(each)) for piece in tile] for tile in run.tiles], run.bytes_read


class _Run:
    """One panel on its way through the rows."""

    def __init__(self, how: PanelSums, tiles: list[list[Piece]], buffers: Buffers) -> None:
        self.how, self.tiles, self.buffers = how, tiles, buffers
        self.reader = how.basis.reader(buffers)
        self.pieces = [piece for tile in tiles for piece in tile]
        self.levels: list[Vector | None] = [None for _ in self.pieces]
        noted = how.drop and how.targets.rows.dtype.kind == "f"
        self.missing = [MissingCells(piece.cells, how.rank) if noted else None for piece in self.pieces]
        self.blocks: dict[Place, list[int]] = {}
        for k, piece in enumerate(self.pieces):
            self.blocks.setdefault(piece.block, []).append(k)
        self.rows: dict[Place, Rows] = {block: how.targets.at(block, how.tiles.block(block)) for block in self.blocks}
        self._read_bytes = 0
        self._coming = self._reads()
        self._soon: deque[tuple[Place, int, int]] = deque()

    @property
    def bytes_read(self) -> int:
        """Of X and y."""
        return self._read_bytes + self.reader.bytes_read

    def sums(self, found: list[Array]) -> Iterator[Sums]:
        """What is known of each piece."""
        for products, level, missing in zip(found, self.levels, self.missing, strict=True):
            assert level is not None
            yield Sums(products[:, :-1], products[:, -1], level, missing)

    def leaf(self, index: int) -> _Products:
        """The sums over the groups of a leaf."""
        how = self.how
        sums = [np.zeros((how.folds, 2 + how.rank, piece.cells)) for piece in self.pieces]
        for group in how.groups.leaves[index]:
            start, stop = how.groups.rows(group)
            basis, folds = self.reader.rows(start, stop)
            for block, numbers in self.blocks.items():
                for k, values in self._read(group, block, numbers):
                    self._add(sums[k], k, values, basis, folds, start)
        return _Products(sums)

    def _read(self, group: int, block: Place, numbers: list[int]) -> Iterator[tuple[int, Array]]:
        """The cells of a block in the rows of a group, piece by piece: (rows, …)."""
        chunks = self.how.groups.chunks[group]
        cuts = [(k, (slice(None), *self.pieces[k].in_block)) for k in numbers]
        if len(chunks) == 1:
            values = self._chunk(block, *chunks[0])
            yield from ((k, values[cut]) for k, cut in cuts)
            return
        first, stop = chunks[0][0], chunks[-1][1]
        gathered: list[Array] = []
        for start, end in chunks:
            values = self._chunk(block, start, end)
            for position, (_, cut) in enumerate(cuts):
                part = values[cut]
                if start == first:
                    inside = self.buffers.within(f"gathered {position}")
                    gathered.append(inside.take("rows", (stop - first, *part.shape[1:]), part.dtype))
                gathered[position][start - first : end - first] = part
        yield from zip(numbers, gathered, strict=True)

    def _reads(self) -> Iterator[tuple[Place, int, int]]:
        """Every read of the panel, in its order."""
        for chunks in self.how.groups.chunks:
            for block in self.blocks:
                yield from ((block, *chunk) for chunk in chunks)

    def _ask_ahead(self) -> None:
        """Ask for the chunk that is read next, and for later ones as long as that saves time."""
        self._soon.extend(islice(self._coming, LOOK_AHEAD - len(self._soon)))
        for block, start, stop in self._soon:
            if not self.rows[block].ahead(start, stop, self.buffers.within("y")):
                break
        self._soon.popleft()

    def _chunk(self, block: Place, start: int, stop: int) -> Array:
        self._ask_ahead()
        values, n_bytes = self.rows[block].read(start, stop, self.buffers.within("y"))
        self._read_bytes += n_bytes
        found: Array = values
        return found

    def _add(self, sums: Array, k: int, values: Array, basis: Matrix, folds: Array | None, start: int) -> None:
        """Add the products of a piece's cells in the rows of a group."""
        cells = self.pieces[k].cells
        level = self._level(k, values)
        step = PRODUCT_CELLS // min(cells, STRIP)
        if self.how.drop:
            step = min(step, max(LEAST_ROWS, PAIR_CELLS // pair_count(self.how.rank)))
        for first in range(0, len(values), step):
            rows = values[first : first + step].reshape(-1, cells)
            part = basis[first : first + step]
            of_fold = [(0, slice(None))] if folds is None else _by_fold(folds[first : first + step], len(sums))
            lacks = self._missing(k, rows, part)
            for low in range(0, cells, STRIP):
                strip = slice(low, low + STRIP)
                z = self.buffers.take("z", (len(rows), min(STRIP, cells - low)), np.float64)
                with np.errstate(over="ignore", invalid="ignore"):
                    np.subtract(rows[:, strip], level[strip], out=z, casting="unsafe")
                    if lacks is not None:
                        z[lacks[:, strip]] = 0
                    for fold, chosen in of_fold:
                        some, own = z[chosen], part[chosen]
                        sums[fold, :-1, strip] += np.dot(own.T, some)
                        np.multiply(some, some, out=some)
                        sums[fold, -1, strip] += np.dot(own[:, 0], some)
                    whole = float(sums[:, -1, strip].sum())
                if not np.isfinite(whole):
                    self._refuse(k, rows[:, strip], start + first, low)

    def _missing(self, k: int, rows: Array, basis: Matrix) -> Any:
        """Where cells are missing that are left out, None where nothing is; noted."""
        noted = self.missing[k]
        if noted is None:
            return None
        lacks = np.isnan(rows)
        found = lacks if lacks.any() else None
        noted.note(found, basis)
        return found

    def _level(self, k: int, values: Array) -> Vector:
        found = self.levels[k]
        if found is None:
            cells = self.pieces[k].cells
            found = np.zeros(cells)
            if self.how.centred:
                some = values[:: max(1, len(values) // LEVEL_ROWS)][:LEVEL_ROWS].reshape(-1, cells)
                found = sampled_level(_filled(some) if some.dtype.kind == "f" else some)
            self.levels[k] = found
        return found

    def _refuse(self, k: int, rows: Array, start: int, low: int) -> NoReturn:
        """Raise ValueRangeError at the first cell that is not finite, or whose square is not."""
        piece, name = self.pieces[k], self.how.targets.rows.name
        bad = ~np.isfinite(rows) if self.how.drop is False else np.isinf(rows)
        row, cell = np.unravel_index(int(bad.argmax()), bad.shape)
        shape = [part.stop - part.start for part in piece.in_tile]
        inside = np.unravel_index(low + int(cell), shape)
        whole = self.how.tiles.block(piece.block)
        place = tuple(
            int(i) + part.start + corner.start for i, part, corner in zip(inside, piece.in_block, whole, strict=True)
        )
        value = rows[row, cell]
        hint = "; leave such cells out target by target (missing='drop', or --missing drop), or fill them"
        raise ValueRangeError(
            f"array {name!r}: row {start + int(row)} of target {place if len(place) > 1 else place[0]} is {value}, "
            f"expected a finite number{hint if np.isnan(value) else ''}",
            array=name,
            row=start + int(row),
        )


def _by_fold(folds: Array, count: int) -> list[tuple[int, Any]]:
    return [(k, np.flatnonzero(folds == k)) for k in range(count)]


def _filled(values: Array) -> Array:
    """Values with the mean of its column for each that is missing."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    there = np.maximum((~missing).sum(axis=0), 1)
    mean = np.where(missing, 0, values).sum(axis=0, dtype=np.float64) / there
    filled: Array = np.where(missing, mean, values)
    return filled
