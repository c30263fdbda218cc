"""What the places of data name: one or several, and the Zarr group at one of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.data.any_rows import may_be_location
from dgd.data.reading import Reading, paths_like
from dgd.errors import DataError, DatasetNotFoundError

if TYPE_CHECKING:
    from dgd.data.zarr.group import Group


def several_places(data: Any) -> list[Any] | None:
    """The locations of a list, or of a pattern that names no file itself; None for one location or an array."""
    if isinstance(data, (list, tuple)) and data and all(map(may_be_location, data)):
        return list(data)
    if not isinstance(data, (str, os.PathLike)):
        return None
    found = paths_like(os.fspath(data))
    if found == []:
        raise DatasetNotFoundError(f"no path is like {os.fspath(data)!r}; check the pattern")
    return None if found is None else list(found)


def is_by_columns(data: Any, options: Mapping[str, Any] | None = None) -> bool:
    """Whether data are a place where a table lies by its columns, so that a design is made of them."""
    try:
        places = several_places(data) or [data]
        group = stored_group(places[0], Reading(storage_options=options))
    except DataError:
        return False
    return group is not None and group.columns is not None


def stored_group(data: Any, reading: Reading) -> Group | None:
    """The zarr group that `data` names; None if it names an array, or is one."""
    if isinstance(data, np.ndarray) or not may_be_location(data):
        return None
    from dgd.data.zarr.group import Group
    from dgd.data.zarr.locations import is_location, source_of

    if not is_location(data):
        return None
    group = Group(source_of(data, reading.storage_options))
    return None if group.is_array else group
