"""X, and y, weight or offset, as rows over a table."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.arrays.frames import LABELS
from dgd.data.buffers import Buffers
from dgd.data.design.columns import FLOAT64, Codes, Frame, Table
from dgd.data.design.design import Design
from dgd.data.design.expressions import Expression
from dgd.data.mixed import Mixed
from dgd.data.rows import READABLE_KINDS, Footprint, ReadAtOnce
from dgd.data.transforms.missing import NO_LABEL
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class FrameRows(ReadAtOnce):
    """Some columns of a table as they are: what is read is a `Frame`, for sums that look the table through."""

    name: str
    table: Table
    columns: tuple[str, ...]

    dtype = FLOAT64

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.table.bounds[-1]), max(1, len(self.columns))

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The table's row chunks."""
        return self.table.bounds

    @property
    def footprint(self) -> Footprint:
        """The table's."""
        return self.table.footprint(self.columns)

    @property
    def fingerprint(self) -> str:
        """The table's."""
        return self.table.fingerprint(self.columns)

    def frame(self, start: int, stop: int, buffers: Buffers) -> tuple[Frame, int]:
        """Some rows, and the stored bytes read for them."""
        columns, bytes_read = self.table.read(self.columns, start, stop, buffers)
        return Frame(columns, stop - start, start, self.table.source), bytes_read

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Any, int]:
        """A frame."""
        return self.frame(start, stop, buffers)


@dataclass(frozen=True, eq=False)
class DesignRows(ReadAtOnce):
    """The rows of X that a design makes of a table's: `Mixed` where it has categories, else arrays."""

    name: str
    table: Table
    design: Design
    refuses_missing: bool = False
    """Whether a missing cell is an error; else it is NaN, or the code of a missing category."""

    dtype = FLOAT64

    @property
    def _frames(self) -> FrameRows:
        return FrameRows(self.name, self.table, self.design.columns)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and the columns that the design makes."""
        return int(self.table.bounds[-1]), len(self.design.names)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The table's row chunks."""
        return self.table.bounds

    @property
    def footprint(self) -> Footprint:
        """The table's columns, one of them as numbers, and the rows of X twice: by term, and side by side."""
        found, kinds = self._frames.footprint, self.design.kinds
        rows = int(np.diff(self.bounds).max(initial=0))
        row_bytes = 8 * self.shape[1] if kinds is None else kinds.row_bytes
        return replace(found, decoded=found.decoded + rows * (24 + 2 * row_bytes), kinds=kinds)

    @property
    def fingerprint(self) -> str:
        """The table's, and the design's."""
        return f"{self._frames.fingerprint}:{self.design.digest}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array | Mixed, int]:
        """The rows from start to stop."""
        if not self.design.names:
            return np.empty((stop - start, 0)), 0
        frame, bytes_read = self._frames.frame(start, stop, buffers)
        if self.refuses_missing:
            frame.check_whole(self.design.not_filled)
        return self.design.rows(frame, buffers), bytes_read


@dataclass(frozen=True, eq=False)
class ColumnRows(ReadAtOnce):
    """A column of a table, or arithmetic on some, as a vector: a target, its labels, weights or offsets."""

    name: str
    table: Table
    of: str
    expression: Expression = field(init=False, repr=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", Expression(self.of))
        column = self.expression.column
        kind = None if column is None else self.table.kinds[column]
        dtype = FLOAT64 if kind is None else kind.dtype if kind.is_number else LABELS
        object.__setattr__(self, "dtype", dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return ColumnRows, (self.name, self.table, self.of)

    @property
    def shape(self) -> tuple[int]:
        """The table's rows."""
        return (int(self.table.bounds[-1]),)

    @property
    def bounds(self) -> NDArray[np.int64]:
        """The table's row chunks."""
        return self.table.bounds

    @property
    def footprint(self) -> Footprint:
        """The table's."""
        return self.table.footprint(self.expression.columns)

    @property
    def fingerprint(self) -> str:
        """The table's, and the text."""
        return f"{self.table.fingerprint(self.expression.columns)}:{self.of}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The rows from start to stop."""
        columns, bytes_read = self.table.read(self.expression.columns, start, stop, buffers)
        column = self.expression.column
        if column is None:
            return self.expression(Frame(columns, stop - start, start, self.table.source)), bytes_read
        found = columns[column]
        values = labels(found) if isinstance(found, Codes) else found
        if (values.dtype.kind in READABLE_KINDS) != (self.dtype.kind in READABLE_KINDS):
            raise SchemaError(
                f"{self.table.source}: column {column!r}, rows {start} to {stop - 1}, is read as {values.dtype}, and "
                f"{self.dtype} was expected",
                array=self.name,
                rows=(start, stop),
            )
        return values, bytes_read


def labels(codes: Codes) -> Array:
    """The labels of each row, no label where one is missing."""
    values = np.array([*map(str, codes.levels), NO_LABEL])
    return values[codes.codes]
