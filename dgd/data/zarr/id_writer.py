"""Writes the ids of rows beside a dataset's X: the arrays id/0, id/1, … of whole numbers or texts.

The commit marker's `ids` holds their names, in this order. Texts are zarr's `string`, in chunks of the rows of X.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.zarr.array_writer import Column
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.outputs import ROOT, Output
from dgd.errors import SchemaError

GROUP = "id"
"""The group in which they lie."""


class IdColumns:
    """The ids of a dataset being written."""

    name = GROUP

    def __init__(self, output: Output, ids: Mapping[str, Array], *, chunk_rows: int, compression: str) -> None:
        document = {"zarr_format": 3, "node_type": "group", "attributes": {KEY: {"part_of": "dataset"}}}
        self.document = json.dumps(document, indent=2).encode()
        """The group's metadata document as this process has written it."""
        output.set(f"{GROUP}/{ROOT}", self.document)
        self._columns = [
            Column(
                output,
                f"{GROUP}/{k}",
                width=None,
                dtype=values.dtype,
                chunk_rows=chunk_rows,
                compression=compression,
            )
            for k, values in enumerate(ids.values())
        ]
        self.names = list(ids)
        self.parts = {column.name: column for column in self._columns}
        """The arrays, by their paths in the dataset."""

    def append(self, ids: Mapping[str, Array]) -> None:
        """Add the ids of some rows, which were checked."""
        for name, column in zip(self.names, self._columns, strict=True):
            column.append(ids[name])

    def keep(self) -> None:
        """Write the rows that wait for their chunk to be full."""
        for column in self._columns:
            column.keep()

    def finish(self) -> None:
        """Write what is left."""
        for column in self._columns:
            column.finish()

    def dtype_of(self, name: str) -> np.dtype[Any]:
        """That of an id."""
        return self._columns[self.names.index(name)].dtype


def checked_ids(ids: Mapping[str, Any] | None, rows: int, known: IdColumns | None, *, first: bool) -> dict[str, Array]:
    """The ids of a block, as int64 or objects that are texts.

    known: the ids of the blocks before. Raises SchemaError for those that do not fit.
    """
    found = {name: _plain(name, values) for name, values in (ids or {}).items()}
    names: Sequence[str] = list(found) if first else [] if known is None else known.names
    if list(found) != list(names):
        raise SchemaError(
            f"this block has the ids {', '.join(found) or 'none'}, the first had {', '.join(names) or 'none'}"
        )
    for name, values in found.items():
        if values.shape != (rows,):
            raise SchemaError(f"id {name!r} has shape {values.shape}, expected ({rows},)", array=name)
        if known is not None and values.dtype != known.dtype_of(name):
            raise SchemaError(
                f"id {name!r} holds {_held(values)}, and {'texts' if values.dtype == np.int64 else 'whole numbers'} in "
                f"the first block; give the same in every call",
                array=name,
            )
    return found


def _held(values: Array) -> str:
    return "whole numbers" if values.dtype == np.int64 else "texts"


def _plain(name: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.dtype.kind in "iu" and array.dtype != np.uint64:
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "U" or (array.dtype.kind == "O" and all(isinstance(each, str) for each in array.ravel())):
        return array.astype(object, copy=False)
    raise SchemaError(f"id {name!r} has dtype {array.dtype}, expected whole numbers or texts", array=name)
