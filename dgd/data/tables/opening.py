"""Files as tables, by their names."""

from __future__ import annotations

from collections.abc import Sequence

from dgd.data.tables.columns import Table
from dgd.data.tables.files import TableFile, is_parquet
from dgd.data.tables.parquet_files.parquet import open_parquet_table
from dgd.data.tables.partitions import with_partitions
from dgd.data.tables.text.csv import open_csv_table
from dgd.data.tables.text.dialect import Dialect


def opened_tables(files: Sequence[TableFile], dialect: Dialect | None) -> list[Table]:
    """The tables in files, with the columns that stand in their folders' names."""
    tables: list[Table] = [
        open_parquet_table(file.path) if is_parquet(file.path) else open_csv_table(file.path, dialect) for file in files
    ]
    return with_partitions(tables, [file.partition for file in files])
