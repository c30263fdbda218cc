"""A dataset: X, y and perhaps weights, read one row chunk at a time.

`Rows` is the one protocol an array must fulfil, wherever it lies; it is that narrow because a pass over the data
needs nothing but "these rows, please". `Dataset` puts up to three of them together and checks that they fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dgd.buffers import Buffers
from dgd.errors import ConfigurationError, SchemaError, UnsupportedFormatError

Array = NDArray[Any]

MEMORY_CHUNK_BYTES = 4 * 2**20
READABLE_KINDS = "biuf"
"""Bool, signed and unsigned integers, floats of at most 8 bytes: what float64 arithmetic can begin from."""


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


class Rows(Protocol):
    """An array of one or two dimensions whose rows can be read piece by piece, from any thread."""

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


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row chunk of a dataset, as read."""

    index: int
    start: int
    X: Array
    y: Array | None
    weight: Array | None
    bytes_read: int

    @property
    def rows(self) -> tuple[int, int]:
        """The half-open range of rows."""
        return self.start, self.start + self.X.shape[0]


@dataclass(frozen=True)
class Dataset:
    """X (m × n), y (m) and perhaps weight (m), read by the row chunks of X.

    Raises SchemaError where ranks or lengths do not fit together, UnsupportedFormatError for a dtype that is not
    a real number of at most 8 bytes.
    """

    X: Rows
    y: Rows | None = None
    weight: Rows | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    source: str = "memory"
    bounds: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_matrix(self.X)
        for column in (self.y, self.weight):
            if column is not None:
                _check_column(column, self.X)
        names = self.feature_names
        if names is not None and len(names) != self.X.shape[1]:
            raise SchemaError(
                f"{self.X.name} has {self.X.shape[1]} columns, but there are {len(names)} feature names; "
                f"give one name for each column",
                array=self.X.name,
            )
        object.__setattr__(self, "bounds", self.X.bounds)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, features)."""
        return self.X.shape[0], self.X.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The stored dtype of X."""
        return self.X.dtype

    @property
    def n_chunks(self) -> int:
        """The number of row chunks of X: the leaves of the reduction tree."""
        return len(self.bounds) - 1

    @property
    def chunk_rows(self) -> int:
        """The rows of the largest chunk."""
        return int(np.diff(self.bounds).max())

    @property
    def arrays(self) -> tuple[Rows, ...]:
        """The arrays there are."""
        return tuple(rows for rows in (self.X, self.y, self.weight) if rows is not None)

    @property
    def footprint(self) -> Footprint:
        """What one read of a chunk of every array takes, and what a pass reads."""
        parts = [rows.footprint for rows in self.arrays]
        gathered = [self._gathered_bytes(rows, part) for rows, part in zip(self.arrays, parts, strict=True)]
        return Footprint(
            encoded=sum(part.encoded for part in parts),
            decoded=sum(part.decoded for part in parts) + sum(gathered),
            per_pass=sum(part.per_pass for part in parts),
            exact=all(part.exact for part in parts),
        )

    def _gathered_bytes(self, rows: Rows, part: Footprint) -> int:
        """What the rows of a chunk take where they are put together from chunks that are not those of X."""
        in_memory = part.encoded + part.decoded == 0
        if in_memory or np.array_equal(rows.bounds, self.bounds):
            return 0
        return self.chunk_rows * rows.dtype.itemsize

    @property
    def fingerprint(self) -> str:
        """A digest of the arrays' metadata, equal for equal data read the same way."""
        digest = hashlib.sha256()
        for rows in self.arrays:
            digest.update(rows.fingerprint.encode())
        return f"sha256:{digest.hexdigest()}"

    def read(self, index: int, buffers: Buffers | None = None) -> Chunk:
        """Chunk `index`; without `buffers` its arrays are the caller's to keep."""
        buffers = Buffers() if buffers is None else buffers
        start, stop = int(self.bounds[index]), int(self.bounds[index + 1])
        found: dict[str, Array | None] = {}
        bytes_read = 0
        for role, rows in (("X", self.X), ("y", self.y), ("weight", self.weight)):
            found[role], n_bytes = (None, 0) if rows is None else rows.read(start, stop, buffers.within(role))
            bytes_read += n_bytes
        X = found["X"]
        assert X is not None
        return Chunk(index=index, start=start, X=X, y=found["y"], weight=found["weight"], bytes_read=bytes_read)


@dataclass(frozen=True, eq=False)
class MemoryRows:
    """The rows of a NumPy array; its chunks are a fixed function of its shape."""

    name: str
    array: Array
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_dtype(self.name, self.array.dtype)
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
        return Footprint(encoded=0, decoded=0, per_pass=self.array.nbytes, exact=True)

    @property
    def fingerprint(self) -> str:
        """Shape and dtype; what is in memory is not hashed."""
        return f"memory:{self.array.shape}:{self.array.dtype.str}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """A view of the rows."""
        rows = self.array[start:stop]
        return rows, rows.nbytes


def regular_bounds(n_rows: int, chunk_rows: int) -> NDArray[np.int64]:
    """The bounds of equal chunks with a shorter last one."""
    starts = np.arange(0, n_rows, chunk_rows, dtype=np.int64)
    return np.append(starts, np.int64(n_rows))


def check_dtype(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse what is not a real number of at most 8 bytes."""
    if dtype.kind in READABLE_KINDS and dtype.itemsize <= 8:
        return
    raise UnsupportedFormatError(
        f"array {name!r} has dtype {dtype}, expected bool, an integer or a float of at most 8 bytes; "
        f"convert it before fitting (`array.astype('float64')`)",
        array=name,
    )


def as_rows(name: str, values: Sequence[Any] | Array) -> MemoryRows:
    """A NumPy array, or what NumPy makes an array of, as rows."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise SchemaError(f"array {name!r} is not a regular array of numbers: {error}", array=name) from error
    if array.ndim == 0:
        raise ConfigurationError(
            f"array {name!r} must be an array, a path or a name, got {values!r} of type {type(values).__name__}"
        )
    return MemoryRows(name, array)


def _check_matrix(X: Rows) -> None:
    if len(X.shape) != 2:
        raise SchemaError(
            f"array {X.name!r} has shape {X.shape}, expected 2 dimensions (rows × features); "
            f"reshape a single feature with `.reshape(-1, 1)`",
            array=X.name,
        )
    if 0 in X.shape:
        raise SchemaError(
            f"array {X.name!r} has shape {X.shape}: there are no {'rows' if X.shape[0] == 0 else 'columns'} to fit",
            array=X.name,
        )


def _check_column(column: Rows, X: Rows) -> None:
    if len(column.shape) != 1:
        raise SchemaError(
            f"array {column.name!r} has shape {column.shape}, expected 1 dimension of {X.shape[0]} rows; "
            f"pass one column (`.ravel()` or `[:, 0]`)",
            array=column.name,
        )
    if column.shape[0] != X.shape[0]:
        raise SchemaError(
            f"array {column.name!r} has {column.shape[0]} rows and {X.name!r} has {X.shape[0]}; "
            f"they must be the same rows",
            array=column.name,
        )
