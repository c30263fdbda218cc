"""Rows: an array of one or two dimensions that can be read piece by piece, wherever it lies.

The protocol that every kind of array fulfils. It is narrow because a pass needs only "these rows, please".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.csr import NonZeros, is_sparse
from dgd.data.kinds import Kinds
from dgd.errors import SchemaError, UnsupportedFormatError

READABLE_KINDS = "biuf"
"""NumPy kinds that can be converted to float64: bool, integers, floats."""
LABEL_KINDS = "US"
"""Strings, which only a target may be: the labels of classes."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What reading an array costs, in bytes."""

    encoded: int
    """Upper bound of the memory for the stored form of one read."""
    decoded: int
    """Upper bound of the memory for the decoded form of one read, copies included."""
    per_pass: int
    """Stored bytes that one pass reads."""
    exact: bool
    """Whether `per_pass` is known exactly or estimated."""
    held: int = 0
    """Bytes of the array itself if it lies in this process's memory; sent to workers."""
    path: str = "arrays in memory"
    """Where the bytes come from, in a few words."""
    ahead: int = 0
    """Stored chunks that may wait in memory before they are read; part of `encoded`."""
    larger: int = 0
    """Most that a stored chunk can have, where `encoded` is that of those that are stored; 0 if it is the most."""
    non_zeros: NonZeros | None = None
    """Of a sparse matrix."""
    kinds: Kinds | None = None
    """Of columns of several kinds."""


def together(parts: Sequence[Footprint]) -> Footprint:
    """What reading several arrays at a time costs; which of them are sparse or mixed is not said."""
    return Footprint(
        encoded=sum(part.encoded for part in parts),
        decoded=sum(part.decoded for part in parts),
        per_pass=sum(part.per_pass for part in parts),
        exact=all(part.exact for part in parts),
        held=sum(part.held for part in parts),
        path=parts[0].path,
        ahead=max(part.ahead for part in parts),
        larger=max(part.larger for part in parts),
    )


def gathered_bytes(rows: Rows, bounds: NDArray[np.int64]) -> int:
    """Memory for the rows of a chunk of a dataset, if they are joined from chunks that differ from its own."""
    part = rows.footprint
    in_memory = part.encoded + part.decoded == 0
    if in_memory or np.array_equal(rows.bounds, bounds):
        return 0
    return int(np.diff(bounds).max()) * rows.dtype.itemsize * max(1, *rows.shape[1:], 1)


class Rows(Protocol):
    """An array of one or two dimensions whose rows can be read piece by piece, from any thread.

    Rows without a wait derive from `ReadAtOnce`, which brings the last five members.
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

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Any, int]:
        """The rows from start to stop, and the stored bytes read for them.

        An array, or `dgd.data.csr.Csr` of rows that are sparse, or `dgd.data.mixed.Mixed` of rows whose footprint has
        `kinds`. It may lie in `buffers` and is valid until the next read of the same array there.
        """
        ...

    @property
    def lies_in_memory(self) -> bool:
        """Whether it is an array of this process, so that keeping a copy of it saves nothing."""
        ...

    @property
    def asks_ahead(self) -> bool:
        """Whether asking for rows before they are read saves time."""
        ...

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for rows that will be read with the same buffers; whether more should be asked for."""
        ...

    def reading_ahead(self, chunks: int) -> Rows:
        """The same rows, asking for so many stored chunks at most."""
        ...

    def waiting_at_most(self, seconds: float) -> Rows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        ...

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The stored chunks that these rows lie in, of each array that has checksums of them."""
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

    def waiting_at_most(self, seconds: float) -> Self:
        """Themselves."""
        return self

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """None."""
        return ()


@dataclass(frozen=True, eq=False)
class RowsOfRows:
    """Rows that are made of those of another array at each read; who derives says how, and what it takes."""

    rows: Rows

    lies_in_memory = False

    @property
    def name(self) -> str:
        """The array's name."""
        return self.rows.name

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.rows.shape

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The array's row chunks."""
        return self.rows.bounds

    @property
    def is_sparse(self) -> bool:
        """Whether reads give the stored values of a sparse matrix."""
        return is_sparse(self.rows)

    @property
    def asks_ahead(self) -> bool:
        """Whether the array does."""
        return self.rows.asks_ahead

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for the array's rows; whether more should be asked for."""
        return self.rows.ahead(start, stop, self.inside(buffers))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The array's."""
        return self.rows.stored(start, stop)

    def reading_ahead(self, chunks: int) -> Self:
        """The same rows, asking for so many chunks at most."""
        return self.changed(lambda rows: rows.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> Self:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return self.changed(lambda rows: rows.waiting_at_most(seconds))

    def changed(self, change: Callable[[Rows], Rows]) -> Self:
        """The same rows of a changed array."""
        return replace(self, rows=change(self.rows))

    def inside(self, buffers: Buffers) -> Buffers:
        """The buffers in which the array is read."""
        return buffers.within("made of")

    @property
    def longest(self) -> int:
        """The rows of the largest chunk."""
        return int(np.diff(self.bounds).max(initial=0))


@dataclass(frozen=True, eq=False)
class DenseRows(RowsOfRows):
    """The rows of a sparse matrix with all their cells, for a target of few columns."""

    @property
    def is_sparse(self) -> bool:
        """Reads give arrays."""
        return False

    @property
    def dtype(self) -> np.dtype[Any]:
        """The array's dtype."""
        return self.rows.dtype

    @property
    def footprint(self) -> Footprint:
        """The array's, and the cells."""
        whole = self.rows.footprint
        cells = self.longest * self.shape[1] * self.dtype.itemsize
        return replace(whole, decoded=whole.decoded + cells, non_zeros=None)

    @property
    def fingerprint(self) -> str:
        """The array's."""
        return self.rows.fingerprint

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop, dense."""
        found, bytes_read = self.rows.read(start, stop, self.inside(buffers))
        return found.toarray(), bytes_read


def evenly(rows: Rows) -> Rows:
    """The same rows in chunks of equally many, where those of a sparse matrix have equally many values."""
    if isinstance(rows, RowsOfRows):
        return rows.changed(evenly)
    cut: Callable[[], Rows] | None = getattr(rows, "cut_evenly", None)
    return rows if cut is None else cut()


def as_made(made: Any) -> tuple[type, tuple[Any, ...]]:
    """Pickle a dataclass by its constructor's arguments, without derived fields."""
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
    """Refuse masked values: the numbers under the mask would be used silently."""
    if np.ma.isMaskedArray(values) and np.ma.getmaskarray(values).any():
        raise SchemaError(
            f"array {name!r} has masked values, expected numbers; fill them (`.filled(...)`) or drop the rows",
            array=name,
        )
