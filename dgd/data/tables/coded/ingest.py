"""Writes files with text or times as a dataset of their columns: a pass for the levels, and one that writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dgd._typing import Array
from dgd.data.design.columns import Codes, Column, Frame, Level, missing_cells
from dgd.data.design.columns import Table as TypedTable
from dgd.data.design.stacked_tables import StackedTable
from dgd.data.tables.batches import MissingCells
from dgd.data.tables.coded.choosing import typed_table
from dgd.data.tables.coded.id_blocks import IdBlocks
from dgd.data.tables.coded.looking import frames, kept_columns, whole_rows
from dgd.data.tables.columns import Selection, Table
from dgd.data.tables.files import TableFile
from dgd.data.tables.refusals import nothing_left, refused_cell
from dgd.data.tables.text.dialect import Dialect
from dgd.data.zarr.array_writer import CHUNK_BYTES
from dgd.data.zarr.table.kept_column import KeptColumn
from dgd.data.zarr.table.writer import TableWriter
from dgd.errors import ConfigurationError, ValueRangeError

USUAL_BYTES = 4 * CHUNK_BYTES
"""Of a chunk of all columns as float64, which is what a text file is parsed to."""
LEAST_ROWS = 1024
LONGEST = 4
"""A file's own row groups are the chunks up to so many times the usual rows."""


class CodedRows(NamedTuple):
    """What was written: rows, those that were left out, and the number of levels by column."""

    rows: int
    left_out: int
    levels: dict[str, int]


def ingest_columns(
    files: Sequence[TableFile],
    tables: Sequence[Table],
    out: str | os.PathLike[str],
    selection: Selection,
    cells: MissingCells,
    *,
    dialect: Dialect | None,
    dtype: str,
    whole_ids: dict[str, bool],
    chunk_rows: int | None,
    compression: str | None,
    overwrite: bool,
    redo: str | None,
    progress: Callable[[int, int], None] | None,
) -> CodedRows:
    """Write the selected columns as what a fit takes them for. Raises IngestError for a cell that cannot be."""
    if dtype != "float64":
        raise ConfigurationError(
            f"dtype {dtype} is that of a matrix X, and {tables[0].path} has columns of text or times: each column is "
            f"written as it is; leave it out"
        )
    table = typed_table(files, selection, dialect)
    names = selection.used
    kept = kept_columns(table, names, drops=cells.policy == "drop")
    roles = {"y": selection.target, "weight": selection.weight, "offset": selection.offset}
    ids = IdBlocks(tables, selection, whole_ids)
    left_out = 0
    total = sum(each.size for each in tables)
    with TableWriter(
        out,
        kept,
        features=selection.features,
        roles={role: name for role, name in roles.items() if name is not None},
        chunk_rows=chunk_rows or usual_rows(table),
        compression=compression,
        overwrite=overwrite,
        redo=redo,
    ) as writer:
        for frame in frames(table, names):
            beside = ids.take(len(frame))
            whole = _checked(frame, tables, _starts(table), selection, cells)
            columns = {column.name: stored(frame.columns[column.name], column) for column in kept}
            if whole is not None:
                left_out += int((~whole).sum())
                columns = {name: values[whole] for name, values in columns.items()}
                beside = {name: values[whole] for name, values in beside.items()}
            if len(columns[names[0]]):
                writer.append_columns(columns, beside)
            if progress is not None:
                progress(writer.rows, total * (frame.start + len(frame)) // int(table.bounds[-1]))
        if writer.rows == 0:
            raise nothing_left(tables[0].path, cells.counts)
        rows = writer.rows
    return CodedRows(rows, left_out, {each.name: len(each.levels) for each in kept if each.levels is not None})


def usual_rows(table: TypedTable) -> int:
    """The rows of a chunk: those of the files' row groups, so that a fit sums the same, unless they are too many."""
    usual = max(LEAST_ROWS, USUAL_BYTES // (8 * max(1, len(table.kinds))))
    longest = int(np.diff(table.bounds).max(initial=0))
    return longest if LEAST_ROWS <= longest <= LONGEST * usual else usual


def stored(column: Column, kept: KeptColumn) -> Array:
    """A column's rows as they are written."""
    if not isinstance(column, Codes):
        return column.astype(kept.dtype, copy=False)
    place: dict[Level, int] = {level: k for k, level in enumerate(kept.levels or ())}
    # Levels of rows that are left out have no code, and no row that is written has them.
    turned = np.array([*(place.get(level, -1) for level in column.levels), -1], kept.stored_dtype)
    return turned[column.codes]


def _starts(table: TypedTable) -> list[int]:
    """The first row of each file."""
    return table.starts[:-1].tolist() if isinstance(table, StackedTable) else [0]


def _checked(
    frame: Frame, tables: Sequence[Table], starts: Sequence[int], selection: Selection, cells: MissingCells
) -> NDArray[np.bool_] | None:
    """Which rows are written, None for all. Raises IngestError for the topmost cell that cannot be."""
    faults: list[tuple[int, str, Any]] = []
    columns = frame.columns
    for name in selection.used:
        values = columns[name]
        missing = missing_cells(values)
        if missing.any():
            if cells.policy == "error":
                faults.append((int(missing.argmax()), name, "missing"))
            cells.counts[name] += int(missing.sum())
        if isinstance(values, np.ndarray) and values.dtype.kind == "f" and (infinite := np.isinf(values)).any():
            faults.append((int(infinite.argmax()), name, "infinite"))
        if name == selection.weight and isinstance(values, np.ndarray) and (values < 0).any():
            faults.append((int((values < 0).argmax()), name, "negative"))
    if faults:
        row, name, fault = min(faults)
        number = frame.start + row
        k = max(k for k, start in enumerate(starts) if start <= number)
        if fault == "negative":
            raise ValueRangeError(
                f"{tables[k].path}: row {number - starts[k] + 1} of column {name!r} is {columns[name][row]}, expected "
                f"0 or more; correct the weights, or drop the row",
                array="weight",
                row=number,
            )
        cell = tables[k].cell(number - starts[k] + 1, name)
        raise refused_cell(tables[k], selection, name, cell, fault)
    return whole_rows({name: columns[name] for name in selection.used}, len(frame)) if cells.policy == "drop" else None
