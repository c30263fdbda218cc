"""Opens data as a dataset: a Zarr group, or arrays on disk, in memory or of Dask."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.data.dataset import Dataset
from dgd.data.memory_rows import as_rows
from dgd.data.rows import Rows
from dgd.errors import ConfigurationError

if TYPE_CHECKING:
    from dgd.data.zarr.group import Group


def open_dataset(data: Any, y: Any = None, *, weight: Any = None, offset: Any = None) -> Dataset:
    """Open X, y and perhaps weights and offsets as one dataset; nothing but metadata is read.

    data: the path or URL of a Zarr group with arrays `X` and `y`, a zarr group or store, a `dgd.Dataset`, or X itself:
    a NumPy, Dask or zarr array, or the path of one.
    y, weight, offset: the array's name in the group (y: "y" by default; the others: none) or the array itself; weight
    has shape (m,), y and offset (m,) or (m, q). Where y holds classes, its labels may be strings.

    Raises DatasetNotFoundError, IncompleteDatasetError, MetadataError, UnsupportedFormatError or SchemaError, all of
    them DataError, and ConfigurationError for arguments that do not go together.
    """
    return open_data(data, y, weight, offset, need_target=True)


def open_data(data: Any, y: Any, weight: Any, offset: Any = None, *, need_target: bool) -> Dataset:
    """What `open_dataset` does; for predictions without a target."""
    if isinstance(data, Dataset):
        if not (y is None and weight is None and offset is None):
            raise ConfigurationError("a `dgd.Dataset` brings its own y, weight and offset; give them to `open_dataset`")
        dataset = data
    else:
        group = _group(data)
        if group is not None:
            target = ("y" if need_target else None) if y is None else y
            dataset = _open_group(group, target, weight, offset)
        else:
            names = list(getattr(data, "columns", ()))
            dataset = Dataset(
                X=_rows("X", data),
                feature_names=tuple(names) if names and all(isinstance(name, str) for name in names) else None,
                y=None if y is None else _rows("y", y),
                weight=None if weight is None else _rows("weight", weight),
                offset=None if offset is None else _rows("offset", offset),
                source=data if isinstance(data, str) else "memory",
            )
    if not need_target:
        return replace(dataset, y=None, weight=None)
    if dataset.y is None:
        raise ConfigurationError("X was given as an array and there is no y: pass it as the second argument")
    return dataset


def _group(data: Any) -> Group | None:
    """The zarr group that `data` names; None if it names an array, or is one."""
    if isinstance(data, np.ndarray) or not _may_be_location(data):
        return None
    from dgd.data.zarr.group import Group
    from dgd.data.zarr.locations import is_location, source_of

    if not is_location(data):
        return None
    group = Group(source_of(data))
    return None if group.is_array else group


def _open_group(group: Group, y: Any, weight: Any, offset: Any) -> Dataset:
    from dgd.data.zarr.group import open_group

    def named(name: str, values: Any) -> Any:
        return values if values is None or isinstance(values, str) else _rows(name, values)

    return open_group(group, y=named("y", y), weight=named("weight", weight), offset=named("offset", offset))


def _rows(name: str, values: Any) -> Rows:
    """An array of any kind as rows."""
    if _module(values) == "dask" and hasattr(values, "__dask_graph__"):
        from dgd.data.dask_rows import DaskRows

        return DaskRows(name, values)
    if _may_be_location(values):
        from dgd.data.zarr.group import open_array
        from dgd.data.zarr.locations import is_location

        if is_location(values):
            return open_array(values, name)
    return as_rows(name, values)


def _may_be_location(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike)) or _module(data) == "zarr" or hasattr(data, "get_partial_values")


def _module(value: Any) -> str:
    return type(value).__module__.partition(".")[0]
