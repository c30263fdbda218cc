"""Rows: an array of one or two dimensions that can be read piece by piece, wherever it lies.

The one protocol an array must fulfil. It is that narrow because a pass over the data needs nothing but "these rows,
please". NumPy arrays fulfil it here; zarr's and Dask's do in their own folders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.errors import ConfigurationError, SchemaError, UnsupportedFormatError

MEMORY_CHUNK_BYTES = 4 * 2**20
READABLE_KINDS = "biuf"
"""Bool, signed and unsigned integers, floats of at most 8 bytes: what float64 arithmetic can begin from."""
LABEL_KINDS = "US"
"""Strings, which only a target may be: the labels of classes."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What reading an array costs, in bytes."""

    encoded: int
    """Most that the stored form of one read takes in memory."""
    decoded: int
    """Most that the decoded form of one read takes in memory, copies included."""
    per_pass: int
    """Stored bytes that one pass reads."""
    exact: bool
    """Whether `per_pass` is known exactly or estimated."""
    held: int = 0
    """What the array itself holds of this process's memory, and would be sent to another one."""
    path: str = "arrays in memory"
    """Where the bytes come from, in a few words."""
    ahead: int = 0
    """Stored chunks of an array that wait in memory, at most, before they are read; part of `encoded`."""


class Rows(Protocol):
    """An array of one or two dimensions whose rows can be read piece by piece, from any thread.

    Rows that have to be waited for may have two methods more: `ahead(start, stop, buffers)`, after which a read of
    these rows with the same buffers waits less, says whether it is worth asking for more; `reading_ahead(chunks)`
    gives rows that ask for so many stored chunks at most.
    """

    @property
    def name(self) -> str:
        """What errors call the array."""
        ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The row chunks: chunk k is rows bounds[k] to bounds[k + 1]."""
        ...

    @property
    def footprint(self) -> Footprint: ...

    @property
    def fingerprint(self) -> str:
        """A digest that changes when the array becomes another one."""
        ...

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, and the stored bytes read for them.

        The array may lie in `buffers` and is valid until the next read of the same array there.
        """
        ...


@dataclass(frozen=True, eq=False)
class MemoryRows:
    """The rows of a NumPy array; its chunks are a fixed function of its shape."""

    name: str
    array: Array
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_dtype(self.name, self.array.dtype, labels=True)
        rows = self.array.shape[0] if self.array.ndim else 0
        row_bytes = 8 * max(1, int(np.prod(self.array.shape[1:], dtype=np.int64)))
        object.__setattr__(self, "bounds", regular_bounds(rows, max(1, MEMORY_CHUNK_BYTES // row_bytes)))

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
        """Nothing is read into memory: it is there already."""
        return Footprint(encoded=0, decoded=0, per_pass=self.array.nbytes, exact=True, held=self.array.nbytes)

    @property
    def fingerprint(self) -> str:
        """Shape and dtype; what is in memory is not hashed."""
        return f"memory:{self.array.shape}:{self.array.dtype.str}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view of the rows."""
        rows = self.array[start:stop]
        return rows, rows.nbytes


def as_made(made: Any) -> tuple[type, tuple[Any, ...]]:
    """How to pickle a dataclass by what it was made of, without what follows from that."""
    return type(made), tuple(getattr(made, each.name) for each in fields(made) if each.init)


def regular_bounds(n_rows: int, chunk_rows: int) -> NDArray[np.int64]:
    """The bounds of equal chunks with a shorter last one."""
    starts = np.arange(0, n_rows, chunk_rows, dtype=np.int64)
    return np.append(starts, np.int64(n_rows))


def check_dtype(name: str, dtype: np.dtype[Any], *, labels: bool = False) -> None:
    """Refuse what is not a real number of at most 8 bytes; with `labels` a string will do."""
    if (dtype.kind in READABLE_KINDS and dtype.itemsize <= 8) or (labels and dtype.kind in LABEL_KINDS):
        return
    raise UnsupportedFormatError(
        f"array {name!r} has dtype {dtype}, expected bool, an integer or a float of at most 8 bytes; "
        f"convert it before fitting (`array.astype('float64')`)",
        array=name,
    )


def refuse_masked(name: str, values: Any) -> None:
    """A masked value has no number; reading what lies under the mask would be silent."""
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise SchemaError(
            f"array {name!r} has masked values, expected numbers; fill them (`.filled(...)`) or drop the rows",
            array=name,
        )


def as_rows(name: str, values: Sequence[Any] | Array) -> MemoryRows:
    """A NumPy array, or what NumPy makes an array of, as rows."""
    refuse_masked(name, values)
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise SchemaError(f"array {name!r} is not a regular array of numbers: {error}", array=name) from error
    if array.ndim == 0:
        raise ConfigurationError(f"array {name!r} must be an array, a path or a name, got a {type(values).__name__}")
    return MemoryRows(name, plain(array))


def plain(array: Array) -> Array:
    """An array of Python objects as one of strings, numbers or bools where all of its objects are of one such kind."""
    if array.dtype.kind != "O" or array.size == 0:
        return array
    kinds = {type(value) for value in array.flat}
    if all(issubclass(kind, str) for kind in kinds):
        return array.astype(str)
    if all(issubclass(kind, (bool, int, float, np.number, np.bool_)) for kind in kinds):
        return np.array(array.tolist())
    return array
