"""xarray's Datasets and DataArrays: read along their first dimension, never loaded as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.memory_rows import memory_bounds, plain
from dgd.data.buffers import Buffers
from dgd.data.dataset import Dataset
from dgd.data.grid import Coordinate, Grid
from dgd.data.reading import NANOSECONDS, Reading
from dgd.data.rows import Footprint, ReadAtOnce, Rows, as_made, regular_bounds
from dgd.data.transforms.joined_columns import with_features
from dgd.data.transforms.variables import Variable, dataset_of_variables
from dgd.errors import ConfigurationError, ReadError, SchemaError, UnsupportedFormatError


@dataclass(frozen=True, eq=False)
class XarrayRows(ReadAtOnce):
    """A DataArray's values along its first dimension, by its chunks where it has some."""

    name: str
    array: Any
    time_unit: str | None = None
    dtype: np.dtype[Any] = field(init=False)
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        dtype = np.dtype(self.array.dtype)
        if dtype.kind == "O":
            # Strings, usually; they lie in memory, or are few.
            object.__setattr__(self, "array", self.array.copy(data=plain(np.asarray(self.array.values))))
            dtype = np.dtype(self.array.dtype)
        if dtype.kind in "mM":
            if self.time_unit is None:
                raise UnsupportedFormatError(
                    f"array {self.name!r} holds times ({dtype}), expected numbers; say in which unit they are to be "
                    f"numbers (time_unit='days')",
                    array=self.name,
                )
            dtype = np.dtype(np.float64)
        object.__setattr__(self, "dtype", dtype)
        rows = self.shape[0] if self.shape else 0
        chunks = self.array.chunks[0] if self.array.chunks else ()
        if chunks:
            bounds = np.concatenate(([0], np.cumsum([size for size in chunks if size]))).astype(np.int64)
        else:
            stored = (self.array.encoding.get("chunks") or (0,))[0]
            bounds = regular_bounds(rows, stored) if stored else memory_bounds(self.shape)
        object.__setattr__(self, "bounds", bounds)
        held = dtype == self.array.dtype and isinstance(self.array.variable._data, np.ndarray)
        object.__setattr__(self, "lies_in_memory", held)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return tuple(int(size) for size in self.array.shape)

    @property
    def column_chunks(self) -> tuple[int, ...] | None:
        """The cells of a chunk along all dimensions but the first; None where any part costs the same to read."""
        if self.array.chunks:
            return tuple(max(sizes) for sizes in self.array.chunks[1:])
        stored = self.array.encoding.get("preferred_chunks") or {}
        known = not self.lies_in_memory and all(dim in stored for dim in self.array.dims)
        return tuple(int(stored[dim]) for dim in self.array.dims[1:]) if known else None

    @property
    def footprint(self) -> Footprint:
        """A block, and what it is computed from or decoded of, as far as that is known."""
        n_bytes = int(self.array.size) * self.array.dtype.itemsize
        if self.lies_in_memory:
            return Footprint(0, 0, n_bytes, exact=True, held=n_bytes)
        block = int(np.diff(self.bounds).max(initial=1)) * (n_bytes // max(1, self.shape[0]))
        return Footprint(encoded=block, decoded=2 * block, per_pass=n_bytes, exact=False, path="xarray")

    @property
    def fingerprint(self) -> str:
        """Name, dimensions, shape and dtype; values are not hashed."""
        return f"xarray:{self.name}:{self.array.dims}:{self.shape}:{self.array.dtype.str}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The values from start to stop along the first dimension."""
        try:
            part = self.array.variable[start:stop]
            values = part.compute(scheduler="synchronous").values if self.array.chunks else part.values
        except Exception as error:
            raise ReadError(
                f"array {self.name!r}: xarray's reading of {start} to {stop - 1} of {self.array.dims[0]!r} failed with "
                f"{type(error).__name__}: {error}",
                array=self.name,
                rows=(start, stop),
            ) from error
        found: Array = np.asarray(values)
        if found.dtype.kind in "mM":
            found = _numbers(found, NANOSECONDS[str(self.time_unit).removesuffix("s")])
        return found, found.nbytes


def _numbers(times: Array, unit: int) -> Array:
    """Times as float64 numbers of a unit since 1970-01-01, NaN for NaT."""
    nanoseconds = times.astype(f"{times.dtype.kind}8[ns]").astype(np.int64)
    numbers: Array = np.where(np.isnat(times), np.nan, nanoseconds / unit)
    return numbers


def is_xarray(data: Any) -> bool:
    """Whether it is a Dataset or a DataArray."""
    return type(data).__module__.partition(".")[0] == "xarray" and hasattr(data, "dims")


def open_xarray(
    data: Any,
    y: Any,
    weight: Any,
    offset: Any,
    reading: Reading,
    *,
    need_target: bool,
    known: tuple[str, ...] | None = None,
) -> Dataset:
    """A Dataset's variables by name, or DataArrays that share their dimensions; y, weight and offset may be rows.

    known: the features of a model, by which a matrix is turned where there is no target to do so.
    """
    if not reading.decode:
        raise ConfigurationError("xarray has decoded these values already; decode=False is for stored arrays")
    given = {"y": y, "weight": weight, "offset": offset}
    if hasattr(data, "data_vars"):
        return _of_dataset(data, given, reading, need_target=need_target, known=known)
    return _of_array(data, given, reading, known)


def _of_dataset(
    data: Any, given: dict[str, Any], reading: Reading, *, need_target: bool, known: tuple[str, ...] | None
) -> Dataset:
    if need_target and given["y"] is None:
        given = {**given, "y": "y"}
    features = reading.features
    if reading.X in data and len(data[reading.X].dims) == 2:
        found = {role: _named(data, each) for role, each in given.items()}
        dataset = _of_array(data[reading.X], found, reading, known)

        def beside(name: str) -> Rows | None:
            return XarrayRows(name, data[name], reading.time_unit) if name in data.variables else None

        return with_features(dataset, reading, known, data.variables.__contains__, beside)
    if features is None:
        raise ConfigurationError(f"say which variables are the features (features=[…]); there are {_names(data)}")
    variables = [_variable(_named(data, name), reading, name) for name in features]
    columns = {role: _as_variable(role, _named(data, each), reading) for role, each in given.items()}
    return dataset_of_variables(
        variables, columns, source="xarray", coordinates=lambda dims: coordinates_along(data, dims)
    )


def coordinates_along(data: Any, dims: tuple[str, ...]) -> tuple[Coordinate, ...]:
    """The coordinates along some of the dimensions."""
    along = {str(name): (tuple(map(str, each.dims)), each) for name, each in data.coords.items()}
    return tuple(Coordinate(name, own, each) for name, (own, each) in along.items() if own and set(own) <= set(dims))


def _named(data: Any, given: Any) -> Any:
    """A variable or coordinate by its name."""
    if not isinstance(given, str):
        return given
    if given not in data.variables:
        raise SchemaError(f"the Dataset has no variable {given!r}, it has {_names(data)}", array=given)
    return data[given]


def _names(data: Any) -> str:
    return ", ".join(str(name) for name in data.variables) or "none"


def _variable(array: Any, reading: Reading, name: str) -> Variable:
    return Variable(XarrayRows(name, array, reading.time_unit), tuple(str(dim) for dim in array.dims))


def _as_variable(role: str, given: Any, reading: Reading) -> Variable | Rows | None:
    if given is None:
        return None
    if is_xarray(given):
        return _variable(given, reading, str(given.name or role))
    rows: Rows = given
    return rows


def _of_array(X: Any, given: dict[str, Any], reading: Reading, known: tuple[str, ...] | None) -> Dataset:
    """A matrix of rows × features, transposed where its second dimension is that of y, or its rows are the features."""
    columns = {role: _as_variable(role, each, reading) for role, each in given.items()}
    named = [each for each in columns.values() if isinstance(each, Variable)]
    dims = tuple(str(dim) for dim in X.dims)
    for each in named:
        if len(dims) == 2 and each.dims[0] == dims[1] and dims[0] not in each.dims:
            X, dims = X.transpose(), dims[::-1]
        if dims and each.dims[0] != dims[0]:
            raise SchemaError(
                f"array 'X' has the dimensions {dims}, and the rows of {each.rows.name!r} are {each.dims[0]!r}: they "
                f"are not the same rows; rename a dimension",
                array=each.rows.name,
            )
    names = _labels(X, 1)
    if known is not None and not named and names != known and _labels(X, 0) == known:
        X, dims, names = X.transpose(), dims[::-1], known
    y = columns["y"]
    found: dict[str, Any] = {role: each.rows if isinstance(each, Variable) else each for role, each in columns.items()}
    return Dataset(
        X=XarrayRows(str(X.name or "X"), X, reading.time_unit),
        feature_names=names,
        target_name=y.rows.name if isinstance(y, Variable) and y.rows.name != "y" else None,
        source="xarray",
        grid=Grid(dims[:1], (int(X.shape[0]),), lambda: coordinates_along(X, dims[:1])) if dims else None,
        **found,
    )


def _labels(X: Any, axis: int) -> tuple[str, ...] | None:
    """The labels along an axis of a matrix, if they are texts that all differ."""
    if X.ndim != 2 or X.dims[axis] not in X.coords or X.coords[X.dims[axis]].dtype.kind not in "OUST":
        return None
    labels = tuple(str(label) for label in X.coords[X.dims[axis]].values)
    return labels if len(set(labels)) == len(labels) else None
