"""Finding the row that spoils a sum: looked for only once a sum is not finite, or a weight negative."""

from __future__ import annotations

from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.csr import Csr
from dgd.data.dataset import Chunk
from dgd.errors import ValueRangeError
from dgd.losses import Loss

CHECKED_BYTES = 2**19


def checked_weight(chunk: Chunk, dtype: np.dtype[Any]) -> Array | None:
    """The weights of a chunk, None where there are none. Raises ValueRangeError for a negative one."""
    if chunk.weight is None:
        return None
    weight = chunk.weight.astype(dtype, copy=False)
    if weight.min(initial=0) < 0:
        row = int(np.argmax(weight < 0))
        raise ValueRangeError(
            f"array 'weight', chunk {chunk.index}: row {chunk.number(row)} is {chunk.weight[row]}, expected a weight "
            f"of 0 or more; correct the weights, or drop the row",
            array="weight",
            chunk=chunk.index,
            rows=chunk.rows,
            row=chunk.number(row),
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
    step = max(16, CHECKED_BYTES // (8 * chunk.X.shape[1]))
    for name, values in chunk.arrays.items():
        if values.dtype.kind != "f":
            continue
        if isinstance(values, Csr):
            _check_stored(chunk, name, values)
            continue
        for start in range(0, values.shape[0], step):
            bad = ~np.isfinite(values[start : start + step])
            if bad.any():
                place = np.unravel_index(int(bad.argmax()), bad.shape)
                place_of = (start + int(place[0]), *(int(i) for i in place[1:]))
                _refuse_value(chunk, name, values[place_of], place_of)


def _check_stored(chunk: Chunk, name: str, values: Csr) -> None:
    bad = ~np.isfinite(values.data)
    if bad.any():
        rows, columns = values.stored_where(bad)
        _refuse_value(chunk, name, values.data[bad][0], (int(rows[0]), int(columns[0])))


def _refuse_value(chunk: Chunk, name: str, value: Any, place: tuple[int, ...]) -> None:
    hint = " (missing='drop', or --missing drop, leaves them out)" if np.isnan(value) else ""
    _refuse(chunk, name, value, place, f"expected a finite number; drop or fill such rows{hint}")


def check_targets(chunk: Chunk, loss: Loss) -> None:
    """Raise ValueRangeError at the first target of the chunk that is not what the loss expects, if there is one."""
    assert chunk.y is not None
    bad = np.isnan(loss.encode(chunk.y, np.dtype(np.float64)))
    if bad.any():
        place = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        _refuse(chunk, "y", chunk.y[place], place, f"and the loss {loss.name!r} expects {loss.expected}")


def _refuse(chunk: Chunk, name: str, value: Any, place: tuple[int, ...], expected: str) -> None:
    row = chunk.number(place[0])
    column = place[1] if len(place) > 1 else None
    where = f"row {row}" + ("" if column is None else f", column {column}")
    raise ValueRangeError(
        f"array {name!r}, chunk {chunk.index}: {where} is {value.item() if value.dtype.kind in 'US' else value}, "
        f"{expected}",
        array=name,
        chunk=chunk.index,
        rows=chunk.rows,
        row=row,
        column=column,
    )
