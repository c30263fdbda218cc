"""Variables of any number of dimensions as the columns of one matrix: a row for each of their cells, in C order.

The rows are the cells of all dimensions together, the last one varying fastest. A variable that lacks some of the
dimensions is repeated along them. They are flattened block by block, along the first dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.dataset import Dataset
from dgd.data.grid import Coordinate, Grid
from dgd.data.rows import Footprint, Rows, as_made, together
from dgd.errors import SchemaError

BLOCK_BYTES = 64 * 2**20
"""Blocks of a variable with larger chunks than another's may have that size."""


@dataclass(frozen=True, eq=False)
class Variable:
    """An array of any number of dimensions that is read along its first one, with the names of all."""

    rows: Rows
    dims: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Flattened:
    """Variables as columns; one alone is a vector.

    dims, sizes: the dimensions that the rows are made of. Raises SchemaError where a variable has others, has them in
    another order, or with another length.
    """

    name: str
    variables: tuple[Variable, ...]
    dims: tuple[str, ...]
    sizes: tuple[int, ...]
    is_vector: bool = False
    bounds: NDArray[np.int64] = field(init=False, repr=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        for variable in self.variables:
            _check(variable, self.dims, self.sizes)
        object.__setattr__(self, "dtype", np.result_type(*(each.rows.dtype for each in self.variables)))
        object.__setattr__(self, "bounds", _steps(self) * self._inner)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """A row for each cell, a column for each variable."""
        rows = math.prod(self.sizes)
        return (rows,) if self.is_vector else (rows, len(self.variables))

    @property
    def _inner(self) -> int:
        """The cells of one step along the first dimension."""
        return math.prod(self.sizes[1:])

    @property
    def lies_in_memory(self) -> bool:
        """Columns are put together at each read."""
        return False

    @property
    def asks_ahead(self) -> bool:
        """Whether one of the variables does."""
        return any(variable.rows.asks_ahead for variable in self.variables)

    @property
    def footprint(self) -> Footprint:
        """What each variable takes, what is gathered of it or repeated, and the block of columns."""
        parts = [variable.rows.footprint for variable in self.variables]
        cells = int(np.diff(self.bounds).max(initial=0))
        gathered = sum(
            (math.prod(each.rows.shape) + cells if each.dims[:1] != self.dims[:1] else cells) * each.rows.dtype.itemsize
            for each in self.variables
        )
        whole = together(parts)
        block = cells * len(self.variables) * self.dtype.itemsize
        return replace(whole, decoded=whole.decoded + gathered + block)

    @property
    def fingerprint(self) -> str:
        """Those of the variables, flattened so."""
        return f"{self.dims}{'|'.join(variable.rows.fingerprint for variable in self.variables)}"

    def _range(self, start: int, stop: int) -> tuple[int, int]:
        """The steps along the first dimension that hold these rows."""
        return start // self._inner, -(-stop // self._inner)

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the cells of these rows in every variable; whether more should be asked for."""
        low, high = self._range(start, stop)
        along = [(k, each) for k, each in enumerate(self.variables) if each.dims[:1] == self.dims[:1]]
        more = [each.rows.ahead(low, high, buffers.within(f"variable {k}")) for k, each in along]
        return any(more)

    def reading_ahead(self, chunks: int) -> Flattened:
        """The same rows, whose variables ask for so many chunks at most."""
        return self._changed([replace(each, rows=each.rows.reading_ahead(chunks)) for each in self.variables])

    def waiting_at_most(self, seconds: float) -> Flattened:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return self._changed([replace(each, rows=each.rows.waiting_at_most(seconds)) for each in self.variables])

    def _changed(self, variables: Sequence[Variable]) -> Flattened:
        return replace(self, variables=tuple(variables))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """Those of the variables."""
        low, high = self._range(start, stop)
        found: list[HeldChunks] = []
        for each in self.variables:
            along = each.dims[:1] == self.dims[:1]
            found += each.rows.stored(low, high) if along else each.rows.stored(0, each.rows.shape[0])
        return tuple(found)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The cells from start to stop, a column for each variable."""
        low, high = self._range(start, stop)
        labels = self.dtype.kind in "US"
        out = None if self.is_vector else buffers.take("columns", (stop - start, len(self.variables)), self.dtype)
        bytes_read = 0
        for k, variable in enumerate(self.variables):
            cells, n_bytes = self._cells(variable, low, high, buffers.within(f"variable {k}"))
            bytes_read += n_bytes
            flat = cells.reshape(-1)[start - low * self._inner : stop - low * self._inner]
            if out is None:
                return (flat if labels else flat.astype(self.dtype, copy=False)), bytes_read
            out[:, k] = flat
        assert out is not None
        return out, bytes_read

    def _cells(self, variable: Variable, low: int, high: int, buffers: Buffers) -> tuple[Array, int]:
        """A variable's values for some steps along the first dimension, in all dimensions."""
        along = variable.dims[:1] == self.dims[:1]
        first, last = (low, high) if along else (0, variable.rows.shape[0])
        values, bytes_read = variable.rows.read(first, last, buffers)
        if variable.dims == self.dims:
            return values, bytes_read
        sizes = (high - low, *self.sizes[1:])
        shape = [size if dim in variable.dims else 1 for dim, size in zip(self.dims, sizes, strict=True)]
        return np.broadcast_to(values.reshape(shape), sizes), bytes_read


def _check(variable: Variable, dims: tuple[str, ...], sizes: tuple[int, ...]) -> None:
    rows, known = variable.rows, dict(zip(dims, sizes, strict=True))
    where = f"variable {rows.name!r} has the dimensions {_listed(variable.dims, rows.shape)}, and the rows are made of"
    for dim, size in zip(variable.dims, rows.shape, strict=True):
        if dim not in known:
            raise SchemaError(
                f"{where} {_listed(dims, sizes)}, without {dim!r}; choose a part of it, or average over it, first",
                array=rows.name,
            )
        if size != known[dim]:
            raise SchemaError(f"{where} {_listed(dims, sizes)}; they must be the same cells", array=rows.name)
    if list(variable.dims) != [dim for dim in dims if dim in variable.dims]:
        raise SchemaError(f"{where} {_listed(dims, sizes)}, in another order; transpose it first", array=rows.name)


def _listed(dims: tuple[str, ...], sizes: tuple[int, ...]) -> str:
    return " × ".join(f"{dim} ({size:,})" for dim, size in zip(dims, sizes, strict=True)) or "nothing"


def _steps(flat: Flattened) -> NDArray[np.int64]:
    """Bounds along the first dimension: of the largest chunks that are small enough, or of the smallest."""
    grids = [each.rows.bounds for each in flat.variables if each.dims[:1] == flat.dims[:1]]
    if not grids:
        return np.array([0, flat.sizes[0]], dtype=np.int64)
    grids.sort(key=len)
    row_bytes = 8 * len(flat.variables) * math.prod(flat.sizes[1:])
    small = [grid for grid in grids if int(np.diff(grid).max(initial=0)) * row_bytes <= BLOCK_BYTES]
    return (small or grids[-1:])[0]


def dataset_of_variables(
    features: Sequence[Variable],
    columns: dict[str, Variable | Rows | None],
    *,
    source: str,
    coordinates: Callable[[tuple[str, ...]], tuple[Coordinate, ...]],
) -> Dataset:
    """A dataset of variables: those of the target make the rows, or without one those of the widest feature.

    columns: y, weight and offset, each a variable or rows of their own. coordinates: finds those along dimensions.
    """
    widest = max(features, key=lambda each: len(each.dims))
    leading = columns.get("y")
    leading = leading if isinstance(leading, Variable) else widest
    dims, sizes = leading.dims, tuple(leading.rows.shape)
    _refuse_labels(features)

    def flat(each: Variable | Rows | None) -> Any:
        return Flattened(each.rows.name, (each,), dims, sizes, is_vector=True) if isinstance(each, Variable) else each

    found = {role: flat(each) for role, each in columns.items()}
    y = columns.get("y")
    return Dataset(
        X=Flattened("X", tuple(features), dims, sizes),
        **found,
        feature_names=tuple(each.rows.name for each in features),
        target_name=y.rows.name if isinstance(y, Variable) else None,
        source=source,
        grid=Grid(dims, sizes, lambda: coordinates(dims)),
    )


def _refuse_labels(features: Sequence[Variable]) -> None:
    for each in features:
        if each.rows.dtype.kind not in "biuf":
            raise SchemaError(
                f"variable {each.rows.name!r} has dtype {each.rows.dtype}, expected numbers; leave it out, or turn it "
                f"into a column for each class",
                array=each.rows.name,
            )
