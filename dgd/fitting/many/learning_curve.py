"""`dgd.learning_curve`: how the error on rows not seen falls with the rows that are fitted, in one pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from operator import add
from typing import Any, Unpack

import numpy as np

from dgd._typing import Integers, Vector
from dgd.data.folds import make_folds
from dgd.data.reading import ReadingOptions
from dgd.errors import ConfigurationError, DataError
from dgd.errors.checks import checked_flag, checked_word
from dgd.errors.words import counted, shown
from dgd.fitting.arguments import make_penalty
from dgd.fitting.many.curve_of_sizes import LearningCurve
from dgd.fitting.many.gram_path import losses
from dgd.fitting.summary.read_products import How, read_products
from dgd.fitting.summary.summarize import PRECISIONS
from dgd.fitting.summary.summary import Summary
from dgd.passes.blas import single_threaded_blas
from dgd.passes.execution import Execution, execution_of
from dgd.passes.opening import open_dataset
from dgd.passes.sums.gram import Gram
from dgd.penalties import Penalty

SIZES = (0.1, 0.325, 0.55, 0.775, 1.0)


def learning_curve(
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    penalty: Penalty | None = None,
    sizes: Sequence[float] | Sequence[int] = SIZES,
    folds: int = 5,
    by: Any = "rows",
    seed: int = 0,
    fit_intercept: bool = True,
    precision: str = "double",
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> LearningCurve:
    """Fit the squared loss to more and more of the first rows, and score each fit on rows that it has not seen.

        L sizes × F folds: θ of the first rows without a fold's; its loss on those rows, and on all rows of the fold

    One pass: centred products are summed apart for each fold between one size and the next, so that those of the first
    rows are sums of them, and the losses of a fold follow from its own, exactly. What is left to be gained by more rows
    is seen at the end of the curve; what by other columns or a weaker penalty, in the training loss.

    data, y, weight, offset, reading: see `open_dataset`. Rows are taken in their stored order: of sorted data a curve
    says what earlier rows tell of all.
    penalty, fit_intercept: as for `fit`. The penalty is beside the mean loss, whatever the number of rows.
    sizes: of the first rows, ascending: parts of all rows up to 1, or whole numbers of rows. A fit is to those of them
        that are not in its fold, as `LearningCurve.train_rows` has them.
    folds, by, seed: as for `cross_validate`. precision, client, threads, execution: as for `summarize`.

    Raises ConfigurationError, PlanError where the sums, L·F times n² numbers, do not fit, and DataError where no row is
    left to fit or to score.
    """
    began = time.perf_counter()
    where = execution_of(execution, client, threads)
    checked_word("learning_curve(precision", precision, PRECISIONS)
    intercept, chosen = checked_flag("learning_curve(fit_intercept", fit_intercept), make_penalty(penalty)
    dataset = open_dataset(data, y, weight=weight, offset=offset, execution=where, **reading)
    dataset = dataset.waiting_at_most(where.read_timeout)
    chosen.check(dataset.shape[1])
    rows = _rows_of(sizes, dataset.shape[0])
    apart = make_folds("learning_curve", dataset, folds, by, seed)
    found = read_products(dataset, How("gram", precision, apart, cuts=rows[rows < dataset.shape[0]]), where)
    parts: Any = found.parts
    sections = [parts[first : first + apart.count] for first in range(0, len(parts), apart.count)]
    first_rows = list(accumulate(sections, lambda before, more: tuple(map(add, before, more))))
    _check_rows(first_rows, rows)
    whole = Summary(
        first_rows[-1],
        feature_names=dataset.feature_names,
        target_name=dataset.target_name,
        several=dataset.y is not None and len(dataset.y.shape) == 2,
    )
    with single_threaded_blas():
        table = [
            [_fitted(whole, grams, fold, chosen, intercept=intercept) for fold in range(apart.count)]
            for grams in first_rows[: len(rows)]
        ]
    return LearningCurve(
        penalty=chosen,
        sizes=rows,
        train_rows=np.array([[each[0] for each in line] for line in table], dtype=np.int64),
        train_losses=np.array([[each[1] for each in line] for line in table]),
        validation_losses=np.array([[each[2] for each in line] for line in table]),
        converged=np.array([[each[3] for each in line] for line in table]),
        thetas=np.stack([np.stack([each[4] for each in line]) for line in table]),
        bytes_read=found.bytes_read,
        rows_left_out=found.rows_left_out,
        seconds=time.perf_counter() - began,
    )


def _fitted(
    whole: Summary, grams: Sequence[Gram], fold: int, penalty: Penalty, *, intercept: bool
) -> tuple[int, float, float, bool, Vector]:
    """Of the first rows without a fold: their number, the loss on them and on the fold, whether it is sure, and θ."""
    training = reduce(add, [gram for k, gram in enumerate(grams) if k != fold])
    result = whole.of_sums(training).fit(penalty=penalty, fit_intercept=intercept)
    theta = result.theta.reshape(1, len(result.theta), -1)
    scored = [losses(each, theta, fit_intercept=intercept).sum() for each in (training, whole.grams[fold])]
    return training.rows, float(scored[0]), float(scored[1]), result.converged, result.theta


def _rows_of(sizes: Any, rows: int) -> Integers:
    """The numbers of rows, ascending."""
    message = (
        f"`learning_curve(sizes=...)` must be ascending parts of the {counted(rows, 'row')}, above 0 and up to 1, or "
        f"whole numbers of rows, got {shown(sizes)}"
    )
    try:
        given = np.asarray(list(sizes))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(message) from error
    if given.ndim != 1 or not given.size or given.dtype.kind not in "uif" or not (given > 0).all():
        raise ConfigurationError(message)
    if given.dtype.kind == "f":
        given = np.where(given <= 1, np.ceil(given * rows), np.inf)
    if given.max() > rows or (np.diff(given) <= 0).any():
        raise ConfigurationError(message)
    found: Integers = given.astype(np.int64)
    return found


def _check_rows(first_rows: Sequence[Sequence[Gram]], rows: Integers) -> None:
    for fold, gram in enumerate(first_rows[-1]):
        if not gram.weight > 0:
            raise DataError(f"the weights of fold {fold} sum to 0: no row counts", array="weight")
        rest = sum(other.weight for k, other in enumerate(first_rows[0]) if k != fold)
        if not rest > 0:
            raise DataError(
                f"of the first {counted(int(rows[0]), 'row')} none counts outside fold {fold}; begin with a larger "
                f"size (`sizes=`)",
                array="X",
            )
