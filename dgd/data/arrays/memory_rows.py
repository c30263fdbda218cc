"""Arrays of this process as rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.rows import Footprint, ReadAtOnce, check_dtype, refuse_masked, regular_bounds
from dgd.errors import ConfigurationError, SchemaError

MEMORY_CHUNK_BYTES = 4 * 2**20
LARGEST_CHUNK_BYTES = 16 * 2**20
ROWS_PER_COLUMN = 2
"""Of wide chunks: below that, adding n² products takes as long as making them."""


def memory_bounds(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The row chunks of what is in memory, by its shape alone: 4 MiB, more of much data and of wide rows."""
    rows, width = (*shape, 0)[0], max(1, math.prod(shape[1:]))
    whole = 8 * width * rows
    wanted = max(whole // 64, min(8 * width * ROWS_PER_COLUMN * width, whole // 16))
    n_bytes = min(max(MEMORY_CHUNK_BYTES, wanted), LARGEST_CHUNK_BYTES)
    return regular_bounds(rows, max(1, n_bytes // (8 * width)))


@dataclass(frozen=True, eq=False)
class MemoryRows(ReadAtOnce):
    """The rows of a NumPy array; its chunks are a fixed function of its shape."""

    name: str
    array: Array
    chunk_rows: int = field(default=0, kw_only=True)
    """Rows of a chunk; 0: by the array's shape."""
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    lies_in_memory = True

    def __post_init__(self) -> None:
        check_dtype(self.name, self.array.dtype, labels=True)
        shape, rows = self.array.shape, self.chunk_rows
        object.__setattr__(self, "bounds", regular_bounds((*shape, 0)[0], rows) if rows else memory_bounds(shape))

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.array.dtype

    @property
    def footprint(self) -> Footprint:
        """No memory besides the array itself."""
        return Footprint(encoded=0, decoded=0, per_pass=self.array.nbytes, exact=True, held=self.array.nbytes)

    @property
    def fingerprint(self) -> str:
        """Shape and dtype; what is in memory is not hashed."""
        return f"memory:{self.array.shape}:{self.array.dtype.str}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view of the rows."""
        rows = self.array[start:stop]
        return rows, rows.nbytes


def as_rows(name: str, values: Sequence[Any] | Array) -> MemoryRows:
    """A NumPy array, or what NumPy makes an array of, as rows."""
    refuse_masked(name, values)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise SchemaError(f"array {name!r} is not a regular array of numbers: {error}", array=name) from error
    if array.ndim == 0:
        raise no_array(name, values)
    return MemoryRows(name, plain(array))


def constant_rows(name: str, number: Any, rows: int) -> MemoryRows:
    """The same number for each row, held once."""
    if not math.isfinite(number):
        raise ConfigurationError(f"`{name}` must be finite, got {number!r}")
    return MemoryRows(name, np.broadcast_to(np.float64(number), (rows,)))


def no_array(name: str, values: Any) -> ConfigurationError:
    """The error for what is no array."""
    return ConfigurationError(f"array {name!r} must be an array, a path or a name, got a {type(values).__name__}")


def plain(array: Array) -> Array:
    """Convert an array of Python objects to strings, numbers or bools if all objects are of one such kind."""
    if array.dtype.kind != "O" or array.size == 0:
        return array
    kinds = {type(value) for value in array.flat}
    if all(issubclass(kind, str) for kind in kinds):
        return array.astype(str)
    if all(issubclass(kind, (bool, int, float, np.number, np.bool_)) for kind in kinds):
        return np.array(array.tolist())
    return array
