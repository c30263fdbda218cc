"""A dataset: X, y and perhaps weights and offsets, checked to fit together, read one row chunk at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.csr import NonZeros, is_sparse
from dgd.data.dataset_identity import fingerprint_of, identity_of
from dgd.data.grid import Grid
from dgd.data.kinds import Kinds
from dgd.data.mixed import Cells
from dgd.data.opened import Opening
from dgd.data.roles import ROLE_NAMES, ROLES, Role
from dgd.data.rows import LABEL_KINDS, DenseRows, Footprint, Rows, as_made, check_dtype, gathered_bytes, together
from dgd.data.schema import check_column, check_matrix, check_names, not_as_declared
from dgd.data.shown import dataset_html
from dgd.data.split_part import Part
from dgd.data.transforms.class_weights import ClassWeights
from dgd.data.transforms.missing import LeftOut, check_labels, without_missing
from dgd.errors import ConfigurationError

if TYPE_CHECKING:
    from dgd.data.design.design import Design


@dataclass(frozen=True, slots=True)
class Chunk:
    """One row chunk of a dataset, as read."""

    index: int
    start: int
    X: Cells
    y: Array | None
    weight: Array | None
    bytes_read: int
    offset: Array | None = None
    resident: bool = False
    """Whether it was in memory already."""
    numbers: Integers | None = None
    """The dataset's number of each row; None if they are start, start + 1, …"""
    filled: int = 0
    """Stored chunks that are not there and were taken as their fill value."""
    left_out: LeftOut | None = None
    """Rows with a missing cell that were read and are not among them."""
    groups: Array | None = None
    cuts: tuple[int, Integers] | None = None
    """Of several stored chunks that were read together: the number of the first, and their bounds; None of one."""

    @property
    def rows(self) -> tuple[int, int]:
        """The half-open range of rows."""
        return self.start, self.start + self.X.shape[0]

    @property
    def arrays(self) -> dict[str, Cells]:
        """The arrays there are, by role."""
        found = ((role.name, getattr(self, role.name)) for role in ROLES)
        return {name: values for name, values in found if values is not None}

    def number(self, row: int) -> int:
        """The number of one of the chunk's rows in the dataset."""
        return self.start + row if self.numbers is None else int(self.numbers[row])

    @property
    def rows_read(self) -> int:
        """The rows that were read, those left out included."""
        return len(self.X) + (0 if self.left_out is None else self.left_out.rows)

    def take(self, rows: Integers) -> Chunk:
        """Some of the rows, in an order, as a chunk."""
        numbers = self.start + rows if self.numbers is None else self.numbers[rows]
        taken: dict[str, Any] = {name: values[rows] for name, values in self.arrays.items()}
        return replace(self, numbers=numbers, **taken)


@dataclass(frozen=True)
class Dataset:
    """X (m × n), y (m, or m × q), perhaps weight (m) and offset (as y), read by the row chunks of X.

    Raises SchemaError where ranks or lengths do not fit together, UnsupportedFormatError for a dtype that is not
    a real number of at most 8 bytes.
    """

    X: Rows
    y: Rows | None = None
    weight: Rows | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None
    source: str = "memory"
    offset: Rows | None = None
    """What is added to each raw prediction, with a coefficient of 1."""
    missing: str = "error"
    """What is done with rows that have a missing cell: "error" (by who finds it) or "drop"."""
    grid: Grid | None = None
    """The dimensions and names of the rows, where they have some; stays in the process that opened it."""
    groups: Rows | None = None
    """Which group each row belongs to, for sums by group."""
    weight_name: str | None = None
    offset_name: str | None = None
    """What whoever wrote the dataset calls its weights and offsets."""
    ids: Mapping[str, Rows] = field(default_factory=dict)
    """Columns that go with the rows and are no part of a pass, by name: whole numbers or texts."""
    design: Design | None = None
    """How X is made of the columns of a table, where it is."""
    bytes_read: int = 0
    """Stored bytes that were read to open it: a pass for the levels and means of a design."""
    room: int | None = None
    """Memory beyond the plan, for a stored chunk that is larger than planned; None: not limited."""
    part: Part | None = None
    """Which part of all rows these are; None: all."""
    only: tuple[int, int] | None = None
    """The chunks from one to before another that a pass is over; None: all."""
    bounds: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    by_role: dict[str, Rows] = field(init=False, repr=False, compare=False)
    """The arrays there are."""
    _reading: tuple[tuple[Role, Rows, tuple[int, ...], np.dtype[Any]], ...] = field(
        init=False, repr=False, compare=False
    )
    """The arrays there are, with the shape of a row and the dtype."""
    _asking: tuple[tuple[str, Rows], ...] = field(init=False, repr=False, compare=False)
    """The arrays that can be asked for before they are read."""
    _cuts: Callable[[int], tuple[int, Integers]] | None = field(init=False, repr=False, compare=False)
    """What each chunk of X was put together from, if it was."""
    _repr_html_ = dataset_html

    def __post_init__(self) -> None:
        for name in ("y", "weight", "offset"):
            if is_sparse(rows := getattr(self, name)):
                object.__setattr__(self, name, DenseRows(rows))
        found = [(role, rows) for role in ROLES if (rows := getattr(self, role.name)) is not None]
        object.__setattr__(self, "by_role", {role.name: rows for role, rows in found})
        if not all(hasattr(rows, "asks_ahead") for rows in self.arrays):
            raise ConfigurationError("`Dataset` is put together from rows; for arrays use `dgd.open_dataset(X, y)`")
        check_matrix(self.X)
        for role, rows in found:
            check_dtype(rows.name, rows.dtype, labels=role.labels)
            if rows is not self.X:
                check_column(rows, self.X, role.dimensions)
        for rows in self.ids.values():
            check_column(rows, self.X, (1,))
        check_names(self.feature_names, self.X)
        first, last = self.only or (0, len(self.X.bounds))
        object.__setattr__(self, "bounds", self.X.bounds[first : last + 1])
        reading = tuple((role, rows, tuple(rows.shape[1:]), rows.dtype) for role, rows in found)
        object.__setattr__(self, "_reading", reading)
        object.__setattr__(self, "_cuts", getattr(self.X, "cuts", None))
        object.__setattr__(self, "_asking", tuple((role.name, rows) for role, rows in found if rows.asks_ahead))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the fields of the constructor only: derived fields grow with the number of chunks."""
        return as_made(self if self.grid is None else replace(self, grid=None))

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

    @cached_property
    def chunk_rows(self) -> int:
        """The rows of the largest chunk."""
        return int(np.diff(self.bounds).max())

    @property
    def arrays(self) -> tuple[Rows, ...]:
        """The arrays there are."""
        return tuple(self.by_role.values())

    @property
    def row_bytes(self) -> int:
        """What a row of all arrays takes, decoded; of a sparse X on average in its fullest chunk."""
        return -(-sum(map(self.decoded_bytes, self.by_role)) // self.chunk_rows)

    @cached_property
    def non_zeros(self) -> NonZeros | None:
        """Of a sparse X."""
        return self.X.footprint.non_zeros

    @cached_property
    def kinds(self) -> Kinds | None:
        """Of an X with columns of several kinds."""
        return self.X.footprint.kinds

    def decoded_bytes(self, role: str) -> int:
        """What the fullest chunk of an array takes."""
        rows = self.by_role[role]
        if role == "X" and (stored := self.kinds or self.non_zeros) is not None:
            return stored.chunk_bytes(self.chunk_rows, rows.dtype)
        return self.chunk_rows * rows.dtype.itemsize * math.prod(rows.shape[1:])

    @property
    def lies_in_memory(self) -> bool:
        """Whether all arrays but X lie in this process's memory."""
        return all(rows.lies_in_memory for rows in self.arrays if rows is not self.X)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the arrays that lie in this process's memory."""
        return sum(rows.footprint.held for rows in self.arrays)

    @property
    def footprint(self) -> Footprint:
        """Memory that reading one chunk of every array takes, and the bytes a pass reads."""
        whole = together([rows.footprint for rows in self.arrays])
        gathered = sum(gathered_bytes(rows, self.X.bounds) for rows in self.arrays)
        kept = 0 if self.missing == "error" else sum(map(self.decoded_bytes, self.by_role))
        return replace(whole, decoded=whole.decoded + gathered + kept, held=0)

    @property
    def fingerprint(self) -> str:
        """A digest of the arrays' metadata, equal for equal data read the same way."""
        return fingerprint_of(self.arrays)

    @property
    def identity(self) -> str:
        """A digest of what was read: the fingerprint, and the checksums of arrays whose writer left no list of them."""
        return identity_of(self.arrays)

    def ahead(self, index: int, buffers: Buffers) -> bool:
        """Ask for chunk `index` before it is read with the same buffers; whether more should be asked for."""
        start, stop, more = int(self.bounds[index]), int(self.bounds[index + 1]), False
        for role, rows in self._asking:
            more |= rows.ahead(start, stop, buffers.within(role))
        return more

    def map(self, function: Callable[[Rows], Rows]) -> Dataset:
        """The dataset with each array replaced by a function of it."""
        changed: dict[str, Any] = {name: function(rows) for name, rows in self.by_role.items()}
        return replace(self, **changed)

    def reading_ahead(self, chunks: int) -> Dataset:
        """The dataset whose arrays ask for so many stored chunks ahead at most; 0: none."""
        return self.map(lambda rows: rows.reading_ahead(chunks)) if self._asking else self

    def waiting_at_most(self, seconds: float) -> Dataset:
        """The dataset each stored chunk of which may take so many seconds to read."""
        return self.map(lambda rows: rows.waiting_at_most(seconds)) if self._asking else self

    @cached_property
    def opening(self) -> Opening | None:
        """What opens chunks of X; None where they are all to be read."""
        return getattr(self.X, "straight", None) if self.missing == "error" else None

    def opened(self, index: int, buffers: Buffers) -> Chunk | None:
        """Chunk `index` with an X that still lies in its file (`OpenChunk`); None where it is to be read."""
        start, stop = int(self.bounds[index]), int(self.bounds[index + 1])
        X = None if self.opening is None else self.opening.opened(start, stop)
        return None if X is None else self._read(index, buffers, X)

    def read(self, index: int, buffers: Buffers | None = None) -> Chunk:
        """Read chunk `index`. Without `buffers` the arrays are new and stay valid."""
        return self._read(index, Buffers() if buffers is None else buffers)

    def _read(self, index: int, buffers: Buffers, X: Any = None) -> Chunk:
        """Chunk `index`, with its X where that was opened already."""
        start, stop = int(self.bounds[index]), int(self.bounds[index + 1])
        found: dict[str, Any] = dict.fromkeys(ROLE_NAMES)
        bytes_read, filled = 0, buffers.watch.filled
        buffers.watch.room = self.room
        for role, rows, row_shape, dtype in self._reading:
            own = buffers.within(role.name)
            if X is not None and rows is self.X:
                values, n_bytes = X, X.bytes_read
            elif isinstance(rows, ClassWeights):
                values, n_bytes = rows.of_target(found["y"], start, stop, own)
            else:
                values, n_bytes = rows.read(start, stop, own)
            # NumPy would silently repeat or cut off rows of another shape.
            if values is None or values.shape != (stop - start, *row_shape):
                raise not_as_declared(rows, values, index, start, stop)
            if values.dtype != dtype:
                check_dtype(rows.name, values.dtype, labels=role.labels)
            if role.labels and values.dtype.kind in LABEL_KINDS and self.missing == "error":
                check_labels(rows.name, values, start)
            found[role.name] = values
            bytes_read += n_bytes
        filled = buffers.watch.filled - filled
        index += 0 if self.only is None else self.only[0]
        cuts = None if self._cuts is None else self._cuts(index)
        chunk = Chunk(index=index, start=start, bytes_read=bytes_read, filled=filled, cuts=cuts, **found)
        return chunk if self.missing == "error" else without_missing(chunk, buffers.within("kept"))
