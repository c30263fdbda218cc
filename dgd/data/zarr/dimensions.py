"""The names of dimensions: which axis of X is its rows, and what its columns are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dgd.data.reading import RAW
from dgd.data.zarr.text_rows import TextRows
from dgd.data.zarr.zarr_rows import ZarrRows
from dgd.errors import SchemaError

Column = ZarrRows | TextRows
ANONYMOUS = "phony_dim"
"""What netCDF's readers call a dimension that has no name."""


def row_dimension(columns: Sequence[Column]) -> tuple[str, str] | None:
    """The name of the rows, and of the first of the targets, weights and offsets that has one."""
    for column in columns:
        name = column.dimension if isinstance(column, TextRows) else (column.format.dimension_names or (None,))[0]
        if name is not None and not name.startswith(ANONYMOUS):
            return name, column.name
    return None


def oriented(X: ZarrRows, columns: Sequence[Column]) -> ZarrRows:
    """X with the rows that the columns name as its first axis: transposed where they are its second.

    Raises SchemaError where neither axis is called so.
    """
    names, found = X.format.dimension_names, row_dimension(columns)
    if found is None or names is None or len(names) != 2:
        return X
    rows, column = found
    if names[0] == rows or any(name is None or name.startswith(ANONYMOUS) for name in names):
        return X
    if names[1] == rows:
        return replace(X, format=X.format.transposed)
    raise SchemaError(
        f"array {X.name!r} has the dimensions {names[0]!r} and {names[1]!r}, and the rows of {column!r} are {rows!r}: "
        f"they are not the same rows; rename a dimension, or read arrays without their names ({RAW})",
        array=X.name,
    )


def check_same_rows(columns: Sequence[Column]) -> None:
    """Refuse targets, weights and offsets whose rows have different names."""
    found = row_dimension(columns)
    for column in columns:
        other = row_dimension([column])
        if found is not None and other is not None and other[0] != found[0]:
            raise SchemaError(
                f"the rows of array {found[1]!r} are {found[0]!r} and those of {column.name!r} are {other[0]!r}: they "
                f"are not the same rows; rename a dimension, or read arrays without their names ({RAW})",
                array=column.name,
            )
