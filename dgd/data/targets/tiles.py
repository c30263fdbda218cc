"""How many targets are cut: in tiles, each of which is one chunk of what is written, and in panels of tiles.

    piece    the cells that a stored chunk of y and a tile have in common; what is multiplied at a time
    tile     one chunk of the output: a part of a chunk of y, or some whole ones
    panel    the tiles that are fitted in one read

Pieces and tiles follow from the shape of y, its chunks and the numbers to be written alone: panels, which follow from
memory, change no bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

TILE_BYTES = 4 * 2**20
"""Of a tile's widest numbers."""
FEWEST, MOST = 16, 2**14
"""Targets of a tile, as far as the chunks of y allow."""

Place = tuple[int, ...]
Slices = tuple[slice, ...]


@dataclass(frozen=True)
class Piece:
    """Cells of one stored chunk that lie in one tile."""

    block: Place
    """The chunk's place."""
    in_block: Slices
    in_tile: Slices
    cells: int


@dataclass(frozen=True)
class Tiles:
    """The cells of the targets' dimensions, cut."""

    sizes: tuple[int, ...]
    chunks: tuple[int, ...]
    """Cells of a stored chunk along each dimension."""
    tile: tuple[int, ...]
    """Cells of a tile along each dimension."""

    @classmethod
    def of(cls, sizes: tuple[int, ...], chunks: tuple[int, ...] | None, numbers: int) -> Tiles:
        """The tiles of targets for each of which so many numbers are made at most; chunks: None for an array that is
        read at any place."""
        wanted = max(FEWEST, min(MOST, TILE_BYTES // (8 * numbers)))
        if chunks is None:
            tile = _smaller(sizes, sizes, wanted)
            return cls(sizes, tile, tile)
        chunks = tuple(min(chunk, size) for chunk, size in zip(chunks, sizes, strict=True))
        shape = _smaller if math.prod(chunks) > wanted else _larger
        return cls(sizes, chunks, shape(sizes, chunks, wanted))

    @property
    def count(self) -> int:
        """The targets."""
        return math.prod(self.sizes)

    @property
    def cells(self) -> int:
        """Of the largest tile."""
        return math.prod(self.tile)

    @cached_property
    def order(self) -> tuple[Place, ...]:
        """The places of all tiles: those that share a stored chunk follow each other."""
        return tuple(place for group in self._groups for place in group)

    @cached_property
    def _groups(self) -> tuple[tuple[Place, ...], ...]:
        """The tiles of each stored chunk; one alone where it is made of whole chunks."""
        outer = [max(tile, chunk) for tile, chunk in zip(self.tile, self.chunks, strict=True)]
        found = []
        for corner in product(*(range(0, size, step) for size, step in zip(self.sizes, outer, strict=True))):
            ranges = [
                range(low // tile, -(-min(low + step, size) // tile))
                for low, step, size, tile in zip(corner, outer, self.sizes, self.tile, strict=True)
            ]
            found.append(tuple(product(*ranges)))
        return tuple(found)

    @cached_property
    def sharing(self) -> int:
        """The most tiles that share a stored chunk."""
        return max(map(len, self._groups))

    def panels(self, width: int) -> list[range]:
        """The tiles of each panel, as a range of `order`, at most so many.

        No panel has a part of the tiles of a chunk beside those of another one: that would be one read more.
        """
        found: list[range] = []
        start = first = 0
        for group in self._groups:
            stop = first + len(group)
            if stop - start > width and first > start:
                found.append(range(start, first))
                start = first
            if len(group) > width:
                even = -(-len(group) // -(-len(group) // width))
                found.extend(range(low, min(low + even, stop)) for low in range(first, stop, even))
                start = stop
            first = stop
        return found + [range(start, first)] * (first > start)

    def at(self, place: Place) -> Slices:
        """The cells of a tile."""
        return tuple(
            slice(i * tile, min((i + 1) * tile, size))
            for i, tile, size in zip(place, self.tile, self.sizes, strict=True)
        )

    def block(self, place: Place) -> Slices:
        """The cells of a stored chunk."""
        return tuple(
            slice(i * chunk, min((i + 1) * chunk, size))
            for i, chunk, size in zip(place, self.chunks, self.sizes, strict=True)
        )

    def pieces(self, place: Place) -> Iterator[Piece]:
        """The pieces of a tile."""
        cells = self.at(place)
        ranges = [
            range(part.start // chunk, -(-part.stop // chunk)) for part, chunk in zip(cells, self.chunks, strict=True)
        ]
        for block in product(*ranges):
            in_block, in_tile = [], []
            for part, whole in zip(cells, self.block(block), strict=True):
                low, high = max(part.start, whole.start), min(part.stop, whole.stop)
                in_block.append(slice(low - whole.start, high - whole.start))
                in_tile.append(slice(low - part.start, high - part.start))
            yield Piece(block, tuple(in_block), tuple(in_tile), math.prod(part.stop - part.start for part in in_tile))


def _smaller(sizes: Sequence[int], chunks: Sequence[int], wanted: int) -> tuple[int, ...]:
    """A part of a chunk, of about so many cells: along each dimension of more chunks than one, an even part."""
    tile = list(chunks)
    for k, (size, chunk) in enumerate(zip(sizes, chunks, strict=True)):
        rest = math.prod(tile) // tile[k]
        most = max(1, wanted // rest)
        if most >= chunk:
            break
        tile[k] = most if size <= chunk else max(each for each in range(1, most + 1) if chunk % each == 0)
    return tuple(tile)


def _larger(sizes: Sequence[int], chunks: Sequence[int], wanted: int) -> tuple[int, ...]:
    """Some whole chunks, of about so many cells: along the last dimension first."""
    tile = list(chunks)
    for k in reversed(range(len(tile))):
        times = min(-(-sizes[k] // chunks[k]), max(1, wanted // math.prod(tile)))
        tile[k] = min(times * chunks[k], sizes[k]) if times * chunks[k] >= sizes[k] else times * chunks[k]
        if tile[k] < sizes[k]:
            break
    return tuple(tile)
