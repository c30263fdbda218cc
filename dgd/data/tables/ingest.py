"""Tables in files to a dataset of dgd: CSV and Parquet, streamed by pyarrow (the extra `ingest`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from dgd.data.reading import is_url
from dgd.data.tables.ahead import ahead
from dgd.data.tables.brought import local_file
from dgd.data.tables.files import is_table, table_files
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.text.dialect import Dialect
from dgd.data.zarr.array_writer import usual_chunk_rows
from dgd.data.zarr.commit_marker import redo_of_unfinished
from dgd.data.zarr.dataset_writer import DatasetWriter
from dgd.data.zarr.folders import local_folder
from dgd.errors import ConfigurationError
from dgd.errors.checks import checked_word

with needing_pyarrow():
    from dgd.data.tables.batches import Block, MissingCells, Policy, blocks
    from dgd.data.tables.coded.choosing import coded_columns
    from dgd.data.tables.coded.ingest import ingest_columns
    from dgd.data.tables.columns import Selection, Table, Wanted, choose_columns
    from dgd.data.tables.opening import opened_tables
    from dgd.data.tables.refusals import check_columns, nothing_left
    from dgd.data.tables.restart import Noted, Restart

__all__ = ["Ingested", "ingest"]

BLOCKS_AHEAD = 2
"""Blocks that are read and checked while one is written."""


@dataclass(frozen=True)
class Ingested:
    """What an ingest wrote: the dataset at `path`, from which columns of which files, in how long."""

    path: str
    rows: int
    features: tuple[str, ...]
    target: str | None
    weight: str | None
    files: tuple[str, ...]
    seconds: float
    left_out: tuple[str, ...] = ()  # columns that hold an index of pandas or Dask
    rows_left_out: int = 0  # rows with a missing cell, if such are left out
    missing: dict[str, int] = field(default_factory=dict)  # missing cells by column
    read_as: dict[str, str] = field(default_factory=dict)  # how CSV files that are not as usual were read
    offset: str | None = None
    ids: tuple[str, ...] = ()
    files_kept: int = 0  # files whose rows an interrupted ingest had written
    levels: dict[str, int] = field(default_factory=dict)  # levels of the columns that are written as codes


def ingest(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    target: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    weight: str | None = None,
    offset: str | None = None,
    ids: Sequence[str] = (),
    missing: str = "error",
    dialect: Dialect | None = None,
    dtype: str = "float64",
    chunk_rows: int | None = None,
    compression: str | None = None,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    redo: str | None = None,
) -> Ingested:
    """Write the rows of CSV and Parquet files, one after the other, as one dataset at `out`.

    A file may be behind a URL, which fsspec opens with the `storage_options`, and "-" is standard input, of CSV: both
    are brought into a temporary file first. A directory stands for the tables in it, in the order of their paths,
    without those whose names begin with "_" or "."; a folder named `year=2020` gives its rows a column `year`. An index
    that pandas or Dask wrote into Parquet beside the columns is a feature only if it is named in `features`.

    `target` becomes y, `weight` the weights, `offset` the offsets and `features` X, in this order; rows to predict need
    no target. Without `features` all the other columns but those in `drop` become X, in the order of the first file.
    Columns are found by name, so files may order them differently. Other columns are not read. The weights and offsets
    are used by fits unless they are told otherwise, and are known there by their columns' names as well.

    `ids` are columns that are carried beside the rows, for predictions: whole numbers of a Parquet file that lacks none
    of them as int64, all else as the text that stands in the file, "" for a missing cell.

    Where all columns are numbers or booleans (0 and 1) X is a matrix. Where a feature or the target is text, a
    category or a time, each column is an array of its own, texts as codes with their levels (a million at most, found
    in a pass before), and opening the dataset gives the columns again: fits, predictions and scores are those of the
    files, designs included. An infinite value in a used column raises IngestError, which names file, column and row; so
    does a missing cell, unless `missing` is "drop" (its row is left out, and counted) or "keep" (it stays missing, for
    `fit(missing="drop")`). `dtype` is that of X, "float64" or "float32"; y and the weights are float64. Rounded are
    integers beyond 2**53 and decimals of more than 15 digits.
    WriteError: the disk is full, or the system forbids to write there.

    CSV: separator, decimal mark, quotes, encoding, comments, header and spellings of missing cells are guessed from
    the first mebibyte of each file unless `dialect` gives them; what is not as usual is in `Ingested.read_as`. Rows
    of up to 1 MiB; .gz, .bz2, .zst, .xz and .zip are read as they are. A column is boolean if all of its first mebibyte
    of rows is true or false.

    Memory, however long the files: for CSV about 40 blocks of 1 MiB, which is how far pyarrow reads ahead
    (the process grows by 100 to 150 MiB, its allocators' reserves included); for Parquet five batches of
    up to 8 MiB, and a page and a dictionary per used column (mostly 1 MiB each); and the writer's chunk of rows. With
    text or times: a row group of the used columns, twice, and the levels; CSV is parsed into a temporary file first.

    Every file's columns are checked before anything is written. If an error comes later the dataset stays
    marked as interrupted, and opening it is refused with a quotation of `redo`, such as the command that
    repeats the ingest. Where an ingest with the same `redo` was interrupted, this one takes its place,
    and does not read again the files that it had finished, unless they were changed.

    `progress(rows, bytes_read)` is called after each block with the rows written and the bytes of the files
    read so far: as they are on disk, compressed for .gz and its like, and up to 32 MiB of text ahead of the rows.
    """
    started = time.perf_counter()
    paths, float_dtype = _checked_arguments(files, out, {"features": features, "drop": drop, "ids": ids}, dtype)
    cells = MissingCells(cast(Policy, checked_word("ingest(missing", missing, ["error", "drop", "keep"])))
    found = table_files([local_file(path, storage_options) for path in paths])
    tables = opened_tables(found, dialect)
    selection = choose_columns(tables[0], Wanted(target, features, tuple(drop), weight, offset, tuple(ids)))
    coded = coded_columns(tables, selection)
    for table in tables:
        check_columns(table, selection, first=tables[0], coded=coded)
    whole = {name: all(table.whole_numbers(name) for table in tables) for name in selection.ids}
    again = overwrite or _is_repeated(out, redo)
    before, levels = None, dict[str, int]()
    if coded:
        rows, rows_left_out, levels = ingest_columns(
            found,
            tables,
            out,
            selection,
            cells,
            dialect=dialect,
            dtype=dtype,
            whole_ids=whole,
            chunk_rows=chunk_rows,
            compression=compression,
            overwrite=again,
            redo=redo,
            progress=progress,
        )
    else:
        rows_together = chunk_rows or usual_chunk_rows(len(selection.features), float_dtype)
        repeated = redo is not None and not is_url(out)
        before = Restart.of(local_folder(out), redo, selection, rows_together, tables) if repeated else None
        with DatasetWriter(
            out,
            chunk_rows=chunk_rows,
            dtype=dtype,
            feature_names=selection.features,
            target_name=target,
            weight_name=weight,
            offset_name=offset,
            compression=compression,
            missing="keep" if missing == "keep" else "error",
            overwrite=again,
            redo=redo,
        ) as writer:
            rows, rows_left_out = _append_all(
                writer, tables, selection, float_dtype, cells, whole, rows_together, progress, before
            )
        if before is not None:
            before.remove()
    return Ingested(
        os.fspath(out),
        rows,
        selection.features,
        target,
        weight,
        tuple(table.path for table in tables),
        time.perf_counter() - started,
        _left_out(tables, selection),
        rows_left_out,
        dict(cells.counts),
        {table.path: table.read_as for table in tables if table.read_as},
        offset,
        selection.ids,
        0 if before is None else before.files,
        levels,
    )


def _checked_arguments(
    files: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    names: dict[str, Sequence[str] | None],
    dtype: str,
) -> tuple[list[str], np.dtype[np.floating[Any]]]:
    """The paths and the dtype; raises ConfigurationError for what can be told without opening a file."""
    if isinstance(files, str | os.PathLike):
        raise ConfigurationError(f"`ingest(files=...)` must be a list of paths, got {os.fspath(files)!r}")
    for argument, given in names.items():
        if isinstance(given, str):
            raise ConfigurationError(f"`ingest({argument}=...)` must be a list of column names, got {given!r}")
    if not files:
        raise ConfigurationError("`ingest(files=...)` is empty: name at least one CSV or Parquet file")
    if dtype not in ("float32", "float64"):
        raise ConfigurationError(f"`ingest(dtype=...)` must be 'float32' or 'float64', got {dtype!r}")
    if is_table(os.fspath(out)):
        raise ConfigurationError(
            f"the dataset to write would be {os.fspath(out)!r}, which is named like a table: "
            f"the last path is the output, for example OUT.zarr"
        )
    return [os.fspath(path) for path in files], np.dtype(dtype)


def _is_repeated(out: str | os.PathLike[str], redo: str | None) -> bool:
    """Whether `out` is what the same command began and did not end."""
    return redo is not None and redo_of_unfinished(local_folder(out)) == redo


def _left_out(tables: Sequence[Table], selection: Selection) -> tuple[str, ...]:
    """The index columns that are not used, each once, where features were not named."""
    if not selection.from_file:
        return ()
    index = [column.name for table in tables for column in table.columns if column.index]
    return tuple(name for name in dict.fromkeys(index) if name not in selection.used)


def _append_all(
    writer: DatasetWriter,
    tables: Sequence[Table],
    selection: Selection,
    dtype: np.dtype[np.floating[Any]],
    missing: MissingCells,
    whole_ids: dict[str, bool],
    chunk_rows: int,
    progress: Callable[[int, int], None] | None,
    before: Restart | None,
) -> tuple[int, int]:
    """Append every row of every table that is to be written; returns their number, and that of the others."""
    noted = Noted.of(writer, tables, before)
    rows, left_out = (0, 0) if before is None else before.append_to(writer, missing)

    def found() -> Iterator[tuple[int, Block | dict[str, int]]]:
        first = 0 if before is None else before.files
        bytes_before = sum(table.size for table in tables[:first])
        for table in tables[first:]:
            for block in blocks(table, selection, dtype, missing, whole_ids, chunk_rows):
                yield bytes_before + block.bytes_read, block
            bytes_before += table.size
            yield bytes_before, dict(missing.counts)

    for bytes_read, block in ahead(found(), BLOCKS_AHEAD):
        if isinstance(block, dict):
            noted.finished(rows, left_out, block)
            continue
        if len(block.X):
            writer.append_finite(block.X, block.y, block.weight, block.offset, block.ids)
        rows += len(block.X)
        left_out += block.left_out
        if progress is not None:
            progress(rows, bytes_read)
    if rows == 0:
        raise nothing_left(tables[0].path, missing.counts)
    noted.forget()
    return rows, left_out
