"""Opens the two arrays of many targets: X with its weights by rows, and y by the cells of all its other dimensions."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dgd.data.any_rows import open_column
from dgd.data.arrays.memory_rows import MemoryRows
from dgd.data.arrays.xarray_rows import XarrayRows, coordinates_along, is_xarray
from dgd.data.dataset import Dataset
from dgd.data.design.opening import Learn
from dgd.data.grid import Coordinate
from dgd.data.opening import open_data
from dgd.data.places import stored_group
from dgd.data.reading import Reading, is_url
from dgd.data.rows import READABLE_KINDS, Rows, regular_bounds
from dgd.data.targets.tiles import Place, Slices
from dgd.data.transforms.meaning import DecodedRows
from dgd.errors import ConfigurationError, SchemaError, UnsupportedFormatError

ANY_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Targets:
    """An array of rows and any number of further dimensions, each cell of which is a target."""

    rows: Rows
    dims: tuple[str, ...] | None = None
    """The names of all its dimensions, where they have some."""
    find: Callable[[], tuple[Coordinate, ...]] = field(default=tuple, repr=False)
    """Looks for the coordinates along the targets' dimensions."""

    def __post_init__(self) -> None:
        rows = self.rows
        if rows.dtype.kind not in READABLE_KINDS:
            raise UnsupportedFormatError(
                f"array {rows.name!r} has dtype {rows.dtype}, expected numbers: a squared loss has no classes",
                array=rows.name,
            )
        if len(rows.shape) < 2 or 0 in rows.shape:
            raise SchemaError(
                f"array {rows.name!r} has shape {rows.shape}, expected rows and at least one dimension of targets; "
                f"`dgd.fit` fits a single one",
                array=rows.name,
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The targets along each of their dimensions."""
        return tuple(self.rows.shape[1:])

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The rows of stored chunks; of an array that is read at any place they are a fixed number."""
        return self.rows.bounds if self.chunks is not None else regular_bounds(self.rows.shape[0], ANY_ROWS)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The targets of a stored chunk along each dimension; None where any part costs the same to read."""
        rows = self.rows.rows if isinstance(self.rows, DecodedRows) else self.rows
        if isinstance(rows, MemoryRows):
            return None
        if isinstance(rows, XarrayRows):
            return rows.column_chunks
        array: Any = getattr(rows, "array", None)
        if array is not None and hasattr(array, "chunks"):
            return tuple(max(sizes) for sizes in array.chunks[1:])
        layout: Any = getattr(rows, "format", None)
        if layout is None:
            raise UnsupportedFormatError(
                f"array {rows.name!r} cannot be read by parts of its columns, expected one of Zarr, NumPy, Dask or "
                f"xarray; write it to Zarr",
                array=rows.name,
            )
        return tuple(layout.chunk.shape[1:])

    def at(self, block: Place, cells: Slices) -> Rows:
        """The rows of one stored chunk's column, or of these cells."""
        if isinstance(self.rows, DecodedRows):
            return replace(self.rows, rows=_at(self.rows.rows, block, cells))
        return _at(self.rows, block, cells)


def _at(rows: Rows, block: Place, cells: Slices) -> Rows:
    if hasattr(rows, "format"):
        from dgd.data.zarr.column_chunk import ColumnChunk

        return ColumnChunk.of(cast(Any, rows), block)
    part: Rows = replace(cast(Any, rows), array=cast(Any, rows).array[(slice(None), *cells)])
    return part


def open_targets(
    data: Any, y: Any, weight: Any, reading: Reading, learn: Learn | None = None
) -> tuple[Dataset, Targets]:
    """X with its weights, without a target, and the targets. Arguments: those of `open_data`.

    Raises SchemaError where X and y do not have the same rows.
    """
    if isinstance(data, Dataset):
        if not (y is None and weight is None and reading == Reading(missing=data.missing)) or data.y is None:
            raise ConfigurationError("a `dgd.Dataset` brings its own y and weight; open them together")
        return replace(data, y=None, offset=None), Targets(data.y)
    if isinstance(data, (list, tuple)):
        raise ConfigurationError("`fit_to` reads one store, got a list of them; give the path of one")
    if weight is None and not is_xarray(data):
        group = stored_group(data, reading)
        weight = "weight" if group is not None and "weight" in group.told else None
    weight = None if weight is False else weight
    # The weights stand in for a target, whose rows are then those of X.
    found = open_data(data, weight, False, False, need_target=weight is not None, reading=reading, learn=learn)
    dataset = replace(found, y=None, weight=found.y, target_name=None)
    targets = _targets(data, "y" if y is None else y, reading)
    _check_rows(dataset, targets)
    return dataset, targets


def _targets(data: Any, y: Any, reading: Reading) -> Targets:
    if is_xarray(y) or (is_xarray(data) and isinstance(y, str)):
        return _of_xarray(data, y, reading)
    if isinstance(y, str) and not (os.path.isabs(y) or is_url(y)):
        group = stored_group(data, reading)
        if group is None:
            raise ConfigurationError(
                f"y is the name {y!r}, and X is no store that has it; give y as an array or a path"
            )
        from dgd.data.zarr.variables import cells_of

        return Targets(*cells_of(group, y, reading))
    rows = open_column("y", y, reading)
    if reading.decode and hasattr(rows, "format"):
        from dgd.data.zarr.meant import decoded

        names = cast(Any, rows).format.dimension_names
        return Targets(decoded("X", rows, reading) or rows, names if names and None not in names else None)
    return Targets(rows)


def _of_xarray(data: Any, y: Any, reading: Reading) -> Targets:
    """A variable, with its rows first: the dimension that X has, where that says it."""
    array = data[y] if isinstance(y, str) else y
    shared = (
        [dim for dim in array.dims if is_xarray(data) and dim in data.dims] if not hasattr(data, "data_vars") else []
    )
    if shared and shared[0] != array.dims[0]:
        array = array.transpose(shared[0], ...)
    dims = tuple(str(dim) for dim in array.dims)
    rows = XarrayRows(str(array.name or "y"), array, reading.time_unit)
    return Targets(rows, dims, lambda: coordinates_along(array, dims[1:]))


def _check_rows(dataset: Dataset, targets: Targets) -> None:
    rows, dims = targets.rows, targets.dims
    along = dataset.grid.dims if dataset.grid is not None else None
    if along is not None and len(along) > 1:
        raise SchemaError(
            f"the features have the dimensions {', '.join(along)}, expected that of the rows alone: columns that "
            f"differ from target to target are fitted by `dgd.fit`, a row for each cell",
            array=dataset.X.name,
        )
    if along is not None and dims is not None and along[0] != dims[0] and "row" not in (along[0], dims[0]):
        hint = "transpose it, so that its rows come first" if along[0] in dims else "rename a dimension"
        raise SchemaError(
            f"the rows of {dataset.X.name!r} are {along[0]!r}, and the first dimension of array {rows.name!r} is "
            f"{dims[0]!r}: {hint}",
            array=rows.name,
        )
    if rows.shape[0] != dataset.shape[0]:
        raise SchemaError(
            f"array {rows.name!r} has {rows.shape[0]:,} rows, expected {dataset.shape[0]:,} as X has", array=rows.name
        )
