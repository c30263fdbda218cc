"""Rows: an array of one or two dimensions that can be read piece by piece, wherever it lies.

The one protocol an array must fulfil. It is that narrow because a pass over the data needs nothing but "these rows,
please". NumPy arrays fulfil it here; zarr's and Dask's do in their own folders.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.errors import SchemaError, UnsupportedFormatError

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

    Rows that need not be waited for derive from `ReadAtOnce`, which brings the last four members.
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

    @property
    def lies_in_memory(self) -> bool:
        """Whether it is an array of this process, so that keeping a copy of it saves nothing."""
        ...

    @property
    def asks_ahead(self) -> bool:
        """Whether rows have to be waited for, so that asking for them before they are read saves time."""
        ...

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for rows that will be read with the same buffers; whether it is worth asking for more."""
        ...

    def reading_ahead(self, chunks: int) -> Rows:
        """The same rows, asking for so many stored chunks at most."""
        ...


class ReadAtOnce:
    """Rows that need not be asked for before they are read."""

    lies_in_memory = False
    asks_ahead = False

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Nothing to ask for."""
        return False

    def reading_ahead(self, chunks: int) -> Self:
        """Themselves."""
        return self


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
