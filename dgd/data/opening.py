"""Opens data as a dataset: a Zarr group, or arrays on disk, in memory or of Dask."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dgd.data.any_rows import may_be_location, module_of, open_column, rows_of
from dgd.data.arrays.anndata_object import is_anndata, open_anndata
from dgd.data.arrays.frames import array_of, check_order, is_frame
from dgd.data.arrays.memory_rows import MemoryRows, constant_rows, no_array
from dgd.data.arrays.xarray_rows import is_xarray, open_xarray
from dgd.data.dataset import Dataset
from dgd.data.design.design import design_of
from dgd.data.design.opening import Learn
from dgd.data.design.sources import table_of
from dgd.data.places import several_places, stored_group
from dgd.data.reading import TURN, Reading, is_url
from dgd.data.rows import Rows
from dgd.data.split import Split
from dgd.data.tables.column_names import frame_names
from dgd.data.tables.files import parquet_paths
from dgd.data.transforms.joined_columns import with_features
from dgd.data.transforms.selected_columns import select_columns
from dgd.data.transforms.split_rows import Splitting
from dgd.data.transforms.split_table import open_split_table
from dgd.data.transforms.stacked_rows import stacked
from dgd.errors import ConfigurationError
from dgd.errors.words import without_secrets

if TYPE_CHECKING:
    from dgd.data.zarr.group import Group


def open_data(
    data: Any,
    y: Any,
    weight: Any,
    offset: Any = None,
    *,
    need_target: bool,
    reading: Reading | None = None,
    known: tuple[str, ...] | None = None,
    learn: Learn | None = None,
) -> Dataset:
    """What `dgd.open_dataset` does; for predictions without a target.

    known: the features that a model was fitted on, which are read where there is no X.
    learn: makes the pass that finds what the design of a table has to learn.
    """
    if isinstance(offset, (int, float, np.number)) and not isinstance(offset, bool):
        dataset = open_data(data, y, weight, None, need_target=need_target, reading=reading, known=known, learn=learn)
        return replace(dataset, offset=constant_rows("offset", offset, dataset.shape[0]))
    reading = reading or Reading()
    if reading.design is not None:
        reading = replace(reading, design=design_of(reading.design))
    if reading.split is not None:
        splitting = Splitting(Split.of(reading.split), _key(data, reading, known))
        whole = replace(reading, split=None)
        dataset = _open(data, y, weight, offset, need_target, whole, known, learn, splitting)
        return splitting.dataset(dataset, anew=isinstance(data, Dataset))
    return _open(data, y, weight, offset, need_target, reading, known, learn, None)


def _open(
    data: Any,
    y: Any,
    weight: Any,
    offset: Any,
    need_target: bool,
    reading: Reading,
    known: tuple[str, ...] | None,
    learn: Learn | None,
    splitting: Splitting | None,
) -> Dataset:
    """The whole data, or of a table the rows that are in a part."""
    tables = parquet_paths(data, reading.storage_options)
    if isinstance(data, Dataset):
        return _opened_already(data, reading, {"y": y, "weight": weight, "offset": offset}, need_target=need_target)
    given = {"y": y, "weight": weight, "offset": offset}
    several = several_places(data) if tables is None else None
    group = None if tables is not None else stored_group(data if several is None else several[0], reading)
    if group is not None and group.columns is not None:
        from dgd.data.zarr.table.opening import open_kept

        groups = [group, *(each for place in (several or [])[1:] if (each := stored_group(place, reading)) is not None)]
        return open_kept(groups, given, reading, known, learn, splitting, need_target=need_target)
    table = table_of(data, tables, given, reading, known, may_learn=learn is not None)
    if table is not None:
        check_order({role: each for role, each in {"X": data, **given}.items() if is_frame(each)})
        return open_split_table(table, given, reading, need_target=need_target, learn=learn, splitting=splitting)
    if several is not None:
        if not all(each is None or each is False or isinstance(each, str) for each in (y, weight, offset)):
            raise ConfigurationError("y, weight and offset of several datasets are named, and lie in each of them")
        return stacked(
            [
                open_data(one, y, weight, offset, need_target=need_target, reading=reading, known=known)
                for one in several
            ]
        )
    unused: dict[str, Any] = {role: False for role, each in (("weight", weight), ("offset", offset)) if each is False}
    weight, offset = None if weight is False else weight, None if offset is False else offset
    if tables is not None:
        from dgd.data.tables.parquet_files.in_place import open_tables

        named = {"y": y, "weight": weight, "offset": offset}
        dataset = open_tables(tables, named, reading, need_target=need_target, known=known)
    elif is_xarray(data):
        if reading.transpose:
            raise ConfigurationError("transpose=True is for a matrix in a Zarr store; transpose this by `.transpose()`")
        given = {"y": y, "weight": weight, "offset": offset}
        named = {
            role: each if isinstance(each, str) or is_xarray(each) else _or_none(role, each, reading)
            for role, each in given.items()
        }
        how = _falling_back(reading, known, data)
        dataset = open_xarray(data, **named, reading=how, need_target=need_target, known=known)
    elif is_anndata(data):
        _, *beside = _frames_as_rows(None, y, weight, offset)
        given = dict(zip(("y", "weight", "offset"), beside, strict=True))
        named = {role: each if isinstance(each, str) else _or_none(role, each, reading) for role, each in given.items()}
        dataset = open_anndata(data, named, reading, known, lambda name, values: rows_of(name, values, reading))
    elif data is None:
        raise no_array("X", data)
    else:
        reading.check_used(data, y, weight, offset)
        names, target_name = _feature_names(data), _target_name(y)
        data, y, weight, offset = _frames_as_rows(data, y, weight, offset)
        if group is not None:
            target = ("y" if need_target else None) if y is None else y
            given = {"y": target, "weight": weight, "offset": offset, **unused}
            dataset = _open_group(group, given, reading, known)
            dataset = dataset if target_name is None else replace(dataset, target_name=target_name)
        else:
            given = {"X": data, "y": y, "weight": weight, "offset": offset}
            found = {role: _or_none(role, each, reading) for role, each in given.items()}
            dataset = Dataset(
                **_meant(found, reading, stored=any(map(may_be_location, given.values()))),
                feature_names=names,
                target_name=target_name,
                source=without_secrets(data) if isinstance(data, str) else "memory",
            )
            dataset = dataset if reading.features is None else select_columns(dataset, reading.features)
    if reading.missing != dataset.missing:
        dataset = replace(dataset, missing=reading.missing)
    return _with_target(dataset, need_target=need_target)


def _opened_already(data: Dataset, reading: Reading, beside: dict[str, Any], *, need_target: bool) -> Dataset:
    """A dataset that was opened before, without the weights and offsets that are False."""
    if any(each is not None and each is not False for each in beside.values()):
        raise ConfigurationError("a `dgd.Dataset` brings its own y, weight and offset; give them to `open_dataset`")
    if reading != Reading():
        raise ConfigurationError(
            "a `dgd.Dataset` is read as it was opened; give decode, features and the others to `open_dataset`"
        )
    unused: dict[str, Any] = {role: None for role, each in beside.items() if each is False}
    return _with_target(replace(data, **unused) if unused else data, need_target=need_target)


def _with_target(dataset: Dataset, *, need_target: bool) -> Dataset:
    """The dataset, without targets and weights where they are not asked for."""
    if not need_target:
        return replace(dataset, y=None, weight=None)
    if dataset.y is None:
        raise ConfigurationError("X was given as an array and there is no y: pass it as the second argument")
    return dataset


def _key(data: Any, reading: Reading, known: tuple[str, ...] | None) -> Rows | None:
    """What the rows are split by, None for their numbers."""
    split = Split.of(reading.split)
    if split.by is None:
        return None
    names = frame_names(data)
    if names is not None and split.by in names:
        return open_column("key", data[split.by], reading)
    if names is not None or isinstance(data, Dataset):
        raise ConfigurationError(
            f"split {split}: the key is a column of a table or an array of a store, and there is none of that name "
            f"here; split by the rows' numbers (`train:0.8:1`), or give a path"
        )
    return open_beside(data, "split", split.by, reading, known)


def open_beside(data: Any, role: str, name: str, reading: Reading, known: tuple[str, ...] | None) -> Rows:
    """A column of a table, or an array of a store, that goes with the rows and is no part of X or y."""
    tables = parquet_paths(data)
    if tables is not None:
        from dgd.data.tables.one_column import parquet_column

        return parquet_column(tables, role, name)
    whole = replace(reading, split=None, missing="error", design=None)
    rows = open_data(data, name, None, need_target=True, reading=whole, known=known).y
    assert rows is not None
    return rows


def stored_roles(data: Any, reading: Reading) -> tuple[str, ...]:
    """Those of `y`, `weight` and `offset` that lie beside a stored X."""
    group = stored_group((several_places(data) or [data])[0], reading)
    if group is None or not group.has("X"):
        return ()
    return tuple(role for role in ("y", "weight", "offset") if group.has(role))


def _meant(found: dict[str, Rows | None], reading: Reading, *, stored: bool) -> dict[str, Any]:
    """The arrays as what they mean; without an import of zarr where none is stored."""
    if not stored:
        if reading.transpose:
            raise ConfigurationError(f"transpose=True is for a matrix in a Zarr store; {TURN}")
        return found
    from dgd.data.zarr.meant import meant

    return dict(meant(found, reading))


def _open_group(group: Group, given: dict[str, Any], reading: Reading, known: tuple[str, ...] | None) -> Dataset:
    from dgd.data.zarr.dataset import as_told, column_beside, open_group
    from dgd.data.zarr.variables import open_variables

    named: dict[str, Any] = {
        role: each if _is_name(each) else _or_none(role, each, reading) for role, each in as_told(group, given).items()
    }
    if (reading.features is None and known is None) or group.has(reading.X):
        dataset = open_group(group, X=reading.X, **named, reading=reading, known=known)
        return with_features(dataset, reading, known, group.has, lambda name: column_beside(group, name, reading))
    return open_variables(group, reading.features or known or (), named, reading)


def _is_name(given: Any) -> bool:
    """Whether it names an array of the group; an absolute path or a URL says where another array lies."""
    return isinstance(given, str) and not os.path.isabs(given) and not is_url(given)


def _falling_back(reading: Reading, known: tuple[str, ...] | None, data: Any) -> Reading:
    """The features a model was fitted on, where a Dataset has no X."""
    use = reading.features is None and known is not None and hasattr(data, "data_vars") and reading.X not in data
    return replace(reading, features=known) if use else reading


def _or_none(role: str, values: Any, reading: Reading) -> Rows | None:
    return None if values is None else rows_of(role, values, reading)


def _feature_names(data: Any) -> tuple[str, ...] | None:
    """The names of a table's columns, if all of them are strings."""
    names = list(getattr(data, "column_names", getattr(data, "columns", ())))
    return tuple(map(str, names)) if names and all(isinstance(name, str) for name in names) else None


def _target_name(y: Any) -> str | None:
    """The name of a Series."""
    name = getattr(y, "name", None) if hasattr(y, "to_frame") else None
    return name if isinstance(name, str) else None


def _frames_as_rows(*arrays: Any) -> tuple[Any, ...]:
    """X, y, weight and offset with the DataFrames and Series among them as rows; the lengths are counted together."""
    found = dict(zip(("X", "y", "weight", "offset"), arrays, strict=True))
    frames = {name: frame for name, frame in found.items() if is_frame(frame)}
    if len(frames) > 1:
        check_order(frames)
    found |= {name: MemoryRows(name, array_of(name, frame)) for name, frame in frames.items()}
    dask = {name: frame for name, frame in found.items() if module_of(frame) == "dask" and hasattr(frame, "divisions")}
    if dask:
        from dgd.data.dask_rows.frames import rows_of

        found |= rows_of(dask)
    return tuple(found.values())
