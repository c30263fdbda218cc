"""Batches of a table as float arrays, every number finite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dgd._typing import Array, FloatArray
from dgd.data.tables.columns import Selection, Table
from dgd.data.tables.refusals import overflowing_cell, refused_cell
from dgd.errors import IngestError

Policy = Literal["error", "drop", "keep"]
FLOAT64 = np.dtype(np.float64)


class Block(NamedTuple):
    """Some rows: X in C order, y, weights, offsets and ids where there are some, and the bytes read so far."""

    X: FloatArray
    y: FloatArray | None
    weight: FloatArray | None
    offset: FloatArray | None
    ids: dict[str, Array]
    bytes_read: int
    left_out: int


@dataclass
class MissingCells:
    """What is done with rows that have a missing cell, and how many cells there were by column."""

    policy: Policy = "error"
    counts: Counter[str] = field(default_factory=Counter)


def blocks(
    table: Table,
    selection: Selection,
    dtype: np.dtype[np.floating[Any]],
    missing: MissingCells,
    whole_ids: Mapping[str, bool],
    rows: int,
) -> Iterator[Block]:
    """The table's rows in order, X in `dtype`; raises IngestError at the first number that is not finite.

    Missing cells raise as well, or are NaN, or their rows are left out. whole_ids: whether an id is an int64, or text.
    rows: of a chunk that is written.
    """
    n_features = len(selection.features)
    dtypes = [dtype if name in selection.features else FLOAT64 for name in selection.used]
    start = 0
    for batch, bytes_read in table.batches(selection, rows):
        columns = [floats(batch.column(n), d) for n, d in zip(selection.used, dtypes, strict=True)]
        ids = {name: id_values(table, name, batch.column(name), whole=whole) for name, whole in whole_ids.items()}
        whole = None if missing.policy == "error" else _without_missing(selection, columns, missing)
        _check_finite(table, selection, batch, columns, start, missing.policy)
        start += batch.num_rows
        if whole is not None and missing.policy == "drop":
            columns = [column[whole] for column in columns]
            ids = {name: values[whole] for name, values in ids.items()}
        others = iter(columns[n_features:])
        y = None if selection.target is None else next(others)
        weight = None if selection.weight is None else next(others)
        offset = None if selection.offset is None else next(others)
        X = np.stack(columns[:n_features], axis=1)
        yield Block(X, y, weight, offset, ids, bytes_read, batch.num_rows - len(X))


def _without_missing(selection: Selection, columns: list[FloatArray], missing: MissingCells) -> NDArray[np.bool_]:
    """Which rows have no missing cell; counts the cells."""
    whole = np.ones(len(columns[0]), dtype=bool)
    for name, values in zip(selection.used, columns, strict=True):
        is_missing = np.isnan(values)
        if is_missing.any():
            missing.counts[name] += int(is_missing.sum())
            whole &= ~is_missing
    return whole


def floats(column: pa.Array, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
    """The column in `dtype`; NaN where it is null, infinite where it does not fit.

    Decimals go through text: Arrow's own conversion misses the nearest float in about three of ten.
    """
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.string())
    values: FloatArray = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def id_values(table: Table, name: str, column: pa.Array, *, whole: bool) -> Array:
    """An id's cells as int64, or as texts: "" for a missing one."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if whole:
            return np.asarray(column.cast(pa.int64()).to_numpy())
        return np.asarray(column.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False))
    except pa.ArrowException as error:
        raise IngestError(
            f"{table.path}: column {name!r} of type {column.type} cannot be an id, which is a text or a whole number: "
            f"{error}",
            file=table.path,
            column=name,
        ) from error


def _check_finite(
    table: Table, selection: Selection, batch: pa.RecordBatch, columns: list[FloatArray], start: int, policy: str
) -> None:
    """Raise IngestError for the topmost number of the batch that is not finite; `start` rows came before."""
    is_good = np.isfinite if policy == "error" else lambda values: ~np.isinf(values)
    faults = [
        (int(np.argmin(finite)), name)
        for name, values in zip(selection.used, columns, strict=True)
        if not (finite := is_good(values)).all()
    ]
    if not faults:
        return
    index, name = min(faults, key=lambda fault: fault[0])
    value = floats(batch.column(name).slice(index, 1), FLOAT64)[0]
    cell = table.cell(start + index + 1, name)
    if np.isnan(value):
        raise refused_cell(table, selection, name, cell, "missing")
    if np.isinf(value):
        raise refused_cell(table, selection, name, cell, "infinite")
    raise overflowing_cell(table, name, cell, columns[0].dtype.name)
