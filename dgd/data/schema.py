"""Whether arrays fit together, and the errors where they do not."""

from __future__ import annotations

from dgd.data.mixed import Cells
from dgd.data.rows import Rows
from dgd.errors import SchemaError


def not_as_declared(rows: Rows, found: Cells | None, index: int, start: int, stop: int) -> SchemaError:
    """The error for rows that were read in another shape."""
    return SchemaError(
        f"array {rows.name!r}, chunk {index}: rows {start} to {stop - 1} were read as shape "
        f"{getattr(found, 'shape', None)}, expected {(stop - start, *rows.shape[1:])}; the array's chunks are not what "
        f"it declares",
        array=rows.name,
        chunk=index,
        rows=(start, stop),
    )


def check_matrix(X: Rows) -> None:
    """Refuse what is not rows × features; but for a stored X, there may be no features: an intercept alone."""
    if len(X.shape) != 2:
        raise SchemaError(
            f"array {X.name!r} has shape {X.shape}, expected 2 dimensions (rows × features); "
            f"reshape a single feature with `.reshape(-1, 1)`",
            array=X.name,
        )
    stored_without_columns = X.shape[1] == 0 and getattr(X, "is_stored", False)
    if X.shape[0] == 0 or stored_without_columns:
        raise SchemaError(
            f"array {X.name!r} has shape {X.shape}: there are no {'rows' if X.shape[0] == 0 else 'columns'} to fit",
            array=X.name,
        )


def check_names(names: tuple[str, ...] | None, X: Rows) -> None:
    """Raise SchemaError unless the names of features are different strings, one for each column."""
    if names is None:
        return
    if type(names) is not tuple or not all(type(n) is str for n in names) or len(set(names)) < len(names):
        raise SchemaError(
            f"the feature names must be a tuple of different strings, got {str(names)[:80]}", array=X.name
        )
    if len(names) != X.shape[1]:
        raise SchemaError(
            f"{X.name} has {X.shape[1]} columns, but there are {len(names)} feature names; give one name for each "
            f"column",
            array=X.name,
        )


def check_column(column: Rows, X: Rows, dimensions: tuple[int, ...]) -> None:
    """Refuse a column that does not fit beside X."""
    if len(column.shape) not in dimensions or 0 in column.shape[1:]:
        expected = " or ".join(f"{d} dimension{'s' * (d > 1)}" for d in dimensions)
        raise SchemaError(
            f"array {column.name!r} has shape {column.shape}, expected {expected} of {X.shape[0]} rows; "
            f"pass one column (`.ravel()` or `[:, 0]`)",
            array=column.name,
        )
    if column.shape[0] != X.shape[0]:
        turned = column.shape[0] == X.shape[1]
        raise SchemaError(
            f"array {column.name!r} has {column.shape[0]} rows and {X.name!r} has {X.shape[0]}; "
            f"they must be the same rows"
            + (f"; {X.name!r} has {X.shape[1]} columns: if it is feature × row, read it transposed" if turned else ""),
            array=column.name,
        )
