"""Several Grams from one read: for each fold of the rows, for each chunk, or for sections of the rows and folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from operator import add
from typing import Self

import numpy as np

from dgd._typing import Integers
from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.folds import Folds
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.gram_sum import GramSum
from dgd.passes.tree import absorbed


@dataclass(frozen=True, slots=True)
class FoldGrams:
    """The Gram of each fold."""

    parts: tuple[Gram, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(tuple(a + b for a, b in zip(self.parts, other.parts, strict=True)))

    def absorb(self, other: Self) -> Self:
        """The same sums in the memory of these."""
        return type(self)(tuple(absorbed(a, b) for a, b in zip(self.parts, other.parts, strict=True)))


@dataclass(frozen=True)
class FoldGramSum:
    """The rows of a chunk, fold by fold."""

    gram: GramSum
    folds: Folds

    def __call__(self, chunk: Chunk, buffers: Buffers) -> FoldGrams:
        order, bounds = self.folds.order(chunk)
        parts = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
        return FoldGrams(self.gram.of_parts(chunk, parts, buffers, order))


@dataclass(frozen=True, slots=True)
class ChunkGrams:
    """The Grams of some chunks, in their order."""

    parts: tuple[Gram, ...]

    def __add__(self, other: Self) -> Self:
        return type(self)(self.parts + other.parts)


@dataclass(frozen=True)
class ChunkGramSum:
    """The Gram of a chunk, kept apart."""

    gram: GramSum

    def __call__(self, chunk: Chunk, buffers: Buffers) -> ChunkGrams:
        return ChunkGrams((self.gram(chunk, buffers),))


@dataclass(frozen=True, slots=True)
class SectionGrams:
    """The Grams of the folds of some consecutive sections of the rows."""

    first: int
    """The first of them."""
    parts: tuple[FoldGrams, ...]

    def __add__(self, other: Self) -> Self:
        return self._with(other, add)

    def absorb(self, other: Self) -> Self:
        """The same sums in the memory of these."""
        return self._with(other, absorbed)

    def _with(self, other: Self, join: Callable[[FoldGrams, FoldGrams], FoldGrams]) -> Self:
        """Of rows that follow: only the last section can be that which they begin in."""
        if other.first == self.first + len(self.parts):
            return type(self)(self.first, self.parts + other.parts)
        return type(self)(self.first, (*self.parts[:-1], join(self.parts[-1], other.parts[0]), *other.parts[1:]))


@dataclass(frozen=True)
class SectionGramSum:
    """The rows of a chunk, section by section, and in each fold by fold."""

    gram: GramSum
    folds: Folds
    cuts: Integers
    """The rows that later sections begin with, ascending."""

    def __call__(self, chunk: Chunk, buffers: Buffers) -> SectionGrams:
        numbers = np.arange(*chunk.rows) if chunk.numbers is None else chunk.numbers
        first = int(np.searchsorted(self.cuts, numbers[0] if len(numbers) else chunk.start, side="right"))
        inner = np.searchsorted(numbers, self.cuts[first:])
        bounds = [0, *(int(each) for each in inner if each < len(numbers)), len(numbers)]
        each = FoldGramSum(self.gram, self.folds)
        if len(bounds) == 2:
            return SectionGrams(first, (each(chunk, buffers),))
        sections = (chunk.take(np.arange(a, b)) for a, b in pairwise(bounds))
        return SectionGrams(first, tuple(each(section, buffers) for section in sections))
