"""The pass of a summary: centred products of all rows, or apart for each fold or each chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dgd._typing import Matrix
from dgd.data.chunk_identities import chunk_identities
from dgd.data.dataset import Dataset
from dgd.data.folds import Folds
from dgd.data.transforms.missing import check_counts
from dgd.passes.execution import Execution
from dgd.passes.products_need import products_need
from dgd.passes.session import session
from dgd.passes.sums.gram import Gram
from dgd.passes.sums.gram_parts import ChunkGramSum, FoldGramSum
from dgd.passes.sums.gram_sum import GramSum
from dgd.passes.sums.r_factor import RFactor, RFactorSum
from dgd.passes.tree import sum_siblings

METHODS = ("gram", "qr")


@dataclass(frozen=True)
class How:
    """What is summed: by which method, in which precision, and what is kept apart."""

    method: str = "gram"
    precision: str = "double"
    folds: Folds | None = None
    by_chunk: bool = False

    def parts(self, n_chunks: int) -> int:
        """The sums that are kept apart."""
        return n_chunks if self.by_chunk else 1 if self.folds is None else self.folds.count


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
    assert dataset.y is not None
    q = dataset.y.shape[1] if len(dataset.y.shape) == 2 else 1
    one: Any = GramSum(how.precision) if how.method == "gram" else RFactorSum()
    chunk_sum = ChunkGramSum(one) if how.by_chunk else one if how.folds is None else FoldGramSum(one, how.folds)
    with session(where) as running:
        parts = how.parts(dataset.n_chunks)
        need = products_need(
            dataset.shape[1],
            q,
            dataset.chunk_rows,
            how.precision,
            parts=1 if how.by_chunk else parts,
            chunks=parts if how.by_chunk else 0,
            factors=how.method == "qr",
        )
        result = running.executor.sweep(running.open(dataset, need), chunk_sum)
    found: Any = result.value
    sums: tuple[Gram | RFactor, ...] = found.parts if parts > 1 or how.by_chunk else (found,)
    check_counts(sum_siblings(sums).weight, result.left_out, dataset.feature_names)
    left_out = 0 if result.left_out is None else result.left_out.rows
    return Products(sums, chunk_identities(dataset), left_out, result.bytes_read)
