"""The pass of a summary: centred products of all rows, or apart for each fold or each chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dgd._typing import Integers, Matrix
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.chunk_identities import chunk_identities
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds
from dgd.data.transforms.missing import check_counts
from dgd.passes.execution import Execution
from dgd.passes.plan import Need
from dgd.passes.products_need import products_need
from dgd.passes.session import session
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.gram_parts import ChunkGramSum, FoldGramSum, SectionGramSum
from dgd.passes.sums.gram_sum import GramSum
from dgd.passes.sums.r_factor import RFactor, RFactorSum

METHODS = ("gram", "qr")
WIDE_CHUNK_BYTES = 32 * 2**20
LEAST_CHUNKS = 16


@dataclass(frozen=True)
class How:
    """What is summed: by which method, in which precision, and what is kept apart."""

    method: str = "gram"
    precision: str = "double"
    folds: Folds | None = None
    by_chunk: bool = False
    cuts: Integers | None = None
    """The rows that sections begin with, each of which has folds of its own; but for the first."""

    @property
    def chunk_sum(self) -> Any:
        """What is summed of a chunk."""
        one: Any = GramSum(self.precision) if self.method == "gram" else RFactorSum()
        if self.by_chunk:
            return ChunkGramSum(one)
        if self.folds is None:
            return one
        return FoldGramSum(one, self.folds) if self.cuts is None else SectionGramSum(one, self.folds, self.cuts)

    def need(self, dataset: Dataset) -> Need:
        """What its pass needs beside reading."""
        assert dataset.y is not None
        folds = 1 if self.folds is None else self.folds.count
        return products_need(
            dataset.shape[1],
            dataset.y.shape[1] if len(dataset.y.shape) == 2 else 1,
            dataset.chunk_rows,
            self.precision,
            parts=folds,
            apart=dataset.n_chunks if self.by_chunk else 0 if self.cuts is None else folds * (len(self.cuts) + 1),
            factors=self.method == "qr",
        )

    def parts(self, found: Any) -> tuple[Gram | RFactor, ...]:
        """What is kept apart, of the sum of all chunks; the folds of one section after those of another."""
        if self.cuts is not None:
            return tuple(part for section in found.parts for part in section.parts)
        parts: tuple[Gram | RFactor, ...] = (found,) if self.folds is None and not self.by_chunk else found.parts
        return parts


@dataclass(frozen=True)
class Products:
    """What a pass has found."""

    parts: tuple[Any, ...]
    """Of `Gram` or `RFactor`."""
    chunks: Matrix
    """What each row chunk was; see `chunk_identities`."""
    rows_left_out: int
    bytes_read: int


def read_products(dataset: Dataset, how: How, where: Execution) -> Products:
    """Read every row once. Raises PlanError where the sums do not fit, DataError where no row counts."""
    as_given, dataset = dataset, in_wider_chunks(dataset, how.folds)
    with session(where) as running:
        result = running.executor.sweep(running.open(dataset, how.need(dataset)), how.chunk_sum)
    sums = how.parts(result.value)
    check_counts(sum(part.weight for part in sums), result.left_out, dataset.feature_names)
    left_out = 0 if result.left_out is None else result.left_out.rows
    return Products(sums, chunk_identities(as_given), left_out, result.bytes_read)


def in_wider_chunks(dataset: Dataset, folds: Folds | None) -> Dataset:
    """The dataset, in memory, in chunks each fold of which has rows enough for n² sums of its own.

    Whole chunks together, up to WIDE_CHUNK_BYTES and as long as LEAST_CHUNKS of them remain. Bits depend on that, as on
    the chunks of a store.
    """
    X = dataset.X
    if folds is None or folds.by == "chunks" or type(X) is not MemoryRows:
        return dataset
    rows = min(WIDE_CHUNK_BYTES // (8 * dataset.shape[1]), dataset.shape[0] // LEAST_CHUNKS)
    together = rows // dataset.chunk_rows
    return dataset if together < 2 else replace(dataset, X=replace(X, chunk_rows=together * dataset.chunk_rows))
