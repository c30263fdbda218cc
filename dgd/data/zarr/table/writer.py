"""Writes a table by its columns, under the commit marker of a dataset: the arrays columns/…, and no X."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgd._typing import Array
from dgd.data.zarr.array_writer import Column
from dgd.data.zarr.commit_marker import KEY
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.data.zarr.id_writer import IdColumns, checked_ids
from dgd.data.zarr.outputs import ROOT, Output
from dgd.data.zarr.table.kept_column import GROUP, LEVELS, KeptColumn, levels_array


class TableWriter(DatasetWriter):
    """Writes the rows of a table, a block at a time, as `DatasetWriter` does; texts come as codes of known levels.

    columns: what is written. features, roles: the columns of X, and of y, weight and offset.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[KeptColumn],
        *,
        features: Sequence[str],
        roles: Mapping[str, str],
        chunk_rows: int,
        compression: str | None,
        overwrite: bool,
        redo: str | None,
    ) -> None:
        super().__init__(
            path,
            chunk_rows=chunk_rows,
            feature_names=features,
            target_name=roles.get("y"),
            weight_name=roles.get("weight"),
            offset_name=roles.get("offset"),
            compression=compression,
            overwrite=overwrite,
            redo=redo,
        )
        self._kept = tuple(columns)
        self._rows_together = chunk_rows
        self._columns[GROUP] = _Columns(self._output, self._kept, chunk_rows, self._compression)

    def append_columns(self, columns: Mapping[str, Array], ids: Mapping[str, Any] | None = None) -> None:
        """Add rows: an array of each column, which was checked, codes of categories; and ids."""
        self._refuse_if_ended()
        rows = len(next(iter(columns.values())))
        carried = checked_ids(ids, rows, self._ids, first=self.rows == 0)
        self._ended = "a block could not be written"
        if self.rows == 0 and carried:
            self._ids = IdColumns(self._output, carried, chunk_rows=self._rows_together, compression=self._compression)
        self._columns[GROUP].append(columns)
        if self._ids is not None:
            self._ids.append(carried)
        self.rows += rows
        self._ended = None

    def _said(self) -> dict[str, Any]:
        told = {role: name for role, name in self._told.items() if name is not None}
        return {**told, "columns": [column.as_json() for column in self._kept]}


class _Columns:
    """The arrays of the columns, and those of their levels, in a group."""

    name = GROUP

    def __init__(self, output: Output, columns: Sequence[KeptColumn], chunk_rows: int, compression: str) -> None:
        document = {"zarr_format": 3, "node_type": "group", "attributes": {KEY: {"part_of": "dataset"}}}
        self.document = json.dumps(document, indent=2).encode()
        """The group's metadata document as this process has written it."""
        output.set(f"{GROUP}/{ROOT}", self.document)
        self._arrays = {
            column.name: Column(
                output,
                f"{GROUP}/{column.array}",
                width=None,
                dtype=column.stored_dtype,
                chunk_rows=chunk_rows,
                compression=compression,
                attributes=column.attributes,
            )
            for column in columns
        }
        levels = [_levels(output, column, compression) for column in columns if column.levels]
        self._all = [*self._arrays.values(), *levels]
        self.parts = {array.name: array for array in self._all}
        """The arrays, by their paths in the dataset."""

    def append(self, columns: Mapping[str, Array]) -> None:
        """Add some rows."""
        for name, array in self._arrays.items():
            values = columns[name]
            array.append(values.view(np.int64) if values.dtype.kind == "M" else values)

    def keep(self) -> None:
        """Write the rows that wait for their chunk to be full."""
        for array in self._all:
            array.keep()

    def finish(self) -> None:
        """Write what is left."""
        for array in self._all:
            array.finish()


def _levels(output: Output, column: KeptColumn, compression: str) -> Column:
    values = levels_array(column.levels or ())
    found = Column(
        output,
        f"{GROUP}/{column.array}{LEVELS}",
        width=None,
        dtype=values.dtype,
        chunk_rows=len(values),
        compression=compression,
        dimension_names=(f"{column.array}_level",),
    )
    found.append(values)
    return found
