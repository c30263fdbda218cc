"""Several datasets, one below the other, as one: the parts of a dataset that was stored in many places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.csr import NonZeros, is_sparse
from dgd.data.csr import stacked as stacked_csr
from dgd.data.dataset import Dataset
from dgd.data.kinds import Kinds
from dgd.data.mixed import Cells
from dgd.data.mixed import stacked as stacked_mixed
from dgd.data.rows import Footprint, Rows, as_made, together
from dgd.errors import SchemaError

TOGETHER = 2
"""Parts that have buffers of their own: the one that is read, and the one that is asked for."""


@dataclass(frozen=True, eq=False)
class StackedRows:
    """The rows of several arrays, one after the other; the chunks are theirs."""

    parts: tuple[Rows, ...]
    starts: NDArray[np.int64] = field(init=False, repr=False)
    """Where each part begins, and the number of all rows."""
    bounds: NDArray[np.int64] = field(init=False, repr=False)
    dtype: np.dtype[Any] = field(init=False)

    def __post_init__(self) -> None:
        starts = np.concatenate(([0], np.cumsum([part.shape[0] for part in self.parts]))).astype(np.int64)
        bounds = [part.bounds[:-1] + start for part, start in zip(self.parts, starts[:-1], strict=True)]
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "bounds", np.append(np.concatenate(bounds), starts[-1]))
        object.__setattr__(self, "dtype", np.result_type(*(part.dtype for part in self.parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def name(self) -> str:
        """The array's name, the same in each part."""
        return self.parts[0].name

    @property
    def shape(self) -> tuple[int, ...]:
        """All rows."""
        return (int(self.starts[-1]), *self.parts[0].shape[1:])

    @property
    def lies_in_memory(self) -> bool:
        """Parts lie where they are."""
        return False

    @property
    def is_sparse(self) -> bool:
        """Whether the parts are."""
        return is_sparse(self.parts[0])

    @property
    def asks_ahead(self) -> bool:
        """Whether one of the parts does."""
        return any(part.asks_ahead for part in self.parts)

    @property
    def footprint(self) -> Footprint:
        """The largest parts, and rows that are joined from two."""
        parts = [part.footprint for part in self.parts]
        longest = int(np.diff(self.bounds).max(initial=0))
        kinds = self.kinds
        row_bytes = 0 if self.is_sparse else self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        return replace(
            together(parts),
            encoded=TOGETHER * max(part.encoded for part in parts),
            decoded=TOGETHER * max(part.decoded for part in parts)
            + (longest * row_bytes if kinds is None else kinds.chunk_bytes(longest, self.dtype)),
            non_zeros=_non_zeros([part.non_zeros for part in parts if part.non_zeros is not None]),
            kinds=kinds,
        )

    @cached_property
    def kinds(self) -> Kinds | None:
        """Those of the parts, whose rows may take more or less."""
        found = [part.footprint.kinds for part in self.parts]
        known = [kinds.parts for kinds in found if kinds is not None]
        if len(known) < len(found):
            return None
        return Kinds(
            tuple(
                replace(
                    each[0],
                    row_bytes=max(kind.row_bytes for kind in each),
                    non_zeros=_non_zeros([kind.non_zeros for kind in each if kind.non_zeros is not None]),
                )
                for each in zip(*known, strict=True)
            )
        )

    @property
    def fingerprint(self) -> str:
        """Those of the parts."""
        return "|".join(part.fingerprint for part in self.parts)

    def _within(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """The parts that hold these rows, each with its own first and last row."""
        first, last = (int(k) for k in np.searchsorted(self.starts, (start, stop - 1), side="right") - 1)
        found = []
        for k in range(first, last + 1):
            begin, end = int(self.starts[k]), int(self.starts[k + 1])
            if begin < end:
                found.append((k, max(start, begin) - begin, min(stop, end) - begin))
        return found

    def ahead(self, start: int, stop: int, buffers: Buffers) -> bool:
        """Ask for rows of the first part that holds some; whether more should be asked for."""
        k, low, high = self._within(start, stop)[0]
        return self.parts[k].ahead(low, high, buffers.within(f"part {k % TOGETHER}"))

    def _each(self, change: Callable[[Rows], Rows]) -> StackedRows:
        return StackedRows(tuple(change(part) for part in self.parts))

    def reading_ahead(self, chunks: int) -> StackedRows:
        """The same rows, asking for so many chunks at most."""
        return self._each(lambda part: part.reading_ahead(chunks))

    def waiting_at_most(self, seconds: float) -> StackedRows:
        """The same rows, each stored chunk of which may take so many seconds to read."""
        return self._each(lambda part: part.waiting_at_most(seconds))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks of every part, those of others with none of theirs."""
        touched = {k: (low, high) for k, low, high in self._within(start, stop)}
        return tuple(held for k, part in enumerate(self.parts) for held in part.stored(*touched.get(k, (0, 0))))

    def _stacked(self, touched: list[tuple[int, int, int]], buffers: Buffers) -> tuple[Cells, int]:
        """Some rows of several parts that are sparse or of several kinds."""
        found: list[Any] = []
        bytes_read = 0
        for k, low, high in touched:
            rows, n_bytes = self.parts[k].read(low, high, Buffers(buffers.watch))
            found.append(rows)
            bytes_read += n_bytes
        return stacked_csr(found) if self.is_sparse else stacked_mixed(found), bytes_read

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Cells, int]:
        """The rows from start to stop."""
        touched = self._within(start, stop)
        if len(touched) == 1:
            k, low, high = touched[0]
            rows, n_bytes = self.parts[k].read(low, high, buffers.within(f"part {k % TOGETHER}"))
            return rows if rows.dtype == self.dtype else rows.astype(self.dtype), n_bytes
        if self.is_sparse or self.kinds is not None:
            return self._stacked(touched, buffers)
        joined = buffers.take("joined", (stop - start, *self.shape[1:]), self.dtype)
        place = bytes_read = 0
        for k, low, high in touched:
            rows, n_bytes = self.parts[k].read(low, high, buffers.within(f"part {k % TOGETHER}"))
            joined[place : place + high - low] = rows
            place, bytes_read = place + high - low, bytes_read + n_bytes
        return joined, bytes_read


def _non_zeros(found: list[NonZeros]) -> NonZeros | None:
    if not found:
        return None
    return NonZeros(
        sum(each.count for each in found),
        max(each.most for each in found),
        max(each.index_bytes for each in found),
        exact=all(each.exact for each in found),
    )


def stacked(datasets: Sequence[Dataset]) -> Dataset:
    """Datasets with the same columns as one, in their order. Raises SchemaError where they differ."""
    first = datasets[0]
    for k, other in enumerate(datasets[1:], 1):
        _check_alike(first, other, k)
    arrays: dict[str, Any] = {
        role: StackedRows(tuple(each.by_role[role] for each in datasets)) for role in first.by_role
    }
    named = [name for name in first.ids if all(name in each.ids for each in datasets)]
    ids = {name: StackedRows(tuple(each.ids[name] for each in datasets)) for name in named}
    return replace(
        first, **arrays, ids=ids, grid=None, source=", ".join(dict.fromkeys(each.source for each in datasets))
    )


def _check_alike(first: Dataset, other: Dataset, k: int) -> None:
    where = f"dataset {k} ({other.source})"
    if set(other.by_role) != set(first.by_role):
        raise SchemaError(f"{where} has {', '.join(other.by_role)}, and the first has {', '.join(first.by_role)}")
    if other.feature_names != first.feature_names:
        mine, theirs = other.feature_names or (), first.feature_names or ()
        j = next((j for j, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b), min(len(mine), len(theirs)))
        raise SchemaError(
            f"{where} has other columns than the first: column {j} is {_at(mine, j)}, and {_at(theirs, j)} there; give "
            f"datasets with the same columns in the same order, or choose them with `features`",
            array=other.X.name,
        )
    for role, rows in first.by_role.items():
        found = other.by_role[role]
        if found.shape[1:] != rows.shape[1:]:
            raise SchemaError(
                f"{where}: array {found.name!r} has rows of shape {found.shape[1:]}, expected {rows.shape[1:]} as in "
                f"the first",
                array=found.name,
            )
        if is_sparse(found) != is_sparse(rows):
            kinds = ["sparse" if is_sparse(each) else "dense" for each in (found, rows)]
            raise SchemaError(
                f"{where}: array {found.name!r} is {kinds[0]}, and {kinds[1]} in the first; write them alike "
                f"(`dgd copy`, with or without --sparse)",
                array=found.name,
            )
        of_columns = [rows.footprint.kinds, found.footprint.kinds]
        if len({each and each.alike for each in of_columns}) > 1:
            said = [f"has {each}" if each else "is of one kind" for each in of_columns]
            raise SchemaError(
                f"{where}: array {found.name!r} {said[1]}, and {said[0]} in the first; read both by the same design",
                array=found.name,
            )
        if (found.dtype.kind in "US") != (rows.dtype.kind in "US"):
            raise SchemaError(
                f"{where}: array {found.name!r} has dtype {found.dtype}, and {rows.dtype} in the first",
                array=found.name,
            )


def _at(names: tuple[str, ...], j: int) -> str:
    return repr(names[j]) if j < len(names) else "nothing"
