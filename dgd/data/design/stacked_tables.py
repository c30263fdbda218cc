"""Several tables, one below the other, as one: the files of a directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.design.columns import FLOAT64, Column, ColumnKind, Table, joined
from dgd.data.rows import Footprint, together
from dgd.errors import SchemaError


@dataclass(frozen=True, eq=False)
class StackedTable:
    """The rows of several tables; the columns are those of the first, and the others must have them."""

    parts: tuple[Table, ...]
    source: str
    starts: NDArray[np.int64] = field(init=False, repr=False)
    """Where each part begins, and the number of all rows."""
    bounds: NDArray[np.int64] = field(init=False, repr=False)
    kinds: dict[str, ColumnKind] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts = np.cumsum([0, *(part.bounds[-1] for part in self.parts)], dtype=np.int64)
        bounds = [part.bounds[:-1] + start for part, start in zip(self.parts, starts[:-1], strict=True)]
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "bounds", np.append(np.concatenate(bounds), starts[-1]))
        object.__setattr__(self, "kinds", _kinds(self.parts))

    def __reduce__(self) -> tuple[Any, ...]:
        return StackedTable, (self.parts, self.source)

    @property
    def index(self) -> frozenset[str]:
        """That of the first."""
        return self.parts[0].index

    def footprint(self, names: Sequence[str]) -> Footprint:
        """The largest part's."""
        found = [part.footprint(names) for part in self.parts]
        most = max(found, key=lambda part: part.encoded + part.decoded)
        return replace(together(found), encoded=most.encoded, decoded=most.decoded)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Those of the parts."""
        return "|".join(part.fingerprint(names) for part in self.parts)

    def read(self, names: Sequence[str], start: int, stop: int, buffers: Buffers) -> tuple[dict[str, Column], int]:
        """Some rows, of every part that holds some of them."""
        first, last = (int(k) for k in np.searchsorted(self.starts, (start, stop - 1), side="right") - 1)
        found: list[dict[str, Column]] = []
        bytes_read = 0
        for k in range(first, last + 1):
            begin, end = int(self.starts[k]), int(self.starts[k + 1])
            if begin == end:
                continue
            part = self.parts[k]
            columns, n_bytes = part.read(names, max(start, begin) - begin, min(stop, end) - begin, buffers)
            found.append({name: self._as_declared(name, columns[name]) for name in names})
            bytes_read += n_bytes
        return {name: joined([part[name] for part in found]) for name in names}, bytes_read

    def _as_declared(self, name: str, column: Column) -> Column:
        kind = self.kinds[name]
        return column.astype(kind.dtype, copy=False) if kind.is_number and isinstance(column, np.ndarray) else column


def _kinds(parts: Sequence[Table]) -> dict[str, ColumnKind]:
    """What each column of the first table holds in all of them; one that another lacks is of no use."""
    found = dict(parts[0].kinds)
    for part in parts[1:]:
        for name, kind in found.items():
            other = part.kinds.get(name)
            if other is None:
                found[name] = ColumnKind("other", f"{kind.what}, and {part.source} has no such column")
            elif other.is_number and kind.is_number:
                dtype = np.result_type(kind.dtype, other.dtype)
                found[name] = ColumnKind(
                    "number" if "number" in (kind.name, other.name) else "boolean", kind.what, dtype
                )
            elif other.name != kind.name:
                found[name] = ColumnKind("other", f"{kind.what} in {parts[0].source}, {other.what} in {part.source}")
    return {name: replace(kind, dtype=FLOAT64) if not kind.is_number else kind for name, kind in found.items()}


def stacked_tables(parts: Sequence[Table], source: str) -> Table:
    """Tables as one. Raises SchemaError if there is none."""
    if not parts:
        raise SchemaError(f"{source}: there is no table")
    return parts[0] if len(parts) == 1 else StackedTable(tuple(parts), source)
