"""`dgd.score`: how well a model fits, a few figures from one pass, of all rows and of each group of them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Unpack

from dgd.data.any_rows import open_column
from dgd.data.arrays.frames import is_frame
from dgd.data.dataset import Dataset
from dgd.data.opening import open_beside, open_data
from dgd.data.reading import Reading, ReadingOptions
from dgd.data.rows import Rows
from dgd.data.tables.column_names import frame_names
from dgd.data.tables.files import parquet_paths
from dgd.data.transforms.split_rows import in_part_of
from dgd.errors import ConfigurationError, DataError
from dgd.losses import Loss
from dgd.models.prediction.columns_by_name import in_order_of
from dgd.models.prediction.model_of import model_of
from dgd.models.predictor import Predictor
from dgd.models.scoring.by_group import Groups, OfGroups
from dgd.models.scoring.classes import MOST_RANKED, ClassErrorSums, ClassScore
from dgd.models.scoring.numbers import ErrorSums, Score
from dgd.models.scoring.ranking import BYTES, EXACT, kept_of
from dgd.passes.execution import Execution, execution_of
from dgd.passes.plan import Need
from dgd.passes.session import session
from dgd.passes.sums.row_sums import Part, RowSums


def score(
    model: Any,
    data: Any,
    y: Any = None,
    *,
    weight: Any = None,
    offset: Any = None,
    by: Any = None,
    client: Any = None,
    threads: int | None = None,
    execution: Execution | None = None,
    **reading: Unpack[ReadingOptions],
) -> Score | ClassScore:
    """Measure a model's error on a dataset, in one pass.

    Of numbers MSE, RMSE, MAE, R², and the mean loss, deviance and D² of the model's loss; of classes accuracy, log
    loss, Brier score, AUC and a calibration table.

    data, y, weight, offset, reading: see `open_dataset`. client, threads, execution: where it runs, as for `fit`.
    by: the group of each row, as the name of a column or array beside X, or an array: the figures of each group are in
        `groups`, by its label; at most 1,000 groups.

    AUC is exact up to 1,048,576 rows (over classes); of more, scores are put together that have the same first bits,
    65,536 different ones at most (over all groups as well), and `auc_bound` says how far off it can be. Every figure
    has the same bits on threads and on workers.

    Raises ModelError if the data do not have the columns the model was fitted on.
    """
    model = model_of("score", model)
    dataset, table, how = opened_to_score("score", model, data, y, weight, offset, reading)
    if by is not None:
        dataset = replace(dataset, groups=in_part_of(dataset, _group_rows(model, table, by, how)))
    loss = model.loss_itself
    part, kept = part_of(model, dataset)
    parts: tuple[Part, ...] = (part,)
    if by is not None:
        parts = (part, OfGroups(part, kept))
    with session(execution_of(execution, client, threads)) as running:
        dataset = running.open(dataset, need_of(model, dataset, kept * len(parts)))
        found = running.executor.sweep(dataset, RowSums(loss, model.intercept, model.coef.T, parts))
    sums, left_out = found.value, 0 if found.left_out is None else found.left_out.rows
    if not sums.weight > 0:
        raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
    total, *groups = sums.parts
    of_all = figures(total, loss, left_out, offset=dataset.offset is not None)
    if groups:
        of_all.groups.update(_of_groups(groups[0], loss, dataset))
    return of_all


def opened_to_score(
    name: str, model: Predictor, data: Any, y: Any, weight: Any, offset: Any, reading: ReadingOptions
) -> tuple[Dataset, Any, Reading]:
    """The rows with their targets, as the model has its columns; the data as they were given, and how they are read.

    name: of the function that was called.
    """
    y = _target_of(model, data, reading) if y is None else y
    how = model.reading(Reading.of(name, model.part_of(reading)), data, y=y)
    table, data = data, in_order_of(model, data, how)
    if model.design is None and isinstance(y, str) and (is_frame(table) or frame_names(table) is not None):
        y = table[y]
    offset = model.offset_of(offset)
    dataset = open_data(data, y, weight, offset, need_target=True, reading=how, known=model.feature_names)
    model.check(dataset)
    return dataset, table, how


def _target_of(model: Predictor, data: Any, reading: ReadingOptions) -> str | None:
    """The column of a table that the model was fitted to, which need not be called y; a design knows its own."""
    if model.design is not None or model.target_name is None:
        return None
    names = frame_names(data)
    is_there = parquet_paths(data, reading.get("storage_options")) is not None if names is None else False
    return model.target_name if is_there or model.target_name in (names or ()) else None


def part_of(model: Predictor, dataset: Dataset) -> tuple[Part, int]:
    """What is summed, and the scores that one such sum may keep."""
    if model.classes is None:
        return ErrorSums(model), 0
    rankings = math.prod(model.outputs) if model.of_two else len(model.classes)
    if rankings > MOST_RANKED:
        return ClassErrorSums(model, 0), 0
    kept = kept_of(dataset.shape[0], rankings)
    return ClassErrorSums(model, kept), min(EXACT, kept * rankings)


def need_of(model: Predictor, dataset: Dataset, kept: int) -> Need:
    """Where all scores are kept, the sums share those of all rows, and copy them once; else each has as many."""
    outputs = math.prod(model.outputs)
    if kept >= EXACT:
        return Need(outputs=outputs, held_bytes=2 * BYTES * dataset.shape[0] * (kept // EXACT))
    return Need(outputs=outputs, hessian_bytes=BYTES * kept)


def figures(total: Any, loss: Loss, left_out: int, *, offset: bool) -> Score | ClassScore:
    """What the sums say, of numbers or of classes."""
    if hasattr(total, "hits"):
        return ClassScore.of(total, loss, left_out)
    return Score.of(total, loss, left_out, offset=offset)


def _of_groups(found: Groups, loss: Loss, dataset: Dataset) -> dict[Any, Any]:
    offset = dataset.offset is not None
    return {label: figures(found.sums[label], loss, 0, offset=offset) for label in sorted(found.sums)}


def _group_rows(model: Predictor, data: Any, by: Any, reading: Reading) -> Rows:
    """The groups as rows: an array, or the name of a column or array beside the data."""
    if not isinstance(by, str):
        return open_column("groups", by, reading)
    if is_frame(data) or frame_names(data) is not None:
        if by not in (frame_names(data) or ()):
            raise ConfigurationError(f"`score(by={by!r})` names no column of the table, which has {frame_names(data)}")
        return open_column("groups", data[by], reading)
    rows = open_beside(data, "by", by, reading, model.feature_names)
    if len(rows.shape) > 1:
        raise ConfigurationError(f"`score(by={by!r})` has {rows.shape[1]} columns, expected one; name another array")
    return rows
