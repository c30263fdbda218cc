"""Batches of a table as float arrays, every number finite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dgd._typing import FloatArray
from dgd.data.tables.columns import Selection, Table, overflowing_cell, refused_cell

FLOAT64 = np.dtype(np.float64)


class Block(NamedTuple):
    """Some rows: X in C order, y, the weights if there are any, and the bytes of the file read so far."""

    X: FloatArray
    y: FloatArray
    weight: FloatArray | None
    bytes_read: int


def blocks(table: Table, selection: Selection, dtype: np.dtype[np.floating[Any]]) -> Iterator[Block]:
    """The table's rows in order, X in `dtype`; raises IngestError at the first number that is not finite."""
    n_features = len(selection.features)
    dtypes = [dtype if name in selection.features else FLOAT64 for name in selection.used]
    start = 0
    for batch, bytes_read in table.batches(selection):
        columns = [_floats(batch.column(n), d) for n, d in zip(selection.used, dtypes, strict=True)]
        _check_finite(table, selection, batch, columns, start)
        start += batch.num_rows
        weight = None if selection.weight is None else columns[-1]
        yield Block(np.stack(columns[:n_features], axis=1), columns[n_features], weight, bytes_read)


def _floats(column: pa.Array, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
    """The column in `dtype`; NaN where it is null, infinite where it does not fit.

    Decimals go through text: Arrow's own conversion misses the nearest float in about three of ten.
    """
    if pa.types.is_decimal(column.type):
        column = pc.cast(column, pa.string())
    values: FloatArray = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        return values.astype(dtype, copy=False)


def _check_finite(
    table: Table, selection: Selection, batch: pa.RecordBatch, columns: list[FloatArray], start: int
) -> None:
    """Raise IngestError for the topmost number of the batch that is not finite; `start` rows came before."""
    faults = [
        (int(np.argmin(finite)), name)
        for name, values in zip(selection.used, columns, strict=True)
        if not (finite := np.isfinite(values)).all()
    ]
    if not faults:
        return
    index, name = min(faults, key=lambda fault: fault[0])
    value = _floats(batch.column(name).slice(index, 1), FLOAT64)[0]
    cell = table.cell(start + index + 1, name)
    if np.isnan(value):
        raise refused_cell(table, selection, name, cell, "missing")
    if np.isinf(value):
        raise refused_cell(table, selection, name, cell, "infinite")
    raise overflowing_cell(table, name, cell, columns[0].dtype.name)
