"""Parquet files, a directory of them, as one table."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dgd.data.design.columns import Table
from dgd.data.design.stacked_tables import stacked_tables
from dgd.data.tables.files import table_files
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.tables.temporary import parsed_from

with needing_pyarrow():
    from dgd.data.tables.parquet_files.footers import footer_of
    from dgd.data.tables.parquet_files.parquet_columns import ParquetColumns
    from dgd.data.tables.partitions import partition_numbers


def parquet_table(paths: Sequence[str]) -> Table:
    """The rows of Parquet files, one file after the other; a directory stands for the files in it."""
    files = table_files([os.path.abspath(os.path.expanduser(path)) for path in paths])
    numbers = partition_numbers([file.partition for file in files])
    parts = [
        ParquetColumns(
            file.path,
            footer_of(file.path).digest,
            tuple((name, text, name in numbers) for name, text in file.partition),
            file.source,
        )
        for file in files
    ]
    source = parsed_from(paths[0])
    return stacked_tables(parts, source if len(paths) == 1 else f"{source} and {len(paths) - 1:,} more")
