"""One column of Parquet files as a vector: a key to split by, or the groups of a score. No other column is read."""

from __future__ import annotations

import os
from collections.abc import Sequence

from dgd.data.rows import Rows
from dgd.data.tables.files import table_files
from dgd.data.tables.needing_pyarrow import needing_pyarrow
from dgd.data.transforms.stacked_rows import StackedRows
from dgd.errors import SchemaError

with needing_pyarrow():
    from dgd.data.tables.columns import kind_of
    from dgd.data.tables.no_column import no_column
    from dgd.data.tables.parquet_files.footers import footer_of
    from dgd.data.tables.parquet_files.parquet_rows import ParquetRows
    from dgd.data.tables.partitions import partition_numbers, partition_value


def parquet_column(paths: Sequence[str], role: str, name: str) -> Rows:
    """The numbers or texts of a column, of one file after the other.

    Raises ConfigurationError for a name that no column has, SchemaError for values that are neither.
    """
    files = table_files([os.path.abspath(os.path.expanduser(path)) for path in paths])
    numbers = partition_numbers([file.partition for file in files])
    parts: list[Rows] = []
    for file in files:
        footer = footer_of(file.path)
        texts = {key: text for key, text in file.partition if key not in footer.schema.names}
        there = [*footer.schema.names, *texts]
        if there.count(name) != 1:
            raise no_column(file.path, role, name, there)
        held = "text" if name in texts else kind_of(footer.schema.field(name).type)[1]
        if name in texts and name not in numbers:
            raise SchemaError(
                f"{file.path}: column {name!r} stands in its folder's name as a text, expected a column of the file, "
                f"or a number, for {role}",
                array=name,
            )
        if held not in ("numbers", "booleans", "text") and not held.startswith("values of type dictionary<"):
            raise SchemaError(
                f"{file.path}: column {name!r} holds {held}, expected numbers or texts for {role}", array=name
            )
        constants = tuple((key, partition_value(text)) for key, text in texts.items() if key == name)
        parts.append(ParquetRows(name, file.path, footer.digest, (name,), constants, is_vector=True))
    return parts[0] if len(parts) == 1 else StackedRows(tuple(parts))
