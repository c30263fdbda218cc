"""DataFrames and Series of Dask as rows: their partitions are the row chunks, each turned into an array when read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from dask.array import Array as DaskArray
from dask.array import concatenate

from dgd._typing import Array
from dgd.data.arrays.frames import array_of, check_columns, column_values, label_type, labels_of, number_type
from dgd.data.buffers import Buffers
from dgd.data.dask_rows.arrays import DaskRows, compute
from dgd.data.rows import READABLE_KINDS
from dgd.errors import ReadError, UnsupportedFormatError


@dataclass(frozen=True, eq=False)
class LabelRows(DaskRows):
    """A Series of labels: its partitions are Python's objects, whose kind and width are known once they are read."""

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The labels from start to stop."""
        values = labels_of(super().read(start, stop, buffers)[0])
        if (values.dtype.kind in READABLE_KINDS) != (self.dtype.kind in READABLE_KINDS):
            raise UnsupportedFormatError(
                f"array {self.name!r}: rows {start} to {stop - 1} have dtype {values.dtype}, expected strings, as its "
                f"dtype promises no number; convert it (`.astype(str)`, `.astype(float)` or `.cat.as_known()`)",
                array=self.name,
                rows=(start, stop),
            )
        return values, values.nbytes


def rows_of(frames: dict[str, Any]) -> dict[str, DaskRows]:
    """Each frame as rows, by the array's name; the lengths of all partitions are found in one computation.

    Raises UnsupportedFormatError where columns are not numbers, ReadError where counting fails.
    """
    metas = {name: _meta(name, frame) for name, frame in frames.items()}
    lengths = partition_lengths(frames)
    found: dict[str, DaskRows] = {}
    for name, frame in frames.items():
        meta, turn = metas[name], column_values if frame.ndim == 1 else _matrix
        chunks = (lengths[name], *((size,) for size in meta.shape[1:]))
        array = partitions(frame, turn, chunks, meta)
        as_objects = frame.ndim == 1 and number_type(frame.dtype) is None
        found[name] = (LabelRows if as_objects else DaskRows)(name, array)
    return found


def partitions(frame: Any, turn: Callable[[Any], Array], chunks: tuple[Any, ...], meta: Array) -> DaskArray:
    """A Dask array of what a function makes of each partition."""
    # Simplified, not optimised: an optimised frame may have fewer partitions, by the columns that are read.
    frame = frame.simplify()
    keys = frame.__dask_keys__()
    name = f"{turn.__name__.strip('_')}-{keys[0][0]}"
    columns = (0,) * (len(chunks) - 1)
    graph = {(name, k, *columns): (turn, key) for k, key in enumerate(keys)}
    return DaskArray({**frame.__dask_graph__(), **graph}, name, chunks, meta=meta)


def _matrix(part: Any) -> Array:
    return array_of("X", part)


def _length(part: Any) -> Array:
    return np.array([len(part)])


def partition_lengths(frames: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The lengths of the partitions of each frame, counted together; one column is enough to count."""
    counts = {
        name: partitions(
            frame if frame.ndim == 1 else frame[[frame.columns[0]]],
            _length,
            ((1,) * frame.npartitions,),
            np.empty(0, np.int64),
        )
        for name, frame in frames.items()
    }
    try:
        found = iter(compute(concatenate(list(counts.values())), whole=True).tolist())
    except Exception as error:
        raise ReadError(
            f"counting the rows of {' and '.join(map(repr, frames))} failed with {type(error).__name__}: {error}; "
            f"look into how the Dask DataFrame is made"
        ) from error
    return {name: tuple(next(found) for _ in range(frame.npartitions)) for name, frame in frames.items()}


def _meta(name: str, frame: Any) -> Array:
    """An array without rows, of the dtype of partitions in which no cell is missing."""
    if frame.ndim == 2:
        check_columns(name, frame, objects=False)
        known = [dtype for dtype in map(number_type, frame.dtypes) if dtype is not None]
        return np.empty((0, len(known)), np.result_type(*known) if known else np.float64)
    return np.empty(0, number_type(frame.dtype) or label_type(name, frame.dtype))
