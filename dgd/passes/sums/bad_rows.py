"""Finding the row that spoils a sum: looked for only once a sum is not finite, or a weight negative."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.csr import Csr
from dgd.data.dataset import Chunk
from dgd.data.mixed import MISSING_CODE, Coded, Mixed, by_part
from dgd.errors import ValueRangeError
from dgd.losses import Loss

CHECKED_BYTES = 2**19
LEAVE_OUT = " (missing='drop', or --missing drop, leaves them out)"


def checked_weight(chunk: Chunk, dtype: np.dtype[Any]) -> Array | None:
    """The weights of a chunk, None where there are none. Raises ValueRangeError for a negative one."""
    if chunk.weight is None:
        return None
    weight = chunk.weight.astype(dtype, copy=False)
    if weight.min(initial=0) < 0:
        row = int(np.argmax(weight < 0))
        number = chunk.number(row)
        index, rows = _stored_chunk(chunk, number)
        raise ValueRangeError(
            f"array 'weight', chunk {index}: row {number} is {chunk.weight[row]}, expected a weight "
            f"of 0 or more; correct the weights, or drop the row",
            array="weight",
            chunk=index,
            rows=rows,
            row=number,
        )
    return weight


def checked_groups(chunk: Chunk) -> Array | None:
    """The groups of a chunk's rows, None where there are none. Raises ValueRangeError for a row without one."""
    groups = chunk.groups
    if groups is not None and groups.dtype.kind == "f" and np.isnan(groups).any():
        check_finite(chunk)
    return groups


def check_finite(chunk: Chunk) -> None:
    """Raise ValueRangeError at the first value of the chunk that is NaN or infinite, if there is one."""
    for name, values in chunk.arrays.items():
        parts = by_part(values) if isinstance(values, Mixed) else [(slice(0, 0), values)]
        for columns, part in parts:
            if isinstance(part, Coded):
                _check_coded(chunk, name, part, columns.start)
            elif isinstance(part, Csr):
                _check_stored(chunk, name, part, columns.start)
            else:
                _check(chunk, name, part, columns.start)


def _check(chunk: Chunk, name: str, values: Array, first: int) -> None:
    """first: the number of the first column."""
    if values.dtype.kind != "f":
        return
    step = max(16, CHECKED_BYTES // (8 * max(1, *values.shape[1:], 1)))
    for start in range(0, values.shape[0], step):
        bad = ~np.isfinite(values[start : start + step])
        if bad.any():
            row, *column = (int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
            _refuse_value(chunk, name, values[(start + row, *column)], (start + row, *(first + j for j in column)))


def _check_stored(chunk: Chunk, name: str, values: Csr, first: int) -> None:
    bad = ~np.isfinite(values.data)
    if bad.any():
        rows, columns = values.stored_where(bad)
        _refuse_value(chunk, name, values.data[bad][0], (int(rows[0]), first + int(columns[0])))


def _check_coded(chunk: Chunk, name: str, values: Coded, first: int) -> None:
    if values.values is not None:
        bad = ~np.isfinite(values.values) & (values.codes >= 0)
        if bad.any():
            row = int(bad.argmax())
            _refuse_value(chunk, name, values.values[row], (row, first + int(values.codes[row])))
    lacks = values.codes == MISSING_CODE
    if lacks.any():
        last = first + values.columns - 1
        row = int(lacks.argmax())
        expected = f"expected a category (columns {first} to {last}); drop or fill such rows{LEAVE_OUT}"
        _refuse(chunk, name, np.nan, (row, first), expected)


def _refuse_value(chunk: Chunk, name: str, value: Any, place: tuple[int, ...]) -> None:
    hint = LEAVE_OUT if np.isnan(value) else ""
    _refuse(chunk, name, value, place, f"expected a finite number; drop or fill such rows{hint}")


def check_targets(chunk: Chunk, loss: Loss) -> None:
    """Raise ValueRangeError at the first target of the chunk that is not what the loss expects, if there is one."""
    assert chunk.y is not None
    bad = np.isnan(loss.encode(chunk.y, np.dtype(np.float64)))
    if bad.any():
        place = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        _refuse(
            chunk,
            "y",
            chunk.y[place],
            place,
            f"and the loss {loss.name!r} expects {loss.expected}; correct such targets, or choose another loss",
        )


def _refuse(chunk: Chunk, name: str, value: Any, place: tuple[int, ...], expected: str) -> None:
    row = chunk.number(place[0])
    index, rows = _stored_chunk(chunk, row)
    column = place[1] if len(place) > 1 else None
    where = f"row {row}" + ("" if column is None else f", column {column}")
    said = value.item() if np.asarray(value).dtype.kind in "US" else value
    raise ValueRangeError(
        f"array {name!r}, chunk {index}: {where} is {said}, {expected}",
        array=name,
        chunk=index,
        rows=rows,
        row=row,
        column=column,
    )


def _stored_chunk(chunk: Chunk, number: int) -> tuple[int, tuple[int, int]]:
    """The number of the stored chunk that the dataset's row of a number is in, and that chunk's rows."""
    if chunk.cuts is None:
        return chunk.index, chunk.rows
    first, bounds = chunk.cuts
    k = int(np.searchsorted(bounds, number, side="right")) - 1
    return first + k, (int(bounds[k]), int(bounds[k + 1]))
