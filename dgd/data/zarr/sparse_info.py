"""What `dgd info` says about sparse matrices in AnnData's layout; only metadata documents are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dgd.data.zarr.group import Group
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import DataError
from dgd.errors.words import size

PARTS = ("data", "indices", "indptr")
KINDS = {"csr_matrix": "by rows (CSR)", "csc_matrix": "by columns (CSC), which are not read: write it by rows"}


@dataclass(frozen=True)
class SparseInfo:
    """A sparse matrix, as its metadata describe it."""

    name: str
    encoding: str
    """"csr_matrix" or "csc_matrix"."""
    shape: tuple[int, int]
    non_zeros: int
    """Values that are stored, zeros among them too."""
    density: float
    """Their part of all cells."""
    value_dtype: str
    index_dtype: str
    decoded_bytes: int
    """Of values, column numbers and row bounds."""
    dense_bytes: int
    """What all cells would take."""

    def line(self) -> str:
        """All of it, in a line."""
        rows, columns = self.shape
        return (
            f"{self.name}: {rows:,} × {columns:,}, sparse {KINDS[self.encoding]}, {self.non_zeros:,} non-zeros "
            f"({self.density:.2g} of the cells), {size(self.decoded_bytes)} where all cells would be "
            f"{size(self.dense_bytes)}"
        )


def sparse_matrices(group: Group, arrays: Mapping[str, ZarrRows]) -> tuple[SparseInfo, ...]:
    """The sparse matrices whose arrays are among these."""
    names = [name.removesuffix("/indptr") for name in arrays if name.endswith("/indptr")]
    found = (_described(group, name, [arrays.get(f"{name}/{part}") for part in PARTS]) for name in names)
    return tuple(each for each in found if each is not None)


def _described(group: Group, name: str, parts: list[ZarrRows | None]) -> SparseInfo | None:
    data, indices, indptr = parts
    try:
        attributes = Group(group.child(name)).attributes
    except DataError:
        return None
    shape, encoding = attributes.get("shape"), attributes.get("encoding-type")
    if data is None or indices is None or indptr is None or encoding not in KINDS:
        return None
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(each) is int and each > 0 for each in shape)):
        return None
    stored = data.shape[0]
    return SparseInfo(
        name=name,
        encoding=encoding,
        shape=(shape[0], shape[1]),
        non_zeros=stored,
        density=stored / (shape[0] * shape[1]),
        value_dtype=data.dtype.name,
        index_dtype=indices.dtype.name,
        decoded_bytes=sum(each.shape[0] * each.dtype.itemsize for each in (data, indices, indptr)),
        dense_bytes=shape[0] * shape[1] * data.dtype.itemsize,
    )
