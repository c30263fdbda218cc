"""An array of any kind, or the place of one, as rows."""

from __future__ import annotations

import os
from typing import Any, cast

from dgd.data.arrays.frames import array_of, is_frame
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.arrays.other_arrays import rows_of_array
from dgd.data.reading import Reading
from dgd.data.rows import ReadAtOnce, Rows


def open_column(role: str, values: Any, reading: Reading) -> Rows:
    """An array, or the place of one, that goes beside data that are open already."""
    return MemoryRows(role, array_of(role, values)) if is_frame(values) else rows_of(role, values, reading)


def rows_of(name: str, values: Any, reading: Reading) -> Rows:
    """An array of any kind as rows."""
    if isinstance(values, ReadAtOnce):
        return cast(Rows, values)
    if module_of(values) == "dask" and hasattr(values, "__dask_graph__"):
        from dgd.data.dask_rows.arrays import DaskRows

        return DaskRows(name, values)
    if may_be_location(values):
        from dgd.data.zarr.group import open_array
        from dgd.data.zarr.locations import is_location

        if is_location(values):
            return open_array(values, name, reading.storage_options)
    return rows_of_array(name, values)


def may_be_location(data: Any) -> bool:
    return (
        isinstance(data, (str, os.PathLike))
        or module_of(data) in ("zarr", "fsspec")
        or hasattr(data, "get_partial_values")
    )


def module_of(value: Any) -> str:
    return type(value).__module__.partition(".")[0]
