"""Results for each row of a dataset, written chunk by chunk, by any number of processes.

Rows without names make an array. Rows that are cells of dimensions, or have names, make a group that xarray reads:
`prediction` in the shape of the cells, and their coordinates.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from dgd._typing import Array
from dgd.data.dataset import Dataset
from dgd.data.grid import Grid
from dgd.data.zarr.array_writer import ArrayDraft
from dgd.data.zarr.commit_marker import KEY, sealed
from dgd.data.zarr.coordinates import write_coordinate, write_values
from dgd.data.zarr.crc32c import crc32c
from dgd.data.zarr.outputs import EMPTY_GROUP, ROOT, Output, begin, open_output, refuse_own_input, root_of
from dgd.errors import ConfigurationError

Axes = tuple[tuple[str, tuple[Any, ...] | None], ...]
COPIES = 4
"""Copies of a row in memory while it is written."""
VARIABLE = "prediction"
"""What the array is called in a group."""


@dataclass(frozen=True)
class RowWriter:
    """Writes rows to an array whose chunks are the dataset's. Until `commit` it is marked as interrupted."""

    output: Output
    chunk_shape: tuple[int, ...]
    """Of the stored array."""
    chunk_rows: int
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    prefix: str = ""
    documents: dict[str, str] = field(default_factory=dict)
    """The digests of the arrays of a group."""

    @classmethod
    @contextmanager
    def created(
        cls,
        dataset: Dataset,
        out: str | os.PathLike[str],
        *,
        row_shape: tuple[int, ...],
        dtype: np.dtype[Any],
        overwrite: bool,
        options: Mapping[str, Any] | None = None,
        axes: Axes = (("output", None),),
    ) -> Iterator[Self]:
        """A new array or group at a local path or a URL, locked against other writers to the end of the block.

        axes: the names of the dimensions of a row, and the labels along them, None for numbers.

        Raises ConfigurationError where its chunks cannot be the dataset's, or would replace them, OutputInUseError
        where another writer is at work.
        """
        refuse_own_input("predict_to", dataset, out)
        chunk_rows = regular_rows(dataset)
        grid = dataset.grid if dataset.grid is not None and dataset.grid.says_something else None
        cells = (chunk_rows,) if grid is None else _cells(grid, chunk_rows)
        sizes = dataset.shape[:1] if grid is None else grid.sizes
        stored = dtype.newbyteorder("<")
        axes = tuple((_new_name(name, grid), labels) for name, labels in axes[: len(row_shape)])
        draft = ArrayDraft(
            shape=(*sizes, *row_shape),
            chunks=(*cells, *row_shape),
            dtype=stored,
            dimension_names=(*(("row",) if grid is None else grid.dims), *(name for name, _ in axes)),
            compression="none",
            attributes={} if grid is None else _attributes(grid),
        )
        output = open_output(out, options, overwrite=overwrite)
        made = cls(output, (*cells, *row_shape), chunk_rows, row_shape, stored)
        try:
            if grid is None:
                begin(output, json.loads(draft.document))
                yield made
            else:
                yield made._in_group(draft.document, grid, axes)
        finally:
            output.release()

    def _in_group(self, document: bytes, grid: Grid, axes: Axes) -> Self:
        """The writer of an array in a group, beside its coordinates."""
        beside = [*(each.name for each in grid.coordinates), *(name for name, given in axes if given is not None)]
        begin(self.output, EMPTY_GROUP, beside=beside)
        self.output.set(f"{VARIABLE}/{ROOT}", document)
        documents = {each.name: write_coordinate(self.output, each) for each in grid.coordinates}
        for name, given in axes:
            if given is not None:
                documents[name] = self._labelled(name, np.array(given))
        documents = {VARIABLE: document, **documents}
        digests = {name: hashlib.sha256(found).hexdigest() for name, found in documents.items()}
        return type(self)(
            self.output, self.chunk_shape, self.chunk_rows, self.row_shape, self.dtype, f"{VARIABLE}/", digests
        )

    def _labelled(self, name: str, labels: Array) -> bytes:
        return write_values(self.output, name, (name,), labels.shape, labels.dtype, {}, lambda a, b: labels[a:b])

    def write(self, start: int, rows: Array) -> None:
        """Write the rows of one chunk, in one step; writing them again changes nothing, also at the same time.

        A late worker may come here after another output has taken this one's place: then it writes nothing.
        """
        root_of(self.output)
        chunk = np.ascontiguousarray(rows, self.dtype)
        if len(rows) < self.chunk_rows:
            chunk = np.zeros((self.chunk_rows, *self.row_shape), self.dtype)
            chunk[: len(rows)] = rows
        body = chunk.reshape(-1).view(np.uint8)
        crc = crc32c(body).to_bytes(4, "little")
        place = (start // self.chunk_rows, *(0 for _ in self.chunk_shape[1:]))
        self.output.set_once(f"{self.prefix}c/{'/'.join(map(str, place))}", body.data, crc)

    def commit(self, *, fingerprint: str) -> None:
        """Bring the rows to disk and mark the array as complete."""
        marker = {"dataset": fingerprint, **({"arrays": self.documents} if self.documents else {})}
        self.output.seal(sealed(root_of(self.output), marker))


def _cells(grid: Grid, chunk_rows: int) -> tuple[int, ...]:
    """The shape of a chunk: some steps along the first dimension, and all of the others."""
    inner = int(np.prod(grid.sizes[1:], dtype=np.int64))
    return (chunk_rows // max(1, inner), *grid.sizes[1:])


def _attributes(grid: Grid) -> dict[str, Any]:
    """That of a dataset's part, and the coordinates that are no dimension's, as CF has it."""
    others = " ".join(each.name for each in grid.coordinates if each.name not in grid.dims)
    return {KEY: {"part_of": "dataset"}, **({"coordinates": others} if others else {})}


def _new_name(name: str, grid: Grid | None) -> str:
    """The name of a dimension that the rows do not have."""
    while grid is not None and (name in grid.dims or any(each.name == name for each in grid.coordinates)):
        name += "_"
    return name


def regular_rows(dataset: Dataset) -> int:
    """The rows of each chunk. Raises ConfigurationError where they differ."""
    lengths = np.diff(dataset.bounds)
    if len(lengths) > 1 and (lengths[:-1] != lengths[0]).any():
        raise ConfigurationError(
            "`predict_to` writes one zarr chunk for each chunk of X, and these are irregular; rechunk X evenly, or "
            "use `predict`, which returns an array"
        )
    return int(lengths[0])
