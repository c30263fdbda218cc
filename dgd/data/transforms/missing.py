"""Rows with a missing cell: found, counted by column, and left out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array, Integers
from dgd.data.buffers import Buffers
from dgd.data.csr import Csr
from dgd.data.mixed import Cells, Coded, Mixed
from dgd.errors import DataError, ValueRangeError

if TYPE_CHECKING:
    from dgd.data.dataset import Chunk

NO_LABEL = ""
"""What a label is where there is none."""


@dataclass(frozen=True)
class LeftOut:
    """The rows that were left out, and how many of their cells are missing in each column of each array."""

    rows: int
    cells: tuple[tuple[str, Integers], ...]
    """By role: X, y, weight, offset."""

    def __add__(self, other: Self) -> Self:
        cells = dict(self.cells)
        for role, counts in other.cells:
            cells[role] = cells[role] + counts if role in cells else counts
        return type(self)(self.rows + other.rows, tuple(cells.items()))

    def by_column(self, names: tuple[str, ...] | None, target: str | None = None) -> dict[str, int]:
        """The missing cells of each column that has some, most first; X's columns and y by name."""
        found: dict[str, int] = {}
        for role, counts in self.cells:
            own = target if role == "y" and target is not None and target not in (names or ()) else role
            for j in np.flatnonzero(counts):
                name = (names[j] if names else f"x{j}") if role == "X" else own if len(counts) == 1 else f"{own}[{j}]"
                found[name] = int(counts[j])
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def add(a: LeftOut | None, b: LeftOut | None) -> LeftOut | None:
    """The sum of what there is."""
    return b if a is None else a if b is None else a + b


def without_missing(chunk: Chunk, buffers: Buffers) -> Chunk:
    """The chunk without rows that have a missing cell, which are counted."""
    found = left_out(chunk.arrays)
    if found is None:
        return chunk
    kept, missing = found
    taken: dict[str, Any] = {role: some_rows(values, kept, buffers, role) for role, values in chunk.arrays.items()}
    return replace(chunk, numbers=chunk.start + kept, left_out=missing, **taken)


def left_out(arrays: dict[str, Cells]) -> tuple[Integers, LeftOut] | None:
    """The numbers of the rows without a missing cell, and what was found of the others; None if there are none."""
    found = None
    for values in arrays.values():
        some = missing_rows(values)
        if some is not None:
            found = some if found is None else found | some
    if found is None:
        return None
    gone = np.flatnonzero(found)
    may_lack = [(role, values) for role, values in arrays.items() if values.dtype.kind in "fUS"]
    cells = tuple((role, cells_missing(values[gone])) for role, values in may_lack)
    return np.flatnonzero(~found), LeftOut(len(gone), cells)


def some_rows(values: Cells, rows: Integers, buffers: Buffers, name: str) -> Cells:
    """Some rows, copied."""
    if isinstance(values, Csr | Mixed):
        return values[rows]
    return gathered(values, rows, buffers, name)


def gathered(values: Array, rows: Integers, buffers: Buffers, name: str) -> Array:
    """Some rows of an array, copied to a buffer."""
    taken = buffers.take(name, (len(rows), *values.shape[1:]), values.dtype)
    np.take(values, rows, axis=0, out=taken, mode="clip")
    return taken


def missing_rows(values: Cells) -> NDArray[np.bool_] | None:
    """Which rows have a missing cell: NaN, no label, no category; None if none has."""
    if isinstance(values, Mixed):
        found = np.zeros(len(values), bool)
        for part in values.parts:
            lacks = part.missing if isinstance(part, Coded) else missing_rows(part)
            found |= False if lacks is None else lacks
        return _or_none(found)
    if isinstance(values, Csr):
        return _missing_stored(values)
    if values.dtype.kind in "US":
        return _or_none(values == values.dtype.type(NO_LABEL))
    if values.dtype.kind != "f":
        return None
    if values.ndim == 1:
        return _or_none(np.isnan(values))
    suspect = _spoiled(values)
    if not suspect.any():
        return None
    found = suspect.copy()
    found[suspect] = np.isnan(values[suspect]).any(axis=1)
    return _or_none(found)


def _missing_stored(values: Csr) -> NDArray[np.bool_] | None:
    if values.dtype.kind != "f" or not (missing := np.isnan(values.data)).any():
        return None
    found = np.zeros(len(values), bool)
    found[values.stored_where(missing)[0]] = True
    return found


def check_labels(name: str, labels: Array, start: int) -> None:
    """Raise ValueRangeError at the first row without a label, if there is one."""
    if labels.dtype.kind in "US" and (bare := labels == labels.dtype.type(NO_LABEL)).any():
        row = start + int(np.argwhere(bare)[0][0])
        raise ValueRangeError(
            f"array {name!r}, row {row} has no label (it is missing, or an empty text); leave such rows out "
            f"(missing='drop', or --missing drop), or give them one",
            array=name,
            rows=(row, row + 1),
            row=row,
        )


def without_labels(labels: Array, rows: Array) -> Array:
    """Labels without those of some rows: no label where they are text, else NaN, in numbers that hold it."""
    if labels.dtype.kind not in "US":
        labels = labels.astype(np.float64, copy=False)
    found: Array = np.where(rows, NO_LABEL if labels.dtype.kind in "US" else np.nan, labels)
    return found


def cells_missing(values: Cells) -> Integers:
    """The number of missing cells in each column; those of a category count in its first."""
    if isinstance(values, Mixed):
        return np.concatenate([_missing_codes(p) if isinstance(p, Coded) else cells_missing(p) for p in values.parts])
    if isinstance(values, Csr):
        _, columns = values.stored_where(np.isnan(values.data))
        return np.bincount(columns, minlength=values.columns).astype(np.int64)
    cells = values == values.dtype.type(NO_LABEL) if values.dtype.kind in "US" else np.isnan(values)
    counts: Integers = np.atleast_1d(cells.sum(axis=0)).astype(np.int64)
    return counts


def _missing_codes(values: Coded) -> Integers:
    counts = np.zeros(values.columns, np.int64)
    counts[:1] = np.count_nonzero(values.missing)
    return counts


def _or_none(found: Any) -> NDArray[np.bool_] | None:
    return found if found.any() else None


def _spoiled(values: Array) -> NDArray[np.bool_]:
    """Rows with a value that is not finite, or whose sum overflows: those are looked at one by one."""
    if values.dtype not in (np.float32, np.float64):
        return np.asarray(np.isnan(values).any(axis=1))
    with np.errstate(all="ignore"):
        return np.asarray(~np.isfinite(values @ np.ones(values.shape[1], values.dtype)))


def check_counts(weight: float, left_out: LeftOut | None, names: tuple[str, ...] | None) -> None:
    """Raise DataError if the weights sum to 0."""
    if weight > 0:
        return
    if left_out is not None:
        raise DataError(
            f"each of the {left_out.rows:,} rows with a weight has a missing cell, most of them in "
            f"{', '.join(list(left_out.by_column(names))[:5])}: no row counts; leave out those columns, or fill them"
        )
    raise DataError("the weights sum to 0: no row counts; correct the weights", array="weight")
