"""`dgd.summarize`: one pass over the data, after which any number of least-squares fits need none."""

from __future__ import annotations

from typing import Any, Unpack

from dgd.data.folds import Folds, make_folds
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_flag, checked_word
from dgd.fitting.summary.read_products import METHODS, How, read_products
from dgd.fitting.summary.summary import Summary
from dgd.fitting.summary.updated import roles_of
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset

PRECISIONS = ("double", "single")


def summarize(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    folds: int | Folds | None = None,
    by: Any = "rows",
    by_chunk: bool = False,
    seed: int = 0,
    method: str = "gram",
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
    method: "gram", or "qr": the R factor of the columns instead, by Householder's QR of each block, stacked up the same
        tree. It takes about ten times as long to compute, and does not square the condition of the columns: for
        polynomials and other columns that nearly depend on each other.
    precision: "double", or "single" for products in float32 within a block; "qr" is always in double.
    client, threads, execution: where it runs, as for `fit`. Memory is n² + nq numbers for each fold and sum held.

    Raises PlanError where that does not fit, DataError, and ConfigurationError.
    """
    where = execution_of(execution, client, threads)
    checked_word("summarize(precision", precision, PRECISIONS)
    checked_word("summarize(method", method, METHODS)
    each_chunk = checked_flag("summarize(by_chunk", by_chunk)
    if each_chunk and folds is not None:
        raise ConfigurationError("`summarize(folds=..., by_chunk=True)`: give one of them")
    dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
    dataset = dataset.waiting_at_most(where.read_timeout)
    assert dataset.y is not None
    apart = folds if folds is None or isinstance(folds, Folds) else make_folds("summarize", dataset, folds, by, seed)
    found = read_products(dataset, How(method, precision, apart, each_chunk), where)
    return Summary(
        found.parts,
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        several=len(dataset.y.shape) == 2,
        by_chunk=each_chunk,
        precision=precision,
        source=dataset.source,
        identity=dataset.identity,
        rows_left_out=found.rows_left_out,
        chunks=found.chunks,
        bytes_read=found.bytes_read,
        dataset=dataset,
        roles=roles_of(dataset),
        design=dataset.design,
    )
