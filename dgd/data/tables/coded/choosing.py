"""Which columns of files are kept as codes or times, and what each column is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dgd.data.design.columns import Table as TypedTable
from dgd.data.tables.columns import Selection, Table
from dgd.data.tables.files import TableFile, is_parquet
from dgd.data.tables.parquet_files.as_parquet import as_parquet
from dgd.data.tables.parquet_files.parquet_table import parquet_table
from dgd.data.tables.text.dialect import Dialect
from dgd.errors import IngestError

KEPT_TYPES = ("timestamp", "date32", "date64", "dictionary")
"""Types of Parquet that are kept besides numbers, booleans and texts."""
DIGITS = re.compile(r"\s*[+-]?[0-9][0-9.,' ]*")
"""A number in whatever marks."""
LOOKED_AT = 1000
"""Cells of a text file."""


def coded_columns(tables: Sequence[Table], selection: Selection) -> frozenset[str]:
    """The features and the target that hold text, times or categories, in every file.

    Without those of a text file half of whose cells or more are numbers, which an ingest refuses.
    """
    found = {name for name in (*selection.features, selection.target) if name is not None}
    refused: set[str] = set()
    for table in tables:
        others = {column.name for column in table.columns if column.kind != "other" or not _is_kept(column.holds)}
        found -= others
        refused |= _mostly_numbers(table, found)
    return frozenset(found - refused)


def _mostly_numbers(table: Table, names: set[str]) -> set[str]:
    """The columns of a text file half of whose cells or more are numbers: the others are likely slips, no levels."""
    dialect = table.dialect
    if dialect is None or not names:
        return set()
    found = set()
    for column, cells in zip(table.columns, next(table.cells(), []), strict=False):
        if column.name in names and cells is not None:
            texts = [
                text for text in cells.slice(0, LOOKED_AT).to_pylist() if text not in (None, *dialect.missing_cells)
            ]
            numbers = sum(dialect.is_number(text) or DIGITS.fullmatch(text) is not None for text in texts)
            if texts and 2 * numbers >= len(texts):
                found.add(column.name)
    return found


def _is_kept(holds: str) -> bool:
    return holds == "text" or holds.removeprefix("values of type ").startswith(KEPT_TYPES)


def typed_table(files: Sequence[TableFile], selection: Selection, dialect: Dialect | None) -> TypedTable:
    """The files as one table whose columns are what a fit takes them for; text files are parsed once.

    Raises IngestError for columns that can be none, all of them at once.
    """
    found = parquet_table([file.path if is_parquet(file.path) else as_parquet(file, dialect) for file in files])
    bad = [name for name in selection.used if found.kinds[name].name == "other"]
    if bad:
        whats = ", ".join(f"{name!r} ({found.kinds[name].what})" for name in bad[:8])
        raise IngestError(
            f"{files[0].path}: {whats} cannot be used: no numbers, times, text or categories in "
            f"every file; correct them{selection.hint(*bad)}",
            file=files[0].path,
            column=bad[0],
        )
    return found
