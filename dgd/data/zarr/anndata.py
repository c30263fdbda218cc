"""AnnData's elements by their `encoding-type`: sparse matrices, categories, columns with a mask, names of variables.

Source: the on-disk format of anndata, https://anndata.readthedocs.io/en/stable/fileformat-prose.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.buffers import Buffers
from dgd.data.checksums import HeldChunks
from dgd.data.grid import Coordinate
from dgd.data.rows import Footprint, Rows, RowsOfRows
from dgd.data.transforms.meaning import DecodedRows, Meaning
from dgd.data.transforms.missing import NO_LABEL
from dgd.data.zarr.csr_rows import CsrRows
from dgd.data.zarr.group import Group, refuse_part, unmarked
from dgd.data.zarr.metadata import find_array
from dgd.data.zarr.whole_arrays import read_whole
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import SchemaError, UnsupportedFormatError

MASKED = ("nullable-integer", "nullable-boolean")


def labelled(group: Group, key: str, rows: ZarrRows) -> Rows:
    """A plain array of a group, with its labels where it holds codes. Raises SchemaError for a part of an element."""
    above = key.rpartition("/")[0]
    if above:
        refuse_part(Group(group.child(above)).attributes, above, key)
    where = rows.format.attributes.get("categories")
    if not isinstance(where, str):
        return rows
    # As anndata wrote until 0.7: codes that name an array of categories beside them.
    place = f"{above}/{where}" if above else where
    return _categorical(rows, read_whole(group.child(place), place))


def element(group: Group, key: str) -> Rows | None:
    """The element of a group that is not a plain array, as rows; None if there is none."""
    inner = Group(group.child(key))
    if inner.is_array:
        return None
    if inner.is_part and key not in group.committed:
        raise unmarked(inner.source.label, key)
    kind = inner.attributes.get("encoding-type")
    if kind == "csr_matrix":
        return _csr(group, inner.attributes, key)
    if kind == "categorical":
        labels = read_whole(inner.child("categories"), f"{key}/categories")
        return _categorical(inner.rows("codes", name=key), labels)
    if kind in MASKED:
        return MaskedRows(inner.rows("values", name=key), inner.rows("mask", name=f"{key}/mask"))
    if kind == "csc_matrix":
        raise UnsupportedFormatError(
            f"{key!r} is a sparse matrix by columns (csc_matrix): each row would take a read of the whole; write it by "
            f"rows (`a = anndata.read_zarr(STORE); a.X = a.X.tocsr(); a.write_zarr(OUT)`)",
            array=key,
        )
    if kind == "dataframe":
        columns = inner.attributes.get("column-order")
        listed = ", ".join(map(str, columns[:12])) if isinstance(columns, list) else "none"
        raise SchemaError(f"{key!r} is a table; name one of its columns, such as {key}/…: {listed}", array=key)
    if isinstance(kind, str):
        raise UnsupportedFormatError(
            f"{key!r} has the encoding-type {kind!r}, expected an array, csr_matrix, categorical or "
            f"{' or '.join(MASKED)}",
            array=key,
        )
    return None


def variable_names(group: Group, key: str) -> tuple[str, ...] | None:
    """The names of X's columns: the index of `var`; None where there is none."""
    if group.attributes.get("encoding-type") != "anndata" or not (key == "X" or key.startswith("layers/")):
        return None
    table = Group(group.child("var"))
    index = table.attributes.get("_index")
    if not isinstance(index, str):
        return None
    names = tuple(str(name) for name in read_whole(table.child(index), f"var/{index}"))
    return names if len(set(names)) == len(names) else None


def observation_names(group: Group) -> tuple[Coordinate, ...]:
    """The names of the rows, the index of `obs`, as their coordinate."""
    table = Group(group.child("obs"))
    index = table.attributes.get("_index")
    document = find_array(table.child(index)) if isinstance(index, str) else None
    return () if document is None else (Coordinate("obs", ("obs",), document),)


def _csr(group: Group, attributes: dict[str, Any], key: str) -> CsrRows:
    shape = attributes.get("shape")
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(size) is int and size >= 0 for size in shape)):
        raise SchemaError(f"sparse array {key!r} has the shape {shape!r}, expected rows and columns", array=key)
    data, indices, indptr = (group.rows(f"{key}/{part}") for part in ("data", "indices", "indptr"))
    for part in (indices, indptr):
        if part.dtype.kind not in "iu" or len(part.shape) != 1:
            raise SchemaError(f"array {part.name!r} holds {part.dtype}, expected integers", array=part.name)
    return CsrRows(key, data, indices, indptr, (shape[0], shape[1]))


def _categorical(codes: ZarrRows, labels: Array) -> DecodedRows:
    """Labels where the categories are text, numbers where they are numbers; a code of −1 is missing."""
    if labels.dtype.kind in "US":
        names = tuple((code, str(label)) for code, label in enumerate(labels.tolist()))
        return DecodedRows(codes, Meaning(codes.dtype, labels=((-1, NO_LABEL), *names)))
    if labels.dtype.kind not in "biuf":
        raise UnsupportedFormatError(f"the categories of {codes.name!r} are {labels.dtype}", array=codes.name)
    return DecodedRows(codes, Meaning(codes.dtype, table=tuple(float(label) for label in labels.tolist())))


@dataclass(frozen=True, eq=False)
class MaskedRows(RowsOfRows):
    """A column whose mask says where there is no value: float64, NaN there."""

    mask: Rows

    def __post_init__(self) -> None:
        if self.rows.shape != self.mask.shape or self.mask.dtype.kind != "b":
            raise SchemaError(f"array {self.name!r} and its mask do not fit together", array=self.name)

    dtype = np.dtype(np.float64)

    @property
    def footprint(self) -> Footprint:
        """Values, mask, and both joined."""
        values, mask = self.rows.footprint, self.mask.footprint
        decoded = values.decoded + mask.decoded + self.longest * 18
        per_pass = values.per_pass + mask.per_pass
        return replace(values, encoded=values.encoded + mask.encoded, decoded=decoded, per_pass=per_pass)

    @property
    def fingerprint(self) -> str:
        """Those of values and mask."""
        return f"{self.rows.fingerprint}|{self.mask.fingerprint}"

    def changed(self, change: Callable[[Rows], Rows]) -> MaskedRows:
        """The same rows of a changed column and mask."""
        return MaskedRows(change(self.rows), change(self.mask))

    def stored(self, start: int, stop: int) -> tuple[HeldChunks, ...]:
        """The chunks of values and mask."""
        return self.rows.stored(start, stop) + self.mask.stored(start, stop)

    def read(self, start: int, stop: int, buffers: Buffers) -> tuple[Array, int]:
        """The values from start to stop."""
        stored, n_bytes = self.rows.read(start, stop, self.inside(buffers))
        mask, more = self.mask.read(start, stop, buffers.within("mask"))
        values = buffers.take("column", stored.shape, self.dtype)
        values[...] = stored
        values[mask] = np.nan
        return values, n_bytes + more
