"""Writes a sparse matrix in AnnData's layout of CSR: a group with data, indices and indptr, and its shape.

Source: https://anndata.readthedocs.io/en/stable/fileformat-prose.html#sparse-arrays
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dgd.data.csr import Csr
from dgd.data.zarr.array_writer import CHUNK_BYTES, Column, first_bad, refuse_value
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.outputs import ROOT, Output


class SparseColumn:
    """X of a dataset being written, by its stored values; an entry that is stored twice is added up."""

    def __init__(self, output: Output, name: str, *, width: int, dtype: np.dtype[Any], compression: str) -> None:
        self.name, self.width, self.dtype = name, width, dtype
        self._output = output
        self._rows = self._stored = 0
        index = np.dtype(np.int32 if width < 2**31 else np.int64)
        values = CHUNK_BYTES // max(dtype.itemsize, index.itemsize)

        def column(part: str, of: np.dtype[Any], length: int, dimension: str) -> Column:
            names = (dimension,)
            return Column(
                output,
                f"{name}/{part}",
                width=None,
                dtype=of,
                chunk_rows=length,
                compression=compression,
                dimension_names=names,
            )

        self._write_document({})
        self._data = column("data", dtype, values, "stored value")
        self._indices = column("indices", index, values, "stored value")
        self._indptr = column("indptr", np.dtype(np.int64), CHUNK_BYTES // 8, "row bound")
        self.parts = {part.name: part for part in (self._data, self._indices, self._indptr)}
        """The arrays it is made of, by their paths in the dataset."""
        self._indptr.append(np.zeros(1, np.int64))

    def _write_document(self, attributes: dict[str, Any]) -> None:
        """The group's metadata document as this process has written it."""
        attributes = {KEY: {"part_of": "dataset"}, **attributes}
        document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        self.document = json.dumps(document, indent=2).encode()
        self._output.set(f"{self.name}/{ROOT}", self.document)

    def append(self, block: Csr) -> None:
        """Add the rows of a block that was checked."""
        block = block.canonical()
        self._data.append(block.data)
        self._indices.append(block.indices)
        self._indptr.append(block.indptr[1:].astype(np.int64) + self._stored)
        self._rows += len(block)
        self._stored += len(block.data)

    def finish(self) -> None:
        """Write what is left of the three arrays, and what they are."""
        for part in self.parts.values():
            part.finish()
        shape = [self._rows, self.width]
        self._write_document({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})


def check_stored(block: Csr, dtype: np.dtype[Any], first_row: int, *, missing: bool) -> None:
    """Raise ValueRangeError at the first stored value that is not finite, or that `dtype` cannot hold."""
    bad = first_bad(block.data, dtype, missing=missing)
    if bad is not None:
        row, column = (int(place[0]) for place in block.stored_where(np.arange(len(block.data)) == bad[0]))
        refuse_value("X", block.data[bad], dtype, first_row + row, column)
