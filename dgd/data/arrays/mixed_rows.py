"""Columns of several kinds in memory as rows: numbers, categories by their codes, sparse matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dgd.data.arrays.sparse_rows import SparseRows
from dgd.data.buffers import Buffers
from dgd.data.csr import Csr
from dgd.data.kinds import Kinds
from dgd.data.mixed import MISSING_CODE, Coded, Mixed, Part
from dgd.data.row_cuts import ROW_COST, chunk_cost, cut
from dgd.data.rows import Footprint, ReadAtOnce, as_made, check_dtype
from dgd.errors import SchemaError, ValueRangeError


@dataclass(frozen=True, eq=False)
class MixedRows(ReadAtOnce):
    """Columns of several kinds side by side, as X: numbers, categories by their codes, sparse columns.

    dgd.fit(MixedRows("X", [numbers, Coded(codes, 12), Coded(other_codes, 300)]), y)

    name: what errors call it. given: each an array of numbers, (rows,) or (rows, k), best all numbers in one; a
    `dgd.Coded`; or a sparse matrix of scipy. They are used where they lie. Chunks are of about 2¹⁹ numbers and
    codes, and of 4 for each column.

    Raises SchemaError for parts of different lengths, ValueRangeError for a code beyond its columns.
    """

    name: str
    given: Sequence[Any]
    whole: Mixed = field(init=False, repr=False)
    kinds: Kinds = field(init=False, repr=False)
    bounds: NDArray[np.int64] = field(init=False, repr=False)

    lies_in_memory = True

    def __post_init__(self) -> None:
        parts = tuple(_part(self.name, k, each) for k, each in enumerate(self.given))
        if not parts or len({len(part) for part in parts}) > 1:
            raise SchemaError(
                f"array {self.name!r} has parts of {[len(part) for part in parts]} rows; they must be the same rows",
                array=self.name,
            )
        whole = Mixed(parts)
        most = chunk_cost(whole.shape[1])
        cost = Kinds.of(whole, np.array([0, len(whole)])).row_cost + ROW_COST
        stored = [part.indptr.astype(np.int64) for part in parts if isinstance(part, Csr)]
        bounds = cut(np.sum([np.zeros(len(whole) + 1, np.int64), *stored], axis=0), most, cost)
        object.__setattr__(self, "whole", whole)
        object.__setattr__(self, "bounds", bounds)
        object.__setattr__(self, "kinds", Kinds.of(whole, bounds))

    def __reduce__(self) -> tuple[Any, ...]:
        return as_made(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, columns), those of categories counted."""
        return self.whole.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """What holds all numbers."""
        return self.whole.dtype

    @property
    def footprint(self) -> Footprint:
        """No memory besides the parts themselves."""
        held = self.whole.nbytes
        return Footprint(encoded=0, decoded=0, per_pass=held, exact=True, held=held, kinds=self.kinds)

    @property
    def fingerprint(self) -> str:
        """Shape, dtype and the kinds of columns; what is in memory is not hashed."""
        return f"mixed:{self.shape}:{self.dtype.str}:{self.kinds.alike}"

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Mixed, int]:
        """Views of the rows."""
        rows = self.whole[start:stop]
        return rows, rows.nbytes


def _part(name: str, k: int, given: Any) -> Part:
    where = f"array {name!r}, part {k}"
    if isinstance(given, Coded):
        return _checked(where, name, given)
    if hasattr(given, "tocsr"):
        found, _ = SparseRows(name, given.tocsr()).read(0, given.shape[0], Buffers())
        return found
    array = np.asarray(given)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise SchemaError(f"{where} has shape {array.shape}, expected (rows,) or (rows, columns)", array=name)
    check_dtype(name, array.dtype)
    return array


def _checked(where: str, name: str, part: Coded) -> Coded:
    codes = np.asarray(part.codes)
    if codes.ndim != 1 or codes.dtype.kind != "i":
        raise SchemaError(
            f"{where} has codes of {codes.dtype} and shape {codes.shape}, expected one signed integer a row; of a "
            f"pandas column that is `.cat.codes`",
            array=name,
        )
    if part.columns < 1:
        raise SchemaError(f"{where} is a category of {part.columns} columns; leave it out", array=name)
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    if low < MISSING_CODE or high >= part.columns:
        row = int(((codes < MISSING_CODE) | (codes >= part.columns)).argmax())
        raise ValueRangeError(
            f"{where}: row {row} has the code {codes[row]}, expected one from 0 to {part.columns - 1}, or -1 for "
            f"none of them, or -2 where it is missing",
            array=name,
            row=row,
        )
    return part
