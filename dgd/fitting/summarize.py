"""`dgd.summarize`: one pass over the data, after which any number of least-squares fits need none."""

from __future__ import annotations

from typing import Any, Unpack

from dgd.data.dataset import Dataset
from dgd.data.folds import Folds, make_folds
from dgd.data.missing import check_counts
from dgd.data.opening import open_dataset
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_word
from dgd.fitting.summary import Summary
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import products_need
from dgd.passes.session import session
from dgd.passes.sums.gram import Gram, GramSum
from dgd.passes.sums.gram_parts import ChunkGramSum, FoldGramSum
from dgd.passes.tree import sum_siblings

PRECISIONS = ("double", "single")


def summarize(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    folds: int | None = None,
    by: Any = "rows",
    by_chunk: bool = False,
    seed: int = 0,
    precision: str = "double",
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Summary:
    """Sum what every squared loss asks of the rows, in one pass: Σw, means, centred products of columns and targets.

        Σw      x̄      Σ w (x − x̄)(x − x̄)ᵀ      ȳ      Σ w (x − x̄)(y − ȳ)ᵀ      Σ w (y − ȳ)²

    The sums are made by the fixed tree of chunks: their bits are the same on any number of threads and workers.

    data, y, weight, offset, reading: see `open_dataset`; the offset is subtracted from y.
    folds: keep the sums of so many folds apart. by: "rows", "chunks", or an array with the group of each row: rows of a
        group are in one fold. seed: of the folds.
    by_chunk: keep the sums of each chunk apart, so that it can be left out or replaced later.
    precision: "double", or "single" for products in float32 within a block.
    client, threads, execution: where it runs, as for `fit`. Memory is n² + nq numbers for each fold and sum held.

    Raises PlanError where that does not fit, DataError, and ConfigurationError.
    """
    where = execution_of(execution, client, threads)
    checked_word("summarize(precision", precision, PRECISIONS)
    each_chunk = checked_flag("summarize(by_chunk", by_chunk)
    if each_chunk and folds is not None:
        raise ConfigurationError("`summarize(folds=..., by_chunk=True)`: give one of them")
    dataset = open_dataset(data, y, weight=weight, offset=offset, **reading).waiting_at_most(where.read_timeout)
    apart = None if folds is None else make_folds("summarize", dataset, folds, by, seed)
    parts = dataset.n_chunks if each_chunk else 1 if apart is None else apart.count
    return _summed(dataset, apart, each_chunk, parts, precision, where)


def _summed(
    dataset: Dataset, folds: Folds | None, each_chunk: bool, parts: int, precision: str, where: Execution
) -> Summary:
    assert dataset.y is not None
    q = dataset.y.shape[1] if len(dataset.y.shape) == 2 else 1
    gram: Any = GramSum(precision)
    chunk_sum = ChunkGramSum(gram) if each_chunk else gram if folds is None else FoldGramSum(gram, folds)
    with session(where) as running:
        need = products_need(dataset.shape[1], q, dataset.chunk_rows, precision, parts=parts)
        result = running.executor.sweep(running.open(dataset, need), chunk_sum)
    found: Any = result.value
    grams: tuple[Gram, ...] = found.parts if each_chunk or folds is not None else (found,)
    check_counts(sum_siblings(grams).weight, result.left_out, dataset.feature_names)
    return Summary(
        grams,
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        several=len(dataset.y.shape) == 2,
        source=dataset.source,
        identity=dataset.identity,
        rows_left_out=0 if result.left_out is None else result.left_out.rows,
        dataset=dataset,
    )
