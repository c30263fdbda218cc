"""The names of a table's columns, without reading a row: Parquet files, and frames in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from dgd.data.tables.files import parquet_paths, table_files


@dataclass(frozen=True)
class ColumnNames:
    """What a table's columns are called, an index of pandas or Dask left out, and what errors call the table."""

    names: tuple[str, ...]
    source: str


def column_names(data: Any) -> ColumnNames | None:
    """The columns of a table whose columns have names; None for anything else."""
    paths = parquet_paths(data)
    if paths is not None:
        from dgd.data.tables.parquet_files.footers import footer_of
        from dgd.data.tables.parquet_files.parquet import index_columns

        file = table_files([os.path.abspath(os.path.expanduser(paths[0]))])[0]
        schema = footer_of(file.path).schema
        index = index_columns(schema)
        own = [name for name in schema.names if name not in index]
        return ColumnNames((*own, *(name for name, _ in file.partition if name not in schema.names)), file.source)
    names = frame_names(data)
    return None if names is None else ColumnNames(names, "the table")


def frame_names(data: Any) -> tuple[str, ...] | None:
    """The columns of a frame of pandas, polars or Dask, or of an Arrow table, if all names are strings."""
    if not hasattr(data, "__dataframe__") and not hasattr(data, "divisions") and not hasattr(data, "column_names"):
        return None
    found = list(getattr(data, "column_names", getattr(data, "columns", ())))
    return tuple(map(str, found)) if found and all(isinstance(name, str) for name in found) else None


def frame_columns(data: Any, names: tuple[str, ...]) -> Any:
    """Some columns of such a frame, in that order."""
    return data.select(list(names)) if hasattr(data, "column_names") else data[list(names)]
