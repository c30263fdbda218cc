"""Sums over a part of each chunk's rows: those to fit, those held out, or both from one read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dgd.data.buffers import Buffers
from dgd.data.dataset import Chunk
from dgd.data.transforms.row_split import RowSplit
from dgd.fitting.epoch import EpochFold, EpochSoFar
from dgd.passes.sums.row_sums import RowSums, Sums


@dataclass(frozen=True, slots=True)
class BothSums:
    """The sums of the rows to fit, and of those held out."""

    training: Sums
    held_out: Sums

    def __add__(self, other: Self) -> Self:
        return type(self)(self.training + other.training, self.held_out + other.held_out)


@dataclass(frozen=True)
class OnTraining:
    """One sum over the rows to fit, and another one over those held out."""

    chunk_sum: RowSums
    split: RowSplit
    scored: RowSums

    def __call__(self, chunk: Chunk, buffers: Buffers) -> BothSums:
        training, held_out = self.split.split(chunk)
        return BothSums(self.chunk_sum(training, buffers), self.scored(held_out, buffers))


@dataclass(frozen=True)
class OnRowsToFit:
    """A sum over the rows to fit alone."""

    chunk_sum: RowSums
    split: RowSplit

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Sums:
        return self.chunk_sum(self.split.split(chunk)[0], buffers)


@dataclass(frozen=True)
class OnHeldOut:
    """A sum over the rows held out."""

    chunk_sum: RowSums
    split: RowSplit

    def __call__(self, chunk: Chunk, buffers: Buffers) -> Sums:
        return self.chunk_sum(self.split.split(chunk)[1], buffers)


@dataclass(frozen=True)
class OnTrainingFold:
    """The steps of an epoch, over the rows to fit."""

    fold: EpochFold
    split: RowSplit

    def __call__(self, value: EpochSoFar, chunk: Chunk, buffers: Buffers) -> EpochSoFar:
        return self.fold(value, self.split.split(chunk)[0], buffers)
