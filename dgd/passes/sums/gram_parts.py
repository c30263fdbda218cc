"""Several Grams from one read: one for each fold of the rows, or one for each chunk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

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
        chunk, bounds = self.folds.sorted(chunk, buffers.within("folds"))
        parts = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
        return FoldGrams(self.gram.of_parts(chunk, parts, buffers))


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
